"""Texts of articles and filings, stored once by the hash of what they say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from openbell.engine.database import Db
from openbell.products.digest.database import SQL
from openbell.products.digest.inputs import hash_of


async def keep_text(db: Db, text: str) -> str:
    """Store a text, if it is not there yet; its reference."""
    ref = hash_of(text)
    await db.execute(SQL.get("keep_text"), ref, text)
    return ref


async def read_texts(db: Db, refs: Iterable[str | None]) -> Mapping[str, str]:
    """The texts behind some references; one that has been cleaned up since is missing."""
    rows = await db.fetch(SQL.get("read_texts"), sorted({ref for ref in refs if ref is not None}))
    return {row["ref"]: row["body"] for row in rows}
