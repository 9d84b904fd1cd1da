"""Everything that can go wrong on the ground floor.

PostgresError
├── DatabaseUnreachable      no server answers under this address (also a ConnectionError)
├── UnknownQuery             no such .sql file
├── EmbeddedError
│   ├── FolderInUse          another process runs the database of this folder
│   ├── FolderNotWritable    the folder cannot be made or written
│   └── ServerFailed         PostgreSQL did not start; carries the end of its log
└── MigrationError
    ├── MigrationInvalid     a file breaks the naming or header rules
    ├── MigrationChanged     a file was edited after it was applied
    ├── MigrationUnknown     the database was migrated by newer code
    ├── MigrationFailed      the server refused a statement of a file
    └── MigrationBlocked     a lock stayed taken through all retries

Every message says what happened, to what, and what to do next; none contains a password.
"""

from __future__ import annotations

from pathlib import Path


class PostgresError(Exception):
    """Base of all errors of this floor."""


class DatabaseUnreachable(PostgresError, ConnectionError):
    """No server answers; `where` is host, port and database without user or password."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(
            f"No database answers at {where}: {reason}. Check DATABASE_URL and that the server is running."
        )
        self.where = where
        self.reason = reason


class UnknownQuery(PostgresError):
    """A statement was asked for that no `.sql` file holds."""

    def __init__(self, package: str, name: str, known: list[str]) -> None:
        names = ", ".join(known) or "none"
        super().__init__(f"{package} has no query {name!r}. Its queries are: {names}.")
        self.package = package
        self.name = name


class EmbeddedError(PostgresError):
    """Base of the errors of the embedded server; `folder` is the data folder."""

    def __init__(self, folder: Path, sentence: str) -> None:
        super().__init__(sentence)
        self.folder = folder


class FolderInUse(EmbeddedError):
    """Another live process owns the folder; `pid` is that process, None when it has not said so yet."""

    def __init__(self, folder: Path, pid: int | None) -> None:
        owner = f"process {pid}" if pid else "another process"
        super().__init__(
            folder,
            f"The data folder {folder} is in use by {owner}. Stop that process first, "
            "or choose another folder with --data.",
        )
        self.pid = pid


class FolderNotWritable(EmbeddedError):
    """The folder cannot be created, entered or written."""

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(
            folder,
            f"The data folder {folder} cannot be written: {reason}. Make it writable for this user, "
            "or choose another folder with --data.",
        )
        self.reason = reason


class ServerFailed(EmbeddedError):
    """PostgreSQL could not be prepared or started; `log_tail` holds the last lines it wrote."""

    def __init__(self, folder: Path, reason: str, log_tail: str = "") -> None:
        tail = f"\n{log_tail}" if log_tail else ""
        super().__init__(folder, f"The embedded PostgreSQL in {folder} did not start: {reason}.{tail}")
        self.reason = reason
        self.log_tail = log_tail


class MigrationError(PostgresError):
    """Base of the errors of the migration runner; `name` is the file's name."""

    def __init__(self, name: str, sentence: str) -> None:
        super().__init__(sentence)
        self.name = name


class MigrationInvalid(MigrationError):
    """A migration file breaks the rules of naming or of its header."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, f"Migration {name} is not valid: {reason}.")


class MigrationChanged(MigrationError):
    """An applied file no longer has the checksum it was applied with."""

    def __init__(self, name: str) -> None:
        super().__init__(
            name,
            f"Migration {name} was changed after it was applied to this database: another version of Openbell made it. "
            "Run that version, or begin with a new data folder or database; synthetic data is made anew. "
            "Whoever has edited the file restores it, and puts the change into a new migration.",
        )


class MigrationUnknown(MigrationError):
    """The database has migrations that this code does not know."""

    def __init__(self, names: list[str]) -> None:
        verb = "is" if len(names) == 1 else "are"
        super().__init__(
            names[0],
            f"This database was migrated by newer code: {', '.join(names)} {verb} unknown here. "
            "Run the newer version of openbell against it.",
        )
        self.names = names


class MigrationFailed(MigrationError):
    """The server refused a statement; a file in a transaction left nothing behind. `line` is None when not known."""

    def __init__(self, name: str, reason: str, line: int | None) -> None:
        place = f" at line {line}" if line else ""
        super().__init__(
            name, f"Migration {name} failed{place}: {reason}. Mend the file or the data, and run it again."
        )
        self.reason = reason
        self.line = line


class MigrationBlocked(MigrationError):
    """A lock that the migration needs stayed taken through all retries; nothing of the file was applied."""

    def __init__(self, name: str, attempts: int) -> None:
        super().__init__(
            name,
            f"Migration {name} could not get its locks in {attempts} attempts, because other sessions hold them. "
            "Nothing of it was applied; run `openbell migrate` again when the long transactions have ended.",
        )
        self.attempts = attempts


class BackfillUnfinished(MigrationError):
    """A contract file would remove what a backfill still reads."""

    def __init__(self, name: str, backfills: list[str]) -> None:
        super().__init__(
            name,
            f"Migration {name} waits: {', '.join(backfills)} still moves data. Nothing of it was applied. Let a worker "
            "of this version run, look at `openbell migrate status`, and run `openbell migrate --contract` again.",
        )
        self.backfills = backfills


class OlderCodeRuns(MigrationError):
    """A contract file would remove what running processes of older code may use."""

    def __init__(self, name: str, processes: list[str]) -> None:
        told = ", ".join(processes[:5]) + (f" and {len(processes) - 5} more" if len(processes) > 5 else "")
        super().__init__(
            name,
            f"Migration {name} waits: older code runs ({told}). Nothing of it was applied. Replace these processes by "
            "this version, or stop them; one that was killed is forgotten after 90 seconds. Then run "
            "`openbell migrate --contract` again.",
        )
        self.processes = processes
