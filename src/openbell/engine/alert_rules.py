"""The rules of alerts: what must hold, and how long, before an operator is told (PF-34). Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Literal

from openbell.engine.alarms import Alarm
from openbell.engine.errors import EngineError
from openbell.engine.explain import words
from openbell.engine.schedules import ScheduleView

RATE_SPAN = timedelta(hours=1)
PACE_SPAN = timedelta(minutes=5)
STUCK_AFTER = timedelta(minutes=1)
HOLD_S = 60.0
"""How long what may pass by itself must hold before anybody is told: a machine that has slept catches up by then."""

Row = Mapping[str, Any]


class AlertError(EngineError):
    """A limit of an alert or a silence cannot be set as it was asked for."""

    code = "alert_refused"


@dataclass(frozen=True, slots=True)
class AlertLimits:
    """From when on something is worth an alert. An operator may change them while the system runs.

    ``success_percent`` of the jobs of a product within an hour, where at least ``success_jobs`` have ended; ``depth``
    in waiting jobs; ``oldest_s`` and ``no_progress_s`` in seconds; ``backup_s`` since the last backup.
    """

    success_percent: float = 90.0
    success_jobs: int = 10
    depth: int = 5_000
    oldest_s: float = 900.0
    no_progress_s: float = 300.0
    backup_s: float = 26 * 3_600.0

    @classmethod
    def read(cls, stored: Mapping[str, Any] | None) -> AlertLimits:
        """As stored; what is not there is as usual, and what newer code has stored is not looked at."""
        known = {one.name for one in fields(cls)}
        return cls(**{name: value for name, value in (stored or {}).items() if name in known})

    @classmethod
    def check(cls, given: Mapping[str, Any]) -> AlertLimits:
        """As somebody sets them. Raises :class:`AlertError` for what no limit can be."""
        known = [one.name for one in fields(cls)]
        for name, value in given.items():
            if name not in known:
                raise AlertError(f"There is no limit {name[:40]!r}; the limits are {', '.join(known)}.")
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e9:
                raise AlertError(f"The limit {name} is a number above 0, not {value!r}.")
        return cls(**given)

    def as_json(self) -> dict[str, float]:
        """For programs."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a rule has found. ``code`` and ``about`` say what it is; ``hold_s`` is how long it must hold."""

    code: str
    about: str
    message: str
    mend: str
    figure: float
    level: Literal["warn", "critical"] = "warn"
    hold_s: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """As the database takes it."""
        return {name: getattr(self, name) for name in self.__slots__}


def judge(facts: Row, alarms: Sequence[Alarm], schedules: Sequence[ScheduleView], limits: AlertLimits) -> list[Finding]:
    """Everything that is found, each thing once."""
    found = [
        *_of_rates(facts["rates"], limits),
        *_of_queue(facts, limits),
        *_of_stuck(facts["stuck"]),
        *_of_jobless(facts["jobless"]),
        *(one for alarm in alarms for one in _of_alarm(alarm)),
        *(_of_schedule(one) for one in schedules if one.overdue),
        *_of_flags(facts["expired"]),
        *_of_drifts(facts["drifts"]),
        *_of_backup(facts, limits),
    ]
    return list({(one.code, one.about): one for one in found}.values())


def _of_rates(rates: Sequence[Row], limits: AlertLimits) -> Iterator[Finding]:
    for row in rates:
        total = row["good"] + row["bad"]
        percent = 100 * row["good"] / total
        if total >= limits.success_jobs and percent < limits.success_percent:
            yield Finding(
                "success_rate",
                row["product"],
                f"{percent:.0f} % of the {total:,} jobs of {row['product']} that ended within an hour succeeded; "
                f"{row['bad']:,} did not.",
                f"See why with `openbell jobs list --product {row['product']} --state failed`.",
                round(percent, 1),
                level="critical",
            )


def _of_queue(facts: Row, limits: AlertLimits) -> Iterator[Finding]:
    waiting, oldest_s = facts["waiting"], facts["oldest_s"]
    if waiting > limits.depth:
        yield Finding(
            "depth", "", f"{waiting:,} jobs wait.",
            "Start more workers, or see what asks for so much: `openbell jobs stats`.", float(waiting), hold_s=HOLD_S,
        )  # fmt: skip
    if oldest_s > limits.oldest_s:
        yield Finding(
            "oldest_job",
            "",
            f"The oldest waiting job has waited {words(timedelta(seconds=oldest_s))}.",
            "`openbell jobs stats` shows which; `openbell jobs why ID` says what it waits for.",
            round(oldest_s, 1),
            hold_s=HOLD_S,
        )
    if waiting and oldest_s > limits.no_progress_s and not facts["completed"]:
        yield Finding(
            "no_progress",
            "",
            f"Nothing was completed in the last {words(PACE_SPAN)}, and {waiting:,} jobs wait.",
            "Is a worker running, and what do its lines in the log say? `openbell doctor`.",
            float(waiting),
            level="critical",
            hold_s=HOLD_S,
        )


def _of_stuck(stuck: Sequence[Row]) -> Iterator[Finding]:
    """The row is that of the job which is held longest, with how many there are."""
    for first in stuck:
        count = first["jobs"]
        yield Finding(
            "stuck",
            "",
            f"{count:,} {'job is' if count == 1 else 'jobs are'} held beyond the time allowed, "
            f"first job {first['id']} ({first['product']} {first['key'][:60]}).",
            "No worker takes them back: is one alive? `openbell jobs stats` lists them.",
            float(count),
            level="critical",
            hold_s=HOLD_S,
        )


def _of_jobless(jobless: Sequence[Row]) -> Iterator[Finding]:
    for row in jobless:
        yield Finding(
            "no_job",
            row["product"],
            f"{row['keys']:,} wanted {'key' if row['keys'] == 1 else 'keys'} of {row['product']} due without a job, "
            f"such as {row['example'][:60]}.",
            f"The sweep does not run, or cannot: `openbell jobs why {row['product']} …`, and look at the workers.",
            float(row["keys"]),
            level="critical",
            hold_s=HOLD_S,
        )


def _of_alarm(alarm: Alarm) -> Iterator[Finding]:
    """What the books tell. A budget is told of at each of its thresholds; a pause and an estimate are no alert."""
    if alarm.code == "budget":
        for at in (75, 90):
            if alarm.figure >= at:
                yield Finding(
                    f"budget_{at}", alarm.about, alarm.message, alarm.mend, alarm.figure,
                    level="critical" if at == 90 else "warn",
                )  # fmt: skip
    elif alarm.code in ("breaker", "unknown_spends"):
        yield Finding(alarm.code, alarm.about, alarm.message, alarm.mend, alarm.figure)


def _of_schedule(one: ScheduleView) -> Finding:
    last = one.last_success_at
    since = "It has never succeeded." if last is None else f"It succeeded last {words(one.now - last)} ago."
    why = one.problem or one.last_note
    return Finding(
        "schedule_overdue",
        one.name,
        f"The schedule {one.name} is overdue. {since}" + (f" {why.rstrip('.')}." if why else ""),
        f"`openbell schedules list`; when the cause is gone, `openbell schedules run {one.name}`.",
        0.0 if last is None else (one.now - last).total_seconds(),
        level="critical",
        hold_s=HOLD_S,
    )


def _of_flags(expired: Sequence[Row]) -> Iterator[Finding]:
    for row in expired:
        yield Finding(
            "flag_expired",
            row["name"],
            f"The flag {row['name']} ({row['mode']}, decided about by {row['owner']}) should have been gone by "
            f"{row['remove_by']}.",
            "Move what is on into the code and remove the flag, or give it a new end: "
            f"`openbell flags drop {row['name']}`, `openbell flags set {row['name']} --remove-by DATE`.",
            float(row["days"]),
        )


def _of_drifts(drifts: Sequence[Row]) -> Iterator[Finding]:
    """As the nightly evaluation of forecasts has noted them."""
    for row in drifts:
        yield Finding(
            "forecast_drift",
            row["about"],
            row["message"],
            "See `openbell compare accuracy`; another engine can be tried in the shadow: `openbell flags set "
            "forecast-ensemble shadow:10%`.",
            row["figure"],
        )


def _of_backup(facts: Row, limits: AlertLimits) -> Iterator[Finding]:
    """Old backups are told of wherever there has been one; that there is none only in production."""
    last: datetime | None = facts["backed_up_at"]
    since = last if last is not None or facts["environment"] != "production" else facts["made_at"]
    if since is None or (age := (facts["now"] - since).total_seconds()) <= limits.backup_s:
        return
    told = f"The last backup is {words(timedelta(seconds=age))} old." if last else "No backup has ever been made."
    yield Finding("backup_old", "", told, "Make one: `openbell backup FILE`, and let a timer do so daily.", age)
