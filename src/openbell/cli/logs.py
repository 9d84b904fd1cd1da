"""Log lines of the services: one line an event, on stderr: time, level, logger, message."""

from __future__ import annotations

import logging
import sys
import time


class LineFormatter(logging.Formatter):
    """`2026-08-04T10:42:05.123Z INFO openbell.worker Message`; a traceback follows, indented."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: D102, N802 (the name is the standard library's)
        message = record.message.replace("\n", "\\n").replace("\r", "\\r")
        return f"{record.asctime} {record.levelname} {record.name} {message}"

    def usesTime(self) -> bool:  # noqa: D102, N802
        return True

    def formatException(self, ei: object) -> str:  # noqa: D102, N802
        return "    " + super().formatException(ei).replace("\n", "\n    ")  # type: ignore[arg-type]


def start(level: str) -> None:
    """Log to stderr from `level` on. HTTP clients stay quiet: their lines would carry addresses with keys in them."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for noisy in ("httpx", "httpcore", "asyncio", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
