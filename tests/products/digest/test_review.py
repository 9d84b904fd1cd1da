"""The review before sending, and versions of prompts beside each other."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import asyncpg
import pytest

from openbell.engine.flags import add_flag
from openbell.engine.rollout import set_flag
from openbell.mail.deliveries import list_deliveries, queue_all
from openbell.mail.kinds import KINDS
from openbell.people import add_person, consent, follow
from openbell.products import registry
from openbell.products.digest import prompts
from openbell.products.digest.content import DigestContent
from openbell.products.digest.digest import Digest
from openbell.products.digest.inputs import DigestInputs
from openbell.products.digest.prompts.compare import compare
from openbell.products.digest.render import digest_letter
from openbell.products.digest.review import digest_review, is_held, read_review, sentences_of
from tests.products.digest.test_phases import PROBE, REVENUE, SAID, id_of
from tests.products.digest.writing import Desk, by_model, inputs, scripted
from tests.web.conftest import _store

KEY = "ACME|daily|2026-11-24"
JUDGED = {"review": {"findings": []}}


async def publish(pool: asyncpg.Pool, given: DigestInputs, content: DigestContent, version: int = 1) -> None:
    """Store a digest as if a worker had made it, and queue its mail for a reader."""
    value = Digest(inputs=given, content=content).model_dump(mode="json")
    await registry().seed(pool)
    async with pool.acquire() as conn, conn.transaction():
        await _store(conn, ("digest", KEY), value, version, "1 day", "value")


async def readers(pool: asyncpg.Pool, content: DigestContent) -> None:
    """A subscriber whose mail waits for its time, and an admin."""
    person = await add_person(pool, "reader@openbell.example", role="subscriber", state="active", actor="test")
    await add_person(pool, "admin@openbell.example", role="admin", state="active", actor="test")
    await consent(pool, person.id, ["terms", "privacy", "mail"], given=True, source="test")
    await follow(pool, person, "ACME")
    later = await pool.fetchval("select openbell.now() + interval '3 hours'")
    await queue_all(
        pool, kind="digest", recipients=[person], letter=digest_letter(content), artifact=("digest", KEY, 1),
        send_at=later, ticker="ACME",
    )  # fmt: skip


async def review(desk: Desk) -> None:
    await digest_review.producer(digest_review.key.parse(KEY), await desk.context())


async def states(pool: asyncpg.Pool, kind: str) -> list[str]:
    assert kind in KINDS
    return [one.state for one in await list_deliveries(pool, kind=kind)]


async def written(desk: Desk, given: DigestInputs, **changes: Any) -> tuple[DigestInputs, DigestContent]:
    """A digest of the desk's model, with some of its bullets' words changed behind its back."""
    content = await desk.write(given)
    bullets = [one.model_copy(update=changes.get(one.section, {})) for one in content.bullets]
    return await desk.pin(given), content.model_copy(update={"bullets": bullets})


async def test_a_digest_that_is_carried_passes(pool: asyncpg.Pool) -> None:
    """DG-37: every sentence is checked by rules and by another model; without a finding the mail goes its way."""
    async with scripted(pool, SAID | JUDGED) as (desk, script):
        given, content = await written(desk, by_model(inputs()))
        await publish(pool, given, content)
        await readers(pool, content)
        script.asked.clear()
        await review(desk)
    assert script.phases() == ["review"]
    found = await read_review(pool, KEY, 1)
    assert found is not None
    assert (found.verdict, found.findings, found.judge) == ("pass", [], "openai:gpt-6-luna")
    assert found.sentences >= 4
    assert await states(pool, "digest") == ["ready"]
    assert await states(pool, "review") == []


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("Revenue rose 99%.", "number"), ("Revenue fell 12.4%.", "direction"),
        ("Zenith Corp bought a plant.", "company"), ("Read https://evil.example for more.", "claim"),
    ],
)  # fmt: skip
async def test_rules_alone_hold_what_is_false(pool: asyncpg.Pool, words: str, kind: str) -> None:
    """DG-37: a false sentence that has come into a stored digest holds mail 3, and the admins are told why."""
    async with scripted(pool, SAID) as (desk, _):
        given, content = await written(desk, by_model(inputs(), review="none"), performance={"content": words})
        await publish(pool, given, content)
        await readers(pool, content)
        await review(desk)
    found = await read_review(pool, KEY, 1)
    assert found is not None
    assert found.verdict == "hold"
    assert [(one["kind"], one["where"], one["judge"]) for one in found.findings] == [(kind, id_of(REVENUE), "rules")]
    assert await is_held(pool, KEY, 1)
    assert await states(pool, "digest") == ["held"]
    assert await states(pool, "review") == ["ready"]


async def test_a_second_model_can_hold_and_cannot_invent(pool: asyncpg.Pool) -> None:
    """DG-37: a finding of a model counts when its sentence is there and its words stand in it."""
    async with scripted(pool, SAID) as (desk, script):
        given, content = await written(desk, by_model(inputs()))
        await publish(pool, given, content)
        await readers(pool, content)
        ids = {one.where: one.id for one in sentences_of(content, await opened(desk, given))}
        wrong = {
            "sentence_id": ids[id_of(PROBE)],
            "kind": "attribution",
            "piece": "1,250 warehouse systems",
            "why": "<b>x</b>",
        }
        script.said["review"] = {
            "findings": [
                wrong,
                wrong | {"sentence_id": "s999"},
                wrong | {"piece": "words that stand nowhere"},
                wrong | {"piece": ""},
                wrong | {"kind": "inference", "sentence_id": ids[id_of(REVENUE)], "piece": "Revenue rose"},
            ]
        }
        await review(desk)
        found = await read_review(pool, KEY, 1)
        assert found is not None
        assert [(one["kind"], one["why"]) for one in found.findings] == [
            ("attribution", "x"),
            ("inference", "x"),
        ]
        assert found.verdict == "hold"
        assert await states(pool, "digest") == ["held"]
        await pool.execute("delete from openbell.answer")
        script.said["review"] = {"findings": [wrong | {"kind": "inference"}]}
        await review(desk)
        again = await read_review(pool, KEY, 1)
    assert again is not None
    assert again.verdict == "pass"  # an inference is told, and holds nothing


async def opened(desk: Desk, given: DigestInputs) -> Any:
    from openbell.products.digest.phases import open_desk

    return await open_desk(await desk.context(), given)


async def test_what_was_only_quoted_asks_no_model(pool: asyncpg.Pool) -> None:
    """DG-37: an extractive digest is checked by rules for nothing."""
    async with scripted(pool, {}) as (desk, script):
        given = await desk.pin(by_model(inputs(), "none", review="openai:gpt-6-luna"))
        content = await desk.write(given.model_copy(update={"articles": given.articles}))
        await publish(pool, given, content)
        await review(desk)
    assert script.asked == []
    found = await read_review(pool, KEY, 1)
    assert found is not None
    assert (found.verdict, found.judge) == ("pass", "rules")


async def test_a_prompt_is_tried_on_a_stable_share_and_compared(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DG-40: a candidate is used for the tickers for which its flag is on; then both stand side by side."""
    candidate = prompts.Prompt("bullets", 2, prompts.load("bullets@1").text + "\nBe brief.")
    real = prompts.load
    monkeypatch.setattr(prompts, "versions", lambda: {"bullets": (1, 2), "summary": (1,)})
    load = lambda name: candidate if name == "bullets@2" else real(name)  # noqa: E731
    for module in ("prompts", "prompts.compare", "models"):
        monkeypatch.setattr(f"openbell.products.digest.{module}.load", load)
    monkeypatch.setattr("openbell.products.digest.prompts.compare.versions", prompts.versions)
    tickers = [f"T{n}" for n in range(200)]
    assert {(await prompts.pin(pool, one))["bullets"] for one in tickers} == {"bullets@1"}
    await add_flag(pool, "prompt-bullets-2", about="a try", owner="tests", remove_by=date(2027, 1, 1), actor="test")
    await set_flag(pool, "prompt-bullets-2", mode="percent", share=2_500, actor="test")
    first = {one for one in tickers if (await prompts.pin(pool, one))["bullets"] == "bullets@2"}
    assert 25 <= len(first) <= 75
    await set_flag(pool, "prompt-bullets-2", mode="percent", share=6_000, actor="test")
    assert first < {one for one in tickers if (await prompts.pin(pool, one))["bullets"] == "bullets@2"}
    async with scripted(pool, SAID) as (desk, script):
        given = by_model(inputs(), known="none", context="none", duplicates="none", summary="none")
        for name, version in (("bullets@1", 1), ("bullets@2", 2)):
            tried = given.model_copy(update={"prompts": {"bullets": name}})
            await publish(pool, *(await written(desk, tried)), version)
        assert [json_of(request).count("Be brief.") for _, request in script.asked] == [0, 1]
    trials = await compare(pool, "bullets", timedelta(days=30))
    assert [(one.prompt, one.role, one.digests, one.bullets) for one in trials] == [
        ("bullets@1", "current", 1, 3), ("bullets@2", "flag 60 %", 1, 3),
    ]  # fmt: skip
    assert all(one.cost_micro > 0 and one.answers == 1 for one in trials)
    with pytest.raises(prompts.UnknownPrompt):
        await compare(pool, "nothing", timedelta(days=1))


def json_of(request: dict[str, Any]) -> str:
    import json

    return json.dumps(request)


def test_prompts_are_files_that_never_change() -> None:
    """Build 3: each prompt that is used has a file, and the one that everybody gets is there."""
    for name, version in prompts.current().items():
        assert version in prompts.versions()[name]
        assert len(prompts.load(f"{name}@{version}").hash) == 16
    for bad in ("bullets@99", "../models", "bullets", "Bullets@1", "bullets@01"):
        with pytest.raises(prompts.UnknownPrompt):
            prompts.load(bad)
