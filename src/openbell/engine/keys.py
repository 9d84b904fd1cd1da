"""Keys of artifacts: canonical strings, so that the same wish always meets the same row."""

from __future__ import annotations

import re
from typing import ClassVar, Self


class Key(str):
    """A canonical key. A subclass says what its keys look like; :meth:`parse` makes one from what people type."""

    __slots__ = ()

    pattern: ClassVar[re.Pattern[str]] = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,200}")
    shape: ClassVar[str] = "1 to 200 printable characters"

    @classmethod
    def canonical(cls, text: str) -> str:
        """The canonical spelling of ``text``; it is checked afterwards."""
        return text.strip()

    @classmethod
    def parse(cls, text: str) -> Self:
        """The key that ``text`` stands for. Raises ``ValueError`` with the reason."""
        canonical = cls.canonical(text)
        if not cls.pattern.fullmatch(canonical):
            raise ValueError(f"it must be {cls.shape}")
        return cls(canonical)


class Global(Key):
    """The one key of a product that exists once, such as the treasury rates."""

    __slots__ = ()

    pattern = re.compile("GLOBAL")
    shape = "the word GLOBAL"

    @classmethod
    def canonical(cls, text: str) -> str:
        """Upper case, so that ``global`` is accepted too."""
        return text.strip().upper()
