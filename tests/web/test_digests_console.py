"""The operator's page of digests: every button of it, and how it looks."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe

from openbell.mail import letters, queue_all
from openbell.people import add_person, consent, follow
from openbell.products.digest.digest import Digest
from tests.products.digest.contents import content
from tests.products.digest.writing import inputs
from tests.web.conftest import Browser, Site, shot
from tests.web.test_digests import job_of, known  # noqa: F401 - fixture
from tests.web.test_people_pages import SIDEWAYS

PAGE = "/console/digests"
KEY = "AAPL|daily|2026-11-24"


async def house(site: Site) -> None:
    """A morning: one digest that is made and mailed, one that is not begun, a feed that fails, pages read."""
    made = Digest(inputs=inputs(edition="daily"), content=content("daily")).model_dump(mode="json")
    await site.publish("digest", KEY, made, hint=False)
    due = await site.pool.fetchval("select openbell.now() + interval '3 hours 10 minutes'")
    for ticker in ("AAPL", "MSFT"):
        await site.pool.execute(
            "insert into openbell.digest_edition (ticker, edition, day, due_at, send_at) "
            "values ($1, 'daily', '2026-11-24', openbell.now(), $2)", ticker, due,
        )  # fmt: skip
    people = [await add_person(site.pool, f"r{n}@example.com", state="active", actor="test") for n in range(3)]
    boss = await add_person(site.pool, "boss@example.com", state="active", role="admin", actor="test")
    for one in people:
        await consent(site.pool, one.id, ["mail"], given=True, source="test")
        await follow(site.pool, one, "AAPL")
    letter = letters.render(
        "welcome", subject="Apple: a quiet day", tickers=["AAPL"], listed=True, why="You follow AAPL."
    )
    artifact = ("digest", KEY, 1)
    for kind in ("digest-selection", "digest-content"):
        await queue_all(site.pool, kind=kind, recipients=[boss], letter=letter, artifact=artifact)
    await queue_all(site.pool, kind="digest", recipients=people, letter=letter, artifact=artifact, send_at=due)
    await site.pool.execute(
        "update openbell.digest_feed set polls = 8, failures = 6, in_a_row = 5, code = 'feed_invalid' "
        "where id = (select min(id) from openbell.digest_feed)"
    )
    await site.pool.execute(
        "insert into openbell.digest_domain (domain, free_ok, free_bad, paid_ok, paid_bad, last_code) "
        "values ('paper.example', 30, 10, 4, 1, 'paywall')"
    )


async def test_every_button(known: Site) -> None:  # noqa: F811
    """DG-20, DG-36, DG-38: countdown, previews of mails 1 to 3, hold to undo, send now, three ways to make again, the
    test runner with progress and cancel, success rates, timetable, costs; each act is audited, none is open to others.
    """
    site = known
    await house(site)
    page = (await site.http.get(PAGE)).text
    for words in (
        "in 3 h", "3 wait", "Mail 1", "Mail 2", "Mail 3", "not begun", "5 in a row, feed_invalid", "25 %", "75 % of 40",
        "80 % of 5", "Stop all mail", "Run some",
    ):  # fmt: skip
        assert words in page, words

    async def act(name: str, **other: Any) -> int:
        return (await site.http.post(PAGE, data={"act": name, "key": KEY} | other)).status_code

    async def states() -> list[str]:
        rows = await site.pool.fetch("select state from openbell.delivery where kind = 'digest' order by id")
        return [row["state"] for row in rows]

    for name, state in (("hold", "held"), ("release", "ready"), ("cancel", "cancelled"), ("undo", "ready")):
        assert await act(name) == 303
        assert await states() == [state] * 3
    assert await act("send-now") == 303
    assert await site.pool.fetchval(
        "select max(send_at) <= openbell.now() from openbell.delivery where kind = 'digest'"
    )
    for name, status in (("release", 409), ("nonsense", 400), ("again", 303), ("renew", 303), ("topup", 303)):
        assert await act(name) == status, name
    assert await act("hold", key="AAPL|hourly|x") == 400
    assert await job_of(site, KEY) is not None
    assert await site.pool.fetchval("select count(*) from openbell.job where product = 'digest-edition'") == 1
    assert await act("run", tickers="msft, IBM", mode="test") == 303
    assert await act("run", tickers="") == await act("run", tickers="ZZZZ") == 400
    batch = await site.pool.fetchval("select id from openbell.digest_batch")
    assert "MSFT, IBM" in (await site.http.get(PAGE)).text
    assert await act("cancel-batch", batch=str(batch)) == 303
    assert "2 cancelled" in (await site.http.get(PAGE)).text
    assert await act("cancel-batch", batch="999") == 400
    assert "Costs" in (await site.http.get(f"{PAGE}?costs={KEY}")).text
    far = {"X-Forwarded-For": "203.0.113.9"}
    for answer in (
        await site.http.get(PAGE, headers=far),
        await site.http.post(PAGE, data={"act": "again"}, headers=far),
    ):
        assert answer.status_code in (303, 401, 403)
        assert "AAPL" not in answer.text
    audited = {row["action"] for row in await site.pool.fetch("select action from openbell.audit")}
    assert {"digest.again", "digest.renew", "digest.topup", "mail.hold", "mail.undo", "mail.send-now"} <= audited


async def test_digests_for_nothing_for_who_runs_it(known: Site) -> None:  # noqa: F811
    """Build 7: the first page says what a digest is and where to begin; the operator orders one without a credit."""
    site = known
    page = (await site.http.get("/digests")).text
    assert "A digest is a report on one company" in page
    assert '<a href="/digests?ticker=AAPL">' in page
    assert "takes no credit" in (await site.http.get("/digests?ticker=AAPL")).text
    made = await site.http.post("/digests", data={"ticker": "AAPL"})
    assert (made.status_code, made.headers["location"].startswith("/digest/AAPL/")) == (303, True)
    assert await site.pool.fetchval("select job_class from openbell.job where product = 'digest'") == 30
    far = {"X-Forwarded-For": "203.0.113.9"}
    assert (await site.http.post("/digests", data={"ticker": "IBM"}, headers=far)).status_code in (303, 401)
    assert await site.pool.fetchval("select count(*) from openbell.job where product = 'digest'") == 1


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_how_it_looks(known: Site, browser: Browser, scheme: str) -> None:  # noqa: F811
    """LOOK: no violation that axe finds, nothing to scroll sideways on a phone; a button works."""
    site = known
    async with browser(color_scheme=scheme) as (_, page, complaints):
        await page.goto(f"{site.address}/digests")
        await shot(page, f"digests-first-{scheme}")
        await house(site)
        await page.goto(f"{site.address}{PAGE}?costs={KEY}")
        result = await Axe().run(page)
        assert not result.violations_count, result.generate_report()
        await shot(page, f"console-digests-{scheme}")
        await page.get_by_role("button", name=f"Hold: mails of {KEY}").click()
        await page.get_by_text("3 held").wait_for()
        await page.set_viewport_size({"width": 390, "height": 844})
        assert not await page.evaluate(SIDEWAYS)
        await shot(page, f"console-digests-{scheme}-phone")
        assert complaints == []
