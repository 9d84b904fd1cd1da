"""Statements live in `.sql` files, one per file, in the folder `queries` of the package that uses them."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from openbell.postgres.errors import UnknownQuery


class Queries:
    """The statements of one package.

    `Queries("openbell.engine").get("claim_jobs")` reads `engine/queries/claim_jobs.sql`.
    """

    def __init__(self, package: str) -> None:
        self.package = package

    def get(self, name: str) -> str:
        """The text of one statement, read once per process. Raises UnknownQuery."""
        return _read(self.package, name)

    def names(self) -> list[str]:
        """The names of all statements of the package, sorted."""
        return _names(self.package)


@cache
def _read(package: str, name: str) -> str:
    resource = files(package).joinpath("queries").joinpath(f"{name}.sql")
    if not name.isidentifier() or not resource.is_file():
        raise UnknownQuery(package, name, _names(package))
    return resource.read_text(encoding="utf-8")


def _names(package: str) -> list[str]:
    folder = files(package).joinpath("queries")
    if not folder.is_dir():
        return []
    return sorted(entry.name.removesuffix(".sql") for entry in folder.iterdir() if entry.name.endswith(".sql"))
