"""Which model does which phase, and asking it: once, once more, the other one, and then without (DG-13).

    material ─▶ hash ─▶ kept answer? ─▶ step: one paid call ─▶ form and content checked ─▶ kept by its hash
                                              │ of no use: recorded, and asked once more
                                              ▼ again: the next model; after the last one, None and what went wrong

Each paid call is a step of its own, so that no attempt pays for it twice, and its answer is kept by the hash of all
that was asked, so that no later digest does either. A call whose answer was lost with its process is not repeated: the
next model is asked. Where no model is left the caller goes its own way without one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Literal, NamedTuple, TypeVar, cast

from pydantic import BaseModel, ValidationError

from openbell.engine.errors import Permanent, ProducerError, ProviderStopped, Transient, Waiting
from openbell.products.context import Context
from openbell.products.digest.content import Failure, PhaseRun
from openbell.products.digest.database import SQL
from openbell.products.digest.prompts import Prompt, load
from openbell.products.sources import Connections

Provider = Literal["anthropic", "openai", "gemini"]
PROVIDERS: Mapping[str, str] = {
    "anthropic": "claude-haiku-5-5",
    "openai": "gpt-6-luna",
    "gemini": "gemini-2.5-flash",
}
"""By provider, the model that is used where nobody has named one."""
SECOND_OPINION = frozenset(("review",))
"""Phases that another model should do than the one that has written."""
AUTO, NONE = "auto", "none"

ANSWER_S = 180.0
WAIT_MOST_S = 30.0
"""For an account or a pause that opens so soon we wait; for longer the next model is asked."""
PATIENCE_S = 1_800.0
"""Where no other model is left, the job waits so long; after that it is done without a model."""
AGAIN = frozenset(
    (
        "invalid_output", "output_cut_off", "content_refused", "usage_limit", "empty_answer", "wrong_answer",
        "invalid_request",
    )
)  # fmt: skip
"""What another try may mend: it has more room, and the model's own temperature. Everything else would fail again."""
MOST_PHASES = 40
LONGEST_MATERIAL = 400_000
"""Characters; callers cut their material long before."""

T = TypeVar("T", bound=BaseModel)
Check = Callable[[T], str | None]


class Choice(NamedTuple):
    """A model at a provider."""

    provider: Provider
    model: str


class InvalidModels(ValueError):
    """DIGEST_MODELS says something that cannot be."""


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """What was answered, None where nobody gave a usable answer, and how it went."""

    value: T | None
    run: PhaseRun


def parse_models(text: str) -> Mapping[str, str]:
    """By phase, its models as they were written; the phase "" is all others.

    ``anthropic:claude-haiku-5-5 > openai:gpt-6-luna; summary=openai:gpt-6-sol; known=none``: the first is asked first.
    Raises :class:`InvalidModels` with a sentence.
    """
    found: dict[str, str] = {}
    for part in filter(None, (one.strip() for one in text.split(";"))):
        phase, named, models = part.rpartition("=")
        if models.strip() not in (AUTO, NONE):
            choices_of(models)
        if named and not phase.strip():
            raise InvalidModels(f"{part[:40]!r} names no phase before the sign =.")
        found[phase.strip()] = models.strip()
    if not found or len(found) > MOST_PHASES:
        raise InvalidModels("DIGEST_MODELS must be auto, none, or models such as anthropic:claude-haiku-5-5.")
    return found


def choices_of(models: str) -> tuple[Choice, ...]:
    """``anthropic:x > openai:y`` as a list; empty for `none`. Raises :class:`InvalidModels`."""
    if models.strip() == NONE:
        return ()
    found = []
    for one in models.split(">"):
        provider, named, model = one.strip().partition(":")
        if provider not in PROVIDERS or not named or not model.strip():
            raise InvalidModels(
                f"{one.strip()[:60]!r} is no model: it must be PROVIDER:MODEL with one of {', '.join(PROVIDERS)}."
            )
        found.append(Choice(cast("Provider", provider), model.strip()))
    return tuple(found)


def models_of(connections: Connections, phase: str) -> str:
    """The models of a phase under the operator's settings, to be pinned; `none` where there is none."""
    asked = parse_models(connections.digest_models)
    wanted = asked.get(phase, asked.get("", AUTO))
    if wanted != AUTO:
        return wanted
    paid = [name for name in PROVIDERS if (one := connections.sources.get(name)) is not None and one.budget > 0]
    if phase in SECOND_OPINION:
        paid = [*paid[1:], *paid[:1]]
    return " > ".join(f"{name}:{PROVIDERS[name]}" for name in paid[:2]) or NONE


def pin_models(connections: Connections, phases: tuple[str, ...]) -> dict[str, str]:
    """The models of all phases."""
    return {phase: models_of(connections, phase) for phase in phases}


async def ask(
    ctx: Context,
    phase: str,
    *,
    material: str,
    output: type[T],
    max_tokens: int,
    models: str | None = None,
    prompt: str | None = None,
    check: Check[T] | None = None,
    part: str = "",
    cap_micro: int | None = None,
) -> Answer[T]:
    """The answer of the phase's models to ``material``, in the form of ``output``.

    ``models`` and ``prompt`` are as they were pinned, by default those in force; ``check`` returns what is wrong with
    an answer of the right form, as a code; ``part`` tells several questions of one phase apart. With ``cap_micro``
    spent for the job nothing more is asked (DG-36); by default that is the operator's setting.

    Never raises for what a model answers. Raises :class:`Waiting` and :class:`Transient` where nothing but time is
    wanting and no other model is left.
    """
    asked = load(prompt or f"{phase}@1")
    choices = choices_of(models_of(ctx.connections, phase) if models is None else models)
    question = _Question(ctx, phase, part, asked, material[:LONGEST_MATERIAL], output, max_tokens, check)
    failures: list[Failure] = []
    for turn, choice in enumerate(choices):
        for attempt in (1, 2):
            if await _over_cap(ctx, cap_micro):
                return Answer(None, question.failed("stopped", failures))
            try:
                done = await question.step(choice, attempt)
            except (Waiting, Transient, ProviderStopped, Permanent) as error:
                _wait_if_worth_it(error, ctx, last=turn == len(choices) - 1)
                failures.append(Failure(provider=choice.provider, model=choice.model, code=error.code))
                break
            if (code := done.get("failure")) is None:
                run = PhaseRun(**done["run"], failures=failures)
                return Answer(output.model_validate(done["value"]), run)
            failures.append(Failure(provider=choice.provider, model=choice.model, code=code))
            if code not in AGAIN:
                break
    return Answer(None, question.failed("failed" if failures else "skipped", failures))


def _wait_if_worth_it(error: ProducerError, ctx: Context, *, last: bool) -> None:
    """Raise again where waiting is better than doing without."""
    if isinstance(error, Waiting):
        opens_in = getattr(error, "opens_in", None) or error.retry_after
        left_s = opens_in.total_seconds() if opens_in is not None else WAIT_MOST_S
        if left_s <= (PATIENCE_S if last else WAIT_MOST_S):
            raise error
    elif isinstance(error, Transient) and last and ctx.attempt.claim.attempt < ctx.attempt.claim.max_attempts:
        raise error


async def _over_cap(ctx: Context, cap_micro: int | None) -> bool:
    """Whether the job has spent what a digest may cost."""
    spent: int = await ctx.attempt.pool.fetchval(SQL.get("sum_spent"), ctx.attempt.claim.id)
    return spent >= (ctx.connections.digest_cap_micro if cap_micro is None else cap_micro)


@dataclass(frozen=True, slots=True)
class _Question(Generic[T]):
    """One question of a phase, whoever is asked."""

    ctx: Context
    phase: str
    part: str
    prompt: Prompt
    material: str
    output: type[T]
    max_tokens: int
    check: Check[T] | None

    def failed(self, way: Literal["failed", "skipped", "stopped"], failures: list[Failure]) -> PhaseRun:
        return PhaseRun(phase=self.phase, way=way, failures=failures)

    def hash(self, choice: Choice, tokens: int) -> str:
        """Of everything that decides what is answered."""
        schema = json.dumps(self.output.model_json_schema(), sort_keys=True)
        parts = (*choice, self.prompt.id, self.prompt.hash, self.material, schema, str(tokens))
        return hashlib.sha256("\x1f".join(parts).encode("utf-8", "replace")).hexdigest()

    async def step(self, choice: Choice, attempt: int) -> dict[str, Any]:
        """The answer or the code of what is wrong with it, from the memo when an earlier attempt has it."""
        name = ":".join(filter(None, (self.phase, self.part, choice.provider, choice.model, str(attempt))))
        done: dict[str, Any] = await self.ctx.attempt.step(name, lambda: self._ask(choice, attempt, name))
        return done

    async def _ask(self, choice: Choice, attempt: int, name: str) -> dict[str, Any]:
        tokens = self.max_tokens * attempt  # an answer that was cut off gets more room
        input_hash = self.hash(choice, tokens)
        pool = self.ctx.attempt.pool
        if (kept := await pool.fetchrow(SQL.get("find_answer"), input_hash)) is not None:
            run = self._run(choice, input_hash, kept["model"], 0, 0, 0, cached=True)
            return {"value": kept["value"], "run": run}
        try:
            reply = await self.ctx.llm(choice.provider).ask(
                choice.model,
                self.material,
                instructions=self.prompt.text,
                output=self.output,
                max_tokens=tokens,
                effect="lookup",
                key=f"digest:{self.ctx.attempt.claim.id}:{input_hash[:32]}:{name}"[:500],
                temperature=0.0 if attempt == 1 else None,
                timeout_s=ANSWER_S,
            )
        except Permanent as error:
            if error.code in AGAIN or error.code == "answer_lost":
                return {"failure": error.code}  # paid for, or perhaps: that is written with the step
            raise
        if (wrong := _complaint(self.check, reply.value)) is not None:
            return {"failure": wrong}
        value = reply.value.model_dump(mode="json")
        await pool.execute(
            SQL.get("keep_answer"), input_hash, self.phase, choice.provider, reply.model, self.prompt.id,
            self.prompt.hash, value, reply.cost_micro, reply.input_tokens, reply.output_tokens,
        )  # fmt: skip
        tokens_used = (reply.input_tokens, reply.output_tokens)
        return {"value": value, "run": self._run(choice, input_hash, reply.model, reply.cost_micro, *tokens_used)}

    def _run(
        self,
        choice: Choice,
        input_hash: str,
        model: str,
        cost: int | None,
        read: int,
        said: int,
        *,
        cached: bool = False,
    ) -> dict[str, Any]:
        run = PhaseRun(
            phase=self.phase, way="model", provider=choice.provider, model=model, prompt=self.prompt.id,
            prompt_hash=self.prompt.hash, input_hash=input_hash, cost_micro=cost, input_tokens=read, output_tokens=said,
            cached=cached,
        )  # fmt: skip
        return run.model_dump(mode="json", exclude={"failures"})


def _complaint(check: Check[T] | None, value: T) -> str | None:
    """What is wrong with the content of an answer, as a code."""
    if check is None:
        return None
    try:
        return check(value)
    except (ValidationError, ValueError):
        return "wrong_answer"
