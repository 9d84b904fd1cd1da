"""An edition by mail, for those who ask for it. It is queued under the edition's name, so that nobody gets it twice."""

from __future__ import annotations

from openbell.engine.database import Db
from openbell.mail import Letter, queue_all, render
from openbell.people import admins
from openbell.people.person import made
from openbell.products.picks.content import Backing, Made, Stored
from openbell.products.picks.database import SQL
from openbell.products.picks.editions import EditionKey
from openbell.products.picks.figures import NAMES
from openbell.products.picks.plain import percent
from openbell.products.picks.store import current_week

FIRST_VERSION = 1
"""An edition is written once, so that it has no other."""


async def mail_edition(db: Db, key: EditionKey) -> int:
    """Queue the mails of an edition, whose recipients are judged again when each is sent; how many."""
    row = await db.fetchrow(SQL.get("read_edition"), key)
    people = [
        person for one in await db.fetch(SQL.get("list_readers"), key.week, key.person_id) if (person := made(one))
    ]
    if row is None or not people:
        return 0
    letter = letter_of(key, Stored.model_validate(row["content"]), Made.model_validate(row["made"]))
    artifact = ("picks-edition", str(key), FIRST_VERSION)
    return len(await queue_all(db, kind="picks", recipients=people, letter=letter, artifact=artifact))


async def alert_failures(db: Db) -> int:
    """Tell those who run this instance which editions of the week have failed: once a kind of failure and week."""
    week, told = await current_week(db), 0
    for row in await db.fetch(SQL.get("count_failed"), week):
        failed = "1 edition has failed" if row["count"] == 1 else f"{row['count']:,} editions have failed"
        letter = render(
            "alert",
            subject=f"Weekly picks: {failed}: {row['code']}",
            headline=f"{failed} in the week of {week:%-d %B %Y}",
            lines=[f"{row['code']}: {row['message']}", "openbell picks list --status error shows them."],
            address="",
        )
        ref = f"picks {week} {row['code']}"
        told += len(await queue_all(db, kind="alert", recipients=await admins(db), letter=letter, ref=ref))
    return told


def letter_of(key: EditionKey, stored: Stored, how: Made) -> Letter:
    """The mail of an edition."""
    content = stored.content
    picks = [
        pick.model_dump() | {"figures": [figure(one) for one in stored.backing.get(pick.ticker, [])]}
        for pick in content.picks
    ]
    return render(
        "picks",
        subject=f"Weekly picks, week of {key.week:%-d %B %Y}",
        package="openbell.products.picks",
        listed=True,
        why="You get this because you are signed up for weekly picks.",
        week=f"{key.week:%-d %B %Y}",
        label="Made for your profile." if key.person_id is not None else "The same edition for everybody.",
        synthetic=stored.synthetic,
        made_by=made_by(how),
        address=f"/picks/week/{key.replace('|', '.')}",
        tickers=[pick.ticker for pick in content.picks],
        picks=picks,
        analysis=content.market_analysis,
        citations=stored.citations,
    )


def figure(one: Backing) -> dict[str, str]:
    """A figure as it is written, with its date."""
    return {
        "name": NAMES[one.name],
        "value": percent(one.value),
        "when": f"{one.as_of:%-d %b %Y}" if one.as_of else "",
    }


def made_by(how: Made) -> str:
    """The AI mark."""
    if how.model is None:
        return "No model wrote this: it is made of stored figures alone."
    return (
        f"Written by artificial intelligence ({how.model}); the figures beside the picks are computed from stored data."
    )
