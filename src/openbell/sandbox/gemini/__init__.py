"""Gemini, in the form of OpenAI's chat: one path, errors of Google's own form.

Protocol: the page on OpenAI compatibility, and the errors of google.rpc: a list with one object, a status in words,
a reason in its details; a bad key is a 400, and how long to wait stands in the body alone.
"""

from openbell.sandbox.gemini.simulator import Gemini

__all__ = ["Gemini"]
