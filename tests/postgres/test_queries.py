"""Statements come from `.sql` files."""

from __future__ import annotations

import pytest

from openbell.postgres.errors import UnknownQuery
from openbell.postgres.queries import Queries


def test_reads_a_statement_of_a_package() -> None:
    """A name is a file in the folder `queries` of the package."""
    queries = Queries("openbell.postgres")
    assert "from openbell.migration" in queries.get("list_migrations")
    assert "list_migrations" in queries.names()


@pytest.mark.parametrize("name", ["no_such_query", "../migrate", "list_migrations.sql", ""])
def test_unknown_name(name: str) -> None:
    """The error names the package, the name and the names there are; a name cannot leave the folder."""
    with pytest.raises(UnknownQuery, match=r"openbell\.postgres has no query .* list_migrations"):
        Queries("openbell.postgres").get(name)


def test_package_without_queries() -> None:
    """A package without statements says so."""
    with pytest.raises(UnknownQuery, match="none"):
        Queries("openbell.web.static").get("anything")
