"""What a provider is asked for an edition: the prompt, and the week, the profile and the companies as data. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from openbell.products.picks.checks import in_interests
from openbell.products.picks.config import PicksConfig
from openbell.products.picks.content import Content
from openbell.products.picks.figures import Fact, scores
from openbell.products.picks.profile import Profile
from openbell.products.picks.prompts import Prompt, load, material
from openbell.providers.perplexity import Ask

COMPANIES = 40
"""Companies that a question names: enough to choose from, and few enough to pay for."""

LEAST_WITHIN = 12
"""Of them in the interests, where so many are known."""

MOST_TOKENS = 8_000


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked; ``prompt`` says by which prompt."""

    prompt: Prompt
    input: str

    def ask(self, config: PicksConfig) -> Ask:
        """As Perplexity is asked: searching, at a pinned effort, for an answer of our form."""
        return Ask(
            input=self.input,
            instructions=self.prompt.text,
            effort=config.effort if config.model is None else None,
            model=config.model,
            schema=Content,
            tools=({"type": "web_search"},),
            max_output_tokens=MOST_TOKENS,
            hold_micro=config.hold,
        )


def question(week: date, facts: Mapping[str, Fact], profile: Profile | None) -> Question:
    """The question for one reader, or for everybody where there is no profile."""
    chosen = companies(facts, () if profile is None else profile.interests)
    parts: dict[str, Any] = {"week": week.isoformat(), "companies": [_plain(one) for one in chosen]}
    if profile is None:
        return Question(load("impersonal"), material(**parts))
    return Question(load("personal"), material(week=parts["week"], profile=profile.for_prompt(), **_but_week(parts)))


def companies(facts: Mapping[str, Fact], interests: tuple[str, ...]) -> list[Fact]:
    """Those within the interests first, the better first; equal ones by symbol."""
    score = scores(facts)
    ranked = sorted(facts.values(), key=lambda one: (-score.get(one.ticker, -1.0), one.ticker))
    within = [one for one in ranked if in_interests(one, interests)] if interests else []
    others = [one for one in ranked if one not in within]
    return [*within[: COMPANIES - LEAST_WITHIN], *others][:COMPANIES]


def _plain(fact: Fact) -> dict[str, Any]:
    """What a question says of a company; figures to four digits, unknown ones left out."""
    told = fact.model_dump(mode="json", exclude={"synthetic", "checked"}, exclude_none=True)
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in told.items()}


def _but_week(parts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in parts.items() if name != "week"}
