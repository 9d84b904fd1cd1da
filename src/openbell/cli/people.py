"""`openbell people`: who is here, and letting them in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from openbell.cli import reach
from openbell.cli.amounts import actor_option
from openbell.cli.exits import BAD_INPUT, NOTHING_KNOWN, CliError
from openbell.cli.options import data_option, json_option
from openbell.cli.output import print_json, print_pairs, print_table, when

if TYPE_CHECKING:
    import asyncpg

    from openbell.people import Person

T = TypeVar("T")


@click.group()
def people() -> None:
    """Subscribers and admins: list, add, let in, pause, export and erase. WHO is an address or an id."""


@people.command("list")
@click.option("--state", type=click.Choice(["pending", "active", "paused", "blocked", "left"]), help="Only these.")
@click.option("--search", help="A part of an address or of a name.")
@data_option
@json_option
def people_list(state: str | None, search: str | None, data: Path | None, as_json: bool) -> None:
    """List who is here, the newest first."""
    from openbell.people import list_people

    found = ask(data, lambda db: list_people(db, state=state, search=search))
    if as_json:
        print_json([one.as_json() for one in found])
        return
    rows = [(one.id, one.address, one.state, one.role, one.plan, when(one.created_at.isoformat())) for one in found]
    empty = "Nobody. People sign up at /sign-up; add somebody with: openbell people add ADDRESS"
    print_table(("id>", "address", "state", "role", "plan", "since"), rows, empty=empty)


@people.command("show")
@click.argument("who")
@data_option
@json_option
def people_show(who: str, data: Path | None, as_json: bool) -> None:
    """Show one person: state, tickers, credits and what they agreed to."""
    from openbell.people import consents_of, tickers_of
    from openbell.people.credits import read_credits

    async def read(db: asyncpg.Connection) -> Any:
        person = await find(db, who)
        return person, await tickers_of(db, person.id), await read_credits(db, person), await consents_of(db, person.id)

    person, tickers, purse, consents = ask(data, read)
    if as_json:
        told = {"tickers": tickers, "credits": purse.as_json(), "consents": [one.as_json() for one in consents]}
        print_json(person.as_json() | told)
        return
    print_pairs([
        ("id", str(person.id)), ("address", person.address), ("name", person.name or "–"), ("role", person.role),
        ("state", f"{person.state} since {when(person.state_at.isoformat())}"),
        ("confirmed", when(person.confirmed_at.isoformat()) if person.confirmed_at else "not yet"),
        ("follows", ", ".join(tickers) or "–"), ("zone", person.zone), ("plan", person.plan),
        ("credits", f"{purse.free} of {purse.granted} left, new ones on {purse.resets_on}"),
    ])  # fmt: skip
    click.echo()
    rows = [
        (when(one.at.isoformat()), one.kind, "yes" if one.given else "no", one.version, one.source) for one in consents
    ]
    print_table(("when", "agreed to", "agreed", "version", "where"), rows, empty="They agreed to nothing yet.")


@people.command("add")
@click.argument("address")
@click.option("--name", default="", help="What they are called.")
@click.option("--admin", is_flag=True, help="They run this instance: sign in to the console, no limit of tickers.")
@click.option("--plan", type=click.Choice(["free", "premium", "professional"]), default="free", show_default=True)
@click.option("--confirmed", is_flag=True, help="You know that the address is theirs, and that they agree to mail.")
@click.option("--follow", "tickers", multiple=True, metavar="TICKER", help="A ticker to follow; may be repeated.")
@actor_option
@data_option
def people_add(
    address: str,
    name: str,
    admin: bool,
    plan: str,
    confirmed: bool,
    tickers: tuple[str, ...],
    actor: str,
    data: Path | None,
) -> None:
    """Add somebody. Unless --confirmed, they are sent the question whether they want it."""
    from openbell.people import add_person, consent, follow
    from openbell.people.consents import NEEDED
    from openbell.products.keys import Symbol

    symbols = [_symbol(Symbol.parse, one) for one in tickers]

    async def add(db: asyncpg.Connection) -> Person:
        person = await add_person(
            db, address, name=name, role="admin" if admin else "subscriber", plan=plan,  # type: ignore[arg-type]
            state="active" if confirmed else "pending", actor=actor,
        )  # fmt: skip
        if confirmed:
            await consent(db, person.id, NEEDED, given=True, source=f"added by {actor}")
        for symbol in symbols:
            await follow(db, person, symbol)
        if person.state == "pending":
            await _ask_to_confirm(db, person)
        return person

    person = ask(data, add)
    click.echo(f"{person.address} is person {person.id}, {person.state}.")


async def _ask_to_confirm(db: asyncpg.Connection, person: Person) -> None:
    from openbell.mail import queue_all
    from openbell.mail.letters import link_letter

    await queue_all(db, kind="confirm", recipients=[person], letter=link_letter("confirm"))


def _symbol(parse: Callable[[str], str], text: str) -> str:
    try:
        return str(parse(text))
    except ValueError as error:
        raise CliError(f"{text!r} is no symbol: {error}.", BAD_INPUT) from None


@people.command("link")
@click.argument("who")
@data_option
def people_link(who: str, data: Path | None) -> None:
    """Print a link that signs somebody in, once, for 15 minutes. For the operator: nothing is mailed."""

    async def make(db: asyncpg.Connection) -> str:
        from openbell.people.doors import make_link

        person = await find(db, who)
        if person.confirmed_at is None:
            return f"/confirm/{await make_link(db, person.id, 'confirm')}"
        return f"/sign-in/{await make_link(db, person.id, 'sign-in')}"

    click.echo(f"{home(data)}{ask(data, make)}")


def home(data: Path | None) -> str:
    """Where the pages are: PUBLIC_URL, else the address of a running `openbell up`, else this machine's port."""
    from openbell.settings import load

    settings = load(keys=False)
    if settings.public_url:
        return settings.public_url.rstrip("/")
    run = reach.read_run(reach.find(settings, data).folder)
    return str(run.get("address") or f"http://127.0.0.1:{settings.openbell_port}")


def _steps(name: str, words: str) -> None:
    """A command for one step of the state table."""

    @people.command(name, help=words)
    @click.argument("who")
    @actor_option
    @data_option
    def run(who: str, actor: str, data: Path | None) -> None:
        async def move(db: asyncpg.Connection) -> Person:
            from openbell.mail.welcome import welcome
            from openbell.people.person import move_by_operator

            person = await move_by_operator(db, (await find(db, who)).id, name, actor=actor)  # type: ignore[arg-type]
            if name == "approve" and person.state == "active":
                await welcome(db, person)
            return person

        person = ask(data, move)
        click.echo(f"{person.address} is {person.state}.")


for _name, _words in (
    ("approve", "Let somebody in who has confirmed the address, where sign-up asks for approval."),
    ("pause", "Send somebody no mail for now."),
    ("resume", "Send mail again."),
    ("block", "Send somebody nothing, and let them not sign in."),
    ("unblock", "End that."),
):
    _steps(_name, _words)


@people.command("plan")
@click.argument("who")
@click.argument("plan", type=click.Choice(["free", "premium", "professional"]))
@actor_option
@data_option
def people_plan(who: str, plan: str, actor: str, data: Path | None) -> None:
    """Set a plan: 5, 25 or 100 credits a month."""

    async def change(db: asyncpg.Connection) -> Person:
        from openbell.people import change_person

        return await change_person(db, (await find(db, who)).id, plan=plan, actor=actor)  # type: ignore[arg-type]

    click.echo(f"The plan is {ask(data, change).plan}.")


@people.command("export")
@click.argument("who")
@data_option
def people_export(who: str, data: Path | None) -> None:
    """Print everything that is kept about somebody, as JSON."""

    async def read(db: asyncpg.Connection) -> Any:
        from openbell.people.records import export

        return await export(db, await find(db, who))

    print_json(ask(data, read))


@people.command("erase")
@click.argument("who")
@click.option("--yes", is_flag=True, help="Do not ask.")
@actor_option
@data_option
def people_erase(who: str, yes: bool, actor: str, data: Path | None) -> None:
    """Forget somebody for good; what the books need stays under a number that names nobody."""
    if not yes:
        click.confirm(f"Erase {who} for good?", abort=True)

    async def forget(db: asyncpg.Connection) -> int:
        from openbell.people.records import erase

        person = await find(db, who)
        await erase(db, person.id, actor=actor)
        return person.id

    click.echo(f"Person {ask(data, forget)} is erased.")


async def find(db: asyncpg.Connection, who: str) -> Person:
    """The person of an id or an address. Raises CliError."""
    from openbell.people import find_by_address, find_person

    person = await (find_person(db, int(who)) if who.isdecimal() and len(who) < 18 else find_by_address(db, who))
    if person is None or person.erased_at is not None:
        raise CliError(f"There is nobody {who!r}: `openbell people list` shows who there is.", NOTHING_KNOWN)
    return person


def ask(data: Path | None, read: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
    """What ``read`` answers, over one connection; wrong input ends the command with its sentence."""

    async def run() -> T:
        from openbell.mail import MailError
        from openbell.people import PeopleError

        async with reach.connected(data) as connection:
            try:
                return await read(connection)
            except (MailError, PeopleError) as error:
                raise CliError(str(error), BAD_INPUT) from None

    return reach.run_async(run())
