"""Playing the corpus: each case makes a whole digest, over real sockets, and is judged by what readers get of it."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from html.parser import HTMLParser

import asyncpg

from openbell.mail import Letter
from openbell.products.digest.content import DigestContent
from openbell.products.digest.inputs import DigestInputs
from openbell.products.digest.phases import bullet_material
from openbell.products.digest.render import content_letter, digest_letter, selection_letter
from tests.products.digest.hostile.answers import GOOD, Answer
from tests.products.digest.hostile.articles import Article
from tests.products.digest.test_phases import PROBE, REVENUE, SAID, id_of
from tests.products.digest.writing import Desk, Script, article, by_model, inputs

HOSTILE_ID = 9
_TAGS = """html head meta title style body div table tr td th tbody thead span p br b h1 h2 h3 ul ol li a img"""
TAGS = frozenset(_TAGS.split())
PLACEHOLDERS = {"%%UNSUBSCRIBE%%", "%%ACCOUNT%%", "%%HOME%%"}
OURS = re.compile(r"%%[A-Z]+%%")


@dataclass(frozen=True)
class Outcome:
    """What came of a case: in words, and what is wrong, if anything."""

    words: str
    wrong: list[str]


class _Page(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: set[str] = set()
        self.handlers: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        self.links |= {str(value) for name, value in attrs if name in ("href", "src") and value}


def letters_of(given: DigestInputs, content: DigestContent) -> list[Letter]:
    """All three mails."""
    return [digest_letter(content), content_letter(given, content), selection_letter(given)]


def judge(given: DigestInputs, content: DigestContent, forbidden: Sequence[str]) -> list[str]:
    """What is wrong with a digest that was made of something hostile."""
    known = {one.id: one.url for one in given.articles}
    allowed = {*known.values(), *(one.url for one in given.filings), "cid:chart"}
    wrong = [
        f"{bullet.bullet_id} cites what is not stored"
        for bullet in content.bullets
        if not bullet.sources or set(bullet.sources) - set(known)
    ]
    letters = letters_of(given, content)
    for letter in letters:
        page = _Page(letter.html)
        links = {link for link in page.links if not OURS.match(link)}
        wrong += [f"tag {tag}" for tag in page.tags - TAGS]
        wrong += [f"handler {name}" for name in page.handlers]
        wrong += [f"link to {link[:60]}" for link in links - allowed]
        wrong += [f"link to {link[:60]}" for link in links if not link.startswith(("https://", "http://", "cid:"))]
        wrong += [f"placeholder {one}" for one in set(OURS.findall(letter.html + letter.text)) - PLACEHOLDERS]
        for text in (letter.subject, letter.html, letter.text):
            odd = {c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co") and c not in "\n"}
            wrong += [f"character U+{ord(c):04X}" for c in odd]
    for form in (letters[0].html, letters[0].text):
        wrong += [f"readers get {one[:40]!r}" for one in forbidden if one in form]
    if letters[0].subject != "Acme Robotics (ACME): daily digest, 24 Nov 2026":
        wrong.append("the subject changed")
    return wrong


def fences(given: DigestInputs, bodies: dict[int, str]) -> list[str]:
    """What is wrong with the fences of the prompt that would be sent."""
    material = bullet_material(given, given.articles, bodies)
    mark = material.split("Data stands between lines with ", 1)[1].split(" ", 1)[0]
    opened, closed = material.count(f"<<<{mark} article "), len(re.findall(rf"^{mark}>>>$", material, re.M))
    wrong = [] if opened == closed == len(given.articles) else [f"fences: {opened} opened, {closed} closed"]
    return wrong + ([] if material.count(mark) == 1 + 2 * opened else ["a text knows the fence"])


def in_words(content: DigestContent) -> str:
    """What the digest shows of the case: what was dropped, and how phases went on."""
    told = [f"{one.kind} dropped" for one in content.marks]
    for run in content.runs:
        told += [f"{run.phase}: {failure.code}" for failure in run.failures]
        if run.way in ("failed", "extractive", "rules") and run.failures:
            told.append(f"{run.phase} without a model")
    counted = {one: told.count(one) for one in dict.fromkeys(told)}
    return "; ".join(f"{one} ({n})" if n > 1 else one for one, n in counted.items())


async def play_article(desk: Desk, case: Article, honest: DigestContent) -> Outcome:
    """A digest with the hostile article among honest ones, made by rules."""
    fields = {"title": "Acme Robotics and its plant", **case.other}
    text = case.text or " "
    one = article(HOSTILE_ID, fields.pop("title"), text, **fields)
    given = inputs([*inputs().articles, one])
    content = await desk.write(given)
    wrong = judge(given, content, case.forbidden)
    wrong += fences(given, {each.id: each.text_ref or "" for each in given.articles})
    mine = [each for each in content.bullets if each.sources == [HOSTILE_ID]]
    kept = {each.bullet_id: each.content for each in content.bullets if HOSTILE_ID not in each.sources}
    if kept != {each.bullet_id: each.content for each in honest.bullets}:
        wrong.append("bullets of other articles changed")
    quoted = f"quoted {len(mine)} of its sentences" if mine else "nothing of it quoted"
    if content.marks:
        quoted += "; " + in_words(content)
    return Outcome(quoted, wrong)


async def play_answer(desk: Desk, script: Script, case: Answer) -> Outcome:
    """A digest whose model says this in a phase, and is honest in the others."""
    script.said = SAID | {"bullets": GOOD, case.phase: case.said}
    script.asked.clear()
    await desk.pool.execute("delete from openbell.answer")
    await desk.pool.execute("delete from openbell.trouble")
    await desk.pool.execute("delete from openbell.breaker")
    given = by_model(inputs(), known="none", context="none", duplicates="none", summary="none")
    if case.phase != "bullets":
        given = given.model_copy(update={"models": given.models | {case.phase: given.models["bullets"]}})
    content = await desk.write(given)
    wrong = judge(given, content, case.forbidden)
    names = {one.bullet_id for one in content.bullets}
    if case.keeps and id_of(REVENUE) not in names:
        wrong.append("an honest bullet is gone")
    if case.phase != "bullets" and {one.content for one in content.bullets} != {REVENUE["content"], PROBE["content"]}:
        wrong.append("a later phase changed what phase 1 wrote")
    if not content.bullets or not content.shown():
        wrong.append("nothing is left for readers")
    return Outcome(in_words(content) or "taken, as plain text", wrong)


async def everything(
    pool: asyncpg.Pool, desk: Desk, scripted: tuple[Desk, Script]
) -> list[tuple[str, str, str, Outcome]]:
    """Every case: what it is, its group, its name, what came of it."""
    from tests.products.digest.hostile.answers import ANSWERS
    from tests.products.digest.hostile.articles import ARTICLES

    honest = await desk.write(inputs())
    played = [("article", one.group, one.name, await play_article(desk, one, honest)) for one in ARTICLES]
    return played + [("answer", one.group, one.name, await play_answer(*scripted, one)) for one in ANSWERS]


def table(played: Sequence[tuple[str, str, str, Outcome]]) -> str:
    """The page of the documentation."""
    articles = sum(kind == "article" for kind, *_ in played)
    rows = [
        f"| {kind} | {group} | {name} | {outcome.words} | {'; '.join(outcome.wrong) or 'none'} |"
        for kind, group, name, outcome in played
    ]
    head = f"""# The hostile corpus

{articles} articles and {len(played) - articles} answers of models, all written by us, that try to steer, to inject, to
hide, to invent or to break. Each makes a whole digest, beside honest articles or in the place of an honest answer, the
answers over a real socket. This page is written by the test that plays them (`tests/products/digest/hostile`, anew
with `WRITE_CORPUS=1`). It fails when a case changes what it should not: a reader gets what the case wants, a bullet
cites what is not stored, a mail holds a tag, a link, a placeholder or an invisible character that is not ours, its
subject changes, a fence of a prompt is opened or closed by a text, or an honest bullet is lost.

What the corpus does not prove: that no order in other words gets through. A sentence that reads like a reporter's is
quoted as one, with its source under it.

What came of a case is what the digest itself notes: sentences that were dropped and why, answers that were of no use,
and phases that were done without a model.

| Kind | Group | Case | What came of it | Changed what it should not |
|---|---|---|---|---|
"""
    return head + "\n".join(rows) + "\n"


def as_json(played: Sequence[tuple[str, str, str, Outcome]]) -> str:
    """The figures in one line."""
    return json.dumps({"cases": len(played), "wrong": sum(bool(one[3].wrong) for one in played)})
