"""The task that sends: one delivery, through the gate, at most once (DG-21 to DG-24).

    look ──▶ judge ──▶ hold the accounts ──▶ talk to the server ──▶ look and judge again ──▶ the content leaves ──▶ note

What it may have sent and does not know stays `unknown`; nobody sends it again. What the engine tries again (a busy
server, a full account) stays `ready`, until its window ends.
"""

from __future__ import annotations

import logging
import re
from typing import Any

from openbell.engine.errors import Permanent, ProducerError, Waiting
from openbell.engine.keys import Key
from openbell.engine.ledger import Account, ensure_account
from openbell.engine.registry import Calls, days, minutes, task
from openbell.engine.schedules import schedule
from openbell.mail import control, gate, letters
from openbell.mail.deliveries import TASK, queue_all
from openbell.mail.gate import Facts, Verdict
from openbell.mail.kinds import KINDS
from openbell.mail.messages import link_address, message
from openbell.mail.rules import Rules
from openbell.people import admins
from openbell.people.credits import settle_credits
from openbell.people.doors import make_link, prune_doors
from openbell.people.records import prune_people
from openbell.products.context import Context
from openbell.products.keys import Global
from openbell.providers.mail import domain_limit
from openbell.providers.mail_answers import AddressRefused, CampaignStopped

log = logging.getLogger(__name__)

MACHINE = "mail-delivery"
"""How the audit log calls what sends."""


class DeliveryId(Key):
    """The number of a delivery."""

    __slots__ = ()

    pattern = re.compile(r"[1-9][0-9]{0,18}")
    shape = "the number of a delivery"


class Withdrawn(ProducerError):
    """At the last look, right before its content left, the mail was not to leave any more."""

    code = "withdrawn"

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.note or verdict.word)
        self.verdict = verdict


@task(
    TASK,
    version=1,
    key=DeliveryId,
    timeout=minutes(5),
    retry=minutes(5),
    max_attempts=6,
    patience=days(8),
    job_class="scheduled",
    spends={"smtp": Calls(1)},
)
async def mail_delivery(key: DeliveryId, ctx: Context) -> None:
    """Send one delivery, if it is still to be sent."""
    db, delivery = ctx.attempt.pool, int(key)
    found = await gate.facts(db, delivery)
    if found is None:
        return
    verdict = gate.judge(found, ctx.connections.mail)
    if verdict.word == "send" and not ctx.connections.has_relay:
        verdict = Verdict("wait", "no mail server is configured: set SMTP_HOST")
    if verdict.word == "later":
        raise Waiting(verdict.note, retry_after=found.send_at - found.now)
    if verdict.word != "send":
        await _not_sent(ctx, found, verdict)
        return
    try:
        sent = await ctx.attempt.step("send", lambda: _send(ctx, found))
    except Withdrawn as withdrawn:
        await _not_sent(ctx, found, withdrawn.verdict)
    except ProducerError as error:
        await _failed(ctx, found, error)
    else:
        await gate.note(db, delivery, "sent", "", to=sent["to"], queue_id=sent["queue_id"])


async def _send(ctx: Context, found: Facts) -> dict[str, Any]:
    """The one call. Its step keeps the answer together with the settlement of its spend."""
    db, rules = ctx.attempt.pool, ctx.connections.mail
    letter = await gate.letter_of(db, found.id)
    if letter is None or found.recipient is None:
        raise Permanent("Its letter is gone.", code="letter_gone")
    link = ""
    if (purpose := KINDS[found.kind].link) and found.person_id is not None:
        token = await make_link(db, found.person_id, purpose)
        link = link_address((rules.home or "").rstrip("/"), purpose, token)
    made = message(letter, found, rules, link=link, now=found.now)
    sent = await ctx.mailer.send(
        made,
        to=found.recipient,
        sender=rules.sender_address,
        last_look=lambda: _look_again(ctx, found),
        accounts=await _accounts(ctx, found.recipient),
    )
    return {"to": sent.to, "queue_id": sent.queue_id, "message_id": sent.message_id}


async def _look_again(ctx: Context, before: Facts) -> None:
    """Raises :class:`Withdrawn` when something has changed since the first look: the switch, the recipient, the row."""
    found = await gate.facts(ctx.attempt.pool, before.id)
    verdict = Verdict("ended", "it is gone") if found is None else gate.judge(found, ctx.connections.mail)
    if found is not None and found.recipient != before.recipient:
        verdict = Verdict("wait", "the address of the recipient has just changed")
    if verdict.word != "send":
        raise Withdrawn(verdict)


async def _accounts(ctx: Context, recipient: str) -> list[Account]:
    """What is kept for the domain that this mail really goes to."""
    rules = ctx.connections.mail
    domain = (rules.dry_run_to if rules.dry_run and rules.dry_run_to else recipient).rpartition("@")[2].lower()
    return [await ensure_account(ctx.attempt.pool, domain_limit(domain, rules.per_domain))]


async def _not_sent(ctx: Context, found: Facts, verdict: Verdict) -> None:
    """It is not to leave: for good, or not now. Who ends the reason has it looked at again, and so does the sweep."""
    if verdict.word in ("skipped", "expired"):
        await gate.note(ctx.attempt.pool, found.id, verdict.word, verdict.note)
    elif verdict.word == "wait":
        await gate.note(ctx.attempt.pool, found.id, "ready", verdict.note)


async def _failed(ctx: Context, found: Facts, error: ProducerError) -> None:
    """What a refusal means for this mail, its recipient and the others; raises what the engine is to deal with."""
    db, said = ctx.attempt.pool, str(error)
    match error:
        case AddressRefused():
            await gate.note(db, found.id, "failed", said)
            if error.code == "address_refused" and found.recipient and not ctx.connections.mail.dry_run:
                await control.suppress(db, found.recipient, "refused", detail=said, actor=MACHINE)
        case CampaignStopped():
            await gate.note(db, found.id, "failed", said)
            held = await control.stop_kind(db, found.kind, found.artifact, said, actor=MACHINE)
            await _alert(ctx, found, said, held)
        case Permanent() if error.code == "outcome_unknown":
            note = "it may have been sent, nobody knows: look at the spend (`openbell spends list --unknown`)"
            await gate.note(db, found.id, "unknown", note)
            raise error
        case Permanent() if error.code == "already_made":
            await gate.note(db, found.id, "sent", "an operator has found out that it was sent")
        case Permanent() if error.code in ("limit_missing", "limit_too_small", "not_configured"):
            await gate.note(db, found.id, "ready", said)
            raise error
        case Permanent():
            await gate.note(db, found.id, "failed", said)
        case _:
            await gate.note(db, found.id, "ready", said)
            raise error


async def _alert(ctx: Context, found: Facts, said: str, held: int) -> None:
    """Tell the admins that a campaign was stopped; once for each."""
    if found.kind == "alert":
        return
    rules: Rules = ctx.connections.mail
    letter = letters.render(
        "alert",
        subject=f"Mail stopped: {found.kind}",
        headline=f"{held} mails of {found.kind} are held",
        lines=[said, f"It was about {found.artifact}. Look at the answer, then release or cancel them."],
        address=f"{letters.HOME}/console/mail?kind={found.kind}" if rules.home else "",
    )
    await queue_all(
        ctx.attempt.pool, kind="alert", recipients=await admins(ctx.attempt.pool), letter=letter,
        ref=f"stopped {found.kind} {found.artifact}",
    )  # fmt: skip


@task("mail-sweep", version=1, key=Global, timeout=minutes(1), retry=minutes(5), patience=minutes(10))
async def mail_sweep(_key: Global, ctx: Context) -> None:
    """Expire what was not sent in its time, look again at what is due and has no job, and forget what has ended."""
    await control.sweep(ctx.attempt.pool)
    await settle_credits(ctx.attempt.pool)
    await prune_doors(ctx.attempt.pool)
    await prune_people(ctx.attempt.pool)
    await control.prune(ctx.attempt.pool)


mail_sweeps = schedule(
    "mail-sweep", mail_sweep, "GLOBAL", cron="*/5 * * * *", zone="UTC", missed="skip", max_late=minutes(5)
)
