"""Bounces and complaints that come back as mail, hours after a server took the mail (RFC 3464, RFC 5965).

A report counts when it names the Message-ID of a mail that we have sent: that holds 96 random bits which only whoever
got the mail can know, so nobody can silence a stranger's address by writing reports. What it says about a passing
trouble (4.x.x), or that a mail arrived, changes nothing.
"""

from __future__ import annotations

import email
import email.policy
import re
from dataclasses import dataclass
from email.message import Message
from email.parser import HeaderParser
from typing import Literal

from openbell.engine.database import Db
from openbell.mail.control import suppress
from openbell.mail.database import SQL
from openbell.mail.deliveries import MailError

MOST_BYTES = 2_000_000
"""A report quotes at most the mail that it is about."""
MOST_PARTS = 50
REPORTS = frozenset(("message/delivery-status", "message/feedback-report"))
QUOTED = frozenset(("message/rfc822", "text/rfc822-headers", "message/rfc822-headers"))
_MESSAGE_ID = re.compile(r"<[^<>\s@]{1,200}@[^<>\s@]{1,250}>")
_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")

Kind = Literal["bounced", "complained", "passing"]


@dataclass(frozen=True, slots=True)
class Report:
    """What came back about one mail of ours. ``detail`` is a status code or a word, never an address."""

    message_id: str
    kind: Kind
    detail: str


def read_report(raw: bytes) -> Report | None:
    """The report that a mail is; None for any other mail, such as an answer of a person. Raises nothing."""
    if len(raw) > MOST_BYTES:
        return None
    try:
        # The older policy: it keeps headers that are not well formed as they are, where the newer one raises.
        parts = _parts(email.message_from_bytes(raw, policy=email.policy.compat32))
    except (ValueError, LookupError, RecursionError):
        return None
    named = next(filter(None, map(_named, parts)), None)
    verdict = next(filter(None, map(_verdict, parts)), None)
    return Report(named, *verdict) if named and verdict else None


def _parts(message: Message) -> list[Message]:
    found = []
    for part in message.walk():
        found.append(part)
        if len(found) >= MOST_PARTS:
            break
    return found


def _verdict(part: Message) -> tuple[Kind, str] | None:
    kind = part.get_content_type()
    if kind not in REPORTS:
        return None
    fields = _text_of(part).lower()
    if kind == "message/feedback-report":
        word = _field(fields, "feedback-type")
        return ("complained", word[:40]) if word in ("abuse", "fraud", "virus") else ("passing", word[:40])
    action, status = _field(fields, "action"), _STATUS.search(_field(fields, "status"))
    code = status[0] if status else ""
    return ("bounced" if action == "failed" and code.startswith("5.") else "passing", code or action[:40])


def _field(fields: str, name: str) -> str:
    found = re.search(rf"^{name}:[ \t]*(\S[^\r\n]{{0,200}})", fields, re.MULTILINE)
    return found[1].strip() if found else ""


def _named(part: Message) -> str | None:
    """The Message-ID of the mail that a part quotes: of its headers, not of the report's own."""
    if part.get_content_type() not in QUOTED:
        return None
    inner = part.get_payload()
    if isinstance(inner, list) and inner and isinstance(inner[0], Message):
        quoted = inner[0]
    else:
        quoted = HeaderParser(policy=email.policy.compat32).parsestr(_text_of(part).lstrip())
    found = _MESSAGE_ID.search(str(quoted.get("message-id", "")))
    return found[0] if found else None


def _text_of(part: Message) -> str:
    inner = part.get_payload()
    if isinstance(inner, list):
        return "\n".join(f"{name}: {value}" for one in inner if isinstance(one, Message) for name, value in one.items())
    decoded = part.get_payload(decode=True)
    return decoded.decode("utf-8", "replace") if isinstance(decoded, bytes) else str(inner)


async def take_report(db: Db, raw: bytes, *, actor: str) -> tuple[Report | None, int | None]:
    """Act on a mail that came back: the report that it is, and the delivery that it ended mail to; again is harmless.

    The address that was written to is suppressed, whomever the report names; a dry run's is the operator's own.
    """
    report = read_report(raw)
    if report is None or report.kind == "passing":
        return report, None
    row = await db.fetchrow(SQL.get("find_sent"), report.message_id)
    if row is None or row["sent_to"] is None:
        return report, None
    try:
        await suppress(db, row["sent_to"], report.kind, detail=report.detail, actor=actor)
    except ValueError as error:
        raise MailError(f"The address of mail {row['id']} cannot be suppressed: {error}.") from None
    return report, int(row["id"])
