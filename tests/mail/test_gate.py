"""The one gate of all mail, at the socket of a mail server: who gets what, once, and under which rules nobody does."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import asyncpg
import pytest

from openbell.engine.database import SQL
from openbell.mail import KINDS, control, gate, queue_all
from openbell.mail.letters import Image, Letter
from openbell.people import consent, follow, move
from openbell.providers.mail import Relay
from tests.certificates import dkim_key
from tests.mail.conftest import ADMIN, RULES, Post, staging
from tests.support import Clock, eventually

DOT = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63b8f8f63300052602930b3cb5160000"
    "000049454e44ae426082"
)


async def test_a_mail_arrives_as_lists_need_it(post: Post) -> None:
    """RFC 8058, RFC 2919: text first, HTML with its chart, List-Id, one-click unsubscribe, a Message-ID that stays."""
    await post.open()
    jane = await post.person()
    html = '<p>Hello <img src="cid:chart" alt=""></p><a href="%%UNSUBSCRIBE%%">Unsubscribe</a>'
    one = await post.mail(
        jane,
        html=html,
        text="Hello %%UNSUBSCRIBE%%",
        images={"chart": Image("image/png", DOT)},
        artifact=("digest", "A", 1),
    )
    sent = await post.ends(one, "sent")
    [there] = await post.arrived()
    headers = dict(there["headers"])
    link = f"https://bell.example.com/unsubscribe?token={jane.mail_token}&list=digest"
    assert headers["List-Unsubscribe"] == f"<{link}>"
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert headers["List-Id"] == "Digests per ticker <digest.openbell.example>"
    assert {"Date", "From", "To", "Subject"} <= headers.keys()
    assert there["message_id"] == sent.message_id == one.message_id
    assert there["text"].strip() == f"Hello {link}"
    assert link.replace("&", "&amp;") in there["html"]
    assert "multipart/alternative" in headers["Content-Type"]
    assert "Content-ID: <chart>" in there["raw"]
    assert there["raw"].index("text/plain") < there["raw"].index("text/html")
    assert (sent.sent_to, sent.queue_id) == ("jane@example.com", there["queue_id"])


async def test_the_signature_covers_what_unsubscribes(post: Post) -> None:
    """RFC 6376, RFC 8058: with a key a mail is signed, the headers of one-click unsubscribing included."""
    key, record = dkim_key()
    from openbell.providers.mail import Dkim

    await post.open(dkim=Dkim("openbell.example", "s1", key))
    name = {"name": "s1._domainkey.openbell.example", "record": record}
    assert (await post.sandbox.client.post("/_control/smtp/dkim", json=name)).status_code in (200, 201, 204)
    await post.ends(await post.mail(await post.person()), "sent")
    [there] = await post.arrived()
    assert there["dkim"]["result"] == "pass"
    assert {"list-unsubscribe", "list-unsubscribe-post", "message-id"} <= set(there["dkim"]["signed_headers"])


async def test_staging_reaches_nobody_but_the_admin(post: Post) -> None:
    """DG-23, DG-31, PF-42: in staging with every flag on, every kind of mail goes to the admin, and says so."""
    await post.open(staging())
    jane = await post.person()
    admin = await post.person("boss", role="admin")
    waiting = await post.person("new", state="pending")
    queued = []
    for kind in KINDS.values():
        people = [admin] if kind.to == "admins" else [jane, waiting] if "pending" in kind.states else [jane, admin]
        letter = Letter(f"About {kind.name}", "<p>Hello</p>", "Hello %%LINK%%")
        queued += await queue_all(post.pool, kind=kind.name, recipients=people, letter=letter, ref=kind.name)
    for one in queued:
        await post.ends(one, "skipped" if one.kind == "confirm" and one.person_id == jane.id else "sent")
    assert await post.boxes() == {ADMIN: len(queued) - 1}, "proved at the envelope, not at the header"
    assert all(there["subject"].startswith("[dry run] ") for there in await post.arrived())


async def test_staging_without_a_dry_run_writes_to_the_list_only(post: Post) -> None:
    """DG-23: with DRY_RUN=false staging writes to listed addresses."""
    rules = staging(dry_run=False, dry_run_to=None, allowed=frozenset({"jane@example.com"}))
    await post.open(rules)
    jane, john = await post.person(), await post.person("john")
    await post.ends(await post.mail(jane), "sent")
    assert "list of staging" in (await post.ends(await post.mail(john), "skipped")).note
    assert await post.boxes() == {"jane@example.com": 1}


async def test_the_floor_below_keeps_the_list_too(post: Post) -> None:
    """DG-23: a gate that forgot the list of staging would still reach nobody else: the client refuses by itself."""
    await post.open(staging(dry_run=False, dry_run_to=None, allowed=None), only=frozenset({"jane@example.com"}))
    await post.ends(await post.mail(await post.person()), "sent")
    await post.ends(await post.mail(await post.person("john")), "failed")
    assert await post.boxes() == {"jane@example.com": 1}
    assert await control.suppressions(post.pool) == []


async def test_a_database_of_another_environment_sends_nothing(post: Post) -> None:
    """DG-23: a staging process on production's database, or the other way round, sends nothing, dry run or not."""
    await gate.stamp(post.pool, replace(RULES, environment="production"))
    await post.open(staging())
    one = await post.mail(await post.person())
    await eventually(lambda: post.pool.fetchval("select note <> '' from openbell.delivery where id = $1", one.id))
    await post.idle()
    assert (await post.state(one), await post.boxes()) == ("ready", {})


async def test_who_leaves_between_build_and_send_gets_nothing(post: Post, clock: Clock) -> None:
    """DG-22: state, consent, follow and suppression are read when the mail is sent, not when it was queued."""
    due = await clock.now() + timedelta(hours=1)
    names = ("leaves", "pauses", "blocked", "stops", "unfollows", "bounces", "stays")
    people = {name: await post.person(name) for name in names}
    queued = {}
    for name, one in people.items():
        await follow(post.pool, one, "AAPL")
        queued[name] = await post.mail(one, send_at=due, ticker="AAPL", artifact=("digest", "AAPL", 1))
    await post.open()
    await move(post.pool, people["leaves"].id, "leave", actor="test")
    await move(post.pool, people["pauses"].id, "pause", actor="test")
    await move(post.pool, people["blocked"].id, "block", actor="test")
    await consent(post.pool, people["stops"].id, ["mail:digest"], given=False, source="test")
    await post.pool.execute("delete from openbell.follow where person_id = $1", people["unfollows"].id)
    await control.suppress(post.pool, "bounces@example.com", "bounced", actor="test")
    await clock.advance(hours=1, seconds=1)
    for name in names:
        await post.ends(queued[name], "sent" if name == "stays" else "skipped")
    assert await post.boxes() == {"stays@example.com": 1}


async def test_who_unsubscribes_while_the_server_talks_gets_nothing(post: Post) -> None:
    """DG-22: the last look is right before the content leaves, when the server has already accepted the recipient."""
    jane = await post.person()
    looks = 0

    async def unsubscribe() -> None:
        await consent(post.pool, jane.id, ["mail:digest"], given=False, source="test")

    real = gate.facts

    async def facts(db: asyncpg.Pool, delivery: int) -> gate.Facts | None:
        nonlocal looks
        looks += 1
        if looks == 2:
            await unsubscribe()
        return await real(db, delivery)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gate, "facts", facts)
        await post.open()
        await post.ends(await post.mail(jane), "skipped")
    assert await post.boxes() == {}
    assert await post.pool.fetchval("select state::text from openbell.spend") == "released", "nothing is paid for it"


async def test_only_the_one_that_failed_is_sent_again(post: Post, clock: Clock) -> None:
    """DG-21, B8: of three recipients one mailbox is busy; after half an hour that one alone is tried again."""
    await post.sandbox.fault("mailbox_busy", provider="smtp", symbol="JOHN@EXAMPLE.COM", times=1)
    people = [await post.person(name) for name in ("jane", "john", "jim")]
    letter = Letter("Digest", "<p>Hello</p>", "Hello")
    await post.open()
    queued = await queue_all(post.pool, kind="digest", recipients=people, letter=letter, artifact=("digest", "A", 1))
    for place in (0, 2):
        await post.ends(queued[place], "sent")
    await eventually(lambda: post.pool.fetchval("select note <> '' from openbell.delivery where id = $1", queued[1].id))
    await clock.advance(minutes=31)
    await post.ends(queued[1], "sent")
    assert await post.boxes() == {f"{name}@example.com": 1 for name in ("jane", "john", "jim")}


async def test_an_address_that_is_refused_is_suppressed(post: Post) -> None:
    """B8: no such user: this mail fails, nothing more is sent there, and no address is kept in clear for it."""
    await post.open()
    await post.sandbox.fault("no_such_user", provider="smtp", times=1)
    jane = await post.person()
    await post.ends(await post.mail(jane), "failed")
    assert "suppressed" in (await post.ends(await post.mail(jane, ref="next"), "skipped")).note
    [row] = await control.suppressions(post.pool)
    assert (row["domain"], row["reason"]) == ("example.com", "refused")
    assert await control.unsuppress(post.pool, "Jane@Example.com", actor="test")
    await post.ends(await post.mail(jane, ref="third"), "sent")


async def test_a_refused_content_stops_the_campaign_and_tells_the_admins(post: Post, clock: Clock) -> None:
    """B8: mail refused as unsolicited: the others of this digest are held, and an alert goes out."""
    admin = await post.person("boss", role="admin")
    people = [await post.person(f"reader{n}") for n in range(3)]
    await post.sandbox.fault("content_refused", provider="smtp", symbol="READER0@EXAMPLE.COM", times=1)
    due = await clock.now() + timedelta(hours=1)
    first = await post.mail(people[0], artifact=("digest", "A", 1))
    others = [await post.mail(one, artifact=("digest", "A", 1), send_at=due) for one in people[1:]]
    await post.open()
    await post.ends(first, "failed")
    for one in others:
        await post.ends(one, "held")
    await eventually(
        lambda: post.pool.fetchval("select count(*) = 1 from openbell.delivery where kind = 'alert' and state = 'sent'")
    )
    assert await post.boxes() == {admin.address: 1}


async def test_a_mail_that_may_have_left_is_parked(post: Post, clock: Clock) -> None:
    """DC-1: the connection is lost after the final dot: the mail is unknown, and nobody sends it again by himself."""
    await post.open()
    await post.sandbox.fault("drop", provider="smtp", times=1)
    one = await post.mail(await post.person())
    await post.ends(one, "unknown")
    await clock.advance(minutes=20)
    await control.sweep(post.pool)
    assert await control.act(post.pool, "send-now", [one.id], actor="test") == [one.id]
    await eventually(
        lambda: post.pool.fetchval("select count(*) = 2 from openbell.job_history where product = 'mail-delivery'")
    )
    assert await post.state(one) == "unknown", "also by hand it is refused until somebody has resolved the spend"
    assert await post.boxes() == {"jane@example.com": 1}


async def test_a_crash_between_send_and_note_parks(post: Post, clock: Clock) -> None:
    """DC-1, DG-39: the worker is lost while the server is about to answer; the next one does not send again."""
    await post.sandbox.fault("hang", provider="smtp", times=1)
    await post.open()
    one = await post.mail(await post.person())
    await eventually(lambda: post.pool.fetchval("select count(*) = 1 from openbell.spend where state = 'sent'"))
    await eventually(post.boxes)
    statement = "update openbell.worker set expires_at = openbell.now() - interval '1 second'"
    await post.pool.execute(statement)
    await post.pool.fetch(SQL.get("rescue_jobs"), 10)
    await post.open()
    await eventually(
        lambda: post.pool.fetchval("select count(*) = 0 from openbell.job where product = 'mail-delivery'")
    )
    assert await post.state(one) == "ready", "the engine has ended the job, and knows nothing of mails"
    assert await control.sweep(post.pool) == 1
    await post.ends(one, "unknown")
    assert await post.boxes() == {"jane@example.com": 1}
    await post.sandbox.release()


async def test_two_who_send_at_once_send_once(post: Post) -> None:
    """DG-21: two workers, twenty mails, each recipient one."""
    await post.open()
    await post.open()
    people = [await post.person(f"reader{n}") for n in range(20)]
    letter = Letter("Digest", "<p>Hello</p>", "Hello")
    queued, again = await asyncio.gather(
        *(
            queue_all(post.pool, kind="digest", recipients=people, letter=letter, artifact=("digest", "A", 1))
            for _ in range(2)
        )
    )
    assert [one.id for one in queued] == [one.id for one in again]
    for one in queued:
        await post.ends(one, "sent")
    assert await post.boxes() == {f"reader{n}@example.com": 1 for n in range(20)}


async def test_yesterdays_mail_is_not_sent(post: Post, clock: Clock) -> None:
    """DG-24: what was not sent in its window expires, also when the sender comes back the next day."""
    one = await post.mail(await post.person())
    await clock.advance(hours=23)
    await post.open()
    await post.ends(one, "expired")
    assert await post.boxes() == {}


async def test_the_emergency_stop_holds_for_everybody_at_once(post: Post, clock: Clock) -> None:
    """DG-20: one switch, for every process from its commit on, audited; after it, only what is still in time leaves."""
    await post.open()
    await control.stop_all(post.pool, reason="the wrong digest", actor="boss")
    one = await post.mail(await post.person())
    await eventually(
        lambda: post.pool.fetchval("select note = 'all mail is stopped' from openbell.delivery where id = $1", one.id)
    )
    late = await post.mail(await post.person("john"), ref="late", expires_at=await clock.now() + timedelta(seconds=30))
    await post.idle()
    assert await post.boxes() == {}
    await clock.advance(minutes=1)
    assert await control.resume_all(post.pool, actor="boss") == 1
    await post.ends(one, "sent")
    assert await post.state(late) == "expired"
    told = await post.pool.fetch("select action, actor from openbell.audit where action like 'mail.%' order by id")
    assert [tuple(row) for row in told] == [("mail.stop", "boss"), ("mail.resume", "boss")]


async def test_the_paces_of_all_mail_and_of_one_domain_hold(post: Post, clock: Clock) -> None:
    """DG-23: mails a minute of one domain wait for it alone; other domains go on."""
    await post.open(replace(RULES, per_domain=2))
    crowd = [await post.person(f"reader{n}") for n in range(4)]
    other = await post.person("x")
    await post.pool.execute("update openbell.person set address = 'x@elsewhere.example' where id = $1", other.id)
    letter = Letter("Digest", "<p>Hello</p>", "Hello")
    queued = await queue_all(post.pool, kind="digest", recipients=[*crowd, other], letter=letter, ref="pace")
    await post.ends(queued[4], "sent")

    async def two() -> bool:
        return len(await post.boxes()) == 3

    await eventually(two)
    await post.idle()
    assert len(await post.boxes()) == 3, "two of one domain, and the one of the other"
    await clock.advance(seconds=61)
    for one in queued:
        await post.ends(one, "sent")


def test_a_relay_tells_no_addresses() -> None:
    """DG-34: the list of staging is not shown where the settings of a relay are."""
    relay = Relay("127.0.0.1", 25, tls="none", only=frozenset({"a@example.com"}))
    assert "a@example.com" not in repr(relay)
