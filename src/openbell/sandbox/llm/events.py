"""Server-sent events."""

from __future__ import annotations

import json
from typing import Any

MEDIA_TYPE = "text/event-stream; charset=utf-8"


def event(data: Any, name: str | None = None) -> bytes:
    """One event; `data` as JSON unless it is a text already."""
    text = data if isinstance(data, str) else json.dumps(data, separators=(",", ":"))
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {text}\n\n".encode()


def pieces(text: str, size: int = 40) -> list[str]:
    """The text in parts, as a model streams it; at least one."""
    return [text[start : start + size] for start in range(0, len(text), size)] or [""]
