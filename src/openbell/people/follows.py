"""Which tickers somebody follows: one list a person, at most three for subscribers."""

from __future__ import annotations

from openbell.engine.database import Db
from openbell.people.database import SQL
from openbell.people.errors import FollowRefused
from openbell.people.person import Person, made

MOST_FOLLOWED = 3


async def follow(db: Db, person: Person, ticker: str) -> bool:
    """Follow one more ticker, a canonical symbol; False when they do already. Admins may follow any number.

    Raises :class:`FollowRefused` `limit_reached`.
    """
    word = await db.fetchval(SQL.get("add_follow"), person.id, ticker, None if person.is_admin else MOST_FOLLOWED)
    if word == "full":
        raise FollowRefused(
            f"You follow {MOST_FOLLOWED} tickers, which is as many as there can be: remove one first.", "limit_reached"
        )
    return bool(word == "added")


async def unfollow(db: Db, person_id: int, ticker: str) -> bool:
    """No longer follow a ticker; False when they did not."""
    return await db.fetchval(SQL.get("drop_follow"), person_id, ticker) is not None


async def tickers_of(db: Db, person_id: int) -> list[str]:
    """What somebody follows, in the order of the alphabet."""
    return [row["ticker"] for row in await db.fetch(SQL.get("list_follows"), person_id)]


async def followers(db: Db, ticker: str) -> list[Person]:
    """Who is to get the digest of a ticker as things are now: active, following it, and subscribed to digests."""
    return [one for row in await db.fetch(SQL.get("list_followers"), ticker) if (one := made(row))]


async def followed(db: Db) -> list[str]:
    """Every ticker that somebody who is to get digests follows now."""
    return [row["ticker"] for row in await db.fetch(SQL.get("list_followed"))]
