"""What a rolling deploy has shown, in words. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from openbell.drills.deploy import Played, Size


def tell(size: Size, played: Played) -> str:
    """The report for people, in Markdown."""
    verdict = "\n".join(f"- **{fault}**" for fault in played.faults) or "Every promise was kept."
    before = (
        f"The version before is commit {played.before}, the last one with an older schema; its own code ran."
        if played.before
        else "There is no git history here, so the version before is this version: only the replacing is proven, "
        "not that two versions go together."
    )
    numbered = [name for name in played.applied if not name.startswith("functions/")]
    functions = len(played.applied) - len(numbered)
    exits = ", ".join(f"{seconds:.1f}" for seconds in played.exits_s)
    return f"""# A rolling deploy under load

Made by `openbell drill deploy` on synthetic data. {size.webs} web processes and {size.workers} workers of
{size.slots} slots are replaced one by one; {played.streams:,} streams are open on {size.keys} quotes
that are fresh for 4 seconds.
Each call takes 2.5 seconds, longer than a worker waits for it. {before}
This run took {played.seconds:,.0f} seconds.

| | |
|---|---:|
| migrations applied under load | {len(numbered)} files, {functions} functions, {played.migrate_s:.1f} s |
| longest wait for a lock | {played.lock_wait_s:.3f} s {played.lock_on} |
| requests, of which failed | {played.requests:,}, {played.failed:,} |
| streams that moved to another process, and that did not find one | {played.moved:,}, {played.not_moved:,} |
| seconds from SIGTERM to the end, web processes first | {exits} |
| jobs interrupted, and longest until another worker had one | {played.interrupted}, {played.claimed_again_s:.2f} s |
| latest wanted value | {played.late_s:.1f} s late |
| jobs done, lost, ended twice | {played.jobs:,}, {played.lost:,}, {played.twice:,} |
| calls that reached the provider, that are booked | {played.calls:,}, {played.booked:,} |

{verdict}
"""
