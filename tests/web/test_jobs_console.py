"""The console's pages of jobs: filters, pages by key, one job, and what may be done with it."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.async_playwright import Axe

from tests.web.conftest import Browser, Site, shot
from tests.web.test_people_pages import SIDEWAYS

ROWS = """
insert into openbell.job_history (id, product, key, job_class, outcome, attempts, queued_at, started_at, finished_at,
    cost_micro, code, message)
select 1000 + n, 'quote', 'S' || n, 0, case when n % 10 = 0 then 'failed' else 'done' end::openbell.job_outcome, 1,
    at - interval '2 s', at - interval '1 s', at, 0,
    case when n % 10 = 0 then 'bad_answer' end, case when n % 10 = 0 then '<b>odd</b>' end
from generate_series(1, 120) n, lateral (select openbell.now() - interval '1 minute' * (n / 2) as at) moment
"""


TRIED = """
update openbell.job_history set attempts = 2, trail = jsonb_build_array(jsonb_build_object('attempt', 1, 'worker', 3,
    'started_at', queued_at + interval '200 ms', 'ended_at', queued_at + interval '700 ms', 'code', 'x',
    'message', 'the shop was closed')) where id = 1010;
insert into openbell.spend (job_id, product, key, provider, operation, effect, state, intended_at, tried_at, ended_at,
    timeout, held, took, cost_micro, outcome)
select id, product, key, 'shop', 'ask', 'never', 'settled', started_at + interval '100 ms', started_at,
    started_at + interval '850 ms', '10 s', '{"calls": 1}', '{}', 0, 'ok' from openbell.job_history where id = 1010;
insert into openbell.step (job_id, name, token, value, ended_at)
select id, 'first', 1, '1', started_at + interval '900 ms' from openbell.job_history where id = 1010
"""


def ids(page: str) -> list[int]:
    """The jobs that a page links."""
    return [int(one) for one in re.findall(r'href="/console/jobs/(\d+)"', page)]


async def test_jobs_are_paged_filtered_and_queued_again(site: Site) -> None:
    """Step 8, console: each finished job stands on one page, also with equal times; retry and cancel are audited."""
    await site.ready()
    await site.pool.execute(ROWS)
    seen: list[int] = []
    place: str | None = "/console/jobs"
    while place:
        answer = await site.http.get(place)
        assert answer.status_code == 200
        seen += ids(answer.text)
        following = re.search(r'href="([^"]+)" rel="next"', answer.text)
        place = following[1].replace("&amp;", "&") if following else None
    assert seen == [
        row["id"]
        for row in await site.pool.fetch("select id from openbell.job_history order by finished_at desc, id desc")
    ]
    assert len(seen) == 120
    failed = ids((await site.http.get("/console/jobs?state=failed&code=bad_answer&class=interactive&hours=1")).text)
    assert set(failed) == {1000 + n for n in range(10, 120, 10)}
    assert ids((await site.http.get("/console/jobs?key=S7")).text) == [1007]
    odd = await site.http.get("/console/jobs?state=nothing&before=x&id=99999999999999999999&hours=-1&class=%00")
    assert odd.status_code == 200
    assert len(ids(odd.text)) == 50
    await site.pool.execute(TRIED)
    one = (await site.http.get("/console/jobs/1010")).text
    picture = re.findall(r'<rect class="(\w+)".*?<title>([^<]*)</title>', one)
    assert [kind for kind, _ in picture] == ["wait", "failed", "wait", "failed", "call", "step"]
    told = [words.replace("\u202f", " ") for _, words in picture]
    assert told == [
        "waited: 200 ms", "attempt 1 failed: 500 ms", "waited: 300 ms", "attempt 2 failed: 1.0 s", "shop ask: 750 ms",
        "step first: ended",
    ]  # fmt: skip
    assert "&lt;b&gt;odd&lt;/b&gt;" in one
    assert "<b>odd</b>" not in one
    assert (await site.http.get("/console/jobs/77")).status_code == 404
    again = await site.http.post("/console/jobs/1010", data={"act": "retry"})
    assert again.status_code == 303
    place = again.headers["location"]
    assert "Queue again" not in (await site.http.get(place)).text
    assert (await site.http.post(place, data={"act": "cancel"})).status_code == 303
    assert (await site.http.post(place, data={"act": "cancel"})).status_code == 409
    assert (await site.http.post(place, data={"act": "drop"})).status_code == 400
    live = int(place.rpartition("/")[2])
    assert "cancelled" in (await site.http.get(place)).text
    assert live in ids((await site.http.get("/console/jobs?state=cancelled")).text)
    foreign = await site.http.post(
        "/console/jobs/1010", data={"act": "retry"}, headers={"Origin": "https://foreign.example"}
    )
    assert foreign.status_code == 403
    audited = {row["action"] for row in await site.pool.fetch("select action from openbell.audit")}
    assert {"job.retry", "job.cancel"} <= audited


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_pages_of_jobs_in_a_browser(site: Site, browser: Browser, scheme: str) -> None:
    """LOOK: no violation that axe finds, nothing to scroll sideways on a phone, no complaint of the browser."""
    await site.ready()
    await site.pool.execute(ROWS)
    await site.pool.execute(TRIED)
    async with browser(color_scheme=scheme) as (_, page, complaints):
        for name, place in (("jobs", "/console/jobs"), ("job", "/console/jobs/1010")):
            await page.set_viewport_size({"width": 1280, "height": 900})
            await page.goto(site.address + place)
            result = await Axe().run(page)
            assert not result.violations_count, result.generate_report()
            await shot(page, f"console-{name}-{scheme}")
            await page.set_viewport_size({"width": 390, "height": 844})
            assert not await page.evaluate(SIDEWAYS)
            await shot(page, f"console-{name}-{scheme}-phone")
        assert complaints == []


async def test_times_that_nobody_means(site: Site) -> None:
    """Issue 9, bad input: a time at the edge of what can be told is left out of the filters, as what is no time is."""
    await site.ready()
    for time in ("0001-01-01T00:00Z", "0001-01-01T00:00%2B14:00", "9999-12-31T23:59-12:00", "0001-01-15T00:00Z"):
        for place in (
            "jobs?from=",
            "jobs?to=",
            "jobs?id=3&before=",
            "spends?from=",
            "spends?to=",
            "spends?state=unknown&from=",
        ):
            assert (await site.http.get(f"/console/{place}{time}")).status_code == 200, (place, time)
    answer = await site.http.post(
        "/console/providers/fmp", data={"act": "close", "reason": "x", "seen": "0001-01-01T00:00+14:00"}
    )
    assert answer.status_code in (400, 404, 409)
    for told in ("[" * 15_000, '{"plan": {"sentence": "", "rows": {"a": 1e999}, "sample": []}, "meant": {}}'):
        answer = await site.http.post("/console/jobs/many/done", data={"act": "retry", "token": "x", "told": told})
        assert answer.status_code == 400, told[:20]
