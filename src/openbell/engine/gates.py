"""The gates between a key and the work on it, in the way of the data. Pure: facts in, gates out.

::

    product ──▶ demand ──▶ freshness ──▶ cooldown ──▶ needs ──▶ job ──▶ provider ──▶ account ──▶ seats ──▶ workers
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from openbell.engine.artifacts import NEVER, Reading
from openbell.engine.books import amount
from openbell.engine.explain import Gate, clock, closed, words
from openbell.engine.naming import account_name
from openbell.engine.registry import class_name

Row = Mapping[str, Any]

_KINDS = {
    "web": "viewers", "schedule": "schedules", "operator": "operator", "poll": "lists", "api": "requests",
    "request": "requests", "prefetch": "prefetch",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one key, as the statements in ``queries/`` name it.

    ``job_class`` is the class of its job, or the one that a job of it would have.
    """

    product: str
    key: str
    job_class: int
    reading: Reading
    about: Row
    demand: Sequence[Row]
    needs: Sequence[Row]
    accounts: Sequence[Row]
    queue: Row
    seats: Sequence[Row]
    workers: Sequence[Row]
    runs: Row

    @property
    def now(self) -> datetime:
        """The database's time of these facts."""
        time: datetime = self.about["now"]
        return time

    @property
    def has_job(self) -> bool:
        """Whether there is live work."""
        return bool(self.about["id"])

    @property
    def is_running(self) -> bool:
        """Whether an attempt is under way."""
        return bool(self.about["job_state"] == "running")

    @property
    def is_waiting(self) -> bool:
        """Whether a job may be claimed as soon as it is its turn."""
        return bool(self.about["job_state"] == "waiting")

    @property
    def is_artifact(self) -> bool:
        """Whether demand and freshness decide, as they do not for a task."""
        return bool(self.about["kind"] == "artifact")

    @property
    def is_routine(self) -> bool:
        """Whether nobody waits for it: lists, schedules and prefetching want it, and nobody else."""
        kinds = {_KINDS.get(lease["source"].partition(":")[0]) for lease in self.demand}
        return bool(kinds) and kinds <= {"lists", "schedules", "prefetch"}

    @property
    def parked_for_good(self) -> bool:
        """Whether it waits for what it needs, not for a time."""
        return bool(self.about["job_state"] == "parked" and self.about["parked_until"] is None)

    @property
    def ahead(self) -> int:
        """Jobs that are claimed before it."""
        return int(self.queue["by_class"] + self.queue["by_number"] + self.queue["by_age"])

    @property
    def here(self) -> list[Row]:
        """The workers that claim anything: alive and not draining."""
        return [w for w in self.workers if w["alive"] and not w["draining"]]

    @property
    def knowing(self) -> list[Row]:
        """Those of them whose code has the product."""
        return [w for w in self.here if w["products"] is None or self.product in w["products"]]

    @property
    def serving(self) -> list[Row]:
        """Those of them that serve the class, too: the ones that would take it."""
        return [w for w in self.knowing if w["classes"] is None or self.job_class in w["classes"]]

    @property
    def slots(self) -> int:
        """Slots of the workers that serve it."""
        return sum(w["slots"] for w in self.serving)

    @property
    def free_slots(self) -> int:
        """Those of them that are not taken."""
        return sum(max(0, w["slots"] - self.queue["running"].get(str(w["id"]), 0)) for w in self.serving)


def gates_of(f: Facts) -> Iterator[Gate]:
    """Every gate that concerns the key, from demand to worker."""
    yield _product(f)
    if f.is_artifact:
        yield _demand(f)
        yield _freshness(f)
    yield _cooldown(f)
    if f.needs:
        yield _needs(f)
    yield _job(f)
    if f.about["provider"]:
        yield _provider(f)
        for account in f.accounts:
            yield _account(f, account)
    for limit in f.seats:
        yield _seats(f, limit)
    yield _workers(f)


def free_seats(limit: Row) -> int:
    """What a limit leaves for this key's job."""
    return max(0, int(limit["most"] - limit["taken"] - limit["kept"]))


def _open(name: str, detail: str, **numbers: Any) -> Gate:
    return Gate(name, open=True, detail=detail, numbers=numbers)


def _shut(name: str, detail: str, opens_at: datetime | None = None, /, **numbers: Any) -> Gate:
    return Gate(name, open=False, detail=detail, numbers=numbers, opens_at=opens_at)


def _product(f: Facts) -> Gate:
    about = f.about
    if about["kind"] is None:
        return _shut("product", "No worker has entered this product into the registry of this database.")
    usual, version = class_name(about["usual_class"]), about["version"]
    numbers = {"version": version, "class": usual, "changed_at": about["changed_at"]}
    if not about["enabled"]:
        return _shut("product", f"Switched off since {clock(about['changed_at'], f.now)}.", **numbers)
    return _open("product", f"Switched on: version {version}, class {usual}.", **numbers)


def _demand(f: Facts) -> Gate:
    if not f.demand:
        return _shut("demand", "Nobody is asking for it at the moment.", weight=0, by=[])
    by: dict[tuple[str, str | None], dict[str, Any]] = {}
    for lease in f.demand:
        prefix, _, name = lease["source"].partition(":")
        kind, named = _KINDS.get(prefix, "others"), name if prefix == "schedule" else None
        who = by.setdefault((kind, named), {"weight": 0, "leases": 0, "until": lease["expires_at"]})
        who["weight"] += lease["weight"]
        who["leases"] += 1
        who["until"] = max(who["until"], lease["expires_at"])
    rows = [{"kind": kind, "name": name, **who} for (kind, name), who in by.items()]
    rows.sort(key=lambda row: -row["weight"])
    until, weight = max(row["until"] for row in rows), sum(row["weight"] for row in rows)
    detail = f"Wanted until {clock(until, f.now)} by {', '.join(_asker(row) for row in rows)}; weight {weight:,}."
    return _open("demand", detail, weight=weight, until=until, by=rows, **{"class": class_name(f.job_class)})


def _asker(row: Row) -> str:
    if row["kind"] == "schedules":
        return f"the schedule {row['name']}"
    if row["kind"] == "lists":
        return "its fixed list (openbell polls list)"
    if row["kind"] == "operator":
        return "an operator"
    if row["kind"] == "prefetch":
        return "nobody yet: it is prefetched"
    return _count(row["weight"] if row["kind"] == "viewers" else row["leases"], row["kind"].removesuffix("s"))


def _freshness(f: Facts) -> Gate:
    r = f.reading
    numbers: dict[str, Any] = {
        "state": r.state,
        "age_s": r.age_s,
        "fresh_until": r.fresh_until,
        "stale_until": r.stale_until,
    }
    if r.fresh_until is None:
        return _open("freshness", "Nothing is known yet.", **numbers)
    due = r.fresh_until - (f.about["lead"] or timedelta(0))
    checked = f"Checked {words(timedelta(seconds=r.age_s or 0))} ago, fresh until {clock(r.fresh_until, f.now)}"
    if r.hours is not None:
        numbers |= {"calendar": r.hours.calendar, "market_open": r.hours.is_open, "market_opens_at": r.hours.opens_at}
    if due > f.now:
        return _shut("freshness", f"{checked}{closed(r)}.", due, **numbers)
    return _open("freshness", f"{checked}: due.", **numbers)


def _cooldown(f: Facts) -> Gate:
    about = f.about
    if about["retry_at"] is None:
        return _open("cooldown", "No failure since the last result.", failures=0)
    numbers = {name: about[name] for name in ("failures", "code", "message", "failed_at", "retry_at", "failed_job")}
    failed = f"{_count(about['failures'], 'failure')}, the last {words(f.now - about['failed_at'])} ago"
    failed += f": {_bare(about['message'])}"
    if about["retry_at"] > f.now and not f.has_job:
        if about["retry_at"].year == NEVER:
            mend = "look at its spends, then `openbell jobs retry`"
            return _shut("cooldown", f"Left alone until an operator acts ({mend}), after {failed}.", None, **numbers)
        at = clock(about["retry_at"], f.now)
        return _shut("cooldown", f"Left alone until {at} after {failed}.", about["retry_at"], **numbers)
    return _open("cooldown", f"It may be tried again after {failed}.", **numbers)


def _needs(f: Facts) -> Gate:
    unmet = [row for row in f.needs if not row["met"]]
    names = ", ".join(f"{row['product']} {row['key']} ({'stale' if row['state'] else 'missing'})" for row in unmet[:3])
    numbers = {"missing": len(unmet), "unmet": unmet}
    if not unmet:
        return _open("needs", "All that it needs is there.", **numbers)
    more = f" and {len(unmet) - 3:,} more" if len(unmet) > 3 else ""
    return _shut("needs", f"It waits for {names}{more}.", **numbers)


def _job(f: Facts) -> Gate:
    if not f.has_job and f.is_artifact and f.is_routine and f.queue["is_full"]:
        detail = "The queue is full: lists, schedules and prefetching add no job to it until there is room."
        return _shut("job", detail, is_full=True)
    if not f.has_job:
        return _open("job", "No job is queued or running.")
    if f.is_running:
        return _running(f)
    about, now = f.about, f.now
    waited, named = words(now - about["queued_at"]), class_name(about["job_class"])
    numbers = {name: about[name] for name in ("number", "aged", "attempt", "max_attempts", "queued_at", "reason")}
    numbers |= {"state": "waiting" if f.is_waiting else "parked", "class": named}
    if f.is_waiting:
        numbers |= {name: f.queue[name] for name in ("by_class", "by_number", "by_age", "capped")} | {"ahead": f.ahead}
        raised = f" (moved up {_count(about['aged'], 'class')} by age)" if about["aged"] else ""
        detail = f"Queued {waited} ago in class {named}{raised}, number {about['number']}: {_position(f)}."
        return (_open if f.ahead < f.free_slots or not f.ahead else _shut)("job", detail, **numbers)
    because = f": {_bare(about['reason'])}" if about["reason"] else ""
    if f.parked_for_good:
        return _shut("job", f"Parked {waited} ago until what it needs is there{because}.", **numbers)
    until = about["parked_until"]
    attempt = f"attempt {about['attempt'] + 1} of {about['max_attempts']}"
    return _shut("job", f"Parked until {clock(until, now)} before {attempt}{because}.", until, **numbers)


def _position(f: Facts) -> str:
    if not f.ahead:
        return "it is next"
    reasons = [f"{f.queue[f'by_{by}']:,} by {by}" for by in ("class", "number", "age") if f.queue[f"by_{by}"]]
    return f"{f.ahead:,}{' or more' if f.queue['capped'] else ''} ahead of it ({', '.join(reasons)})"


def _running(f: Facts) -> Gate:
    about, now = f.about, f.now
    timeout, lease = about["timeout"], about["lease_until"]
    deadline = None if timeout is None else about["started_at"] + timeout
    named = ("worker", "attempt", "max_attempts", "started_at", "progress", "lease_until", "cancelled_by")
    ran = f"for {words(now - about['started_at'])}{'' if timeout is None else f' of at most {words(timeout)}'}"
    detail = f"Running: attempt {about['attempt']} of {about['max_attempts']} on worker {about['worker']}, {ran}"
    detail += f" ({about['progress']})." if about["progress"] else "."
    if lease is None or lease <= now:
        detail += " Its worker has stopped answering; the job is taken back within seconds."
    else:
        detail += f" The worker's lease holds until {clock(lease, now)}."
    if about["cancelled_by"]:
        detail += " It is being cancelled."
    return _open("job", detail, state="running", deadline=deadline, **{name: about[name] for name in named})


def _provider(f: Facts) -> Gate:
    name = f.about["provider"]
    paused = [a for a in f.accounts if a["blocked_until"] is not None and a["blocked_until"] > f.now]
    if not paused or f.is_running:
        return _open("provider", f"{name} is {'paused' if paused else 'not paused'}.", provider=name)
    last = max(paused, key=lambda account: account["blocked_until"])
    until, reason = last["blocked_until"], _bare(last["blocked_reason"] or "no reason given")
    return _shut(
        "provider",
        f"{name} waits until {clock(until, f.now)}: {reason}.",
        until,
        provider=name,
        until=until,
        reason=reason,
    )


def _account(f: Facts, a: Row) -> Gate:
    named = ("subject", "resource", "period", "granted", "held", "spent", "overrun", "need", "frees_at")
    free = max(0, a["granted"] - a["held"] - a["spent"] - a["overrun"])
    numbers = {name: a[name] for name in named} | {"free": free}
    figures = [amount(a["resource"], n) for n in (free, a["granted"], a["held"], a["spent"])]
    used = account_name(a["subject"], a["resource"], a["period"], a["closes"])
    used += ": {} of {} free, {} held, {} spent".format(*figures)
    if free >= a["need"] or f.is_running:
        return _open("account", f"{used}.", **numbers)
    if a["need"] > a["granted"]:
        return _shut(
            "account", f"{used}; one call takes {amount(a['resource'], a['need'])}, which it never grants.", **numbers
        )
    at = a["opens_at"]
    when = "when calls end or more is granted" if at is None else f"at {clock(at, f.now)}"
    return _shut("account", f"{used}; there is room {when}.", at, **numbers)


def _seats(f: Facts, limit: Row) -> Gate:
    named = {"total": "all jobs", "class": f"class {class_name(f.job_class)}", "product": f"product {f.product}"}
    kept = f", {limit['kept']:,} kept for other classes that wait" if limit["kept"] else ""
    detail = f"{limit['taken']:,} of {limit['most']:,} seats for {named[limit['scope']]} taken{kept}."
    numbers = {name: limit[name] for name in ("scope", "most", "least", "taken", "kept")}
    return (_open if f.is_running or free_seats(limit) else _shut)("seats", detail, **numbers)


def _workers(f: Facts) -> Gate:
    alive, serving = [w for w in f.workers if w["alive"]], len(f.serving)
    classes = {number for w in alive for number in w["classes"] or ()}
    numbers = {
        "alive": len(alive),
        "draining": sum(w["draining"] for w in alive),
        "serving": serving,
        "slots": f.slots,
        "free": f.free_slots,
        "classes": [class_name(number) for number in sorted(classes)],
        "last_beat": max((w["beat_at"] for w in f.workers), default=None),
    }
    if serving:
        detail = f"{_count(serving, 'worker')} for it: {f.free_slots:,} of {f.slots:,} slots free."
        return (_open if f.is_running or f.free_slots else _shut)("workers", detail, **numbers)
    running = f"{_count(len(f.here), 'worker')} running, and none"
    if not f.here:
        detail = "No worker is running. Start one: openbell worker."
    elif not f.knowing:
        detail = f"{running} knows this product: it is left for code that does."
    else:
        detail = f"{running} that knows it serves the class {class_name(f.job_class)}."
    return (_open if f.is_running else _shut)("workers", detail, **numbers)


def _count(n: int, what: str) -> str:
    """``1 worker``, ``3 workers``, ``2 classes``."""
    return f"{n:,} {what}{'' if n == 1 else 'es' if what.endswith('s') else 's'}"


def _bare(sentence: str) -> str:
    return sentence.rstrip(". ")
