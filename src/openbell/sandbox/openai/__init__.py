"""OpenAI: chat completions, responses (also in the background), files and batches.

Protocol: OpenAI's API reference of November 2026 and the types of its SDK 3.54.0.
"""

from openbell.sandbox.openai.simulator import OpenAi

__all__ = ["OpenAi"]
