"""The console's pages that steer: providers and breakers, flags and products, schedules, and who did what."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Literal

import asyncpg
import pytest
from axe_playwright_python.async_playwright import Axe

from openbell.engine.challenger import Rule
from openbell.engine.flags import add_flag, get_flag
from openbell.engine.ledger import Limit, ensure_accounts
from openbell.engine.rollout import set_flag, set_rule
from openbell.engine.schedules import Scheduler, get_schedule, seed_schedules
from openbell.products import registry
from openbell.web.console.frame import SQL as CONSOLE
from tests.web.conftest import Browser, Site, shot
from tests.web.test_people_pages import SIDEWAYS

FLAG = "quote-next"
CALLS = """
insert into openbell.spend (product, key, provider, operation, effect, state, intended_at, tried_at, sent_at, ended_at,
    timeout, held, took, outcome, charged)
select 'quote', 'K' || n, 'fmp', case when n % 3 = 0 then 'profile' else 'quote' end, 'repeat',
    case when n % 10 = 0 then 'released' else 'settled' end::openbell.spend_state, at, at, at,
    at + interval '250 ms', interval '10 s',
    '{"calls": 1}', case when n % 20 = 0 then '{}' else '{"calls": 1}' end::jsonb,
    case when n % 7 = 0 then 'timeout' else 'ok' end, true
from generate_series(1, 200) n, lateral (select openbell.now() - interval '5 minutes' * n as at) moment
"""
TRIALS = """
with declared as (
    insert into openbell.product
    select (made.p).* from openbell.product q,
        lateral (select jsonb_populate_record(q, '{"name": "quote-next", "kind": "task"}') as p) made
    where q.name = 'quote'
    returning version
)
insert into openbell.trial (challenger, key, at, job_id, producer_version, live_version, verdict, fields, differences,
    calls, bytes, cost_micro, took_s, age_s, live_calls, live_bytes, live_cost_micro, live_took_s, live_age_s)
select 'quote-next', 'K' || n % 9, openbell.now() - interval '1 minute' * n, n, declared.version, 1,
    case when n % 25 = 0 then 'different' else 'equal' end, case when n % 25 = 0 then 1 else 0 end,
    case when n % 25 = 0 then '[{"path": "price", "side": "different", "live": "562.95", "new": "562.90"}]'
        else '[]' end::jsonb,
    1, 900, 0, 0.2, 12, 1, 1200, 0, 0.4, 15 from declared, generate_series(1, 100) n
"""
WAITING = """
insert into openbell.job (product, key, job_class, max_attempts, queued_at, parked_until, reason)
select 'quote', 'W' || n, 0, 3, openbell.now() - interval '2 minutes', openbell.now() + interval '40 s',
    'Waiting: the limit of FMP calls in any minute is used up.'
from generate_series(1, 12) n
"""


def seen(page: str, form: str) -> str:
    """The revision that the form at this address carries."""
    found = re.search(rf'action="{re.escape(form)}".*?name="seen" value="([^"]*)"', page, re.DOTALL)
    assert found is not None, page
    return found[1]


async def furnish(pool: asyncpg.Pool) -> None:
    """A house in which something happens: a flag with a rule, limits, calls, schedules, and jobs that wait."""
    await add_flag(
        pool, FLAG, about="quote-next makes quote in the place of its producer", owner="ann",
        remove_by=date(2031, 6, 30), actor="test",
    )  # fmt: skip
    await add_flag(pool, "old-one", about="a thing of the past", owner="bob", remove_by=date(2020, 1, 31), actor="test")
    await set_rule(pool, FLAG, Rule(at_least=500), actor="ann")
    await ensure_accounts(
        pool,
        [
            Limit("fmp", "calls", "minute", 300, span=timedelta(minutes=1)),
            Limit("fmp", "bytes", "30 days", 20_000_000_000, span=timedelta(days=30), grain=timedelta(hours=1)),
        ],
    )
    await seed_schedules(pool, registry().schedules.values())
    await pool.execute(CALLS)
    await pool.execute(WAITING)


async def test_flags_are_set_by_the_page_as_by_the_command(site: Site) -> None:
    """PF-27, PF-28: the page goes through the rule, names the missing figure, takes an override with a reason only, and
    refuses who has not seen what another did, with what that was; nothing is changed by what is refused.
    """
    await furnish(site.pool)
    listed = (await site.http.get("/console/flags")).text
    assert "overdue" in listed
    assert "500 comparisons" in listed
    place = f"/console/flags/{FLAG}"
    page = (await site.http.get(place)).text
    form = {
        "act": "set", "mode": "percent", "percent": "12.5", "allow": "AAPL\r\n\r\nMSFT", "deny": "", "owner": "ann",
        "remove_by": "2031-06-30", "reason": "", "seen": seen(page, place),
    }  # fmt: skip
    refused = await site.http.post(place, data=form)
    assert refused.status_code == 409
    assert "0 of 500 comparisons" in refused.text
    assert "AAPL\nMSFT" in refused.text.replace("\r\n\r\n", "\n"), "what was typed is not lost"
    assert (await site.http.post(place, data=form | {"force": "yes"})).status_code == 400
    assert (await get_flag(site.pool, FLAG)).mode == "off"
    done = await site.http.post(place, data=form | {"force": "yes", "reason": "the source ends <today>"})
    assert done.status_code == 303
    flag = await get_flag(site.pool, FLAG)
    assert (flag.words, list(flag.allow), list(flag.deny)) == ("12.5 %", ["AAPL", "MSFT"], [])
    page = (await site.http.get(place)).text
    assert "the source ends &lt;today&gt;" in page
    assert "forced: 0 of 500 comparisons" in page
    late = await site.http.post(place, data=form | {"mode": "off", "reason": "mine"})
    assert late.status_code == 409
    assert "has changed since you looked: local operator" in late.text
    assert "mode off to percent" in late.text
    assert "share 0 % to 12.5 %" in late.text
    assert (await get_flag(site.pool, FLAG)).mode == "percent"
    rule = {"act": "rule", "at_least": "7", "different": "0.5", "failed": "1", "hours": "24", "seen": seen(page, place)}
    assert (await site.http.post(place, data=rule)).status_code == 303
    assert await site.pool.fetchval("select at_least from openbell.flag_rule where flag = $1", FLAG) == 7
    now = str((await get_flag(site.pool, FLAG)).revision)
    for bad in (
        {"mode": "most"}, {"percent": "101"}, {"remove_by": "soon"}, {"owner": " "}, {"allow": "a\x00b"}, {"seen": "x"},
        {"act": "rule", "at_least": "-1", "hours": "1"}, {"act": "rule", "at_least": "5", "hours": "0"},
    ):  # fmt: skip
        answer = await site.http.post(place, data=form | {"seen": now, "reason": "x", "force": "yes"} | bad)
        assert answer.status_code in (400, 409), bad
    assert str((await get_flag(site.pool, FLAG)).revision) == now
    assert (await site.http.get("/console/flags/nothing")).status_code == 404
    assert (await site.http.post("/console/flags/nothing", data=form)).status_code == 404
    foreign = await site.http.post(place, data=form, headers={"Origin": "https://foreign.example"})
    assert foreign.status_code == 403


async def test_products_schedules_and_breakers_are_steered_with_a_reason(site: Site) -> None:
    """PF-23, PF-32, DC-10: each act takes a reason that is kept, and is refused on top of what nobody has seen."""
    await furnish(site.pool)
    page = (await site.http.get("/console/flags")).text
    block = page.split('name="product" value="quote"', maxsplit=1)[1]
    off = {"product": "quote", "act": "off", "seen": re.findall(r'name="seen" value="(\d+)"', block)[0]}
    assert (await site.http.post("/console/flags", data=off)).status_code == 400
    assert (await site.http.post("/console/flags", data=off | {"reason": "wrong prices"})).status_code == 303
    assert not await site.pool.fetchval("select enabled from openbell.product where name = 'quote'")
    assert "wrong prices" in (await site.http.get("/console/flags")).text
    twice = await site.http.post("/console/flags", data=off | {"act": "on", "reason": "right again"})
    assert (twice.status_code, "enabled on to off (wrong prices)" in twice.text) == (409, True)
    gone = await site.http.post("/console/flags", data=off | {"product": "nothing", "reason": "x"})
    assert gone.status_code == 404

    name = next(iter(registry().schedules.values())).name
    place = f"/console/schedules/{name}"
    assert name in (await site.http.get("/console/schedules")).text
    before = seen((await site.http.get(place)).text, place)
    assert (await site.http.post(place, data={"act": "pause", "seen": before})).status_code == 400
    done = await site.http.post(place, data={"act": "pause", "seen": before, "reason": "the source moves"})
    assert done.status_code == 303
    assert not (await get_schedule(site.pool, name)).enabled
    late = await site.http.post(place, data={"act": "resume", "seen": before, "reason": "me too"})
    assert (late.status_code, "the source moves" in late.text) == (409, True)
    ran = await site.http.post(place, data={"act": "run", "seen": "", "reason": "once by hand"})
    assert ran.status_code == 303
    page = (await site.http.get(place)).text
    assert "once by hand" in page
    assert "run by hand" in page
    assert (await site.http.get("/console/schedules/nothing")).status_code == 404

    place = "/console/providers/fmp"
    assert "closed" in (await site.http.get("/console/providers")).text
    page = (await site.http.get(place)).text
    assert "the limit of FMP calls in any minute is used up" in page
    assert "calls in any minute" in page
    act = {"act": "open", "operation": "", "span": "60", "reason": "they mend their billing"}
    assert (await site.http.post(place, data=act | {"reason": ""})).status_code == 400
    assert (await site.http.post(place, data=act | {"span": "99999"})).status_code == 400
    assert (await site.http.post(place, data=act)).status_code == 303
    page = (await site.http.get(place)).text
    assert "they mend their billing" in page
    assert "open until" in (await site.http.get("/console/providers")).text
    late = await site.http.post(place, data=act | {"reason": "me too"})
    assert (late.status_code, "they mend their billing" in late.text) == (409, True)
    close = {"act": "close", "operation": "", "seen": seen(page, place), "reason": "it answers"}
    assert (await site.http.post(place, data=close)).status_code == 303
    assert await site.pool.fetchval("select count(*) from openbell.breaker") == 0
    assert (await site.http.get("/console/providers/nobody")).status_code == 404
    assert (await site.http.get("/console/providers/%00")).status_code == 404


async def test_calls_are_counted_by_what_came_of_them(site: Site) -> None:
    """Issue 9, console: of the calls of an hour and a day those that the provider refused, that failed and that never
    left stand apart, with the median of those that were answered.
    """
    await furnish(site.pool)
    (row,) = [
        dict(one)
        for one in await site.pool.fetch(
            CONSOLE.get("count_provider_calls"), None, ["ok"]
        )
    ]  # fmt: skip
    assert (row["calls"], row["refused"], row["held_back"], row["failed"]) == (190, 10, 10, 26)
    assert row["calls_hour"] == 11
    assert row["day_s"] == pytest.approx([0.25, 0.25], abs=0.001)
    operations = await site.pool.fetch(CONSOLE.get("count_provider_calls"), "fmp", ["ok"])
    assert [one["operation"] for one in operations] == ["profile", "quote"]
    assert sum(one["calls"] for one in operations) == 190


LOG = """
insert into openbell.audit (at, actor, action, target, after)
select openbell.now() - interval '1 second' * (n / 3), 'person ' || n % 50, 'thing.' || n % 5,
    'object-' || n % 1000, '{"n": 1}'
from generate_series(1, $1) n
"""


async def test_the_audit_log_is_filtered_and_paged(site: Site) -> None:
    """PF-27, issue 9: each entry stands on one page, also with equal times; filters live in the address, and bad
    ones ask for nothing; what is written there is shown as text.
    """
    await site.pool.execute(LOG, 240)
    await set_flag_with_markup(site.pool)
    found: list[int] = []
    place: str | None = "/console/audit?action=thing.*"
    while place:
        answer = await site.http.get(place)
        assert answer.status_code == 200
        found += [int(one) for one in re.findall(r'<tr data-row="(\d+)"', answer.text)]
        following = re.search(r'href="([^"]+)" rel="next"', answer.text)
        place = following[1].replace("&amp;", "&") if following else None
    everything = await site.pool.fetch(
        "select id from openbell.audit where action like 'thing.%' order by at desc, id desc"
    )
    assert found == [row["id"] for row in everything]
    one = (await site.http.get("/console/audit?actor=person+7&action=thing.2&object=object-7")).text
    assert one.count("<tr data-row") == 1
    assert (await site.http.get("/console/audit?object=object-1*")).text.count("<tr data-row") == 50
    assert "Nothing matches" in (await site.http.get("/console/audit?to=2001-01-01T00:00")).text
    assert "Nothing matches" in (await site.http.get("/console/audit?object=100%25")).text
    odd = await site.http.get("/console/audit?from=x&to=9999-99-99&before=0001-01-01&id=99999999999999999999&actor=%00")
    assert odd.status_code == 200
    marked = (await site.http.get("/console/audit?object=try-it&action=flag.set")).text
    assert "&lt;b&gt;why&lt;/b&gt;" in marked
    assert "<b>why</b>" not in marked


async def set_flag_with_markup(pool: asyncpg.Pool) -> None:
    """A change whose reason looks like a page."""
    await add_flag(pool, "try-it", about="a test", owner="nobody", remove_by=date(2031, 1, 1), actor="test")
    await set_flag(pool, "try-it", mode="on", actor="ann", reason="<b>why</b>")


@pytest.mark.browser
async def test_pages_that_steer_in_a_browser(site: Site, browser: Browser) -> None:
    """LOOK: no violation that axe finds, nothing to scroll sideways on a phone, no complaint of the browser; a form
    sets without a script what it says.
    """
    await furnish(site.pool)
    await set_flag(site.pool, FLAG, mode="shadow", share=1_000, actor="ann", reason="a first look")
    await site.pool.execute(TRIALS)
    await site.pool.execute(
        """insert into openbell.breaker (provider, operation, opened_at, open_until, openings, code, reason)
           values ('fmp', 'profile', openbell.now(), openbell.now() + interval '5 minutes', 2, 'x',
               '4 of the last 6 calls failed')"""
    )
    name = next(iter(registry().schedules.values())).name
    while await Scheduler(site.pool).take_due():
        pass
    await site.http.post(f"/console/schedules/{name}", data={"act": "run", "reason": "to be seen"})
    pages = {
        "providers": "/console/providers", "provider": "/console/providers/fmp", "flags": "/console/flags",
        "flag": f"/console/flags/{FLAG}", "schedules": "/console/schedules", "schedule": f"/console/schedules/{name}",
        "audit": "/console/audit",
    }  # fmt: skip
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    async with browser() as (_, page, complaints):
        for word, place in pages.items():
            await page.set_viewport_size({"width": 1280, "height": 900})
            await page.goto(site.address + place)
            for width, kind in ((1280, ""), (390, "-phone")):
                await page.set_viewport_size({"width": width, "height": 900})
                for scheme in schemes:
                    await page.emulate_media(color_scheme=scheme)
                    if not kind:
                        result = await Axe().run(page)
                        assert not result.violations_count, (place, scheme, result.generate_report())
                    await shot(page, f"console-{word}-{scheme}{kind}")
            assert not await page.evaluate(SIDEWAYS), place
        assert complaints == []
    async with browser(java_script_enabled=False) as (_, page, _complaints):
        await page.goto(f"{site.address}/console/flags/{FLAG}")
        await page.check("#mode-off")
        await page.fill("#reason", "enough seen")
        await page.click("button[value=set]")
        assert "enough seen" in await page.content()
    assert (await get_flag(site.pool, FLAG)).mode == "off"
