"""`openbell flags`: switches that hold for every process at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from openbell.cli import rollout
from openbell.cli.amounts import actor_option
from openbell.cli.exits import CliError
from openbell.cli.options import data_option, json_option, seen_option
from openbell.cli.output import print_json, print_pairs, print_table, when
from openbell.cli.rollout import ask

if TYPE_CHECKING:
    import asyncpg

LIFE = timedelta(days=180)
"""After so long a flag that nobody gave an end should be gone."""


@click.group()
def flags() -> None:
    """Switches that take effect everywhere at once: off, in shadow, on, or on for a stable share of the keys."""


for command in (rollout.report, rollout.rule, rollout.budget):
    flags.add_command(command)


@flags.command("list")
@data_option
@json_option
def flags_list(data: Path | None, as_json: bool) -> None:
    """List the flags and how far each is on."""
    from openbell.engine.flags import list_flags

    found = ask(data, list_flags)
    if as_json:
        print_json([flag.as_json() for flag in found])
        return
    print_table(
        ("flag", "on for", "about", "owner", "remove by"),
        [
            (
                one.name,
                one.words,
                one.about,
                one.owner,
                f"{one.remove_by}{', overdue' if one.expired else ''}",
            )
            for one in found
        ],
        empty="No flags. Add one with: openbell flags add NAME --about …",
    )


@flags.command("show")
@click.argument("name")
@click.option("--key", help="Say also whether it is on for this key, and why.")
@data_option
@json_option
def flags_show(name: str, key: str | None, data: Path | None, as_json: bool) -> None:
    """Show one flag, who changed it when, and what it says of a key."""
    from openbell.engine.flags import get_flag, judge, list_changes

    async def read(connection: asyncpg.Connection) -> Any:
        return await get_flag(connection, name), await list_changes(connection, name)

    flag, changes = ask(data, read)
    verdict = None if key is None else judge(flag, key)
    if as_json:
        said = verdict and {"key": key, "on": verdict.on, "why": verdict.why}
        history = [{"at": one.at, "actor": one.actor, "before": one.before, "after": one.after} for one in changes]
        print_json(flag.as_json() | {"changes": history} | ({"verdict": said} if said else {}))
        return
    pairs = [("flag", flag.name), ("on for", flag.words), ("about", flag.about), ("owner", flag.owner)]
    pairs += [("remove by", f"{flag.remove_by}{', overdue' if flag.expired else ''}"), ("revision", str(flag.revision))]
    pairs += [(word, ", ".join(names)) for word, names in (("taken in", flag.allow), ("left out", flag.deny)) if names]
    if verdict is not None:
        pairs.append((str(key), f"{'on' if verdict.on else 'off'}: {verdict.why}"))
    print_pairs(pairs)
    click.echo()
    rows = [(when(one.at.isoformat()), one.actor, _extent(one.before), _extent(one.after)) for one in changes]
    print_table(("changed", "by", "from", "to"), rows, empty="")


@flags.command("add")
@click.argument("name")
@click.option("--about", required=True, help="What it switches, in a sentence.")
@click.option("--owner", default="operator", show_default=True, help="Who decides about it.")
@click.option("--remove-by", type=click.DateTime(["%Y-%m-%d"]), help="When it should be gone [default: in 180 days].")
@actor_option
@data_option
def flags_add(name: str, about: str, owner: str, remove_by: datetime | None, actor: str, data: Path | None) -> None:
    """Add a flag. It is off until somebody sets it."""
    from openbell.engine.flags import add_flag

    end = (remove_by or datetime.now(UTC) + LIFE).date()
    added = ask(data, lambda db: add_flag(db, name, about=about, owner=owner, remove_by=end, actor=actor))
    if not added:
        raise CliError(f"There is a flag {name} already: openbell flags show {name}")
    click.echo(f"{name} is there, and off. Set it with: openbell flags set {name} 10%")


@flags.command("set")
@click.argument("name")
@click.argument("extent", metavar="off|shadow|shadow:N%|N%|on", required=False)
@click.option("--allow", multiple=True, metavar="KEY", help="Take this key in whatever the share; may be repeated.")
@click.option("--deny", multiple=True, metavar="KEY", help="Leave this key out whatever the rest; may be repeated.")
@click.option("--clear", is_flag=True, help="Forget the keys that are taken in or left out by name first.")
@click.option("--owner", help="Who decides about it from now on.")
@click.option("--remove-by", type=click.DateTime(["%Y-%m-%d"]), help="When it should be gone.")
@click.option("--force", is_flag=True, help="Go further although the flag's rule asks for more; needs a --reason.")
@click.option("--reason", default="", help="Why; it is kept in the audit log.")
@seen_option
@actor_option
@data_option
def flags_set(
    name: str,
    extent: str | None,
    allow: tuple[str, ...],
    deny: tuple[str, ...],
    clear: bool,
    owner: str | None,
    remove_by: datetime | None,
    force: bool,
    reason: str,
    seen: int | None,
    actor: str,
    data: Path | None,
) -> None:
    """Switch a flag off, on, or on for a share of the keys. It holds everywhere within seconds, and is on record.

    In shadow it is on for nobody: what it would switch is tried beside what there is, for all keys or a share of them,
    and compared (openbell flags report NAME). A flag with a rule goes further only when enough has been seen.
    What somebody else has changed meanwhile is told, and nothing is set on top of it.
    """
    from openbell.engine.flags import Flag, get_flag
    from openbell.engine.rollout import FlagSetting, set_flag

    mode, share = (None, None) if extent is None else _parse_extent(extent)

    async def change(connection: asyncpg.Connection) -> Flag:
        now = await get_flag(connection, name)
        kept = ((), ()) if clear else (now.allow, now.deny)
        allowed, denied = ([*sorted({*old, *new})] for old, new in zip(kept, (allow, deny), strict=True))
        setting = FlagSetting(mode, share, allowed, denied, owner=owner, remove_by=remove_by and remove_by.date())
        given = now.revision if seen is None else seen
        return await set_flag(connection, name, setting, actor=actor, force=force, reason=reason, seen=given)

    flag = ask(data, change)
    click.echo(f"{flag.name} is {flag.words}.")


@flags.command("drop")
@click.argument("name")
@seen_option
@actor_option
@data_option
def flags_drop(name: str, seen: int | None, actor: str, data: Path | None) -> None:
    """Remove a flag; what is missing is off."""
    from openbell.engine.flags import drop_flag

    ask(data, lambda db: drop_flag(db, name, actor=actor, seen=seen))
    click.echo(f"{name} is gone, and so off.")


def _parse_extent(text: str) -> tuple[Any, int | None]:
    """``on``, ``off``, ``shadow``, ``shadow:10%`` or ``12.5%`` as mode and share in hundredths of a percent."""
    if text in ("on", "off", "shadow"):
        return text, None
    if text.startswith("shadow:"):
        return "shadow", _parse_extent(text.removeprefix("shadow:").rstrip("%") + "%")[1]
    from openbell.engine.flags import InvalidFlag, parse_share

    try:
        return "percent", parse_share(text)
    except InvalidFlag:
        raise click.BadParameter(
            f"{text!r} is neither on nor off nor shadow nor 0 % to 100 % in steps of 0.01."
        ) from None


def _extent(row: Any) -> str:
    """How far a flag was on, as the audit log keeps it."""
    if row is None:
        return ""
    from openbell.engine.flags import extent

    said = extent(row["mode"], row["share"])
    return f"{said}, forced" if row.get("forced") else said
