"""The figures of the whole in the text form of Prometheus: a view of the database, and counters of this process.

https://prometheus.io/docs/instrumenting/exposition_formats/ (version 0.0.4). Labels are names of the registry, states
and providers, so that their number is bounded; a name or a key of a person never is one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from openbell.engine.database import SQL, Db
from openbell.engine.registry import class_name
from openbell.telemetry.tally import swallowed_so_far

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MOST_SAMPLES = 5_000
"""Of one scrape; what is beyond it is left out, and openbell_samples_left_out says how many."""

ABOUT: Mapping[str, str] = {
    "openbell_jobs": "Live jobs by class and state.",
    "openbell_oldest_job_seconds": "Age of the oldest live job of a class and state.",
    "openbell_wanted_keys": "Keys of a product that somebody wants now.",
    "openbell_fresh_keys": "Those of them that are fresh.",
    "openbell_missing_keys": "Those of them of which nothing is known.",
    "openbell_oldest_due_seconds": "For how long the oldest wanted value of a product has been due.",
    "openbell_finished_jobs_last_hour": "Jobs that ended within the last hour, by product and outcome.",
    "openbell_calls_last_day": "Outside calls of the last 24 hours, by provider and state.",
    "openbell_dollars_last_day": "Dollars that calls of the last 24 hours have cost.",
    "openbell_account_used_ratio": "The fullest account of a provider and resource: used of granted.",
    "openbell_unknown_spends": "Calls whose outcome nobody knows.",
    "openbell_breaker_open": "1 for a provider or operation that is left alone.",
    "openbell_workers": "Workers whose lease holds.",
    "openbell_slots": "Jobs that they can run at once.",
    "openbell_worker_events": "What the workers that run now have counted since each began.",
    "openbell_schedule_last_success_timestamp_seconds": "When a schedule succeeded last.",
    "openbell_deliveries": "Mails that wait, are held, or failed within a week.",
    "openbell_alerts_firing": "Alerts that fire, by code.",
    "openbell_last_backup_timestamp_seconds": "When the last backup was made.",
    "openbell_streams": "Open streams of this process.",
    "openbell_swallowed_total": "Errors that ended where they came up in this process, by place and type.",
    "openbell_samples_left_out": "Samples that one scrape had no room for.",
}


@dataclass(frozen=True, slots=True)
class Sample:
    """One figure: its name, its labels and its value."""

    name: str
    labels: Mapping[str, str]
    value: float


async def read_metrics(db: Db) -> list[Sample]:
    """What the database knows, right with any number of processes."""
    return [
        Sample(row["name"], {name: _label(name, value) for name, value in row["labels"].items()}, row["value"])
        for row in await db.fetch(SQL.get("read_metrics"))
    ]


def of_process(streams: int = 0) -> list[Sample]:
    """What this process has counted itself."""
    return [
        Sample("openbell_streams", {}, streams),
        *(
            Sample("openbell_swallowed_total", {"where": where, "type": kind}, n)
            for (where, kind), n in swallowed_so_far().items()
        ),
    ]


def exposition(samples: Iterable[Sample]) -> str:
    """The text that a scrape gets, each name once with its help and type."""
    by_name: dict[str, list[Sample]] = {}
    for number, one in enumerate(samples):
        if number < MOST_SAMPLES:
            by_name.setdefault(one.name, []).append(one)
        else:
            left = by_name.setdefault("openbell_samples_left_out", [Sample("openbell_samples_left_out", {}, 0)])
            left[0] = Sample("openbell_samples_left_out", {}, left[0].value + 1)
    lines: list[str] = []
    for name, found in sorted(by_name.items()):
        kind: Literal["counter", "gauge"] = "counter" if name.endswith("_total") else "gauge"
        lines += [f"# HELP {name} {ABOUT[name]}", f"# TYPE {name} {kind}"]
        lines += [f"{name}{_labels(one.labels)} {one.value:.10g}" for one in found]
    return "\n".join(lines) + "\n"


def _label(name: str, value: str) -> str:
    return class_name(int(value)) if name == "class" else value


def _labels(labels: Mapping[str, str]) -> str:
    told = ",".join(f'{name}="{_escaped(value)}"' for name, value in sorted(labels.items()))
    return f"{{{told}}}" if told else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")[:120]
