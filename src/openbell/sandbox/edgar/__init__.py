"""Filings of the sandbox's companies: all invented, in the forms of SEC's EDGAR.

filings makes them (pure), documents gives them words; simulator answers.
"""

from openbell.sandbox.edgar.simulator import Edgar

__all__ = ["Edgar"]
