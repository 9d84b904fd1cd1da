"""Ended jobs page by page, and jobs in large numbers: what a plan says is done once, and what has changed is told."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from openbell.engine.confirm import NotConfirmed
from openbell.engine.database import SQL, turn
from openbell.engine.history import Page, Sought, asked, list_ended
from openbell.engine.many import Done, Meant, NothingMeant, carry_out, prepare
from tests.engine.test_plans import nodes
from tests.support import eventually

PRODUCT = """
insert into openbell.product (name, kind, version, provider, job_class, ttl, stale_ttl, empty_ttl, retry_ttl, keep_for,
    timeout, patience, max_attempts, max_bytes, bundle, calls, bytes, licence, seeded)
values ('number', 'artifact', 1, '', 90, '1 min', '1 day', '1 day', '1 min', '1 day', '10 s', '1 day', 5, 1000, 1, 0, 0,
    'cc0', '{}')
"""
FEW = 500
PARTS = 8
"""Partitions, of each of which one row may be read to begin with."""

PAST = """
insert into openbell.job_history (id, product, key, job_class, outcome, attempts, queued_at, started_at, finished_at,
    cost_micro, code)
select n, 'number', 'k' || n % 500, case when n = 77 then 50 else 10 end,
    case when n % 100 = 5 then 'failed' else 'done' end::openbell.job_outcome, 1, at, at, at, 7,
    case when n % 100 = 5 then 'odd' end
from generate_series(1, $1::int) n,
    lateral (select openbell.now() - interval '1 second' * ($1::int + 1 - n / 2) as at) moment
"""


async def everything(pool: asyncpg.Pool, sought: Sought, **options: Any) -> tuple[list[int], int]:
    """The ids of all pages, and how many pages there were."""
    ids: list[int] = []
    for pages in range(1, 200):
        page: Page = await list_ended(pool, sought, **options)
        ids += [row["id"] for row in page.rows]
        if page.further is None:
            return ids, pages
        sought = replace(sought, before=page.further)
    raise AssertionError("the pages have no end")


@pytest.mark.parametrize(
    ("sought", "where"),
    [
        (Sought(), "true"),
        (Sought(state="failed"), "outcome = 'failed'"),
        (Sought(state="done", job_class=50), "outcome = 'done' and job_class = 50"),
        (Sought(key="k5", product="number"), "key = 'k5'"),
        (Sought(code="odd", key="k105"), "code = 'odd' and key = 'k105'"),
        (Sought(code="nothing"), "false"),
        (Sought(product="nothing"), "false"),
    ],
    ids=str,
)
async def test_every_ended_job_is_on_one_page(pool: asyncpg.Pool, sought: Sought, where: str) -> None:
    """Step 8, lists: pages that look at 64 jobs at most bring each job that is meant once, in order, and then end."""
    await pool.execute(PAST, 700)
    meant = await pool.fetch(f"select id from openbell.job_history where {where} order by finished_at desc, id desc")
    found, _ = await everything(pool, sought, limit=9, look=64)
    assert found == [row["id"] for row in meant]


@pytest.mark.parametrize("analysed", [False, True], ids=["stale statistics", "analysed"])
async def test_no_list_of_jobs_scans_history(pool: asyncpg.Pool, analysed: bool) -> None:
    """Step 8: whatever the filter, a page reads no more jobs than it may look at, of 30,000; old statistics or new."""
    await pool.execute(
        """select openbell.add_history_day((openbell.now() at time zone 'UTC')::date - n)
           from generate_series(1, 3) n"""
    )
    await pool.execute("analyze")
    await pool.execute(PAST, 30_000)
    if analysed:
        await pool.execute("analyze")
    for sought in (Sought(), Sought(key="k7"), Sought(code="odd"), Sought(state="failed"), Sought(product="nothing")):
        async with turn(pool) as conn:
            await conn.execute(SQL.get("keep_order"))
            explain = f"explain (analyze, format json) {SQL.get('list_ended_jobs')}"
            (plan,) = await conn.fetchval(explain, *asked(sought, limit=51, look=FEW))
        read = sum(
            node["Actual Loops"] * (node["Actual Rows"] + node.get("Rows Removed by Filter", 0))
            for node in nodes(plan["Plan"])
            if node.get("Relation Name", "").startswith("job_history")
        )
        assert read <= FEW + PARTS, (sought, read)


async def test_history_that_is_older_than_its_indexes_gets_them(pool: asyncpg.Pool) -> None:
    """PF-3, expand: days that are there already are given what they lack, large ones when they are over."""
    await pool.execute("select openbell.add_history_day(((openbell.now() at time zone 'UTC')::date - 1))")
    part = await pool.fetchval(
        "select 'job_history_' || to_char(openbell.now() at time zone 'UTC' - interval '1 day', 'YYYYMMDD')"
    )
    await pool.execute("alter table openbell.job_history detach partition openbell.job_history_default")
    for column in ("finished_at", "key"):
        name = await pool.fetchval(
            """select x.indexrelid::regclass from pg_index x where x.indrelid = 'openbell.job_history_default'::regclass
               and pg_get_indexdef(x.indexrelid, 1, true) = $1 and x.indnkeyatts > 1""", column
        )  # fmt: skip
        await pool.execute(f"drop index {name}")
    await pool.execute("alter table openbell.job_history attach partition openbell.job_history_default default")
    missing = (
        """select count(*) from pg_index x where x.indrelid = 'openbell.job_history'::regclass and not x.indisvalid"""
    )
    assert part
    while await pool.fetchval("select openbell.index_history($1)", None):
        pass
    assert await pool.fetchval(missing) == 0
    assert await pool.fetchval("select openbell.index_history(1 << 40)") is None


async def test_failures_are_queued_again_by_a_plan(pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Step 8, bulk: a plan counts and samples; it is done once, for its maker; what has changed is left, and told."""
    await pool.execute(PRODUCT)
    await pool.execute(PAST, 1_000)
    with monkeypatch.context() as some:
        some.setattr("openbell.engine.many.BATCH", 3)  # a plan counts in batches, too
        prepared = await prepare(pool, "retry", Meant(), actor="ann")
    plan = prepared.proposed.plan
    assert dict(plan.rows) == {"queued again": 5, "left, for their key has ended another way since": 5}
    assert plan.sample[0] == "number k405: odd"
    assert await pool.fetchval("select count(*) from openbell.job") == 0
    await pool.execute(
        """insert into openbell.job_history (id, product, key, job_class, outcome, attempts, queued_at, finished_at,
               cost_micro) values (5000, 'number', 'k5', 10, 'done', 1, openbell.now(), openbell.now(), 0)"""
    )
    given = (prepared.meant, plan, prepared.proposed.token)
    for other in ((replace(prepared.meant, key="k5"), *given[1:]), (given[0], replace(plan, sample=()), given[2])):
        with pytest.raises(NotConfirmed):
            await carry_out(pool, "retry", *other, actor="ann")
    with pytest.raises(NotConfirmed):
        await carry_out(pool, "retry", *given, actor="bob")
    done = await carry_out(pool, "retry", *given, actor="ann")
    assert done.counts == {"again": 4, "since": 6}
    assert "5 jobs were planned: the rest has changed since." in done.sentences
    assert await pool.fetchval("select count(*) from openbell.job") == 4
    assert await pool.fetchval("select count(*) from openbell.demand where source = 'operator'") == 4
    with pytest.raises(NotConfirmed):
        await carry_out(pool, "retry", *given, actor="ann")
    acts = await pool.fetch("select action, count(*) as n from openbell.audit where actor = 'ann' group by action")
    assert {row["action"]: row["n"] for row in acts} == {"jobs.retry.planned": 1, "jobs.retry": 2, "job.retry": 4}


async def test_what_may_have_been_paid_for_is_not_retried_in_large_numbers(pool: asyncpg.Pool) -> None:
    """DC-1, step 8, bulk: a key that waits for an operator's look, as after a restore, is left, and told, also when it
    came to that behind the plan.
    """
    await pool.execute(PRODUCT)
    await pool.execute(PAST, 1_000)
    doubt = """insert into openbell.cooldown (product, key, code, message, at, retry_at, job_id)
               values ('number', $1, 'outcome_unknown', 'x', openbell.now(), '9999-12-31', 1)"""
    await pool.execute(doubt, "k5")
    prepared = await prepare(pool, "retry", Meant(), actor="ann")
    plan = prepared.proposed.plan
    assert plan.rows["queued again"] == 4
    assert plan.rows["left, for they may have been paid for: look at each of them alone"] == 1
    await pool.execute(doubt, "k105")
    done = await carry_out(pool, "retry", prepared.meant, plan, prepared.proposed.token, actor="ann")
    assert done.counts == {"again": 3, "since": 5, "doubt": 2}
    assert await pool.fetchval("select count(*) from openbell.cooldown") == 2
    assert await pool.fetchval("select count(*) from openbell.job where key in ('k5', 'k105')") == 0


async def test_cancelling_many_and_a_sweep_lock_in_one_order(pool: asyncpg.Pool) -> None:
    """Step 8, bulk: who cancels many waits for whoever lifts one of them while holding none that is lifted next."""
    await pool.execute(PRODUCT)
    jobs = "insert into openbell.job (product, key, job_class, max_attempts) values ('number', $1, 10, 5)"
    for key in ("z", "a"):
        await pool.execute(jobs, key)
    plan = await prepare(pool, "cancel", Meant(), actor="ann")
    waits = (
        "select exists (select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database())"
    )
    lock = "select 1 from openbell.job where key = $1 for update nowait"
    async with pool.acquire() as sweep, sweep.transaction():
        await sweep.execute(lock, "a")
        act = asyncio.create_task(
            carry_out(pool, "cancel", plan.meant, plan.proposed.plan, plan.proposed.token, actor="ann")
        )
        await eventually(lambda: pool.fetchval(waits))
        await sweep.execute(lock, "z")
    assert (await act).counts == {"cancelled": 2}


async def test_two_operators_cancel_the_same_jobs(pool: asyncpg.Pool) -> None:
    """Step 8, two operators at once: each job is cancelled and audited once, both are told; later jobs stay."""
    await pool.execute(PRODUCT)
    jobs = """insert into openbell.job (product, key, job_class, max_attempts)
              select 'number', $1 || n, 10, 5 from generate_series(1, 450) n"""
    await pool.execute(jobs, "a")
    plans = [await prepare(pool, "cancel", Meant(state="waiting"), actor=who) for who in ("ann", "bob")]
    await pool.execute(jobs, "later")
    await pool.execute("update openbell.job set token = 1, worker = 1 where key = 'a1'")
    done: list[Done] = await asyncio.gather(
        *(
            carry_out(pool, "cancel", one.meant, one.proposed.plan, one.proposed.token, actor=who)
            for who, one in zip(("ann", "bob"), plans, strict=True)
        )
    )
    assert sum(one.done for one in done) == 449
    assert all(one.planned == 450 and sum(one.counts.values()) <= 450 for one in done)
    assert all("450 jobs were planned: the rest has changed since." in one.sentences for one in done)
    left = await pool.fetch("select key, state::text as state from openbell.job where key like 'a%'")
    assert [(row["key"], row["state"]) for row in left] == [("a1", "running")]
    assert await pool.fetchval("select count(*) from openbell.job") == 451
    assert await pool.fetchval("select count(*) from openbell.audit where action = 'job.cancel'") == 449


async def test_what_cannot_be_meant_is_refused(pool: asyncpg.Pool) -> None:
    """Step 8, bad input: live jobs are not retried, ended ones not cancelled, and nothing is planned for nobody."""
    hour = Meant(since=await pool.fetchval("select openbell.now()") - timedelta(hours=1))
    for act, meant in (
        ("retry", Meant(state="waiting")), ("cancel", Meant(state="done")), ("cancel", Meant(code="odd")),
        ("retry", hour), ("cancel", hour),
    ):  # fmt: skip
        with pytest.raises(NothingMeant):
            await prepare(pool, act, meant, actor="ann")  # type: ignore[arg-type]
    assert await pool.fetchval("select count(*) from openbell.confirmation") == 0
