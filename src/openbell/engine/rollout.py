"""Bringing something new in, step by step: baseline, shadow, a share, all, and back; and what must be seen before each.

Two kinds of flags have a report. A challenger's tells how what it made compares with what readers saw; that of a fixed
list (``demand-PRODUCT``) what demand would have fetched beside what the list has. A flag may have a rule; it is then
widened only when the report is good enough, or by force, and the audit log tells which.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg

from openbell.engine.challenger import Rule
from openbell.engine.database import SQL, Db
from openbell.engine.errors import EngineError
from openbell.engine.flags import ALL, Flag, InvalidFlag, Mode, get_flag
from openbell.engine.polls import Side, compare_polls
from openbell.engine.revisions import LONGEST_REASON, checked_reason, overtaken

DEMAND = "demand-"
BASELINE = timedelta(hours=24)
LOOK_BACK = timedelta(days=7)
TURNS = 10
"""So often a change that was made without looking is tried again on top of the changes of others."""


class NotReady(EngineError):
    """A flag is not widened: what its rule asks for has not been seen."""

    code = "not_ready"

    def __init__(self, name: str, shortfalls: Sequence[str]) -> None:
        super().__init__(
            f"{name} is not ready to go further: {'; '.join(shortfalls)}. `openbell flags report {name}` shows what "
            "was seen; --force with a --reason goes further all the same."
        )
        self.shortfalls = list(shortfalls)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a rule judges: how many comparisons, and of them how many different and how many failed."""

    compared: int
    different: int
    failed: int


@dataclass(frozen=True, slots=True)
class Trials:
    """A challenger beside the producer that readers have; sums of all trials, medians in seconds."""

    trials: int
    equal: int
    different: int
    missing: int
    extra: int
    moved: int
    failed: int
    dropped: int
    most_frequent: str | None
    keys: int
    first_at: datetime | None
    last_at: datetime | None
    calls: int
    bytes: int
    cost_micro: int
    took_s: float | None
    age_s: float | None
    live_calls: int
    live_bytes: int
    live_cost_micro: int
    live_took_s: float | None
    live_age_s: float | None

    @property
    def seen(self) -> Seen:
        """What moved with its source says nothing; what was dropped for want of room is no fault."""
        unlike = self.different + self.missing + self.extra
        return Seen(self.equal + unlike, unlike, self.failed)


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """Demand as it would have been beside the list as it was, for the same keys ``since`` then.

    ``looks`` are times at which somebody began to look at a key, ``waits`` those at which the value would not have been
    fresh; ``dearer`` counts keys that demand would have fetched more often than the list, by more than one.
    """

    since: datetime
    keys: int
    looks: int
    waits: int
    rehearsed: int
    refreshes: int
    failed: int
    calls: int
    bytes: int
    cost_micro: int
    dearer: int

    @property
    def seen(self) -> Seen:
        """Each key that was refreshed is a comparison of how often."""
        return Seen(self.refreshes, self.dearer, self.failed)

    def would_take(self, what: int) -> int:
        """What demand would have taken of something, by what a refresh of the list took of it on average."""
        return round(what * self.rehearsed / self.refreshes) if self.refreshes else 0


@dataclass(frozen=True, slots=True)
class FieldDiffers:
    """A field that was not the same, in how many trials, with one example: the key and both values."""

    path: str
    side: str
    trials: int
    example: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Baseline:
    """How a list did before its flag was moved."""

    at: datetime
    hours: float
    figures: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Report:
    """Old and new side by side, the rule, and what it still asks for."""

    flag: Flag
    now: datetime
    over: timedelta
    rule: Rule | None
    trials: Trials | None = None
    fields: Sequence[FieldDiffers] = ()
    rehearsed: Rehearsed | None = None
    sides: Sequence[Side] = ()
    baseline: Baseline | None = None

    @property
    def shortfalls(self) -> list[str]:
        """What the rule asks for and has not been seen; empty without a rule, or when the flag may go further."""
        part = self.trials or self.rehearsed
        return [] if self.rule is None else shortfalls(self.rule, part.seen if part else Seen(0, 0, 0))

    def as_json(self) -> dict[str, Any]:
        """For programs; times in ISO 8601, durations in seconds, shares of 1."""
        return {
            "flag": self.flag.as_json(),
            "hours": self.over.total_seconds() / 3600,
            "rule": self.rule and asdict(self.rule) | {"over": self.rule.over.total_seconds()},
            "shortfalls": self.shortfalls,
            "trials": self.trials and asdict(self.trials),
            "fields": [asdict(one) for one in self.fields],
            "rehearsed": self.rehearsed and asdict(self.rehearsed),
            "sides": [side.as_json() for side in self.sides],
            "baseline": self.baseline and asdict(self.baseline),
        }


def shortfalls(rule: Rule, seen: Seen) -> list[str]:
    """What a rule asks for and has not been seen, in words. Pure."""
    found = []
    if seen.compared < rule.at_least:
        found.append(f"{seen.compared:,} of {rule.at_least:,} comparisons")
    if seen.compared and (share := seen.different / seen.compared) > rule.most_different:
        found.append(f"{share:.2%} differ, {rule.most_different:.2%} may")
    tried = seen.compared + seen.failed
    if tried and (share := seen.failed / tried) > rule.most_failed:
        found.append(f"{share:.2%} failed, {rule.most_failed:.2%} may")
    return found


async def report(db: Db, name: str, over: timedelta = LOOK_BACK) -> Report:
    """The report of a flag. Raises :class:`UnknownFlag`."""
    flag, now = await get_flag(db, name), await db.fetchval(SQL.get("read_clock"))
    row = await db.fetchrow(SQL.get("read_rule"), name)
    rule = None if row is None else Rule(**row)
    if name.startswith(DEMAND):
        product = name.removeprefix(DEMAND)
        rehearsed = await db.fetchrow(SQL.get("report_rehearsal"), product)
        baseline = await db.fetchrow(SQL.get("read_baseline"), name)
        return Report(
            flag,
            now,
            over,
            rule,
            rehearsed=None if rehearsed is None else Rehearsed(**rehearsed),
            sides=await compare_polls(db, product, over),
            baseline=None if baseline is None else Baseline(**baseline),
        )
    found = await db.fetchrow(SQL.get("report_trials"), name, over)
    assert found is not None
    fields = [FieldDiffers(**one) for one in await db.fetch(SQL.get("count_differences"), name, over)]
    return Report(flag, now, over, rule, trials=Trials(**found), fields=fields)


@dataclass(frozen=True, slots=True)
class FlagSetting:
    """What is to be set of a flag; None leaves a part as it is. ``share`` is in hundredths of a percent."""

    mode: Mode | None = None
    share: int | None = None
    allow: Sequence[str] | None = None
    deny: Sequence[str] | None = None
    about: str | None = None
    owner: str | None = None
    remove_by: date | None = None

    def check(self, name: str) -> None:
        """Raises :class:`InvalidFlag` for texts that cannot stand in a row."""
        for text in (self.about, self.owner, *(self.allow or ()), *(self.deny or ())):
            if text is not None and (not text.strip() or len(text) > LONGEST_REASON or not text.isprintable()):
                raise InvalidFlag(
                    f"{name} cannot be set so: texts are 1 to {LONGEST_REASON} characters that can be printed."
                )


async def set_flag(
    db: Db,
    name: str,
    setting: FlagSetting | None = None,
    *,
    mode: Mode | None = None,
    share: int | None = None,
    actor: str,
    force: bool = False,
    reason: str = "",
    seen: int | None = None,
    **parts: Any,
) -> Flag:
    """The one way to set a flag, for commands, pages and programs alike; audited (PF-28).

    What reaches more keys needs what the flag's rule asks for, or ``force`` with a ``reason``, which the audit log
    keeps with what was missing. Going back needs nothing. ``seen`` is the revision on which the change was decided;
    without it, it is made on top of whatever others have done. Without a share, ``shadow`` begins with all keys, and
    ``percent`` after another mode with none. A list's baseline is kept when its flag leaves ``off``.

    Raises :class:`NotReady`, :class:`Overtaken`, :class:`UnknownFlag` and :class:`InvalidFlag`.
    """
    asked = setting or FlagSetting(mode, share, **parts)
    asked.check(name)
    said = checked_reason(reason)
    for turn in range(TURNS):
        now = await get_flag(db, name)
        if seen is not None and seen != now.revision:
            raise await overtaken(db, "flag", name, seen, now.revision)
        missing = await _missing(db, now, asked)
        if missing and not force:
            raise NotReady(name, missing)
        if missing and not said:
            raise InvalidFlag(f"{name} goes further than its rule allows only for a reason, which the audit log keeps.")
        if name.startswith(DEMAND) and now.mode == "off" and asked.mode not in (None, "off"):
            await _keep_baseline(db, name)
        if await _write(db, now, asked, actor, missing, said):
            return await get_flag(db, name)
        if seen is not None or turn == TURNS - 1:
            raise await overtaken(db, "flag", name, now.revision, (await get_flag(db, name)).revision)
    raise AssertionError("the last turn returns or raises")


async def _missing(db: Db, now: Flag, asked: FlagSetting) -> list[str]:
    """What the rule asks for and has not been seen, if the change reaches more keys."""
    after = (
        asked.mode or now.mode,
        now.share if asked.share is None else asked.share,
        now.allow if asked.allow is None else asked.allow,
        now.deny if asked.deny is None else asked.deny,
    )
    if not is_wider(now, *after):
        return []
    row = await db.fetchrow(SQL.get("read_rule"), now.name)
    return [] if row is None else (await report(db, now.name, row["over"])).shortfalls


async def _write(
    db: Db, now: Flag, asked: FlagSetting, actor: str, missing: Sequence[str], reason: str
) -> bool:  # fmt: skip
    """Whether the flag was still as ``now`` says, and is set. Raises :class:`InvalidFlag`."""
    columns = (
        now.name, asked.mode, asked.share, asked.allow, asked.deny, actor, list(missing) or None, now.revision,
        reason or None, asked.about, asked.owner, asked.remove_by,
    )  # fmt: skip
    try:
        return await db.fetchval(SQL.get("set_flag"), *columns) is not None
    except asyncpg.CheckViolationError as error:
        said = f"{now.name} cannot be set so: 0 to 100 percent, and at most 1,000 names a list."
        raise InvalidFlag(said) from error
    except asyncpg.DataError as error:
        raise InvalidFlag(f"{now.name} cannot be set so: {error}") from error


def is_wider(now: Flag, mode: Mode, share: int, allow: Sequence[str], deny: Sequence[str]) -> bool:
    """Whether a change would put more keys on the new side for readers. Pure."""
    reach = {"off": 0, "shadow": 0, "percent": share, "on": ALL}[mode]
    before = {"off": 0, "shadow": 0, "percent": now.share, "on": ALL}[now.mode]
    named = mode == "percent" and not set(allow) <= (set(now.allow) if now.mode == "percent" else set())
    return reach > before or named or (reach > 0 and not set(now.deny) <= set(deny))


async def set_rule(db: Db, name: str, rule: Rule, *, actor: str, seen: int | None = None) -> None:
    """Ask for this before the flag is widened; audited.

    ``seen`` is the revision of the flag on which it was decided. Raises :class:`UnknownFlag`, :class:`Overtaken` and
    :class:`InvalidFlag`.
    """
    now = await get_flag(db, name)
    shares = [Decimal(str(share)) for share in (rule.most_different, rule.most_failed)]
    try:
        done = await db.fetchval(SQL.get("set_rule"), name, rule.at_least, *shares, rule.over, actor, seen)
    except (asyncpg.CheckViolationError, asyncpg.DataError) as error:
        raise InvalidFlag(f"The rule of {name} cannot be so: shares are 0 to 100 %, numbers not negative.") from error
    if done is None:
        raise await overtaken(db, "flag", name, seen or now.revision, (await get_flag(db, name)).revision)


async def set_budget(db: Db, name: str, resource: str, amount: int, *, actor: str) -> None:
    """Let a challenger's trials take so much of a resource a day; audited. Raises :class:`InvalidFlag`."""
    if amount < 0 or await db.fetchval(SQL.get("set_budget"), name, resource, amount, actor) is None:
        raise InvalidFlag(f"{name} is no challenger, or {amount:,} no budget: only trials have one, of 0 or more.")


async def _keep_baseline(db: Db, name: str) -> None:
    sides = await compare_polls(db, name.removeprefix(DEMAND), BASELINE)
    polled = [side.as_json() for side in sides if not side.taken_over]
    if not polled:
        return
    now = await db.fetchval(SQL.get("read_clock"))
    hours = (now - sides[0].since).total_seconds() / 3600
    await db.execute(SQL.get("keep_baseline"), name, hours, polled)
