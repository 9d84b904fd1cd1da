"""Perplexity's Agent API: runs in the foreground, in the background and in batches, with the cost in every answer.

Protocol: Perplexity's API reference of November 2026 and the types of its SDK 0.46.1.
"""

from openbell.sandbox.perplexity.simulator import Perplexity

__all__ = ["Perplexity"]
