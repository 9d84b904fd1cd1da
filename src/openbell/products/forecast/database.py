"""The statements of this folder."""

from openbell.postgres.queries import Queries

SQL = Queries("openbell.products.forecast")
