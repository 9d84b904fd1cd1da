"""Anthropic: messages in JSON and as a stream, counted tokens, batches.

Protocol: Anthropic's API reference of November 2026 and the types of its SDK 2.12.0.
"""

from openbell.sandbox.anthropic.simulator import Anthropic

__all__ = ["Anthropic"]
