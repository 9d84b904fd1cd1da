"""An answer that was paid for, read and checked as often as one likes. Nothing here calls anybody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from openbell.engine.database import Db
from openbell.products.picks import parse
from openbell.products.picks.checks import check, good_citations
from openbell.products.picks.content import Made, Stored
from openbell.products.picks.database import SQL
from openbell.products.picks.figures import Fact
from openbell.products.picks.plain import stored
from openbell.providers.perplexity import Run


@dataclass(frozen=True, slots=True)
class Answer:
    """One row of what came. ``failure`` says why a run that has ended brought nothing."""

    number: int
    provider: str
    model: str | None
    effort: str | None
    prompt: str
    ref: str | None
    answer: Mapping[str, Any]
    failure: str | None
    cost_micro: int | None
    asked_at: datetime
    answered_at: datetime
    given_up: bool

    @property
    def is_paid(self) -> bool:
        """Whether it counts as a paid call: a failure that is proven to have cost nothing does not."""
        return self.failure is None or self.cost_micro is None or self.cost_micro > 0 or bool(self.answer.get("text"))


async def read_answers(db: Db, edition: str) -> list[Answer]:
    """What came for an edition, oldest first."""
    return [Answer(**row) for row in await db.fetch(SQL.get("read_answers"), edition)]


def of_run(run: Run, prompt: str, asked_at: str | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """What to keep of a run: the answer as it came, and what is to be known about it."""
    failure = None if run.failure is None or run.failure[0] == "invalid_output" else ": ".join(run.failure)
    cost = run.cost_micro
    if cost is None and run.status in ("failed", "cancelled") and run.usage is None and not run.text:
        cost = 0  # the service bills what it reports as used; nothing was
    about = {
        "provider": "perplexity",
        "model": run.model,
        "effort": run.effort,
        "prompt": prompt,
        "ref": run.id,
        "failure": failure,
        "cost_micro": cost,
        "input_tokens": run.usage.input_tokens if run.usage else 0,
        "output_tokens": run.usage.output_tokens if run.usage else 0,
        "asked_at": datetime.fromisoformat(asked_at) if asked_at else None,
    }
    sources = [one.model_dump(mode="json") for one in run.sources]
    return {"text": run.text, "sources": sources, "synthetic": run.synthetic, "status": run.status}, about


def edition_of(answer: Answer, facts: Mapping[str, Fact], interests: Sequence[str]) -> tuple[Stored, Made]:
    """The edition that an answer holds. Raises :class:`openbell.products.picks.parse.Rejected` with the reasons."""
    content, repairs = parse.read(str(answer.answer.get("text") or ""))
    told = [one for one in answer.answer.get("sources") or [] if isinstance(one, Mapping) and one.get("url")]
    citations = good_citations(
        [(_text(one.get("id")), str(one["url"]), str(one.get("title") or ""), _text(one.get("date"))) for one in told]
    )
    checked = check(content, facts, interests=interests, citations=citations)
    if checked.reasons:
        raise parse.Rejected(checked.reasons)
    found = stored(checked.content, facts)
    synthetic = answer.answer.get("synthetic") or found.synthetic
    made = Made(
        provider=answer.provider,
        model=answer.model,
        effort=answer.effort,
        prompt=answer.prompt,
        answer=answer.number,
        at=answer.answered_at,
        repairs=[*repairs, *checked.repairs],
    )
    return found.model_copy(update={"citations": citations, "synthetic": synthetic}), made


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
