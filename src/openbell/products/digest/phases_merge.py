"""What code decides about bullets: their ids, what repeats what, what the top rests on. Pure (DG-14, DG-15)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence

from rapidfuzz import fuzz

from openbell.products.digest.content import SECTIONS, Bullet, SectionName, Twin
from openbell.products.digest.truth import folded
from openbell.products.digest.truth_figures import figures
from openbell.products.digest.truth_words import HARMLESS

HALF = 0.5
"""So much of the sources, or of the facts, of the smaller of two bullets is shared by duplicates."""
FEWEST_SOURCES = 2
"""Two bullets of one article share all their sources and may be about two things."""
FEWEST_FACTS = 2
ALIKE = 60.0
"""Of 100: shared sources make a duplicate only where the words are this much alike."""
SAME_WORDS = 92.0

_ORDER = {name: place for place, name in enumerate(SECTIONS)}


def bullet_id(section: SectionName, content: str, sources: Sequence[int]) -> str:
    """The same for the same bullet, whenever and in whatever order it was written."""
    said = "\x1f".join((section, content, *map(str, sorted(sources))))
    return f"{section[:3]}-{hashlib.sha256(said.encode()).hexdigest()[:8]}"


def facts(bullet: Bullet) -> frozenset[str]:
    """What a bullet states: its figures by value and unit, and its keywords."""
    stated = {f"{one.kind}:{one.value.normalize()}:{one.currency}" for one in figures(bullet.content)}
    words = {" ".join(folded(word)) for word in bullet.keywords}
    return frozenset(stated | {f"word:{word}" for word in words if word and word not in HARMLESS})


def same(one: Bullet, other: Bullet, paired: bool) -> str:
    """Why two bullets tell the same; empty when they do not. ``paired`` is whether a model says so.

    Half of the sources of the smaller one are shared and the words are alike; or half of its facts are, at least two;
    or the words are the same. What a model says counts where they share a source or a fact at all.
    """
    sources, stated = set(one.sources) & set(other.sources), facts(one) & facts(other)
    least_sources = min(len(set(one.sources)), len(set(other.sources)))
    least_facts = min(len(facts(one)), len(facts(other)))
    alike = fuzz.token_set_ratio(one.content, other.content)
    if alike >= SAME_WORDS and fuzz.ratio(one.content, other.content) >= SAME_WORDS:
        return "the same words"
    if least_sources >= FEWEST_SOURCES and len(sources) >= HALF * least_sources and alike >= ALIKE:
        return f"shares {len(sources)} of {least_sources} sources"
    if len(stated) >= FEWEST_FACTS and len(stated) >= HALF * least_facts:
        return f"shares {len(stated)} of {least_facts} facts"
    if paired and (sources or stated):
        return "a model says so, and they share a source or a fact"
    return ""


def twins(bullets: Sequence[Bullet], pairs: Iterable[tuple[str, str]] = ()) -> Mapping[str, Twin]:
    """Who repeats whom, by id. Of duplicates the one in the earlier section stays, then the one with more sources.

    Groups do not chain: each duplicate tells the same as the one that absorbs it.
    """
    said = {frozenset(pair) for pair in pairs}
    ranked = sorted(bullets, key=lambda one: (_ORDER[one.section], -len(one.sources), one.bullet_id))
    absorbed: dict[str, tuple[str, str]] = {}
    for place, first in enumerate(ranked):
        if first.bullet_id in absorbed:
            continue
        for other in ranked[place + 1 :]:
            if other.bullet_id in absorbed:
                continue
            if why := same(first, other, frozenset((first.bullet_id, other.bullet_id)) in said):
                absorbed[other.bullet_id] = (first.bullet_id, why)
    absorbs: dict[str, list[str]] = {}
    for duplicate, (primary, _) in absorbed.items():
        absorbs.setdefault(primary, []).append(duplicate)
    return {
        one.bullet_id: Twin(role="duplicate", absorbed_by=absorbed[one.bullet_id][0], why=absorbed[one.bullet_id][1])
        if one.bullet_id in absorbed
        else Twin(role="primary", absorbs=sorted(absorbs[one.bullet_id]))
        if one.bullet_id in absorbs
        else Twin()
        for one in bullets
    }


def key_words(bullets: Iterable[Bullet]) -> frozenset[str]:
    """The words by which the places of a filing are found that bullets touch."""
    texts = [" ".join((one.topic, one.content, *one.keywords, *one.hints.values())) for one in bullets]
    return frozenset(word for text in texts for word in folded(text) if len(word) > 3 and word not in HARMLESS)


def excerpts(text: str, words: frozenset[str], most: int) -> str:
    """The paragraphs of a long text that hold the most of some words, in its order, within ``most`` characters."""
    parts = [part.strip() for part in re.split(r"\n\s*\n|\n(?=[A-Z])", text) if len(part.strip()) > 60]
    if len(text) <= most or not parts:
        return text[:most]
    scored = [(len(words & set(folded(part))) / (1 + len(part) / 2_000), place) for place, part in enumerate(parts)]
    chosen, used = [], 0
    for score, place in sorted(scored, key=lambda one: (-one[0], one[1])):
        if score <= 0 or used >= most:
            break
        taken = parts[place][: most - used]
        chosen.append((place, taken))
        used += len(taken) + 2
    return "\n\n".join(part for _, part in sorted(chosen)) or text[:most]
