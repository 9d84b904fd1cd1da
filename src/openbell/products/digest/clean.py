"""Text of a page as it is kept: without what surrounds an article, with every figure and form name (DG-10). Pure.

Only whole lines are removed, and only those that say nothing but what every page says: nothing is cut out of a
sentence, so that no number, `10-K` or `BRK.B` can get lost with it.
"""

from __future__ import annotations

import re
import unicodedata

LONGEST = 60_000
"""Characters that are kept of a text."""
SHORTEST = 200
"""What is shorter is no article: a notice, a wall, or nothing at all."""
LONGEST_NOTICE = 160

_NOTICES = re.compile(
    r"^\W*(?:advertisement|sponsored(?: content)?|story continues(?: below)?|read more|read next|continue reading|"
    r"sign up for|subscribe to|subscribe now|already a subscriber|log in to|sign in to|create a free account|"
    r"share this article|click here|follow us on|all rights reserved|cookie settings|we use cookies|accept all cookies|"
    r"enable javascript|your browser|you have read your free)\b",
    re.IGNORECASE,
)
_WALL = re.compile(
    r"\b(subscribe to (?:continue|read)|subscribers? only|to continue reading|already a subscriber|"
    r"this (?:article|story) is for subscribers|create an account to read|remaining (?:free )?articles)\b",
    re.IGNORECASE,
)


def clean(text: str) -> str:
    """The text in composed characters and single blanks, paragraph by paragraph, without notices and repeated lines."""
    lines = []
    seen: set[str] = set()
    for raw in unicodedata.normalize("NFC", text).splitlines():
        line = " ".join("".join(c if c.isprintable() else " " for c in raw).split())
        if not line or (len(line) <= LONGEST_NOTICE and _NOTICES.match(line)):
            continue
        key = line.casefold()
        if key in seen:
            continue
        seen.add(key)
        lines.append(line)
    return "\n".join(lines)[:LONGEST].rstrip()


def is_walled(page: str) -> bool:
    """Whether a page says that the rest of it is for subscribers."""
    return _WALL.search(page) is not None
