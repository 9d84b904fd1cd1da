"""The gate: whether one mail may leave now, judged by the rows as they are right before it does (DG-22, DG-23, DG-24).

:func:`judge` is pure and the whole policy; :func:`facts` reads what it judges in one statement.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from openbell.engine.database import Db
from openbell.mail.database import SQL
from openbell.mail.kinds import KINDS
from openbell.mail.letters import Letter, images_of
from openbell.mail.rules import Rules

Word = Literal["send", "later", "wait", "skipped", "expired", "ended"]
"""`wait`: not now, for a reason that is not the mail's; `ended`: the row is in no state to be sent from."""


@dataclass(frozen=True, slots=True)
class Facts:
    """A delivery and its recipient as they are now."""

    id: int
    kind: str
    artifact: str
    state: str
    list: str | None
    message_id: str
    send_at: datetime
    expires_at: datetime
    person_id: int | None
    person_state: str | None
    role: str | None
    recipient: str | None = field(repr=False)
    mail_token: str | None = field(repr=False)
    wants: bool
    follows: bool
    suppressed: bool
    stopped: bool
    environment: str | None
    now: datetime


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether it may leave, and why not."""

    word: Word
    note: str = ""


async def facts(db: Db, delivery_id: int) -> Facts | None:
    """What is to be judged; None when there is no such delivery."""
    row = await db.fetchrow(SQL.get("read_facts"), delivery_id)
    return None if row is None else Facts(**row)


async def letter_of(db: Db, delivery_id: int) -> Letter | None:
    """What it says."""
    row = await db.fetchrow(SQL.get("read_letter"), delivery_id)
    return None if row is None else Letter(row["subject"], row["html"], row["body"], images_of(row["images"]))


def judge(found: Facts, rules: Rules) -> Verdict:
    """Whether this mail may leave now under these rules. What is not known to be allowed is not."""
    if found.state != "ready":
        return Verdict("ended", f"it is {found.state}")
    if found.now >= found.expires_at:
        return Verdict("expired", "not sent in its time")
    if found.now < found.send_at:
        return Verdict("later", f"due at {found.send_at:%H:%M} UTC")
    if found.stopped:
        return Verdict("wait", "all mail is stopped")
    return _by_rules(found, rules) or _by_recipient(found, rules) or Verdict("send")


def _by_rules(found: Facts, rules: Rules) -> Verdict | None:
    if found.environment != rules.environment:
        stamp = found.environment or "nothing"
        return Verdict("wait", f"the database is stamped with {stamp} and this process runs as {rules.environment}")
    if not rules.sender_address:
        return Verdict("wait", "MAIL_FROM is not set")
    if rules.dry_run and not rules.dry_run_to:
        return Verdict("wait", "a dry run needs ADMIN_EMAIL, which is not set")
    if not rules.home and (found.list or KINDS[found.kind].link):
        return Verdict("wait", "PUBLIC_URL is not set, so its links would lead nowhere")
    return None


def _by_recipient(found: Facts, rules: Rules) -> Verdict | None:
    kind = KINDS[found.kind]
    if found.recipient is None:
        return Verdict("skipped", "the recipient is gone")
    if found.person_id is not None and found.person_state not in kind.states:
        return Verdict("skipped", f"the recipient is {found.person_state}")
    if kind.to == "admins" and found.role != "admin":
        return Verdict("skipped", "the recipient is no admin any more")
    if not found.wants:
        return Verdict("skipped", "the recipient has unsubscribed")
    if not found.follows:
        return Verdict("skipped", "the recipient does not follow it any more")
    if found.suppressed:
        return Verdict("skipped", "the address is suppressed")
    if rules.allowed is not None and not rules.dry_run and found.recipient not in rules.allowed:
        return Verdict("skipped", f"the address is not on the list of {rules.environment}")
    return None


async def note(
    db: Db, delivery_id: int, state: str, why: str, *, to: str | None = None, queue_id: str | None = None
) -> None:
    """Write down what became of it; of what an operator has moved meanwhile only that it was sent, or may have been."""
    await db.execute(SQL.get("note_delivery"), delivery_id, state, why[:300], to, queue_id)


async def stamp(db: Db, rules: Rules) -> str:
    """Stamp a new database with the environment, and say from which domain mails come; the environment that holds."""
    return str(await db.fetchval(SQL.get("stamp_environment"), rules.environment, rules.domain or None))


async def restamp(db: Db, environment: str, *, actor: str) -> None:
    """Say that this database is another environment's from now on; audited."""
    await db.execute(SQL.get("restamp_environment"), environment, actor)


def words(switch: Mapping[str, Any] | None) -> str:
    """The emergency stop in a sentence; empty when there is none."""
    return f"All mail is stopped since {switch['at'][:16]} by {switch['actor']}: {switch['reason']}" if switch else ""
