"""What the figures must reach, in one table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Target:
    """A figure's bound: at least, or at most, so much."""

    sense: Literal["at least", "at most"]
    bound: float
    unit: str
    what: str

    def is_met(self, value: float) -> bool:
        """Whether ``value`` keeps the bound."""
        return value >= self.bound if self.sense == "at least" else value <= self.bound

    def __str__(self) -> str:
        return f"{self.sense} {self.bound:g} {self.unit}".strip()


QUEUE = {
    "drain_ratio": Target("at least", 0.45, "", "drain, one worker, of the SQL ceiling"),
    "drain_ratio_two": Target("at least", 0.45, "", "drain, two workers, of two ceilings"),
    "enqueue_ratio": Target("at least", 0.4, "", "bulk enqueue with unique keys, of COPY"),
    "pickup_p50_ms": Target("at most", 1.5, "ms", "commit of an enqueue to start of its handler, median"),
    "pickup_p99_ms": Target("at most", 4.0, "ms", "the same, 99th percentile"),
    "held_snapshot_ratio": Target("at least", 0.9, "", "fourth drain over the first, with an old snapshot held"),
    "wal_bytes_per_job": Target("at most", 1_300, "bytes", "WAL from enqueue to history"),
    "idle_queries_per_s": Target("at most", 1.0, "/s", "transactions of an idle worker"),
    "idle_core_percent": Target("at most", 1.0, "%", "of a core, for an idle worker"),
    "backlog_ratio": Target("at most", 1.2, "", "claim and finish with a long queue, over a short one"),
    "paid_ratio": Target("at least", 1.0, "", "paid jobs settled one by one, of one-at-a-time SQL on two connections"),
}

LEDGER = {
    "holds_per_s": Target("at least", 30_000, "/s", "holds on one hot account, from Python, durable"),
    "holds_ratio": Target("at least", 20, "", "the same, of one hold a transaction in plain SQL"),
    "five_holds_per_s": Target("at least", 10_000, "/s", "calls that hold five accounts each"),
    "five_holds_p99_ms": Target("at most", 20, "ms", "the same, 99th percentile"),
    "admission_p99_ms": Target(
        "at most", 5, "ms", "what a hold adds to a call at 1,000 calls a second, 99th percentile"
    ),
}

SWEEP = {
    "sweep_ms": Target("at most", 100, "ms", "one look at 20,000 leases over 5,000 keys, 500 of them due"),
}

READ = {
    "read_ratio": Target("at least", 0.5, "", "reads of an artifact over HTTP, of the bare framework's answers"),
}

STREAM: dict[str, Target] = {
    "stream_p50_ms": Target("at most", 50, "ms", "commit of a new version to the browsers that watch it, median"),
    "stream_p99_ms": Target("at most", 300, "ms", "the same, 99th percentile"),
}

STREAM_AT_SIZE: dict[str, Target] = {
    "streams_memory_mib": Target("at most", 200, "MiB", "one web process with 10,000 open streams"),
    "stream_events_per_s": Target("at least", 4_750, "/s", "deliveries, of 5,000 that are wanted"),
}
"""Beside those above, where there are 10,000 streams."""

CROWD = {
    "crowd_calls": Target("at most", 1, "", "calls for one cold key that all want at once, by the provider's ledger"),
    "crowd_last_ms": Target("at most", 50, "ms", "commit to the last of 10,000 who wait for it in three processes"),
}

IDLE = {
    "idle_system_queries_per_s": Target("at most", 2.0, "/s", "transactions of the idle system"),
}

PICKS = {
    "enqueue_s": Target("at most", 5.0, "s", "a week of 10,000 people queued"),
    "read_p99_ms": Target("at most", 50.0, "ms", "GET /api/weekly-picks at 200 a second, 99th percentile"),
    "cold_p99_ms": Target("at most", 50.0, "ms", "the same from a process that has answered nobody yet"),
}

DIGEST = {
    "digest_ratio": Target("at most", 1.15, "", "digests of 12 tickers, of the longest chain that the limits allow"),
    "pages_per_s": Target("at least", 10.0, "/s", "article pages taken apart by one worker's reader"),
}
