"""The keys of market products."""

from __future__ import annotations

import re

from openbell.engine.keys import Key


class Symbol(Key):
    """A ticker symbol, in upper case: ``AAPL``, ``BRK-B``, ``VOD.L``."""

    __slots__ = ()

    pattern = re.compile(r"[A-Z0-9][A-Z0-9.\-]{0,14}")
    shape = "1 to 15 letters, digits, dots or hyphens, such as AAPL or BRK-B"

    @classmethod
    def canonical(cls, text: str) -> str:
        """Upper case, without blanks around it. Letters beyond ASCII stay as they are, and are refused."""
        return text.strip().upper() if text.isascii() else text


class Query(Key):
    """What somebody types into a search: lower case, single blanks."""

    __slots__ = ()

    pattern = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,40}")
    shape = "1 to 40 characters"

    @classmethod
    def canonical(cls, text: str) -> str:
        """Lower case with single blanks."""
        return " ".join(text.lower().split())
