"""Everything about one person: told to them, or erased."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from openbell.engine.database import Db
from openbell.people.consents import consents_of
from openbell.people.credits import read_credits
from openbell.people.database import SQL, transaction
from openbell.people.doors import list_tokens
from openbell.people.errors import UnknownPerson
from openbell.people.follows import tickers_of
from openbell.people.person import Person

UNCONFIRMED = timedelta(days=14)
"""How long somebody is remembered who has not answered from their address."""
MOST_PRUNED = 200
PRUNER = "people-prune"


async def export(db: Db, person: Person) -> dict[str, Any]:
    """All that is kept about somebody, as JSON; of secrets only that there are some."""
    purse = await read_credits(db, person)
    return {
        "person": person.as_json(),
        "consents": [one.as_json() for one in await consents_of(db, person.id)],
        "tickers": await tickers_of(db, person.id),
        "credits": purse.as_json(),
        "tokens": [one.as_json() for one in await list_tokens(db, person.id)],
        "sessions": await _rows(db, "export_sessions", person.id),
        "links": await _rows(db, "export_links", person.id),
        "mails": await _rows(db, "export_mails", person.id),
        "requests": await _rows(db, "export_requests", person.id),
        "picks_profile": await _rows(db, "export_picks_profile", person.id),
        "picks_requests": await _rows(db, "export_picks_requests", person.id),
        "picks": await _rows(db, "export_picks", person.id),
        "series": await _rows(db, "export_series", person.id),
        "comparisons": await _rows(db, "export_comparisons", person.id),
        "notes": await _rows(db, "export_notes", person.id),
        "calls": await _rows(db, "export_calls", str(person.id)),
        "changes": await _rows(db, "export_changes", person.subject),
    }


async def _rows(db: Db, query: str, *arguments: Any) -> list[Mapping[str, Any]]:
    return [
        {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
        for row in await db.fetch(SQL.get(query), *arguments)
    ]


async def erase(db: Db, person_id: int, *, actor: str) -> None:
    """Forget somebody: address, name, tickers, sessions, tokens, and what mails to them said. What money and the audit
    log need stays, under a number that names nobody. Raises :class:`UnknownPerson`.
    """
    async with transaction(db) as conn:
        if await conn.fetchval(SQL.get("lock_person"), person_id) is None:
            raise UnknownPerson(f"with the id {person_id}")
        for query in ("erase_follows", "erase_sessions", "erase_links", "erase_tokens", "lock_letters", "erase_mails"):
            await conn.execute(SQL.get(query), person_id)
        await conn.execute(SQL.get("erase_person"), person_id, actor)


async def prune_people(db: Db) -> int:
    """Erase those who signed up, or were added, and never answered from their address; how many, some at a time.

    Whoever asks again meanwhile gets a new link and begins anew; blocked people stay, for that is what blocks them.
    """
    async with transaction(db) as conn:
        rows = await conn.fetch(SQL.get("lock_unconfirmed"), UNCONFIRMED, MOST_PRUNED)
        for row in rows:
            await erase(conn, row["id"], actor=PRUNER)
    return len(rows)


async def follows_of(db: Db, people: list[int]) -> dict[int, list[str]]:
    """What each of these people follows."""
    found: dict[int, list[str]] = {}
    for row in await db.fetch(SQL.get("list_all_follows"), people):
        found.setdefault(row["person_id"], []).append(row["ticker"])
    return found
