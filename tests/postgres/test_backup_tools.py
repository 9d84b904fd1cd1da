"""Which of PostgreSQL's programs a backup takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from openbell.postgres.backup import _version


@pytest.mark.parametrize(
    ("says", "major"),
    [("echo 'pg_dump (PostgreSQL) 17.2 (Debian 17.2-1)'", 17), ("echo 'pg_dump (PostgreSQL) 18beta1'", 18),
     ("echo something else", 0), ("exit 1", 0)],
)  # fmt: skip
def test_a_program_is_asked_for_its_version(tmp_path: Path, says: str, major: int) -> None:
    """A pg_dump counts by what it says it is, wherever it lies; one that does not tell is not taken."""
    program = tmp_path / "pg_dump"
    program.write_text(f"#!/bin/sh\n{says}\n")
    program.chmod(0o755)
    assert _version(program) == major


def test_a_program_that_is_not_there_has_no_version(tmp_path: Path) -> None:
    """A name on the path that cannot be started is passed over, and breaks nothing."""
    assert _version(tmp_path / "pg_dump") == 0
