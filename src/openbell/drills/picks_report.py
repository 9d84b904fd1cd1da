"""What a weekly run under kills has shown, in words. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from openbell.drills.picks import Played, Size


def tell(size: Size, played: Played) -> str:
    """The report for people, in Markdown."""
    verdict = "\n".join(f"- **{fault}**" for fault in played.faults) or "Every promise was kept."
    steps = "\n".join(f"- `{point}`" for point in sorted({*played.killed_at})) or "- none"
    missed = (
        f"\nNobody came to {', '.join(f'`{one}`' for one in played.not_reached)} before all was done.\n"
        if played.not_reached
        else ""
    )
    left = "\n## What was left\n\n" + "\n".join(f"- {one}" for one in played.left) + "\n" if played.left else ""
    return f"""# A week of picks under kills

Made by `openbell drill picks` on synthetic data: {size.users} people who want an edition of their own, {size.workers}
workers with a scheduler each, batches of {size.members}, seed {size.seed}. At each step of the way
a worker is killed as by a power cut, and {size.random_kills} times one is killed at random; another takes its place.
This run took {played.seconds:,.0f} seconds.

## The promises

| | |
|---|---:|
| people with an edition of their own | {played.editions:,} of {size.users:,} |
| charges by the sandbox's ledger, everybody's edition among them | {played.charges:,} |
| charged twice | {played.charged_twice:,} |
| stored editions that were altered by anything that came later | {played.altered:,} |
| cost by the answers, and the ledger says the same | ${played.cost_micro / 1e6:,.2f} |
| steps at which a worker was killed | {len({*played.killed_at})} of {len(size.points)} |
| workers killed at random | {played.killed_at_random} |

{verdict}
{left}
## Where workers were killed

`sql:` is right before a statement of the database, `call:` and `answer:` right before and right after a call to the
provider. A worker dies at the first of the steps at which nobody has died yet; two may come to one at once.

{steps}
{missed}"""


def left_line(row: Any) -> str:
    """One job that is left: which, in which state, and whose."""
    said = f"{row['product']} {row['key']} is {row['state']}, attempt {row['attempt']}"
    if row["worker"]:
        said += f", with {row['worker']}{', which is gone' if row['worker_gone'] else ''}"
    elif row["state"] == "running":
        said += ", with a worker that has left no trace"
    if row["parked_s"] is not None:
        said += f", until {row['parked_s']} s from now"
    return said + "".join(f"; {row[name]}" for name in ("reason", "progress") if row[name])
