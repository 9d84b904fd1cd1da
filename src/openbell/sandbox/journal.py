"""A file of JSON lines that is only ever appended to, so that what was promised survives a restart of the sandbox."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Line = dict[str, Any]


class StateUnreadable(Exception):
    """A state file is not one of ours."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(f"{path} does not hold {what}: remove it to start afresh")
        self.path = path


class Journal:
    """Lines in the order of their writing. Without a path nothing is kept.

    A process that is killed loses at most the line it was writing: an unfinished last line is cut off at the next
    start.
    """

    def __init__(self, path: Path | None, what: str) -> None:
        self._path = path
        self._what = what
        self._file = -1
        self.bytes = 0

    def load(self) -> list[Line]:
        """Every line so far; from here on `append` works. Raises StateUnreadable."""
        if self._path is None:
            return []
        self._path.parent.mkdir(parents=True, exist_ok=True)
        content = self._path.read_bytes() if self._path.exists() else b""
        whole = content[: content.rfind(b"\n") + 1]
        try:
            lines = [json.loads(line) for line in whole.splitlines()]
        except ValueError as broken:
            raise StateUnreadable(self._path, self._what) from broken
        if not all(isinstance(line, dict) for line in lines) or (content and not whole):
            raise StateUnreadable(self._path, self._what)
        self._open()
        os.truncate(self._file, len(whole))
        self.bytes = len(whole)
        return lines

    def append(self, line: Line) -> None:
        """Write one line; it has left this process when the call returns."""
        if self._file >= 0:
            self.bytes += os.write(self._file, json.dumps(line, separators=(",", ":")).encode() + b"\n")

    def rewrite(self, lines: Iterable[Line]) -> None:
        """Replace all lines at once."""
        if self._path is None or self._file < 0:
            return
        fresh = self._path.with_suffix(self._path.suffix + ".new")
        with fresh.open("w") as file:
            file.writelines(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
        fresh.replace(self._path)
        self.close()
        self._open()
        self.bytes = self._path.stat().st_size

    def close(self) -> None:
        """Let go of the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _open(self) -> None:
        assert self._path is not None
        self._file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)


class Store:
    """Records by kind and id that outlive the process: runs, uploaded files, batches, mails. Values are JSON."""

    def __init__(self, path: Path | None, what: str) -> None:
        self._journal = Journal(path, what)
        self._records: dict[tuple[str, str], Any] = {}
        for line in self._journal.load():
            self._records[line["kind"], line["id"]] = line["value"]

    def put(self, kind: str, identifier: str, value: Any) -> None:
        """Keep a record, instead of the one with the same kind and id if there is one."""
        self._records[kind, identifier] = value
        self._journal.append({"kind": kind, "id": identifier, "value": value})

    def get(self, kind: str, identifier: str) -> Any:
        """The record, or None."""
        return self._records.get((kind, identifier))

    def all(self, kind: str) -> list[Any]:
        """Every record of a kind, in the order in which they were first kept."""
        return [value for (its_kind, _), value in self._records.items() if its_kind == kind]

    def close(self) -> None:
        """Let go of the file."""
        self._journal.close()
