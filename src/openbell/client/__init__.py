"""Openbell from another program, over its HTTP API: ``from openbell import Client, BlockingClient``.

A building of its own: it imports nothing of the engine, and needs no database and no key.
"""

from openbell.client.blocking import BlockingClient
from openbell.client.client import Client, Key
from openbell.client.errors import (
    ApiError,
    ClientError,
    InvalidKey,
    InvalidRequest,
    Missing,
    NoFrame,
    NotOpenbell,
    Unavailable,
    UnknownProduct,
    Unreachable,
)
from openbell.client.results import Artifact, Column, Cost, Costs, Explanation, Gate, Product, Table, Wanted

__all__ = [
    "ApiError",
    "Artifact",
    "BlockingClient",
    "Client",
    "ClientError",
    "Column",
    "Cost",
    "Costs",
    "Explanation",
    "Gate",
    "InvalidKey",
    "InvalidRequest",
    "Key",
    "Missing",
    "NoFrame",
    "NotOpenbell",
    "Product",
    "Table",
    "Unavailable",
    "UnknownProduct",
    "Unreachable",
    "Wanted",
]
