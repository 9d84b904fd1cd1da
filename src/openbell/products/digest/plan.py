"""What holds for all steps of one digest, fixed when it is begun and stored with its selection."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from openbell.products.context import Context
from openbell.products.digest import prompts
from openbell.products.digest.editions import Parts, window_of
from openbell.products.digest.models import pin_models
from openbell.products.digest.policy import Policy, read_policy
from openbell.products.digest.reference import Reference

PHASES = (
    "triage", "relevance", "article", "bullets", "known", "context", "duplicates", "summary", "review",
)  # fmt: skip
"""The steps that a model may do."""


@dataclass(frozen=True, slots=True)
class Plan:
    """``begins`` and ``ends`` bound the articles by publication; ``prompts`` and ``models`` are by step."""

    one: Reference
    parts: Parts
    policy: Policy
    begins: datetime
    ends: datetime
    prompts: dict[str, str]
    models: dict[str, str]

    def as_json(self) -> dict[str, Any]:
        """What is stored of it; the rest is known by the digest's key and the reference data."""
        return {
            "begins": self.begins.isoformat(),
            "ends": self.ends.isoformat(),
            "prompts": self.prompts,
            "models": self.models,
        }


async def make_plan(ctx: Context, one: Reference, parts: Parts, *, before: dict[str, Any] | None = None) -> Plan:
    """The plan of a digest that is begun now: a window that ends now, prompts and models that are in force.

    A top-up of the selection ``before`` begins where that began and is made by the same prompts and models, so that
    what was paid for serves again.
    """
    policy = await read_policy(ctx.attempt.pool)
    begins, ends = window_of(parts, policy.zone, ctx.attempt.claim.now)
    if before is not None:
        earlier = restore_plan(one, parts, policy, before["plan"])
        return replace(earlier, ends=max(ends, earlier.ends))
    chosen = await prompts.pin(ctx.attempt.pool, parts.ticker)
    return Plan(one, parts, policy, begins, ends, chosen, pin_models(ctx.connections, PHASES))


def restore_plan(one: Reference, parts: Parts, policy: Policy, stored: dict[str, Any]) -> Plan:
    """The plan that was stored."""
    begins, ends = (datetime.fromisoformat(stored[name]) for name in ("begins", "ends"))
    return Plan(one, parts, policy, begins, ends, stored["prompts"], stored["models"])
