"""The mail that says that somebody is in."""

from __future__ import annotations

from openbell.engine.database import Db
from openbell.mail.deliveries import queue_all
from openbell.mail.letters import render
from openbell.people import Person, tickers_of


async def welcome(db: Db, person: Person) -> None:
    """Queue it for somebody who has just become active; once for each time that they did."""
    letter = render("welcome", subject="Welcome", tickers=await tickers_of(db, person.id))
    ref = f"welcome {person.state_at.isoformat()}"
    await queue_all(db, kind="welcome", recipients=[person], letter=letter, ref=ref)
