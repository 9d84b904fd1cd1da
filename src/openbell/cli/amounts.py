"""Amounts of money as an operator writes them, and the operator's name."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

import click

ALIASES = {"usd": "usd_micro"}
"""Resources by the name under which amounts of them are written in a larger unit."""

actor_option = click.option("--actor", default="cli", show_default=True, help="Who says so, for the audit log.")


def micro_dollars(text: str, place: str) -> int:
    """``1.23`` as 1,230,000. Raises click's error for what is no number of dollars or finer than a millionth."""
    try:
        micro = Decimal(text) * 1_000_000
        whole = int(micro)
    except (InvalidOperation, ValueError, OverflowError):
        raise click.BadParameter(f"{text!r} is no amount of dollars, such as 1.23.", param_hint=place) from None
    if whole != micro:
        raise click.BadParameter(f"{text!r} is finer than a millionth of a dollar.", param_hint=place)
    return whole
