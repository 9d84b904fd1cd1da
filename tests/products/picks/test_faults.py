"""What goes wrong at the provider, at its real sockets: never paid twice, never under way for ever, always a reason."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from openbell.postgres.pool import connect
from openbell.products.picks import work
from openbell.products.picks.alternatives import MODELS
from openbell.products.picks.config import Provider
from openbell.products.picks.content import Made
from openbell.products.picks.editions import EditionKey
from openbell.products.picks.plain import edition
from openbell.products.picks.queueing import plan_batches, retry
from openbell.products.picks.reading import look
from openbell.products.picks.reports import costs
from openbell.products.picks.store import attest, publish, set_status
from openbell.products.picks.tasks import picks_batch, picks_edition
from openbell.products.picks.words import Answered, Fallback, Kind, Reason, Status
from openbell.providers.perplexity.requests import Ask
from tests.products.picks.desk import FACTS, NEW_YORK, WEEK, Desk
from tests.support import eventually

ERASE = "update openbell.person set erased_at = openbell.now(), address = null where id = $1"
RUN, CREATE, LINE = "v1/agent", "v1/batches", "v1/batches/line"


async def again(desk: Desk, person: int, *, pay_again: bool = False) -> Any:
    """An operator tries an edition again."""
    key = EditionKey.of(person, WEEK)
    return await retry(desk.pool, picks_edition, picks_batch, key, pay_again=pay_again, actor="ann")


async def two_ways(desk: Desk) -> tuple[int, int]:
    """Two whose editions fail: one asked for alone, and one in a batch."""
    alone, together = await desk.person(), await desk.person()
    await desk.ask(alone)
    await plan_batches(desk.pool, picks_batch, WEEK, size=3, together=True)
    await desk.work()
    for person in (alone, together):
        assert await desk.ends(person) is Status.ERROR
    return alone, together


READABLE = ("fenced", "no_results", "unknown_item")


async def test_what_can_be_read_is_read(desk: Desk) -> None:
    """B2, PK-6: a fence, no results, items of an unknown kind: an edition all the same."""
    people = []
    for n, kind in enumerate(READABLE):
        await desk.sandbox.fault(kind, provider="perplexity", path=RUN, match=(name := f"Reader{'abc'[n]}"))
        people.append(await desk.person(first_name=name))
        await desk.ask(people[-1])
    await desk.work()
    for person in people:
        assert await desk.ends(person) is Status.COMPLETE, await desk.slot(person)
    assert await desk.charges() == len(READABLE)
    left = await desk.sandbox.client.get("/_control/faults")
    assert sorted(one["hits"] for one in left.json()["faults"]) == [1] * len(READABLE)


USELESS = {
    "wrong_schema": "rejected",
    "bad_json": "rejected",
    "incomplete": "run_failed",
    "failed_billed": "run_failed",
}


async def test_what_was_paid_is_not_paid_again(desk: Desk) -> None:
    """B2, PK-1, PK-6: an answer of no use was paid for: the edition fails and says why; trying again is free."""
    people = {}
    for n, kind in enumerate(USELESS):
        await desk.sandbox.fault(kind, provider="perplexity", path=RUN, match=(name := f"Reader{'abcd'[n]}"))
        people[kind] = await desk.person(first_name=name)
        await desk.ask(people[kind])
    await desk.work()
    for kind, code in USELESS.items():
        assert await desk.ends(people[kind]) is Status.ERROR
        assert (await desk.slot(people[kind])).code == code, kind
    await desk.sandbox.release()
    for person in people.values():
        assert (await desk.ask(person)).reason is Reason.ERROR_RECOVERY
    for person in people.values():
        assert await desk.ends(person) is Status.ERROR
    assert await desk.charges() == len(USELESS)
    for person in people.values():
        assert (await again(desk, person, pay_again=True)).answered is Answered.QUEUED
    for person in people.values():
        assert await desk.ends(person) is Status.COMPLETE
    assert await desk.charges() == 2 * len(USELESS)
    report = await costs(desk.pool, WEEK)
    assert (report.duplicates, {line.paid for line in report.lines}) == (0, {2})


async def test_a_job_that_told_its_failure_and_still_lives(desk: Desk) -> None:
    """PK-15: in the moment between a failure being told and its job ending, another try is no lost wish: it says so."""
    person = await desk.person()
    first = await desk.ask(person)
    await set_status(desk.pool, Status.ERROR, EditionKey.of(person, WEEK), code="rejected", message="of no use")
    early = await desk.ask(person)
    assert (early.answered, early.job_id) == (Answered.IN_PROGRESS, first.job_id)
    assert await desk.status(person) is Status.ERROR
    await desk.pool.execute("delete from openbell.job where id = $1", first.job_id)
    late = await desk.ask(person)
    assert late.answered is Answered.QUEUED
    assert late.job_id != first.job_id


async def test_a_question_that_the_provider_does_not_know(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """B2: a field that the provider refuses, alone or in a batch, is an error that names it at once, at no cost."""
    real = Ask.body
    monkeypatch.setattr(Ask, "body", lambda self: real(self) | {"metadata": {"edition": "1"}})
    for person in await two_ways(desk):
        assert 'unknown field "metadata"' in (await desk.slot(person)).message
    assert await desk.charges() == 0
    report = await costs(desk.pool, WEEK)
    assert (report.unknown, report.open, report.cost_micro, report.adds_up) == (0, 0, 0, True)


async def test_three_attempts_from_two_minutes(desk: Desk) -> None:
    """PK-15: a run that fails unpaid is asked for three times, two and four minutes apart; then it is an error."""
    await desk.sandbox.fault("failed", provider="perplexity", path=RUN)
    person = await desk.person()
    await desk.ask(person)
    await desk.work()
    pauses: list[float] = []

    async def parked(failures: int) -> bool:
        left = await desk.pool.fetchval(
            "select extract(epoch from j.parked_until - openbell.now()) from openbell.job j"
            " join openbell.picks_slot s on s.edition = j.key and s.failures = $1 and s.status = 'pending'"
            " where j.parked_until > openbell.now() + interval '30 seconds'",
            failures,
        )
        if left is None:
            await desk.pool.execute(
                "update openbell.job set parked_until = openbell.now()"
                " where parked_until < openbell.now() + interval '30 s'"
            )
            return False
        pauses.append(float(left))
        return True

    for failures in (1, 2):
        await eventually(lambda n=failures: parked(n))  # type: ignore[misc]
        await desk.hurry()
    assert await desk.ends(person) is Status.ERROR
    assert 100 < pauses[0] <= 120 < 200 < pauses[1] <= 240
    slot = await desk.slot(person)
    assert (slot.failures, slot.code) == (3, "run_failed")
    assert await desk.pool.fetchval("select count(*) from openbell.picks_answer where failure is not null") == 3
    assert await desk.charges() == 0
    await desk.sandbox.release()
    assert (await again(desk, person)).answered is Answered.QUEUED
    assert await desk.ends(person) is Status.COMPLETE
    assert (await desk.slot(person)).reason is Reason.MANUAL_TRIGGER


async def test_a_connection_that_is_lost_after_acceptance(desk: Desk) -> None:
    """B2, DC-1: a background run whose id was lost is never asked for again by itself; it ends as unknown."""
    await desk.sandbox.fault("drop", provider="perplexity", path=RUN, times=1)
    person = await desk.person()
    await desk.ask(person)
    await desk.work()

    async def has_failed_once() -> bool:
        return (await desk.slot(person)).failures == 1

    await eventually(has_failed_once)
    await desk.go_to(datetime(2030, 3, 4, 5, 40, tzinfo=NEW_YORK))  # past the time that the call may take
    assert await desk.ends(person) is Status.ERROR
    assert (await desk.slot(person)).code == "outcome_unknown"
    assert await desk.charges() == 1
    assert (await costs(desk.pool, WEEK)).unknown == 1


async def test_a_batch_that_is_lost_after_acceptance(desk: Desk) -> None:
    """B2, DC-1, PK-1: a batch whose answer was lost is found by its key: each member is charged once."""
    await desk.sandbox.fault("drop", provider="perplexity", path=CREATE, times=1)
    people = [await desk.person() for _ in range(3)]
    await plan_batches(desk.pool, picks_batch, WEEK, size=3, together=True)
    await desk.work()
    assert [await desk.ends(person) for person in people] == [Status.COMPLETE] * 3
    assert await desk.charges() == 3
    report = await costs(desk.pool, WEEK)
    assert (report.duplicates, report.adds_up, report.open) == (0, True, 0)


async def test_a_free_call_that_was_cut_off_is_no_doubt(desk: Desk) -> None:
    """PK-17, DC-1: a file whose hand-in was cut off by a kill is free; only what may have cost is doubt."""
    person = await desk.person()
    await plan_batches(desk.pool, picks_batch, WEEK, size=3, together=True)
    await desk.work()
    assert await desk.ends(person) is Status.COMPLETE
    cut_off = "update openbell.spend set state = 'unknown' where operation = $1 returning id"
    assert await desk.pool.fetchval(cut_off, "v1/files")
    assert (await costs(desk.pool, WEEK)).unknown == 0
    assert await desk.pool.fetchval(cut_off, "v1/batches")
    assert (await costs(desk.pool, WEEK)).unknown == 1


async def test_lines_that_went_wrong_in_a_batch(desk: Desk) -> None:
    """B2: what a batch refused is asked for alone; what it failed at and billed is an error; the others are there."""
    first, second, third = [await desk.person(first_name=name) for name in ("Refused", "Failing", "Fine")]
    await desk.sandbox.fault("rate_limited", provider="perplexity", path=LINE, match="Refused")
    await desk.sandbox.fault("failed_billed", provider="perplexity", path=LINE, match="Failing")
    await plan_batches(desk.pool, picks_batch, WEEK, size=3, together=True)
    await desk.work()
    assert await desk.ends(third) is Status.COMPLETE
    assert await desk.ends(first) is Status.COMPLETE
    assert await desk.ends(second) is Status.ERROR
    assert await desk.charges() == 3


async def test_a_batch_that_fails_is_made_alone(desk: Desk) -> None:
    """B2: a batch whose file is refused has cost nothing; each of its editions is made by a run of its own."""
    await desk.sandbox.fault("batch_failed", provider="perplexity", path=CREATE, times=1)
    people = [await desk.person() for _ in range(2)]
    await plan_batches(desk.pool, picks_batch, WEEK, size=3, together=True)
    await desk.work()
    assert [await desk.ends(person) for person in people] == [Status.COMPLETE] * 2
    assert await desk.charges() == 2


@pytest.mark.parametrize(
    ("config", "code"),
    [({"enabled": False}, "switched_off"), ({"budget": 0}, "limit_missing"), ({"budget": 400_000}, "limit_too_small")],
)
async def test_the_switch_and_the_cap_stop_everything(desk: Desk, config: dict[str, Any], code: str) -> None:
    """PK-8: without the switch, without a budget, or with too little of it, nothing is paid, alone or in a batch."""
    desk.config = replace(desk.config, **config)
    for person in await two_ways(desk):
        assert (await desk.slot(person)).code == code
    assert await desk.charges() == 0


async def test_the_week_s_money_is_used_up(desk: Desk) -> None:
    """PK-8: when the week's account has no room any more the edition ends, and says that it is the money."""
    desk.config = replace(desk.config, budget=600_000)
    await desk.sandbox.fault("cost", provider="perplexity", path=RUN, amount=550_000)
    first, second = await desk.person(), await desk.person()
    await desk.ask(first)
    await desk.work()
    assert await desk.ends(first) is Status.COMPLETE
    await desk.ask(second)
    assert await desk.ends(second) is Status.ERROR
    assert (await desk.slot(second)).code == "money_cap"
    assert await desk.charges() == 1


async def test_a_batch_takes_as_many_as_there_is_money_for(desk: Desk) -> None:
    """PK-8, PK-14: a week that costs more than the cap is made in part, new people first; the rest is told why not."""
    desk.config = replace(desk.config, budget=1_100_000)
    await desk.sandbox.fault("cost", provider="perplexity", path=LINE, amount=450_000)
    people = [await desk.person() for _ in range(3)]
    old = people[0]
    await publish(
        desk.pool, EditionKey.of(old, WEEK - timedelta(weeks=1)), Kind.PERSONAL, edition(FACTS), Made(provider="none")
    )
    assert await plan_batches(desk.pool, picks_batch, WEEK, size=3, together=True) == 3
    await desk.work()
    assert [await desk.ends(person) for person in people] == [Status.ERROR, Status.COMPLETE, Status.COMPLETE]
    assert (await desk.slot(old)).code == "money_cap"
    assert await desk.charges() == 2
    view = await look(desk.pool, old, enabled=True)
    assert (view.fallback, view.edition and view.edition.kind) == (Fallback.COST, Kind.PERSONAL)


async def test_who_is_not_wanted_is_not_asked_for(desk: Desk) -> None:
    """PK-22, DC-9: who left, who wants none, and everybody without the operator's word: no place, no job, no call."""
    wants, none, left = await desk.person(), await desk.person(personal=False), await desk.person()
    await desk.pool.execute("update openbell.person set state = 'blocked' where id = $1", left)
    assert await plan_batches(desk.pool, picks_batch, WEEK, size=3, together=True) == 1
    assert await desk.pool.fetchval("select array_agg(person_id) from openbell.picks_slot") == [wants]
    await attest(desk.pool, "Ann Example", given=False, actor="test")
    await desk.work()
    assert await desk.ends(wants) is Status.ERROR
    assert (await desk.slot(wants)).code == "not_attested"
    assert await desk.charges() == 0
    assert none


async def test_who_is_erased_leaves_nothing(desk: Desk) -> None:
    """PK-22: erasing somebody removes their profile, places, answers, editions and jobs."""
    person, other = await desk.person(), await desk.person()
    for one in (person, other):
        await desk.ask(one)
    await desk.pool.execute(
        "update openbell.person set erased_at = openbell.now(), address = null where id = $1", person
    )
    for table in ("picks_profile", "picks_slot"):
        found = await desk.pool.fetchval(f"select array_agg(person_id) from openbell.{table}")
        assert found == [other], table
    assert await desk.pool.fetchval("select array_agg(key) from openbell.job") == [f"{other}|{WEEK}"]
    await desk.work()
    assert await desk.ends(other) is Status.COMPLETE
    assert await desk.charges() == 1


async def test_who_is_erased_while_the_answer_is_read_gets_no_edition(
    desk: Desk, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PK-22, PF-50: what is cancelled between the last step and the publishing is not published."""
    desk.config = replace(desk.config, provider="anthropic", model=None)
    person, real = await desk.person(), work.edition_of

    async def erase() -> None:
        conn = await connect(dsn, name="test")
        await conn.execute(ERASE, person)
        await conn.close()

    def read_and_erase(*given: Any) -> Any:
        thread = threading.Thread(target=asyncio.run, args=(erase(),))
        thread.start()
        thread.join()
        return real(*given)

    monkeypatch.setattr(work, "edition_of", read_and_erase)
    await desk.ask(person)
    await desk.work()
    ended = "select outcome::text from openbell.job_history where product = 'picks-edition'"
    assert await eventually(lambda: desk.pool.fetchval(ended)) == "cancelled"
    assert await desk.pool.fetchval("select count(*) from openbell.picks_edition where person_id = $1", person) == 0


@pytest.mark.parametrize(
    ("provider", "at_home", "searches"), [("anthropic", True, 1), ("openai", True, 1), ("openai", False, 0)]
)
async def test_another_provider(desk: Desk, provider: Provider, at_home: bool, searches: int) -> None:
    """Issue 7, item 2: Anthropic, OpenAI, or a compatible server, writes an edition; who can search does."""
    await desk.sandbox.fault("slow", provider=provider, match="web_search", seconds=0.01)
    desk.gpt_at_home = at_home
    desk.config = replace(desk.config, provider=provider, model=None)
    person = await desk.person()
    await desk.ask(person)
    await desk.work()
    assert await desk.ends(person) is Status.COMPLETE, await desk.slot(person)
    row = await desk.pool.fetchrow("select provider, model, prompt, cost_micro, answer from openbell.picks_answer")
    assert row is not None
    assert (row["provider"], row["prompt"].partition("#")[0]) == (provider, "personal@1")
    assert row["model"].startswith(MODELS[provider])
    assert row["cost_micro"] > 0
    assert "picks" in row["answer"]["text"]
    made = await desk.edition(person)
    assert made is not None
    assert (len(made.content.picks), len(made.content.themes), made.synthetic is not None) == (6, 4, True)
    report = await costs(desk.pool, WEEK)
    assert (report.adds_up, report.duplicates, report.cost_micro) == (True, 0, row["cost_micro"])
    assert (await desk.sandbox.ledger())["totals"]["by_provider"][provider]["billed"] == 1
    (searched,) = (await desk.sandbox.client.get("/_control/faults")).json()["faults"]
    assert searched["hits"] == searches
