"""The promises of the engine, each as a function that yields what was seen against it.

They compare the database's record of every job (:mod:`record.sql`), what was seen from outside (:mod:`history`), and
the tables as they are when everything has come to rest. They share no code with the engine.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import asyncpg

from tests.chaos.history import History
from tests.chaos.world import CALL_S, NARROW_SEATS, SEATS, WINDOW_S

TABLES: Mapping[str, str] = {
    "event": "select seq, extract(epoch from at)::float8 as at, kind, job, product, key, token, worker, word, wrong"
    " from chaos.event order by seq",
    "ended": "select id, product, outcome::text as outcome, code, batch, version, cost_micro from openbell.job_history",
    "live": "select id, product, key, state::text as state, parked_until, worker from openbell.job",
    "version": "select product, key, version, job_id from openbell.version",
    "head": "select product, key, version from openbell.artifact",
    "spend": "select id, provider, job_id, token, state::text as state, effect::text as effect, cost_micro, outcome,"
    " extract(epoch from tried_at + timeout)::float8 as until"
    " from openbell.spend",
    "account": "select id, subject, resource, period, held, spent, overrun, granted from openbell.account",
    "hold": "select account_id, sum(amount)::bigint as amount from openbell.hold group by account_id",
    "aging": "select account_id, sum(amount)::bigint as amount from openbell.aging group by account_id",
    "batch": "select id, total, done, failed, cancelled from openbell.batch",
    "seat": "select job_id from openbell.seat",
    "occurrence": "select schedule, due_at, state, job_id from openbell.occurrence",
    "step": "select job_id, name from openbell.step",
}


@dataclass(frozen=True, slots=True)
class Final:
    """The tables, row by row, when everything was quiet."""

    rows: Mapping[str, Sequence[Mapping[str, Any]]]

    def __getitem__(self, name: str) -> Sequence[Mapping[str, Any]]:
        return self.rows[name]


async def read_final(pool: asyncpg.Pool) -> Final:
    """Read everything that the checker looks at."""
    return Final({name: [dict(row) for row in await pool.fetch(query)] for name, query in TABLES.items()})


# Jobs


def jobs_are_not_lost(history: History, final: Final) -> Iterator[str]:
    known = {job["id"] for job in (*final["ended"], *final["live"])}
    accepted = {event["job"] for event in final["event"] if event["kind"] == "accepted"}
    yield from (f"job {job} is neither live nor in history" for job in accepted - known)


def jobs_come_to_an_end(history: History, final: Final) -> Iterator[str]:
    return (f"{dict(job)}" for job in final["live"])


def jobs_end_once(history: History, final: Final) -> Iterator[str]:
    accepted = {event["job"] for event in final["event"] if event["kind"] == "accepted"}
    ended = Counter(job["id"] for job in final["ended"])
    live = {job["id"] for job in final["live"]}
    yield from (f"job {job} is in history {n} times" for job, n in ended.items() if n > 1)
    yield from (f"job {job} is in history and nobody accepted it" for job in ended if job not in accepted)
    yield from (f"job {job} is in history and still live" for job in live if job in ended)


def promises_are_durable(history: History, final: Final) -> Iterator[str]:
    accepted = {event["job"] for event in final["event"] if event["kind"] == "accepted"}
    yield from (f"{fact} is gone" for fact in history.of("accepted") if fact["job"] not in accepted)
    undone = {key for fact in history.of("rolled_back") for key in fact["keys"]}
    yield from (f"{e} was rolled back" for e in final["event"] if e["kind"] == "accepted" and e["key"] in undone)
    yield from (f"{fact}" for fact in history.of("lost_args"))


def one_job_a_key(history: History, final: Final) -> Iterator[str]:
    return (f"{e}" for e in final["event"] if e["kind"] == "accepted" and e["wrong"])


def one_attempt_at_a_time(history: History, final: Final) -> Iterator[str]:
    return (f"{e}" for e in final["event"] if e["kind"] == "stolen")


def live_leases_are_respected(history: History, final: Final) -> Iterator[str]:
    return (f"{e}" for e in final["event"] if e["kind"] == "freed" and e["wrong"])


def cancelled_jobs_stay_cancelled(history: History, final: Final) -> Iterator[str]:
    outcome = {job["id"]: job for job in final["ended"]}
    for fact in history.of("cancelled"):
        job = outcome.get(fact["job"])
        if job is not None and job["outcome"] != "cancelled" and job["code"] != "skipped":
            yield f"{fact} ended as {job['outcome']}"


def batches_add_up(history: History, final: Final) -> Iterator[str]:
    return (f"{dict(b)}" for b in final["batch"] if b["done"] + b["failed"] + b["cancelled"] != b["total"])


def nothing_is_left(history: History, final: Final) -> Iterator[str]:
    live = {job["id"] for job in final["live"]}
    yield from (f"the seat of {row['job_id']}" for row in final["seat"] if row["job_id"] not in live)
    yield from (f"step {row['name']} of {row['job_id']}" for row in final["step"] if row["job_id"] not in live)


def workers_live(history: History, final: Final) -> Iterator[str]:
    yield from (f"{fact}" for fact in history.of("died"))
    ready = {fact["worker"] for fact in history.of("hello")}
    yield from (f"{fact}" for fact in history.of("left") if fact["code"] != 0 and fact["worker"] in ready)


def occurrences_happen_once(history: History, final: Final) -> Iterator[str]:
    ended = {job["id"]: job["outcome"] for job in final["ended"]}
    jobs = Counter(one["job_id"] for one in final["occurrence"] if one["state"] != "skipped")
    yield from (f"{dict(one)} never ended" for one in final["occurrence"] if one["state"] == "queued")
    for one in final["occurrence"]:
        if one["state"] == "done" and ended.get(one["job_id"]) != "done":
            yield f"{dict(one)}, but its job ended as {ended.get(one['job_id'])}"
    ticks = {job["id"] for job in final["ended"] if job["product"] == "tick"}
    yield from (f"job {job} ticked for no occurrence" for job in ticks if job not in jobs)


def tokens_have_one_worker(history: History, final: Final) -> Iterator[str]:
    workers: dict[tuple[int, int], set[str]] = defaultdict(set)
    for fact in history.of("effect", "call"):
        workers[fact["job"], fact["token"]].add(fact["worker"])
    return (
        f"job {job} under token {token}: {sorted(names)}" for (job, token), names in workers.items() if len(names) > 1
    )


# Results


def published_by_the_holder(history: History, final: Final) -> Iterator[str]:
    yield from (f"{e}" for e in final["event"] if e["kind"] == "published" and e["wrong"])
    last = {e["job"]: e["token"] for e in final["event"] if e["kind"] == "ended"}
    published = [e for e in final["event"] if e["kind"] == "published"]
    yield from (f"{e}: ended under {last[e['job']]}" for e in published if last.get(e["job"], e["token"]) != e["token"])


def heads_and_versions_agree(history: History, final: Final) -> Iterator[str]:
    numbers: dict[tuple[str, str], set[int]] = defaultdict(set)
    for row in final["version"]:
        numbers[row["product"], row["key"]].add(row["version"])
    for head in final["head"]:
        found = numbers.pop((head["product"], head["key"]), set())
        if found != set(range(1, head["version"] + 1)):
            yield f"{dict(head)} has the versions {sorted(found)[:20]}"
    yield from (f"versions without a head: {key}" for key in numbers)
    made = {row["job_id"] for row in final["version"]}
    done = {job["id"] for job in final["ended"] if job["outcome"] == "done" and job["version"] is not None}
    yield from (f"job {job} is done and published nothing" for job in done - made)
    yield from (f"job {job} published and is not done" for job in made - done)


def steps_are_saved_by_the_holder(history: History, final: Final) -> Iterator[str]:
    return (f"{e}" for e in final["event"] if e["kind"] == "saved" and e["wrong"])


def effects_have_their_token(history: History, final: Final) -> Iterator[str]:
    seen = {(fact["job"], fact["step"], fact["token"]) for fact in history.of("effect")}
    for event in final["event"]:
        if event["kind"] == "saved" and (event["job"], event["word"], event["token"]) not in seen:
            yield f"{event}: nothing was seen of it outside"
    last = {e["job"]: e["token"] for e in final["event"] if e["kind"] == "ended"}
    for job in final["ended"]:
        if (
            job["outcome"] == "done"
            and job["product"] in ("narrow", "count")
            and (job["id"], "run", last.get(job["id"])) not in seen
        ):
            yield f"{dict(job)} is done, and its effect was not seen under {last.get(job['id'])}"


def finished_steps_do_not_run_again(history: History, final: Final) -> Iterator[str]:
    claims = {(e["job"], e["token"]): e["seq"] for e in final["event"] if e["kind"] in ("claimed", "stolen")}
    saved: dict[tuple[int, str], int] = {}
    for event in final["event"]:
        if event["kind"] == "saved":
            saved.setdefault((event["job"], event["word"]), event["seq"])
    for fact in history.of("effect"):
        done, began = saved.get((fact["job"], fact["step"])), claims.get((fact["job"], fact["token"]))
        if done is not None and began is not None and began > done:
            yield f"{fact}: claimed at {began}, saved at {done}"


# Money and limits


def calls_have_spends(history: History, final: Final) -> Iterator[str]:
    spends = {spend["id"]: spend for spend in final["spend"]}
    for fact in history.of("call"):
        spend = spends.get(fact["spend"])
        if spend is None or (spend["job_id"], spend["token"]) != (fact["job"], fact["token"]):
            yield f"{fact} has {spend and dict(spend)}"
        elif spend["state"] not in ("settled", "unknown"):
            yield f"{fact} was {spend['state']}"
    calls = Counter(fact["spend"] for fact in history.of("call"))
    yield from (f"spend {spend} was made {n} times" for spend, n in calls.items() if n > 1)
    yield from (f"{dict(spend)} is still open" for spend in final["spend"] if spend["state"] in ("intended", "sent"))


def never_is_never_repeated(history: History, final: Final) -> Iterator[str]:
    calls = Counter((fact["job"], fact["step"]) for fact in history.of("call") if fact["effect"] == "never")
    return (f"job {job} made {step} {n} times" for (job, step), n in calls.items() if n > 1)


def keys_buy_once(history: History, final: Final) -> Iterator[str]:
    """But for what no engine can prevent at a provider that can only be asked, as :func:`_doubled` tells."""
    doubled = _doubled(history)
    sold = Counter((fact["key"], fact["step"]) for fact in history.of("sale") if id(fact) not in doubled)
    return (f"{step} was bought {n} times under {key}" for (key, step), n in sold.items() if n > 1)


def orders_cost_what_was_sold(history: History, final: Final) -> Iterator[str]:
    doubled, sold = _doubled(history), Counter[int]()
    for fact in history.of("sale"):
        sold[fact["spend"]] += 0 if id(fact) in doubled else fact["cost"]
    spends = {spend["id"]: spend for spend in final["spend"]}
    for spend_id, cost in sold.items():
        spend = spends.get(spend_id)
        if spend is None or spend["state"] not in ("settled", "unknown"):
            yield f"{cost} were paid for {spend and dict(spend)}"
        elif spend["state"] == "settled" and spend["cost_micro"] != cost:
            yield f"{dict(spend)} was sold for {cost}"
    for spend in final["spend"]:
        if spend["effect"] in ("resend", "lookup") and spend["state"] == "settled" and spend["id"] not in sold:
            yield f"{dict(spend)} was never sold"


def _doubled(history: History) -> set[int]:
    """Sales of the same under a key that came after their time, or around a jump of the clock that ended it early."""
    jumps = [fact["began"] for fact in history.of("jump")]
    by_key: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for fact in history.of("sale"):
        by_key[fact["key"]].append(fact)
    found = set()
    for sales in by_key.values():
        for first, again in pairwise(sales):
            jumped = any(first["at"] - CALL_S <= began <= again["at"] for began in jumps)
            if first["late"] or again["late"] or jumped:
                found.add(id(first if first["late"] else again))
    return found


def accounts_add_up(history: History, final: Final) -> Iterator[str]:
    held = {row["account_id"]: row["amount"] for row in final["hold"]}
    aging = {row["account_id"]: row["amount"] for row in final["aging"]}
    for account in final["account"]:
        bound = held.get(account["id"], 0) + aging.get(account["id"], 0)
        if account["held"] != bound or account["overrun"] != 0:
            yield f"{dict(account)}, with {bound} in holds and aging"
        mine = [spend for spend in final["spend"] if spend["provider"] == account["subject"]]
        charged = sum(spend["cost_micro"] for spend in mine if spend["state"] == "settled")
        if account["resource"] == "usd_micro" and account["spent"] != charged:
            yield f"{dict(account)}, but the spends cost {charged}"


def nothing_stays_held(history: History, final: Final) -> Iterator[str]:
    """But for the money of calls of which nobody knows whether they have happened."""
    for account in final["account"]:
        mine = [spend for spend in final["spend"] if spend["provider"] == account["subject"]]
        doubtful = sum(spend["cost_micro"] for spend in mine if spend["state"] == "unknown")
        if account["held"] != (doubtful if account["resource"] == "usd_micro" else 0):
            yield f"{dict(account)}, of which {doubtful} are of unknown calls"


def windows_are_never_exceeded(history: History, final: Final) -> Iterator[str]:
    (most,) = {fact["calls"] for fact in history.of("phase")}
    late = {fact["spend"] for fact in late_calls(history, final)}
    times = sorted(
        t
        for fact in history.of("call")
        if fact["spend"] not in late and (t := history.engine_time(fact["at"])) is not None
    )
    for first, last in zip(times, times[most:], strict=False):
        if last - first < WINDOW_S:
            yield f"{most + 1} calls within {last - first:.3f} s, up to {last:.3f}"


def late_calls(history: History, final: Final) -> list[dict[str, Any]]:
    """Calls that came after the time that they were given: the process stood still between its permission and its call.

    No engine can prevent them; ours has counted them as unknown from when they should have ended.
    """
    until = {spend["id"]: spend["until"] for spend in final["spend"]}
    calls = [(fact, history.engine_time(fact["at"])) for fact in history.of("call")]
    return [fact for fact, at in calls if at is not None and at > until.get(fact["spend"], at)]


def seats_are_never_exceeded(history: History, final: Final) -> Iterator[str]:
    """What was claimed before the limits came has no seat; it does not count."""
    phases = history.of("phase")
    running: dict[int, tuple[int, str]] = {}
    for event in final["event"]:
        if event["kind"] == "claimed":
            phase = sum(fact["at"] <= event["at"] for fact in phases) - 1
            running[event["job"]] = (phase, event["product"])
            mine = [product for number, product in running.values() if number == phase]
            if phases[phase]["seats"] and (mine.count("narrow") > NARROW_SEATS or len(mine) > SEATS):
                yield f"{mine.count('narrow')} of narrow and {len(mine)} of all run: {event}"
        elif event["kind"] in ("freed", "ended"):
            running.pop(event["job"], None)


RULES: Mapping[str, Callable[[History, Final], Iterator[str]]] = {
    "no accepted job is lost": jobs_are_not_lost,
    "every accepted job comes to an end": jobs_come_to_an_end,
    "accepted jobs end once": jobs_end_once,
    "what was acknowledged is kept, what was rolled back is not": promises_are_durable,
    "one live job a key": one_job_a_key,
    "one attempt at a time": one_attempt_at_a_time,
    "leases in force are respected": live_leases_are_respected,
    "cancelled jobs end as cancelled": cancelled_jobs_stay_cancelled,
    "batches add up": batches_add_up,
    "nothing is left behind": nothing_is_left,
    "workers live until they are asked to leave, and leave in order": workers_live,
    "published under the token that holds the job": published_by_the_holder,
    "heads, versions and history agree": heads_and_versions_agree,
    "steps are saved under the token that holds the job": steps_are_saved_by_the_holder,
    "each effect of a finished step happened under its token": effects_have_their_token,
    "finished steps do not run again": finished_steps_do_not_run_again,
    "each call outside has its spend, settled or unknown": calls_have_spends,
    "a call that must not be repeated is made once": never_is_never_repeated,
    "what has a key is bought once": keys_buy_once,
    "orders cost what was sold": orders_cost_what_was_sold,
    "accounts add up": accounts_add_up,
    "nothing stays held when all is quiet": nothing_stays_held,
    "windows are never exceeded": windows_are_never_exceeded,
    "seats are never exceeded": seats_are_never_exceeded,
    "occurrences happen once": occurrences_happen_once,
    "a token belongs to one worker": tokens_have_one_worker,
}
