"""The digest of a ticker: what its news of a day or a week comes to, written from pinned inputs.

    ingest ─▶ select ─▶ resolve ─▶ read ─▶ summarise ─▶ pin ─▶ write (phases 1 to 4) ─▶ publish

Everything up to the pin is in :mod:`openbell.products.digest.gather`. A digest whose inputs are pinned begins at
`write`: made again, it is made of the same (DG-2).
"""

from __future__ import annotations

from pydantic import BaseModel

from openbell.engine.errors import NothingKnown
from openbell.engine.registry import Calls, days, hours, minutes, product
from openbell.products.context import Context
from openbell.products.digest.content import DigestContent
from openbell.products.digest.editions import DigestKey
from openbell.products.digest.gather import gather
from openbell.products.digest.inputs import DigestInputs
from openbell.products.digest.phases import write


class Digest(BaseModel):
    """A digest: what it was made of, and what was made of it."""

    inputs: DigestInputs
    content: DigestContent


@product(
    "digest",
    key=DigestKey,
    version=1,
    ttl=days(400),
    stale=days(500),
    empty=days(400),
    retry=minutes(10),
    keep=days(400),
    timeout=minutes(45),
    patience=hours(4),
    max_attempts=8,
    max_bytes=4_000_000,
    spends={"news": Calls(0)},
    licence="personal",
)
async def digest(key: DigestKey, ctx: Context) -> Digest:
    """Gather the inputs, or take those that are pinned, and write from them."""
    inputs = await gather(ctx, key.parts)
    if inputs is None:
        raise NothingKnown(f"There is no news of {key.parts.ticker} on {key.parts.day}.")
    await ctx.attempt.progress("writing")
    return Digest(inputs=inputs, content=await write(ctx, inputs))
