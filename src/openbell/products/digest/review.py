"""Checking a digest before it is sent, sentence by sentence, by somebody who did not write it (DG-37).

Rules look at every sentence again, from the stored digest and its stored sources alone; a second model, where there is
one, looks as well. What is found is stored with the version of the digest; a grave finding holds the mails that wait.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import asyncpg

from openbell.engine.artifacts import read
from openbell.engine.database import Db
from openbell.engine.enqueue import enqueue
from openbell.engine.errors import Permanent
from openbell.engine.registry import hours, minutes, task
from openbell.mail import Letter, queue_all, render
from openbell.mail.control import stop_kind
from openbell.people import admins
from openbell.products.context import Context
from openbell.products.digest import phases_forms as forms
from openbell.products.digest.content import DigestContent
from openbell.products.digest.database import SQL
from openbell.products.digest.digest import Digest
from openbell.products.digest.editions import DigestKey
from openbell.products.digest.models import ask
from openbell.products.digest.phases import Desk, open_desk
from openbell.products.digest.truth import Evidence, company_confusion, evidence_of, faults, folded
from openbell.products.digest.truth_text import clean, cut, fence, line, sentences

KINDS = {
    "number": "fabricated number", "claim": "fabricated claim", "attribution": "wrong attribution",
    "direction": "wrong direction", "company": "another company", "inference": "inference told as fact",
}  # fmt: skip
GRAVE = frozenset(("number", "claim", "attribution", "direction", "company"))
"""One finding of these holds the mail; an inference is told, and lets it go."""
RULES = "rules"
MOST_SENTENCES = 150
MOST_SOURCE = 6_000
TOKENS = 4_000
_KIND_OF: Mapping[str, str] = {"number": "number", "direction": "direction", "name": "company"}


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence that readers get, where it stands, and what it may rest on."""

    id: str
    where: str
    text: str
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with a sentence, who says so, and why."""

    sentence_id: str
    where: str
    kind: str
    text: str
    piece: str
    why: str
    judge: str

    def as_json(self) -> dict[str, str]:
        """As it is stored."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Review:
    """A verdict on one version of a digest."""

    judge: str
    verdict: Literal["pass", "hold"]
    findings: Sequence[Mapping[str, Any]]
    sentences: int
    cost_micro: int | None
    made_at: datetime


async def read_review(db: Db, key: str, version: int) -> Review | None:
    """What was found in a version of a digest; None before it was looked at."""
    row = await db.fetchrow(SQL.get("read_review"), key, version)
    return None if row is None else Review(**row)


async def is_held(db: Db, key: str, version: int) -> bool:
    """Whether mails of this version are to wait for an admin."""
    found = await read_review(db, key, version)
    return found is not None and found.verdict == "hold"


async def ask_review(db: Db, key: str) -> None:
    """Have the latest version of a digest looked at."""
    await enqueue(db, digest_review, [(key, None)], job_class="scheduled")


def sentences_of(content: DigestContent, desk: Desk) -> list[Sentence]:
    """Every sentence that readers get, each with its own evidence, numbered in their order."""
    found: list[Sentence] = []

    def add(where: str, text: str, evidence: Evidence) -> None:
        found.extend(
            Sentence(f"s{len(found) + place}", where, one, evidence) for place, one in enumerate(sentences(text), 1)
        )

    by_id = {bullet.bullet_id: bullet for _, bullets in content.shown() for bullet in bullets}
    for bullet in by_id.values():
        evidence = desk.evidence(bullet.sources)
        add(bullet.bullet_id, f"{bullet.text}", evidence)
        if bullet.background is not None and bullet.background.text:
            cited = [desk.filings.get(one, "") for one in bullet.background.filings]
            of_filings = evidence_of(cited, names=desk.names(), days=[desk.inputs.day])
            add(f"{bullet.bullet_id} filings", bullet.background.text, of_filings)
    top = content.summary
    parts = [("bottom line", top.bottom_line)] if top.bottom_line else []
    if content.edition == "weekly":
        parts += [("upside", one) for one in top.upside] + [("downside", one) for one in top.downside]
    every = {bullet.bullet_id: bullet for bullet in content.bullets}
    for where, part in parts:
        cited_ids = [one for one in part.bullets if one in every]
        sources = [one for name in cited_ids for one in every[name].sources]
        more = [every[name].background.text for name in cited_ids if every[name].background]  # type: ignore[union-attr]
        add(where, part.text, desk.evidence(list(dict.fromkeys(sources)), more))
    return found[:MOST_SENTENCES]


def by_rules(found: Iterable[Sentence], names: Mapping[str, str]) -> list[Finding]:
    """What the rules say of each sentence."""
    findings = []
    for one in found:
        fault = next(iter(faults(clean(one.text), one.evidence)), None) or company_confusion(one.text, names)
        if fault is not None:
            kind = _KIND_OF.get(fault.kind, "claim")
            findings.append(Finding(one.id, one.where, kind, cut(one.text, 300), fault.piece, fault.why, RULES))
    return findings


def of_model(said: forms.Findings, found: Sequence[Sentence], judge: str) -> list[Finding]:
    """What a model says, as far as it can be true: of a sentence that is there, about words that stand in it."""
    by_id = {one.id: one for one in found}
    findings = []
    for one in said.findings:
        sentence = by_id.get(one.sentence_id)
        piece = " ".join(folded(one.piece))
        if sentence is None or not piece or piece not in " ".join(folded(sentence.text)):
            continue
        text, why = cut(sentence.text, 300), line(one.why, 300)
        findings.append(Finding(sentence.id, sentence.where, one.kind, text, line(one.piece, 120), why, judge))
    return findings


@task(
    "digest-review",
    key=DigestKey,
    version=1,
    timeout=minutes(15),
    retry=minutes(2),
    job_class="scheduled",
    max_attempts=5,
    patience=hours(6),
)
async def digest_review(key: DigestKey, ctx: Context) -> None:
    """Look at the latest version of a digest; hold its mails where something grave is found, and tell the admins."""
    pool = ctx.attempt.pool
    reading = await read(pool, "digest", key)
    if reading.value is None:
        raise Permanent(f"There is no digest {key} to look at.", code="nothing_to_review")
    digest = Digest.model_validate(reading.value)
    desk = await open_desk(ctx, digest.inputs)
    found = sentences_of(digest.content, desk)
    findings = by_rules(found, desk.companies())
    judge, cost = RULES, 0
    if found and digest.content.models:  # what was only quoted needs no second opinion
        judged = await _second_opinion(ctx, digest, desk, found)
        findings += judged[0]
        judge, cost = judged[1], judged[2]
    verdict: Literal["pass", "hold"] = "hold" if any(one.kind in GRAVE for one in findings) else "pass"
    stored = [one.as_json() for one in findings]
    async with pool.acquire() as conn, conn.transaction():
        await conn.execute(SQL.get("keep_review"), key, reading.version, judge, verdict, stored, len(found), cost)
        if verdict == "hold":
            await hold(conn, digest.content, key, reading.version, judge, stored, len(found))


async def _second_opinion(
    ctx: Context, digest: Digest, desk: Desk, found: Sequence[Sentence]
) -> tuple[list[Finding], str, int]:
    """What another model finds, who it was, and what it cost; nothing where none answers."""
    inputs = digest.inputs
    cited = {one for bullet in digest.content.bullets for one in bullet.sources}
    sources = [
        (f"article {one.id}", clean(desk.bodies[one.id], MOST_SOURCE)) for one in inputs.articles if one.id in cited
    ]
    sources += [(f"filing {name}", clean(text, MOST_SOURCE)) for name, text in desk.filings.items() if text]
    told = [(f"sentence {one.id} ({one.where})", one.text) for one in found]
    answer = await ask(
        ctx, "review", material=fence([*sources, *told]), output=forms.findings([one.id for one in found]),
        max_tokens=TOKENS, models=inputs.models.get("review"), prompt=inputs.prompts.get("review"),
        cap_micro=inputs.cap_micro,
    )  # fmt: skip
    if answer.value is None:
        return [], RULES, 0
    judge = f"{answer.run.provider}:{answer.run.model}"
    return of_model(answer.value, found, judge), judge, answer.run.cost_micro or 0


async def hold(
    conn: asyncpg.Connection[Any] | Any,
    content: DigestContent,
    key: str,
    version: int,
    judge: str,
    findings: Sequence[Mapping[str, Any]],
    count: int,
) -> None:
    """Hold what waits of mail 3, and tell every admin once what was found."""
    first = findings[0]
    await stop_kind(conn, "digest", f"digest {key}", f"review: {KINDS[first['kind']]}", actor="digest-review")
    letter = review_letter(content, judge, findings, count)
    await queue_all(
        conn, kind="review", recipients=await admins(conn), letter=letter, artifact=("digest", key, version)
    )


def review_letter(content: DigestContent, judge: str, findings: Sequence[Mapping[str, Any]], count: int) -> Letter:
    """What admins get where a mail is held."""
    several = f"{len(findings)} finding{'s' * (len(findings) != 1)}"
    return render(
        "review",
        package="openbell.products.digest",
        subject=f"[Held] {content.ticker} {content.edition} {content.day.isoformat()}: {several}",
        why="You get this as an administrator.",
        title=f"{content.name} ({content.ticker})",
        judge="rules alone" if judge == RULES else f"rules and {judge}",
        count=count,
        findings=[dict(one) | {"kind": KINDS[one["kind"]]} for one in findings],
    )
