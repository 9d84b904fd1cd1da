"""Log lines of the services, one line an event, on stderr: plain for people, JSON for programs.

Both carry the ids of what is being worked at: job, product, key, attempt, worker, spend (PF-36).
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from typing import Any

from openbell.telemetry.context import known

PAIR = re.compile(r"(?:^| )([a-z][a-z_]*)=(\S+)")
EVENT = re.compile(r"[a-z][a-z_]*(\.[a-z_]+)+(?= |$)")
NUMBERS = {"id", "job", "worker", "attempt", "spend"}


class LineFormatter(logging.Formatter):
    """`2026-08-04T10:42:05.123Z INFO openbell.worker Message job=7 attempt=1`; a traceback follows, indented."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: D102, N802 (the name is the standard library's)
        message = record.message
        ids = "".join(f" {name}={value}" for name, value in known().items() if f" {name}=" not in f" {message}")
        return f"{record.asctime} {record.levelname} {record.name} {_one_line(message + ids)}"

    def usesTime(self) -> bool:  # noqa: D102, N802
        return True

    def formatException(self, ei: object) -> str:  # noqa: D102, N802
        return "    " + super().formatException(ei).replace("\n", "\n    ")  # type: ignore[arg-type]


class JsonFormatter(LineFormatter):
    """One JSON object a line: time, level, logger, message, the event and its pairs, the ids, and an error as text."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        record.message = record.getMessage()
        told: dict[str, Any] = {
            "time": self.formatTime(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.message,
        }
        if found := EVENT.match(record.message):
            told["event"] = found[0]
            told |= {name: _value(name, value) for name, value in PAIR.findall(record.message) if name not in told}
        told |= known()
        if record.exc_info:
            told["error"] = logging.Formatter.formatException(self, record.exc_info)
        return json.dumps(told, ensure_ascii=False, default=str)


def _value(name: str, text: str) -> Any:
    return int(text) if name in NUMBERS and text.isdigit() else text


def _one_line(text: str) -> str:
    return text.replace("\n", "\\n").replace("\r", "\\r")


def in_one_line(record: logging.LogRecord) -> bool:
    """A pool that waits for its database says so every second: the type of the error will do, without a traceback."""
    if record.exc_info and record.exc_info[1] is not None:
        record.msg = f"{record.getMessage()} error={type(record.exc_info[1]).__name__}"
        record.args, record.exc_info, record.exc_text = None, None, None
    return True


def start(level: str, form: str = "plain") -> None:
    """Log to stderr from `level` on, `plain` or `json`.

    HTTP clients stay quiet: their lines would carry addresses with keys in them.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else LineFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("asyncpg.pool").addFilter(in_one_line)
    for noisy in ("httpx", "httpcore", "asyncio", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
