"""Perplexity's Agent API (docs.perplexity.ai/docs/agent-api): research that takes minutes and costs cents to dollars.

* ``requests``  what is asked, and what to hold for it
* ``answers``   what comes back: runs, and refusals by what is to be done about them
* ``client``    the calls, and :meth:`Perplexity.research`, which makes a run survive the worker that asked for it
"""

from openbell.providers.perplexity.answers import Run, Source
from openbell.providers.perplexity.client import Batch, BatchHandle, Handle, Perplexity, limits, open_http
from openbell.providers.perplexity.requests import Ask, estimate

__all__ = ["Ask", "Batch", "BatchHandle", "Handle", "Perplexity", "Run", "Source", "estimate", "limits", "open_http"]
