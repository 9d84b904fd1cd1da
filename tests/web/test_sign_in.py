"""Signing up, in and off, at the doors of a real web process; the mails are sent by a real worker to a real socket."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import asyncpg
import httpx
import pytest

from openbell.people import Person, add_person, consent, find_by_address, follow, move, tickers_of
from openbell.people.consents import TERMS, consents_of, wants
from openbell.people.doors import make_link, make_token
from tests.engine.conftest import employ  # noqa: F401 - fixture
from tests.mail.conftest import Post, post  # noqa: F401 - fixture
from tests.sandbox.conftest import sandbox, start  # noqa: F401 - fixtures
from tests.support import Clock, eventually
from tests.web.conftest import Site, serve

JANE = "jane@example.com"
FOREIGN = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}


async def jane(site: Site, state: Any = "active", **other: Any) -> Person:
    made = await add_person(site.pool, JANE, state=state, actor="test", **other)
    await consent(site.pool, made.id, ["terms", "privacy", "mail"], given=True, source="test")
    return made


async def enter(site: Site, person: Person) -> None:
    """Sign in by a link, as a browser does."""
    token = await make_link(site.pool, person.id, "sign-in")
    answer = await site.http.post(f"/sign-in/{token}")
    assert answer.status_code == 303, answer.text


async def link_in_mail(post: Post, to: str) -> str:  # noqa: F811
    async def there() -> list[dict[str, Any]]:
        return [one for one in await post.arrived() if one["envelope"]["to"] == [to]]

    mails = await eventually(there)
    found = re.search(r"https://bell\.example\.com(/\S+)", mails[-1]["text"])
    assert found, mails[-1]["text"]
    return found[1]


async def profile(site: Site, *symbols: tuple[str, str]) -> None:
    for symbol, name in symbols:
        await site.publish("profile", symbol, {"symbol": symbol, "name": name}, hint=False)


@pytest.mark.parametrize(
    ("going", "arrives"),
    [
        ("/digest/AAPL/2026-11-23?edition=weekly", "/digest/AAPL/2026-11-23?edition=weekly"),
        ("//evil.example/", "/account"), ("/\\evil.example", "/account"), ("https://evil.example/", "/account"),
        ("/picks\r\nSet-Cookie: a=b", "/account"), ("", "/account"),
    ],
)  # fmt: skip
async def test_whoever_signs_in_arrives_where_they_were_going(site: Site, going: str, arrives: str) -> None:
    """Issue 6: a link in a mail leads on to its page through signing in, and never to another site; only once."""
    person = await jane(site)
    if arrives != "/account":
        asked = await site.http.get(going, headers={"x-forwarded-for": "192.0.2.1"})
        assert f"next={quote(going, safe='')}" in asked.headers["location"]
    await site.http.post("/sign-in", data={"address": JANE, "next": going})
    entered = await site.http.post(f"/sign-in/{await make_link(site.pool, person.id, 'sign-in')}")
    assert (entered.status_code, entered.headers["location"]) == (303, arrives)
    again = await site.http.post(f"/sign-in/{await make_link(site.pool, person.id, 'sign-in')}")
    assert again.headers["location"] == "/account"


# --- signing up ------------------------------------------------------------------------------------------------------


async def test_double_opt_in(site: Site, post: Post) -> None:  # noqa: F811
    """DG-32, issue 6: one mail with one link; only after the click is anybody active, with consents of that version."""
    await profile(site, ("AAPL", "Apple Inc."), ("MSFT", "Microsoft Corporation"))
    await post.open()
    form = {"address": " Jane@Example.com ", "tickers": "aapl, MSFT", "agree": TERMS}
    answer = await site.http.post("/sign-up", data=form)
    assert (answer.status_code, "on its way" in answer.text) == (200, True)
    place = await link_in_mail(post, JANE)
    person = await find_by_address(site.pool, JANE)
    assert person is not None
    assert (person.state, await tickers_of(site.pool, person.id)) == ("pending", ["AAPL", "MSFT"])
    for _ in range(2):
        looked = await site.http.get(place)
        assert looked.headers["referrer-policy"] == "same-origin"
    assert (await find_by_address(site.pool, JANE)).state == "pending", "a program that follows links confirms nothing"  # type: ignore[union-attr]
    confirmed = await site.http.post(place)
    assert (confirmed.status_code, confirmed.headers["location"]) == (303, "/account")
    assert "AAPL" in (await site.http.get("/account")).text
    given = await consents_of(site.pool, person.id)
    assert {one.kind: one.version for one in given} == dict.fromkeys(("terms", "privacy", "mail"), TERMS)
    second = await site.http.post(place)
    assert (second.status_code, "used already" in second.text) == (410, True)
    await eventually(
        lambda: site.pool.fetchval(
            "select count(*) = 1 from openbell.delivery where kind = 'welcome' and state = 'sent'"
        )
    )


async def test_an_address_that_is_known_gets_the_same_answer(site: Site, clock: Clock) -> None:
    """DG-34: neither door tells whether an address is somebody's here; a stranger changes nothing by typing one."""
    await profile(site, ("AAPL", "Apple Inc."))
    person = await jane(site)
    pages = {}
    for address in (JANE, "nobody@example.com"):
        up = await site.http.post("/sign-up", data={"address": address, "tickers": "AAPL", "agree": TERMS})
        answer = await site.http.post("/sign-in", data={"address": address})
        pages[address] = (up.status_code, up.text, answer.status_code, answer.text)
    assert pages[JANE] == pages["nobody@example.com"]
    assert await tickers_of(site.pool, person.id) == []
    kinds = await site.pool.fetch("select kind, person_id = $1 as hers from openbell.delivery order by id", person.id)
    assert [(row["kind"], row["hers"]) for row in kinds] == [("sign-in", True)] * 2 + [("confirm", False)] * 2


async def test_nobody_is_flooded(site: Site, clock: Clock) -> None:
    """Issue 6: three links to one address in a quarter of an hour, twenty requests of one client in an hour."""
    person = await jane(site)
    for _ in range(20):
        assert (await site.http.post("/sign-in", data={"address": JANE})).status_code == 200
    assert await site.count("delivery") == 3
    refused = await site.http.post("/sign-in", data={"address": JANE})
    assert refused.status_code == 429
    await clock.advance(hours=1, seconds=1)
    assert (await site.http.post("/sign-in", data={"address": JANE})).status_code == 200
    assert await site.pool.fetchval("select count(*) from openbell.delivery where person_id = $1", person.id) == 4


async def test_bad_input_at_the_door(site: Site) -> None:
    """Issue 6: no address, no consent, an unknown, unclear or fourth ticker: refused in words, nothing written."""
    await profile(site, ("AAPL", "Apple Inc."), ("RY.TO", "Royal Bank of Canada"), ("RY.L", "Ryder plc"))
    cases = [
        ({"address": "jane", "agree": TERMS}, "no mail address"),
        ({"address": f"{'x' * 300}@example.com", "agree": TERMS}, "characters"),
        ({"address": JANE}, "agree to the terms"),
        ({"address": JANE, "agree": "1999-01"}, "agree to the terms"),
        ({"address": JANE, "agree": TERMS, "tickers": "AAPLE"}, "Do you mean AAPL"),
        ({"address": JANE, "agree": TERMS, "tickers": "RY"}, "RY.L or RY.TO"),
        ({"address": JANE, "agree": TERMS, "tickers": "A,B,C,D"}, "up to 3"),
        ({"address": JANE, "agree": TERMS, "tickers": "\x00X"}, "no symbol"),
    ]
    for form, words in cases:
        answer = await site.http.post("/sign-up", data=form)
        assert (answer.status_code, words in answer.text) == (400, True), (form, answer.text[-900:])
    assert await site.count("person") == 0


async def test_sign_up_with_approval(site: Site) -> None:
    """DG-32: where an operator is to approve, a confirmed address waits, and is let in by that."""
    await site.http.post("/console/people", data={"sign_up": "approve"})
    person = await add_person(site.pool, JANE)
    token = await make_link(site.pool, person.id, "confirm")
    assert "has to let you in" in (await site.http.post(f"/confirm/{token}")).text
    assert "waits for approval" in (await site.http.get("/console/people")).text
    await site.http.post("/console/people", data={"id": str(person.id), "event": "approve"})
    assert (await find_by_address(site.pool, JANE)).state == "active"  # type: ignore[union-attr]


# --- signing in ------------------------------------------------------------------------------------------------------


async def test_sign_in_by_mail(site: Site, post: Post, clock: Clock) -> None:  # noqa: F811
    """Issue 6: a link works once, for 15 minutes; the cookie is for this host alone; signing out ends it."""
    await post.open()
    await jane(site)
    await site.http.post("/sign-in", data={"address": JANE, "next": "https://evil.example/"})
    place = await link_in_mail(post, JANE)
    assert place.rpartition("/")[2] not in repr(await site.pool.fetch("select * from openbell.link"))
    answer = await site.http.post(place)
    cookie = answer.headers["set-cookie"]
    assert (answer.status_code, "HttpOnly" in cookie, "SameSite=lax" in cookie, "Path=/" in cookie) == (
        303,
        *[True] * 3,
    )
    assert (await site.http.get("/account")).status_code == 200
    assert "used already" in (await site.http.post(place)).text
    late = await make_link(site.pool, 1, "sign-in")
    await clock.advance(timedelta(minutes=15, seconds=1))
    assert "too old" in (await site.http.post(f"/sign-in/{late}")).text
    assert "not known" in (await site.http.post("/sign-in/nonsense")).text
    secret = site.http.cookies["openbell"]
    await site.http.post("/sign-out")
    assert (await site.http.get("/account")).status_code == 303
    assert (await site.http.get("/account", headers={"cookie": f"openbell={secret}"})).status_code == 303


async def test_the_cookie_behind_https(site: Site) -> None:
    """Issue 6: behind https the cookie is bound to the host (`__Host-`) and leaves over https only."""
    person = await jane(site)
    token = await make_link(site.pool, person.id, "sign-in")
    answer = await site.http.post(
        f"/sign-in/{token}", headers={"x-forwarded-proto": "https", "x-forwarded-for": "192.0.2.1"}
    )
    cookie = answer.headers["set-cookie"]
    assert (cookie.startswith("__Host-openbell="), "Secure" in cookie, "Domain" in cookie) == (True, True, False)


async def test_every_role_at_every_new_door(dsn: str, pool: asyncpg.Pool, site: Site) -> None:
    """PF-39, PF-48: pages lead to the sign-in, the API answers 401 and 403 with a code; tokens do what they may."""
    person = await jane(site)
    boss = await add_person(pool, "boss@example.com", state="active", role="admin", actor="test")
    tokens = {
        "none": None,
        "wrong": "ob_wrong",
        "person": await make_token(pool, person, "mine"),
        "modest": await make_token(pool, boss, "modest"),
        "operator": await make_token(pool, boss, "mine", "operator"),
    }
    expected = {
        "/api/v1/account": {"none": 401, "wrong": 401, "person": 200, "modest": 200, "operator": 200},
        "/api/v1/people": {"none": 401, "wrong": 401, "person": 403, "modest": 403, "operator": 200},
        "/api/v1/deliveries": {"none": 401, "wrong": 401, "person": 403, "modest": 403, "operator": 200},
        "/account": {"none": 303, "wrong": 303, "person": 200, "modest": 200, "operator": 200},
        "/console": {"none": 303, "wrong": 303, "person": 403, "modest": 403, "operator": 200},
        "/console/people": {"none": 303, "wrong": 303, "person": 403, "modest": 403, "operator": 200},
        "/console/mail": {"none": 303, "wrong": 303, "person": 403, "modest": 403, "operator": 200},
        "/console/mail/1/html": {"none": 303, "wrong": 303, "person": 403, "modest": 403, "operator": 404},
    }
    async with serve(dsn, pool, environment="production") as there:
        await there.ready()
        for path, codes in expected.items():
            for who, code in codes.items():
                headers = {"authorization": f"Bearer {tokens[who]}"} if tokens[who] else {}
                answer = await there.http.get(path, headers=headers)
                assert answer.status_code == code, (path, who, answer.text[:200])
                if path.startswith("/api/") and code in (401, 403):
                    assert answer.json()["error"]["code"] == {401: "sign_in_needed", 403: "admin_needed"}[code]
        for path in ("/api/v1/jobs/1/cancel", "/api/v1/jobs/1/retry"):
            for who, code in {"none": 401, "wrong": 401, "person": 403, "modest": 403, "operator": 404}.items():
                headers = {"authorization": f"Bearer {tokens[who]}"} if tokens[who] else {}
                answer = await there.http.post(path, headers=headers)
                assert answer.status_code == code, (path, who, answer.text)
    await move(pool, boss.id, "block", actor="test")
    refused = await site.http.get("/api/v1/people", headers={"authorization": f"Bearer {tokens['operator']}"})
    assert refused.status_code in (200, 401), "in development this machine may operate without a token"


async def test_in_development_this_machine_operates_and_nobody_else(site: Site) -> None:
    """Operator pages are open on the loopback in development; not through a proxy, and not under a foreign name."""
    assert (await site.http.get("/console/mail")).status_code == 200
    for headers in ({"x-forwarded-for": "192.0.2.7"}, {"forwarded": "for=192.0.2.7"}, {"host": "rebound.example"}):
        assert (await site.http.get("/console/mail", headers=headers)).status_code == 303, headers


@pytest.mark.parametrize("path", ["/account/leave", "/sign-out", "/console/mail", "/console/people", "/unsubscribe"])
async def test_no_foreign_page_changes_anything(site: Site, path: str) -> None:
    """Issue 6: a form on another origin is refused before anything is looked at."""
    person = await jane(site)
    await enter(site, person)
    answer = await site.http.post(path, headers=FOREIGN, data={"act": "stop", "reason": "x"})
    assert answer.status_code == 403
    assert (await find_by_address(site.pool, JANE)).state == "active"  # type: ignore[union-attr]


async def test_the_top_bar_of_operators(dsn: str, pool: asyncpg.Pool, site: Site) -> None:
    """LOOK: who runs this instance has the way to the console and today's cost in the top bar, nobody else."""
    boss = await add_person(pool, "boss@example.com", state="active", role="admin", actor="test")
    assert "$0.00 today" in (await site.http.get("/market")).text, "on this machine, in development"
    async with serve(dsn, pool, environment="production") as there:
        await there.ready()
        assert "/console" not in (await there.http.get("/market")).text
        await enter(there, await jane(there))
        assert "/console" not in (await there.http.get("/market")).text
        await enter(there, boss)
        assert "$0.00 today" in (await there.http.get("/market")).text


# --- unsubscribing ---------------------------------------------------------------------------------------------------


async def test_unsubscribing(site: Site) -> None:
    """DG-22, RFC 8058: a GET changes nothing, a POST without cookie ends the list, twice is once, no redirect."""
    person = await jane(site)
    query = {"token": person.mail_token, "list": "digest"}
    for _ in range(2):
        assert (await site.http.get("/unsubscribe", params=query)).status_code == 200
    assert wants(await consents_of(site.pool, person.id), "digest")
    for _ in range(2):
        answer = await site.http.post("/unsubscribe", params=query, data={"List-Unsubscribe": "One-Click"})
        assert (answer.status_code, answer.text) == (200, "You are unsubscribed.")
    given = await consents_of(site.pool, person.id)
    assert (wants(given, "digest"), wants(given, "picks"), len(given)) == (False, True, 4)
    assert "You get no digests already" in (await site.http.get("/unsubscribe", params=query)).text
    page = await site.http.post("/unsubscribe", data=query | {"again": "1"})
    assert "Stop the digests" in page.text
    assert wants(await consents_of(site.pool, person.id), "digest"), "a slip is mended where it was made"
    page = await site.http.post("/unsubscribe", data=query)
    assert "You get no more digests" in page.text
    assert "Get the digests again" in page.text
    page = await site.http.post("/unsubscribe", data={"token": person.mail_token, "list": "all"})
    assert "You get no more mail" in page.text
    assert "again" not in page.text.partition("<main")[2].partition("<form id")[0]
    assert (await find_by_address(site.pool, JANE)).state == "left"  # type: ignore[union-attr]
    for token in ("", "x", "%%UNSUBSCRIBE%%", "\x00", "é" * 500):
        assert (await site.http.post("/unsubscribe", data={"token": token})).status_code == 404


# --- the account -----------------------------------------------------------------------------------------------------


async def test_the_account(site: Site) -> None:
    """DG-32, DG-33: tickers, lists, zone, pause, leave and return, each by a plain form."""
    await profile(site, ("AAPL", "Apple Inc."), ("IBM", "IBM"), ("MSFT", "Microsoft Corporation"), ("FB", "Facebook"))
    person = await jane(site)
    await enter(site, person)

    async def do(action: str, **form: str) -> httpx.Response:
        return await site.http.post(f"/account/{action}", data=form)

    for ticker in ("aapl", "IBM", "microsoft corp"):
        answer = await do("follow", ticker=ticker)
        if answer.status_code == 400:
            assert "MSFT" in answer.text, "the name of a company is answered with its symbol"
            await do("follow", ticker="MSFT")
    assert await tickers_of(site.pool, person.id) == ["AAPL", "IBM", "MSFT"]
    assert "as many as there can be" in (await do("follow", ticker="FB")).text
    await do("unfollow", ticker="IBM")
    await do("lists", picks="on")
    given = await consents_of(site.pool, person.id)
    assert (wants(given, "digest"), wants(given, "picks")) == (False, True)
    for action, state in (("pause", "paused"), ("resume", "active"), ("leave", "left"), ("return", "active")):
        await do(action)
        assert (await find_by_address(site.pool, JANE)).state == state  # type: ignore[union-attr]
    assert "no time zone" in (await do("zone", zone="Mars/Olympus")).text
    assert (await do("nonsense")).status_code == 404
    shown = await do("token", name="my script")
    token = re.search(r"ob_[\w-]{40,}", shown.text)
    assert token
    mine = await site.http.get("/api/v1/account", headers={"authorization": f"Bearer {token[0]}", "cookie": ""})
    assert (mine.json()["address"], mine.json()["credits"]["granted"]) == (JANE, 5)
    assert token[0] not in (await site.http.get("/account")).text, "it is shown once"
    await do("revoke", id="1")
    refused = await site.http.get("/api/v1/account", headers={"authorization": f"Bearer {token[0]}", "cookie": ""})
    assert refused.status_code == 401


async def test_export_and_erase(site: Site) -> None:
    """DG-32, DG-34: everything about me as JSON; erased, no row of any table holds the address or the name any more."""
    person = await jane(site, name="Jane Doe-Synthetic")
    await follow(site.pool, person, "AAPL")
    await enter(site, person)
    from openbell.mail import queue

    for ref in ("one", "two"):
        await queue(
            site.pool, kind="welcome", recipient=person, subject="For Jane Doe-Synthetic", html="", text="Hi", ref=ref
        )
    found = (await site.http.get("/account/export")).json()
    assert found["person"]["address"] == JANE
    assert (found["tickers"], len(found["mails"]), len(found["consents"])) == (["AAPL"], 2, 3)
    assert "mail_token" not in repr(found)
    assert (await site.http.post("/account/erase", data={"address": "other@example.com"})).status_code == 400
    assert "Erased" in (await site.http.post("/account/erase", data={"address": JANE})).text
    tables = await site.pool.fetch(
        "select c.oid::regclass::text as name from pg_class c "
        "where c.relkind in ('r', 'p') and c.relnamespace = 'openbell'::regnamespace"
    )
    for table in tables:
        rows = await site.pool.fetch(f"select t::text as row from {table['name']} t")
        assert not [row for row in rows if JANE in row["row"] or "Doe-Synthetic" in row["row"]], table["name"]
    assert await site.pool.fetchval("select count(*) from openbell.consent") == 3, (
        "what was agreed to stays, without a name"
    )
    assert (await site.http.get("/account")).status_code == 303
    again = await add_person(site.pool, JANE)
    assert again.id != person.id, "who comes back is somebody new"


@pytest.fixture
async def queued(site: Site) -> int:
    """A mail that waits."""
    from openbell.mail import queue

    person = await jane(site)
    html = '<p>Hello <b>Jane</b></p><script>document.title="owned"</script><img src="https://evil.example/x.png">'
    one = await queue(
        site.pool, kind="digest", recipient=person, subject="Digest of AAPL <i>", html=html, text="Hello <i>",
        ticker="AAPL", send_at=await site.pool.fetchval("select openbell.now() + interval '2 hours 5 minutes'"),
    )  # fmt: skip
    return one.id


async def test_the_console_of_mail(site: Site, queued: int) -> None:
    """DG-20: the queue with its countdown; hold, release, cancel, undo and send now; the emergency stop; previews."""
    page = (await site.http.get("/console/mail")).text
    assert "in 2 h" in page
    assert "Digest of AAPL &lt;i&gt;" in page

    async def act(name: str, **other: str) -> int:
        return (await site.http.post("/console/mail", data={"act": name, "id": str(queued), **other})).status_code

    for name, state in (("hold", "held"), ("release", "ready"), ("cancel", "cancelled"), ("undo", "ready")):
        assert await act(name) == 303
        assert await site.pool.fetchval("select state from openbell.delivery") == state
    assert await act("undo") == 409
    assert await act("nonsense") == 400
    assert await act("stop") == 400, "a stop needs a reason"
    assert await act("stop", reason="the wrong digest") == 303
    assert "All mail is stopped" in (await site.http.get("/console/mail")).text
    assert await act("resume") == 303
    frame = await site.http.get(f"/console/mail/{queued}/html")
    policy = frame.headers["content-security-policy"]
    assert "sandbox" in policy
    assert "script-src" not in policy
    assert "frame-ancestors 'self'" in policy
    assert "Hello &lt;i&gt;" in (await site.http.get(f"/console/mail/{queued}")).text
    assert (await site.http.get("/console/mail/999")).status_code == 404
    actors = await site.pool.fetch("select distinct actor from openbell.audit where action like 'mail.%'")
    assert [row["actor"] for row in actors] == ["local operator"]
