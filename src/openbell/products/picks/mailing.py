"""An edition by mail, for those who ask for it. It is queued under the edition's name, so that nobody gets it twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from openbell.engine.database import Db
from openbell.mail import Letter, queue_all, render
from openbell.people import admins
from openbell.people.person import made
from openbell.products.picks.content import Backing, Made, Stored
from openbell.products.picks.database import SQL
from openbell.products.picks.editions import EditionKey
from openbell.products.picks.figures import MEANINGS, NAMES
from openbell.products.picks.plain import percent, signed
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
    picks = [pick.model_dump() | figures(stored.backing.get(pick.ticker, [])) for pick in content.picks]
    named = {one.name for pick in content.picks for one in stored.backing.get(pick.ticker, [])}
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
        meanings=[(NAMES[name], words) for name, words in MEANINGS.items() if name in named],
        analysis=content.market_analysis,
        citations=stored.citations,
    )


def figures(backing: Sequence[Backing]) -> dict[str, Any]:
    """A pick's figures as they are written: with the day of each, or with one for all where it is the same."""
    days = {f"{one.as_of:%-d %b %Y}" if one.as_of else "" for one in backing if one.value is not None}
    same = days.pop() if len(days) == 1 else ""
    return {"when": same, "figures": [figure(one, told=same != "") for one in backing]}


def figure(one: Backing, *, told: bool) -> dict[str, str]:
    """A figure as it is written, and its day unless that is ``told``; what is a change has its sign."""
    return {
        "name": NAMES[one.name],
        "value": signed(one.value) if one.name == "momentum" else percent(one.value),
        "when": f"{one.as_of:%-d %b %Y}" if one.as_of and one.value is not None and not told else "",
    }


def made_by(how: Made) -> str:
    """The AI mark."""
    if how.model is None:
        return "No model wrote this: it is made of stored figures alone."
    return (
        f"Written by artificial intelligence ({how.model}); the figures beside the picks are computed from stored data."
    )
