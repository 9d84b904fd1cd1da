"""The command line: its group, the options that all commands share, and the one place where errors become sentences.

Modules of this package import nothing heavy at their top, so that `openbell --help` answers at once.
"""

from __future__ import annotations

from importlib.metadata import version

import click

from openbell.cli import (
    accounts,
    alerts,
    audit,
    backups,
    bench,
    breakers,
    calendars,
    compare,
    costs,
    digest,
    digest_prompts,
    doctor,
    drill,
    export,
    flags,
    get,
    job_acts,
    listings,
    mail,
    mcp,
    migrate,
    operate,
    people,
    picks,
    polls,
    products,
    purge,
    reference,
    schedules,
    services,
    spends,
    staging,
    stats,
    up,
    why,
)
from openbell.cli.exits import BAD_INPUT, EXIT_CODES, FAILED, INTERRUPTED, NO_DATABASE, NOTHING_KNOWN, CliError

INTRODUCTION = """Openbell: self-hosted market intelligence.

`openbell up` brings up everything and prints the address. The other commands work beside it.
"""


@click.group(
    help=INTRODUCTION,
    epilog=EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(version("openbell"), message="openbell %(version)s")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def openbell(debug: bool) -> None:  # noqa: D103, ARG001 (its help is above; `run` reads --debug itself)
    return


for command in (
    up.up, services.web, services.worker, services.sandbox, migrate.migrate, backups.backup, backups.restore, get.get,
    listings.jobs, accounts.accounts, alerts.alerts, spends.spends, costs.costs, products.products, schedules.schedules,
    polls.polls, flags.flags, reference.reference, digest.digest, digest.digests,
    calendars.calendars, export.export, doctor.doctor, bench.bench,
    people.people, purge.purge, mail.mail, drill.drill, mcp.mcp, picks.picks, compare.compare,
    operate.operate, staging.staging, breakers.breakers, audit.audit,
):  # fmt: skip
    openbell.add_command(command)
for command in (job_acts.retry, job_acts.cancel, why.why, stats.stats):
    listings.jobs.add_command(command)
for command in (digest_prompts.prompts, digest_prompts.review):
    digest.digests.add_command(command)


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code."""
    try:
        code = openbell.main(arguments, prog_name="openbell", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.ClickException as error:
        error.show()
        return BAD_INPUT
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except Exception as error:
        if "--debug" in arguments:
            raise
        sentence, code = explain(error)
        click.echo(sentence, err=True)
        return code


def explain(error: Exception) -> tuple[str, int]:
    """The sentence and the exit code for an error of any floor."""
    if isinstance(error, CliError):
        return str(error), error.code
    from openbell.settings import SettingsError

    if isinstance(error, SettingsError):
        return str(error), BAD_INPUT
    from openbell.postgres.errors import DatabaseUnreachable, PostgresError

    if isinstance(error, DatabaseUnreachable):
        return str(error), NO_DATABASE
    if isinstance(error, PostgresError):
        return str(error), FAILED
    return _explain_engine(error)


def _explain_engine(error: Exception) -> tuple[str, int]:
    from openbell.engine.errors import EngineError, InvalidKey, KeepsNoResult, UnknownJob, UnknownProduct

    if isinstance(error, InvalidKey | KeepsNoResult | UnknownProduct):
        return str(error), BAD_INPUT
    if isinstance(error, UnknownJob):
        return str(error), NOTHING_KNOWN
    if isinstance(error, EngineError):
        return str(error), FAILED
    if isinstance(error, ConnectionError | TimeoutError):
        return (
            f"The connection to the database was lost: {str(error) or 'no answer'}. Run `openbell doctor`.",
            NO_DATABASE,
        )
    what = f"{type(error).__name__}: {error}".splitlines()[0]
    return f"Openbell failed in a way it did not expect ({what}). `openbell --debug …` shows where.", FAILED
