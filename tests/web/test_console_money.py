"""The console's plans for many jobs, its pages of calls, accounts and mails: filters, doubts, and how they look."""

from __future__ import annotations

import re
from html import unescape

import pytest
from axe_playwright_python.async_playwright import Axe

from tests.web.conftest import Browser, Site, shot
from tests.web.test_jobs_console import ROWS
from tests.web.test_people_pages import SIDEWAYS

CALLS = """
insert into openbell.account (subject, resource, period, closes, span, granted, held)
values ('shop', 'calls', 'minute', 'age', '1 minute', 100, 3);
insert into openbell.spend (id, job_id, product, key, provider, operation, effect, state, intended_at, tried_at,
    sent_at, ended_at, timeout, held, took, cost_micro, outcome)
overriding system value
select n, 1010, 'news', 'S' || n, case when n % 2 = 0 then 'shop' else 'press' end, 'ask', 'never',
    case when n > 117 then 'unknown' else 'settled' end::openbell.spend_state, t.at, t.at, t.at, t.at + interval '2 s',
    '10 s', '{"calls": 1}', '{"calls": 1}', 0, case when n > 117 then '<b>cut off</b>' else 'ok' end
from generate_series(1, 120) n, lateral (select openbell.now() - interval '1 minute' * (121 - n) as at) t;
insert into openbell.hold (spend_id, account_id, amount) select n, 1, 1 from generate_series(118, 120) n
"""
MAILS = """
insert into openbell.delivery (kind, artifact, version, address, message_id, send_at, expires_at, state, note,
    state_at)
select 'digest', 'digest E' || n % 3, n, 'r' || n || '@example.test', 'm' || n, t.at, t.at + interval '1 day',
    case n % 4 when 0 then 'failed' when 1 then 'held' else 'sent' end,
    case n % 4 when 0 then 'refused there' else '' end, t.at
from generate_series(1, 40) n, lateral (select openbell.now() - interval '1 minute' * n as at) t
"""


def hidden(page: str) -> dict[str, str]:
    """What the form of a plan brings along."""
    form = page[page.index('action="/console/jobs/many/done"') :]
    return {name: unescape(value) for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form)}


async def test_many_jobs_are_planned_and_done_once(site: Site) -> None:
    """Step 8, bulk: the page counts and samples, its button does just that once; a changed plan does nothing."""
    await site.ready()
    await site.pool.execute(ROWS)
    jobs = (await site.http.get("/console/jobs?product=quote&hours=1")).text
    assert "Queue again all that failed" in jobs
    wish = {"act": "retry", "product": "quote", "hours": "1"}
    page = (await site.http.post("/console/jobs/many/plan", data=wish)).text
    assert re.search(r"<dt>Queued again</dt><dd>12</dd>|<dt>Queued again</dt><dd>11</dd>", page)
    given = hidden(page)
    assert await site.count("job") == 0
    forged = given | {"told": given["told"].replace('"product": "quote"', '"product": "other"')}
    answer = await site.http.post("/console/jobs/many/done", data=forged)
    assert answer.status_code == 409
    assert (await site.http.post("/console/jobs/many/done", data=given | {"told": "[]"})).status_code == 400
    done = await site.http.post("/console/jobs/many/done", data=given)
    assert done.status_code == 200
    assert "jobs queued again." in done.text
    live = await site.count("job")
    assert live in (11, 12)
    again = await site.http.post("/console/jobs/many/done", data=given)
    assert again.status_code == 409
    assert "used already" in again.text
    page = (await site.http.post("/console/jobs/many/plan", data={"act": "cancel", "class": "interactive"})).text
    assert f"<dt>Waiting</dt><dd>{live}</dd>" in page
    done = await site.http.post("/console/jobs/many/done", data=hidden(page))
    assert f"{live} jobs cancelled." in done.text
    assert await site.count("job") == 0
    nothing = await site.http.post("/console/jobs/many/plan", data={"act": "cancel"})
    assert nothing.status_code == 409
    assert (await site.http.post("/console/jobs/many/plan", data={"act": "drop"})).status_code == 400
    foreign = await site.http.post("/console/jobs/many/plan", data=wish, headers={"Origin": "https://x.example"})
    assert foreign.status_code == 403


async def test_spends_are_found_and_resolved(site: Site) -> None:
    """Step 8, spends: each call on one page, also of a span; doubts are resolved with a reason, once, one or many."""
    await site.ready()
    await site.pool.execute(ROWS)
    await site.pool.execute(CALLS)
    seen: list[str] = []
    place: str | None = "/console/spends"
    while place:
        page = (await site.http.get(place)).text
        seen += re.findall(r'href="/console/spends/(\d+)"', page)
        following = re.search(r'href="([^"]+)" rel="next"', page)
        place = unescape(following[1]) if following else None
    assert seen == [str(n) for n in range(120, 0, -1)]
    span = await site.pool.fetchrow(
        "select min(ended_at) as a, max(ended_at) as b from openbell.spend where id between 40 and 43"
    )
    assert span
    asked = {"from": span["a"].isoformat(), "to": span["b"].isoformat(), "provider": "press"}
    page = (await site.http.get("/console/spends", params=asked)).text
    assert re.findall(r'href="/console/spends/(\d+)"', page) == ["41"]
    assert all(f'name="{name}" value="{asked[name]}"' in unescape(page) for name in ("from", "to")), (
        "the filter keeps it"
    )
    doubts = (await site.http.get("/console/spends?state=unknown")).text
    assert "<b>cut off" not in doubts
    wish = {"state": "unknown", "id": ["118", "119"], "answer": "not", "reason": "not on the bill"}
    assert (await site.http.post("/console/spends", data=wish | {"reason": " "})).status_code == 400
    assert (await site.http.post("/console/spends", data=wish | {"answer": "perhaps"})).status_code == 400
    done = await site.http.post("/console/spends", data=wish)
    assert done.status_code == 200
    assert "2 calls resolved as never happened" in done.text
    late = await site.http.post("/console/spends", data=wish | {"answer": "happened"})
    assert late.status_code == 409
    assert "not in doubt" in late.text
    assert (await site.http.post("/console/spends", data=wish | {"id": "120", "answer": "happened"})).status_code == 200
    states = await site.pool.fetch("select id, state::text as state from openbell.spend where id > 117 order by id")
    assert [row["state"] for row in states] == ["released", "released", "settled"]
    audited = (
        "select count(*) from openbell.audit where action = 'spend.resolve' and after ->> 'reason' = 'not on the bill'"
    )
    assert await site.pool.fetchval(audited) == 3
    one = (await site.http.get("/console/spends/120")).text
    assert "not on the bill" in one
    assert (await site.http.get("/console/spends/77777")).status_code == 404
    assert (await site.http.get("/console/spends?state=x&before=x&from=x&to=99&key=%00")).status_code == 200
    accounts = (await site.http.get("/console/accounts?subject=shop")).text
    assert "Granted" in accounts
    assert "No account, with" in (await site.http.get("/console/accounts?subject=nobody")).text


async def test_mails_are_found_by_state_and_edition(site: Site) -> None:
    """Step 8, deliveries: by state and edition, with why they failed; what waits stands first."""
    await site.ready()
    await site.pool.execute(MAILS)
    page = (await site.http.get("/console/mail?edition=digest+E1&state=failed")).text
    shown = [int(one) for one in re.findall(r'href="/console/mail/(\d+)"', page)]
    own = "select id from openbell.delivery where artifact = 'digest E1' and state = 'failed' order by state_at desc"
    assert shown == [row["id"] for row in await site.pool.fetch(own)]
    assert "refused there" in page
    everything = re.findall(r'href="/console/mail/(\d+)"', (await site.http.get("/console/mail")).text)
    states = {str(row["id"]): row["state"] for row in await site.pool.fetch("select id, state from openbell.delivery")}
    assert [states[one] for one in everything[:10]] == ["held"] * 10
    assert len(everything) == 40
    assert (await site.http.get("/console/mail?person=x&edition=%00&state=held")).status_code == 200


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_pages_of_money_in_a_browser(site: Site, browser: Browser, scheme: str) -> None:
    """LOOK: no violation that axe finds, nothing to scroll sideways on a phone, no complaint of the browser."""
    await site.ready()
    for statement in (ROWS, CALLS, MAILS):
        await site.pool.execute(statement)
    places = {
        "spends": "/console/spends", "doubts": "/console/spends?state=unknown", "spend": "/console/spends/120",
        "accounts": "/console/accounts", "deliveries": "/console/mail",
    }  # fmt: skip
    async with browser(color_scheme=scheme) as (_, page, complaints):
        for name, place in (*places.items(), ("many", "/console/jobs")):
            await page.set_viewport_size({"width": 1280, "height": 900})
            await page.goto(site.address + place)
            if name == "many":
                await page.get_by_role("button", name="Queue again all that failed").click()
                await page.wait_for_url("**/console/jobs/many/plan")
            result = await Axe().run(page)
            assert not result.violations_count, result.generate_report()
            await shot(page, f"console-{name}-{scheme}")
            await page.set_viewport_size({"width": 390, "height": 844})
            assert not await page.evaluate(SIDEWAYS), name
            await shot(page, f"console-{name}-{scheme}-phone")
        assert complaints == []
