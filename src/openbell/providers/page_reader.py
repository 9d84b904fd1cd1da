"""Takes pages apart, one after the other, for :mod:`openbell.providers.pages`, as a process of its own.

On stdin four bytes with the length of a page, and the page in UTF-8; on stdout the same of its text. It ends with its
stdin.
"""

from __future__ import annotations

import resource
import signal
import sys
from typing import BinaryIO

MOST_MEMORY = 2 * 1024**3


def main() -> None:
    """Serve until stdin ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever has begun it ends it
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    come, go = sys.stdin.buffer, sys.stdout.buffer
    while len(head := come.read(4)) == 4:
        page = come.read(int.from_bytes(head, "big"))
        _say(go, article_of(page.decode("utf-8", "replace")))


def article_of(html: str) -> str:
    """The text of the article in a page; empty where there is none."""
    import trafilatura  # noqa: PLC0415 (takes half a second)

    try:
        found = trafilatura.extract(
            html, output_format="txt", include_comments=False, include_tables=True, favor_precision=True
        )
    except Exception:  # noqa: BLE001 (whatever a page makes a parser raise, it is a page without an article)
        return ""
    return found or ""


def _say(go: BinaryIO, text: str) -> None:
    packed = text.encode("utf-8", "replace")
    go.write(len(packed).to_bytes(4, "big") + packed)
    go.flush()


if __name__ == "__main__":
    main()
