"""`openbell jobs retry | cancel`: one job at once, or all of a filter, shown before."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from openbell.cli import reach
from openbell.cli.exits import BAD_INPUT, CliError
from openbell.cli.options import data_option, json_option
from openbell.cli.output import print_json

if TYPE_CHECKING:
    from openbell.engine.confirm import Plan
    from openbell.engine.many import Act, Done

ACTOR = "cli"
STATES = ("done", "unchanged", "empty", "outdated", "superseded", "failed", "expired", "cancelled")
LIVE = ("waiting", "parked", "running")
CLASSES = ("interactive", "scheduled", "research", "ad-hoc", "background")
HOURS_MOST = 24 * 366
F = TypeVar("F", bound=Callable[..., Any])


def _filters(states: tuple[str, ...]) -> Callable[[F], F]:
    """The options that both have."""
    options = (
        click.argument("job_id", metavar="[ID]", type=click.IntRange(1), required=False),
        click.option("--state", type=click.Choice(states), help="Only jobs in this state."),
        click.option("--product", help="Only jobs of this product."),
        click.option("--key", help="Only jobs of this key."),
        click.option("--class", "job_class", type=click.Choice(CLASSES), help="Only jobs of this class."),
        click.option("--plan", "only_plan", is_flag=True, help="Say what would be done, and do nothing."),
        click.option("--yes", is_flag=True, help="Do it without asking; the plan is told before."),
        data_option,
        json_option,
    )

    def apply(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return apply


@click.command()
@click.option("--code", help="Only jobs that ended with this error.")
@click.option("--hours", type=click.IntRange(1, HOURS_MOST), help="Only jobs that ended in the last so many hours.")
@_filters(STATES)
def retry(job_id: int | None, code: str | None, hours: int | None, data: Path | None, **options: Any) -> None:
    """Queue a job again now, or all that a filter means; the last failure of their keys is forgotten.

    Without an ID, those that failed are meant, or those in the state that is named. A key that has ended another way
    since is left alone.
    """
    if job_id is None:
        _many("retry", options | {"code": code, "hours": hours}, data)
        return
    _alone(options | {"code": code, "hours": hours})

    async def change() -> int:
        from openbell.engine import jobs

        async with reach.connected(data) as connection:
            return await jobs.retry(connection, job_id, actor=ACTOR)

    live = reach.run_async(change())
    if options["as_json"]:
        print_json({"id": live, "retry_of": job_id})
    else:
        click.echo(f"Job {live} is queued.")


@click.command()
@_filters(LIVE)
def cancel(job_id: int | None, data: Path | None, **options: Any) -> None:
    """Cancel a live job, or all that a filter means; a running one stops at its next step."""
    if job_id is None:
        _many("cancel", options, data)
        return
    _alone(options)

    async def change() -> str:
        from openbell.engine import jobs

        async with reach.connected(data) as connection:
            return await jobs.cancel(connection, job_id, actor=ACTOR)

    state = reach.run_async(change())
    if options["as_json"]:
        print_json({"id": job_id, "state": state})
    else:
        click.echo(f"Job {job_id} is {'cancelled' if state == 'cancelled' else 'being cancelled'}.")


def _alone(options: dict[str, Any]) -> None:
    """Raises when an ID has come with what is for many."""
    if any(value for name, value in options.items() if name != "as_json"):
        raise CliError("An ID names one job: leave the filters, --plan and --yes out.", BAD_INPUT)


def _many(act: Act, options: dict[str, Any], data: Path | None) -> None:
    """Plan, ask, do."""
    as_json, only_plan, yes = (bool(options.pop(name)) for name in ("as_json", "only_plan", "yes"))
    if not any(options.values()) and not only_plan:
        raise CliError("Name a job by its ID, or say which are meant: --state, --product, --key, --class.", BAD_INPUT)
    if as_json and not only_plan and not yes:
        raise CliError("With --json nobody can be asked: add --plan or --yes.", BAD_INPUT)
    plan, done = reach.run_async(_work(act, options, data, only_plan=only_plan, yes=yes, quiet=as_json))
    if as_json:
        print_json({"plan": plan.as_json()} | ({"jobs": dict(done.counts), "done": done.done} if done else {}))
        return
    for line in done.sentences if done else ["Nothing was done."]:
        click.echo(line)


async def _work(
    act: Act, options: dict[str, Any], data: Path | None, *, only_plan: bool, yes: bool, quiet: bool
) -> tuple[Plan, Done | None]:
    from openbell.engine import many
    from openbell.engine.confirm import NotConfirmed
    from openbell.engine.database import SQL
    from openbell.engine.history import EVER
    from openbell.engine.registry import CLASSES as NUMBERS

    async with reach.connected(data) as connection:
        hours, name = options.pop("hours", None), options.pop("job_class")
        since = await connection.fetchval(SQL.get("read_clock")) - timedelta(hours=hours) if hours else EVER
        meant = many.Meant(job_class=NUMBERS[name] if name else None, since=since, **options)
        try:
            prepared = await many.prepare(connection, act, meant, actor=ACTOR)
            plan = prepared.proposed.plan
            if not quiet:
                _tell(plan)
            if only_plan or not (yes or click.confirm("Do it?")):
                return plan, None
            token = prepared.proposed.token
            return plan, await many.carry_out(connection, act, prepared.meant, plan, token, actor=ACTOR)
        except (many.NothingMeant, NotConfirmed) as error:
            raise CliError(str(error), BAD_INPUT) from None


def _tell(plan: Plan) -> None:
    click.echo(click.wrap_text(plan.sentence, 100))
    for what, n in plan.rows.items():
        click.echo(f"  {n:>7,}  {what}")
    for one in plan.sample:
        click.echo(f"           {one}")
