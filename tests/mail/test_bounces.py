"""What comes back: bounces and complaints as mail, and what is forgotten in time."""

from __future__ import annotations

import random
from email.message import EmailMessage

import asyncpg
import pytest

from openbell.mail import control
from openbell.mail.bounces import MOST_BYTES, read_report, take_report
from openbell.mail.deliveries import Delivery, get_delivery
from openbell.people import add_person, find_by_address
from openbell.people.records import prune_people
from openbell.products import registry
from tests.mail.conftest import Post, post  # noqa: F401 - fixture
from tests.mail.test_queue import mail, person
from tests.support import Clock


def report(message_id: str, *, status: str = "5.1.1", action: str = "failed", kind: str = "delivery-status") -> bytes:
    """A report as mail servers write it: words for people, fields for programs, the headers of the mail."""
    outer = EmailMessage()
    outer["From"], outer["Subject"] = "MAILER-DAEMON@mx.example.net", "Undelivered Mail Returned to Sender"
    outer["Message-ID"] = "<another@mx.example.net>"
    outer.set_content("This is the mail system. Your mail could not be delivered.")
    said = (
        "Reporting-MTA: dns; mx.example.net\n\nFinal-Recipient: rfc822; boss@example.com\n"
        f"Action: {action}\nStatus: {status}\n"
        if kind == "delivery-status"
        else f"Feedback-Type: {status}\nVersion: 1\n"
    )
    head, body = outer.as_bytes().decode().split("\n\n", 1)
    head = head.replace('Content-Type: text/plain; charset="utf-8"', 'Content-Type: multipart/report; boundary="b"')
    return (
        f"{head}\n\n--b\nContent-Type: text/plain\n\n{body}\n--b\nContent-Type: message/{kind}\n\n{said}\n"
        f"--b\nContent-Type: text/rfc822-headers\n\nSubject: Digest\nMessage-ID: {message_id}\n\n--b--\n"
    ).encode()


async def sent(pool: asyncpg.Pool, name: str = "jane") -> Delivery:
    """A mail that has left."""
    one = await mail(pool, await person(pool, name))
    await pool.execute(
        "update openbell.delivery set state = 'sent', sent_to = $2 where id = $1", one.id, f"{name}@example.com"
    )
    return one


async def test_a_bounce_that_comes_back_later_ends_mail(pool: asyncpg.Pool) -> None:
    """B8, issue 6: a permanent bounce or a complaint about a mail of ours suppresses the address it was sent to."""
    await registry().seed(pool)
    one, two, three = [await sent(pool, name) for name in ("jane", "john", "joan")]
    for other in (
        report("<guessed@openbell.example>"), report(one.message_id, status="4.2.2"),
        report(one.message_id, action="delayed"), report(one.message_id, action="delivered", status="2.0.0"),
        report(one.message_id, kind="feedback-report", status="not-spam"),
    ):  # fmt: skip
        assert (await take_report(pool, other, actor="test"))[1] is None
    assert await control.suppressions(pool) == []
    assert (await take_report(pool, report(one.message_id), actor="test"))[1] == one.id
    assert (await take_report(pool, report(one.message_id), actor="test"))[1] == one.id, "again is harmless"
    complaint = report(two.message_id, kind="feedback-report", status="abuse")
    assert (await take_report(pool, complaint, actor="test"))[1] == two.id
    found = [(row["reason"], row["detail"], row["domain"]) for row in await control.suppressions(pool)]
    assert sorted(found) == [("bounced", "5.1.1", "example.com"), ("complained", "abuse", "example.com")]
    assert await find_by_address(pool, "boss@example.com") is None
    waits = await mail(pool, await person(pool, "jim"))
    assert (await take_report(pool, report(waits.message_id), actor="test"))[1] is None, "nothing has left yet"
    assert (await get_delivery(pool, three.id)) is not None


async def test_a_suppressed_address_gets_no_mail(post: Post) -> None:  # noqa: F811
    """DG-22, B8: a mail that waited when the bounce came back is not sent."""
    await post.open()
    jane = await post.person()
    first = await post.ends(await post.mail(jane, ref="one"), "sent")
    await take_report(post.pool, report(first.message_id), actor="test")
    second = await post.ends(await post.mail(jane, ref="two"), "skipped")
    assert second.note == "the address is suppressed"
    assert await post.boxes() == {"jane@example.com": 1}


def test_no_mail_breaks_the_reader() -> None:
    """B8: whatever comes for the sender's address is a report or is not, and nothing is raised."""
    whole, rng = report("<mine@openbell.example>"), random.Random(6)
    assert read_report(whole) is not None
    assert read_report(b"") is None
    assert read_report(b"x" * (MOST_BYTES + 1)) is None
    assert read_report(b"Subject: I am on holiday\n\nBack on Monday. <mine@openbell.example>") is None
    for _ in range(400):
        broken = bytearray(whole)
        for _ in range(rng.randint(1, 30)):
            broken[rng.randrange(len(broken))] = rng.randrange(256)
        read_report(bytes(broken[: rng.randint(0, len(broken))]))
    nested = b"Content-Type: message/rfc822\n\n" * 3_000 + whole
    assert read_report(nested) is None
    read_report(report("<a@b>").replace(b"Subject: Digest", b"Content-Type: message/rfc822\n\n" * 3_000))


async def test_what_has_ended_is_forgotten(pool: asyncpg.Pool, clock: Clock) -> None:
    """PF-48, DG-34: ended mails go after 90 days with their letters; what is in doubt stays; nothing young goes."""
    await registry().seed(pool)
    old, doubt = await sent(pool), await mail(pool, await person(pool, "john"))
    await pool.execute("update openbell.delivery set state = 'unknown' where id = $1", doubt.id)
    await clock.advance(days=100)
    young = await mail(pool, await person(pool, "joan"), subject="Another")
    await control.prune(pool)
    left = {row["id"] for row in await pool.fetch("select id from openbell.delivery")}
    assert left == {doubt.id, young.id}
    assert old.id not in left
    assert await pool.fetchval("select count(*) from openbell.letter") == 2


async def test_who_never_answered_is_forgotten(pool: asyncpg.Pool, clock: Clock) -> None:
    """DG-34: an address that nobody answered from is erased after two weeks; who was confirmed or blocked stays."""
    for name, state in (("jane", "pending"), ("john", "active"), ("joan", "blocked")):
        await add_person(pool, f"{name}@example.com", state=state, actor="test")  # type: ignore[arg-type]
    assert await prune_people(pool) == 0
    await clock.advance(days=15)
    assert (await prune_people(pool), await prune_people(pool)) == (1, 0)
    assert await find_by_address(pool, "jane@example.com") is None
    assert await find_by_address(pool, "john@example.com") is not None
    assert await find_by_address(pool, "joan@example.com") is not None


@pytest.mark.parametrize(
    "lines",
    [
        ["Message-ID: <a@b>"] * 3,
        ["message-id:<a@b>"],
        ["Message-ID:", " <a@b>"],
        ["Message-ID: no", "Message-ID: <a@b>"],
    ],
)
def test_headers_as_servers_quote_them(lines: list[str]) -> None:
    """B8: the first Message-ID of the quoted headers counts, however it is written."""
    raw = report("<a@b>").replace(b"Message-ID: <a@b>", "\n".join(lines).encode())
    found = read_report(raw)
    assert (found.message_id if found else None) == ("<a@b>" if "no" not in lines[0] else None)
