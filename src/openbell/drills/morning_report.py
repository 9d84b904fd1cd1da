"""What a morning has shown, in words. Pure."""

from __future__ import annotations

from openbell.drills.morning import IN_TIME, Played, Size

AWAY = {"model": "The model's provider was away", "news": "All feeds and pages were away"}


def tell(size: Size, played: Played) -> str:
    """The report for people, in Markdown."""
    verdict = "\n".join(f"- **{fault}**" for fault in played.faults) or "Every promise was kept."
    minutes = int(IN_TIME.total_seconds() // 60)
    return f"""# A morning of digests

Made by `openbell drill morning` on synthetic data: {size.tickers} tickers, {size.people} people who follow one to three
of them, {size.requests} ad-hoc requests in the middle, {size.workers} workers, seed {size.seed}, models
`{size.model}`. One clock is moved for database and sandbox: it runs while anything is at work and jumps when nothing
is, so that a slow machine takes longer and breaks no promise. This run took {played.seconds:,.0f} seconds and says
nothing about load.

## What happened

- {played.killed} workers were killed while they were at work on {" and ".join(map(str, played.cut_off))} digests, and
  others came.
- A deploy replaced {played.replaced} workers, one after the other.
- {AWAY[size.outage]} for {size.outage_min} minutes and refused {played.outage_calls:,} calls.
- One person left when the mails were waiting already.

## The promises

| | |
|---|---:|
| digests, of them quiet | {played.digests}, {played.quiet} |
| the last one was ready at (New York) | {played.built_by or "never"} |
| mails were due at | {played.sent_at} |
| the last one arrived at | {played.last_mail_at} |
| mails that were due to subscribers | {played.due:,} |
| mails that arrived | {played.arrived:,} |
| mails to the person who left | {played.left_mails} |
| mails to the admin, and alerts | {played.inner:,}, {played.alerts} |
| ad-hoc requests served | {played.served} of {size.requests} |
| calls that the model's provider charged | {played.paid_calls:,}, ${played.cost_micro / 1e6:,.2f} |
| questions that were paid for twice | {played.paid_twice} |
| answers that were paid for and lost with a worker | {played.answers_lost} |

What should arrive is worked out from who follows what. What did arrive, and when (within {minutes} minutes of its
time, as many as may leave a minute), is read from the sandbox's boxes; what was charged, from its ledger.

{verdict}
"""
