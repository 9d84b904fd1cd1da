"""For operators: products and flags, how far each is on, who decided so, and what a flag still has to show."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import date, timedelta
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from openbell.engine.challenger import Rule
from openbell.engine.errors import EngineError, UnknownProduct
from openbell.engine.flags import ALL, Flag, InvalidFlag, Mode, UnknownFlag, extent, parse_share
from openbell.engine.registry import set_product
from openbell.engine.revisions import list_changes
from openbell.engine.rollout import LOOK_BACK, FlagSetting, Report, report, set_flag, set_rule
from openbell.web.api import database
from openbell.web.backend import SQL as WEB
from openbell.web.console.acts import revision, status_of, told
from openbell.web.console.comparison import compared
from openbell.web.console.frame import SQL, console_page
from openbell.web.errors import NotHere
from openbell.web.protection import safe
from openbell.web.sign_in import Admin, actor, typed
from openbell.web.words import clock, day

router = APIRouter(dependencies=[safe("admin")], include_in_schema=False)

PAGE = "/console/flags"
MODES: tuple[Mode, ...] = ("off", "shadow", "percent", "on")
CHANGES_SHOWN = 50
LONGEST_LIST = 60_000
"""Characters of a list of keys; a body has no room for more."""


@router.get(PAGE)
async def flags_page(request: Request, _admin: Admin) -> Response:
    """Every flag and every product, with who changed it last."""
    return await _show(request)


async def _show(request: Request, status: int = 200, notice: str = "") -> Response:
    async with database(request).use() as db:
        flags = await db.fetch(SQL.get("list_console_flags"))
        products = await db.fetch(SQL.get("list_console_products"))
        now = await db.fetchval(WEB.get("read_now"))
    return await console_page(
        request,
        "console/flags.html",
        status,
        flags=[(row, extent(row["mode"], row["share"]), *_last(dict(row), now)) for row in flags],
        products=[(row, *_last(dict(row), now)) for row in products],
        expired=sum(row["expired"] for row in flags),
        notice=notice,
    )


def _last(row: Mapping[str, Any], now: Any) -> tuple[str, str]:
    return (clock(row["at"], now), row["actor"]) if row["at"] is not None else ("", "")


@router.post(PAGE)
async def switch_product(request: Request, admin: Admin) -> Response:
    """A product is made, or is not; with a reason."""
    async with request.form() as form:
        name, act, reason, seen = (
            typed(form, "product", 63),
            typed(form, "act", 3),
            typed(form, "reason"),
            revision(form),
        )
    if act not in ("on", "off") or not reason.strip():
        return await _show(request, 400, "Say whether it is on or off, and why: the audit log keeps the reason.")
    try:
        async with database(request).use() as db:
            await set_product(db, name, {"enabled": act == "on"}, actor=actor(admin), reason=reason, seen=seen)
    except UnknownProduct as error:
        raise NotHere(str(error)) from None
    except EngineError as error:
        return await _show(request, status_of(error), str(error))
    return RedirectResponse(PAGE, 303)


@router.get(PAGE + "/{name}")
async def flag_page(request: Request, name: str, _admin: Admin) -> Response:
    """One flag: what is in force, the comparison, what its rule asks for, and each change."""
    return await _show_flag(request, name)


@router.post(PAGE + "/{name}")
async def flag_act(request: Request, name: str, admin: Admin) -> Response:
    """Set it, or its rule, as the command would; what refuses says why."""
    async with request.form() as form:
        given = {field: str(value)[:LONGEST_LIST] for field, value in form.items()}
    seen, who = revision(given), actor(admin)
    try:
        async with database(request).use() as db:
            if given.get("act") == "rule":
                await set_rule(db, name, _rule(given), actor=who, seen=seen)
            else:
                setting, reason = _setting(given), typed(given, "reason")
                await set_flag(
                    db, name, setting, actor=who, force="force" in given, reason=reason, seen=seen
                )  # fmt: skip
    except UnknownFlag as error:
        raise NotHere(str(error)) from None
    except EngineError as error:
        return await _show_flag(request, name, status_of(error), str(error), given)
    return RedirectResponse(f"{PAGE}/{name}", 303)


def _setting(given: Mapping[str, str]) -> FlagSetting:
    """What a form asks for. Raises :class:`InvalidFlag`. Pure."""
    mode = given.get("mode", "")
    if mode not in MODES:
        raise InvalidFlag("A flag is off, in shadow, on for a percentage, or on.")
    end = None
    with suppress(ValueError):
        end = date.fromisoformat(given.get("remove_by", ""))
    if end is None:
        raise InvalidFlag("Say by which day the flag should be gone, such as 2027-06-30.")
    share = parse_share(given.get("percent", "")) if mode in ("shadow", "percent") else None
    return FlagSetting(
        mode, share, _names(given.get("allow", "")), _names(given.get("deny", "")),
        owner=given.get("owner", ""), remove_by=end,
    )  # fmt: skip


def _names(text: str) -> list[str]:
    """One key a line, each once."""
    return sorted({line.strip() for line in text.splitlines() if line.strip()})


def _rule(given: Mapping[str, str]) -> Rule:
    """Raises :class:`InvalidFlag`. Pure."""
    number, hours = given.get("at_least", ""), given.get("hours", "")
    if not (number.isdecimal() and len(number) < 10 and hours.isdecimal() and 0 < len(hours) < 4 and int(hours)):
        raise InvalidFlag("A rule takes a number of comparisons, and over how many hours they are counted, up to 999.")
    different, failed = (parse_share(given.get(name, "")) / ALL for name in ("different", "failed"))
    return Rule(int(number), different, failed, timedelta(hours=int(hours)))


async def _show_flag(
    request: Request, name: str, status: int = 200, notice: str = "", given: Mapping[str, str] | None = None
) -> Response:
    async with database(request).use() as db:
        try:
            found = await report(db, name, LOOK_BACK)
            if found.rule is not None and found.rule.over != LOOK_BACK:
                found = await report(db, name, found.rule.over)
        except UnknownFlag as error:
            raise NotHere(str(error)) from None
        changes = await list_changes(db, "flag", name, CHANGES_SHOWN)
    return await console_page(
        request,
        "console/flag.html",
        status,
        flag=found.flag,
        rule=found.rule,
        rule_form=_rule_form(found.rule) | (dict(given) if given and given.get("act") == "rule" else {}),
        shortfalls=found.shortfalls,
        table=compared(found),
        look=f"{found.over.total_seconds() / 3600:g}",
        form=_form(found.flag) | (dict(given) if given and given.get("act") != "rule" else {}),
        forced=bool(given and "force" in given),
        modes=MODES,
        end=day(found.flag.remove_by),
        changes=[told(row, found.now) for row in changes],
        ready=_ready(found),
        notice=notice,
    )


def _form(flag: Flag) -> dict[str, str]:
    """The fields as the flag is."""
    return {
        "mode": flag.mode,
        "percent": f"{(flag.share if flag.mode in ('shadow', 'percent') else 0) / 100:g}",
        "allow": "\n".join(flag.allow),
        "deny": "\n".join(flag.deny),
        "owner": flag.owner,
        "remove_by": flag.remove_by.isoformat(),
        "reason": "",
    }


def _rule_form(rule: Rule | None) -> dict[str, str]:
    shown = rule or Rule()
    return {
        "at_least": str(shown.at_least),
        "different": f"{100 * shown.most_different:g}",
        "failed": f"{100 * shown.most_failed:g}",
        "hours": f"{shown.over.total_seconds() / 3600:g}",
    }


def _ready(found: Report) -> str:
    """What its rule says of it, in a sentence."""
    if found.rule is None:
        return "It has no rule: nothing has to be seen before it goes further."
    if not found.shortfalls:
        return "Its rule is met: it may go further."
    return f"Its rule is not met: {'; '.join(found.shortfalls)}. It may go back at any time."
