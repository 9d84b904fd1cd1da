"""An edition by mail, for those who ask for it. It is queued under the edition's name, so that nobody gets it twice."""

from __future__ import annotations

from openbell.engine.database import Db
from openbell.mail import Letter, queue_all, render
from openbell.people import admins, find_person
from openbell.products.picks.content import Backing, Stored
from openbell.products.picks.database import SQL
from openbell.products.picks.editions import EditionKey
from openbell.products.picks.plain import percent
from openbell.products.picks.store import current_week

FIRST_VERSION = 1
"""An edition is written once, so that it has no other."""


async def mail_edition(db: Db, key: EditionKey) -> int:
    """Queue the mails of an edition, whose recipients are judged again when each is sent; how many."""
    row = await db.fetchrow(SQL.get("read_edition"), key)
    found = await db.fetch(SQL.get("list_readers"), key.week, key.person_id)
    if row is None or not found:
        return 0
    people = [person for one in found if (person := await find_person(db, one["id"])) is not None]
    letter = letter_of(key, Stored.model_validate(row["content"]))
    artifact = ("picks-edition", str(key), FIRST_VERSION)
    return len(await queue_all(db, kind="picks", recipients=people, letter=letter, artifact=artifact))


async def alert_failures(db: Db) -> int:
    """Tell those who run this instance which editions of the week have failed: once a kind of failure and week."""
    week, told = await current_week(db), 0
    for row in await db.fetch(SQL.get("count_failed"), week):
        letter = render(
            "alert",
            subject=f"Weekly picks: {row['count']} editions have failed: {row['code']}",
            headline=f"{row['count']} editions of the week of {week:%-d %B %Y} have failed",
            lines=[f"{row['code']}: {row['message']}", "openbell picks list --status error shows them."],
            address="",
        )
        ref = f"picks {week} {row['code']}"
        told += len(await queue_all(db, kind="alert", recipients=await admins(db), letter=letter, ref=ref))
    return told


def letter_of(key: EditionKey, stored: Stored) -> Letter:
    """The mail of an edition."""
    content = stored.content
    label = "Made for your profile." if key.person_id is not None else "The same edition for everybody."
    if stored.synthetic:
        label += " Synthetic data, not for investment use."
    picks = [
        pick.model_dump() | {"figures": [words(one) for one in stored.backing.get(pick.ticker, [])]}
        for pick in content.picks
    ]
    return render(
        "picks",
        subject=f"Weekly picks, week of {key.week:%-d %B %Y}",
        package="openbell.products.picks",
        listed=True,
        why="You get this because you asked for weekly picks by mail.",
        week=f"{key.week:%-d %B %Y}",
        label=label,
        tickers=[pick.ticker for pick in content.picks],
        picks=picks,
        analysis=content.market_analysis,
        citations=stored.citations,
    )


def words(one: Backing) -> str:
    """A figure in words, with its date."""
    when = f" as of {one.as_of:%-d %b %Y}" if one.as_of else ""
    return f"{one.name.capitalize()} {percent(one.value)}{when}."
