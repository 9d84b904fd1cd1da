"""The statements of this package."""

from __future__ import annotations

from openbell.postgres.queries import Queries

SQL = Queries("openbell.products.picks")
