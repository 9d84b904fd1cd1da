"""Who may ask what: a matrix of every route and every role, made from the routes themselves."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx
import pytest
from fastapi import APIRouter

from openbell.people import add_person
from openbell.people.doors import PREFIX, digest, make_token, open_session
from openbell.products import registry
from openbell.web import WebConfig, create_app
from openbell.web.protection import Protection, Undeclared, declared, enforce, safe
from tests.support import eventually

SECRET = "a-secret-of-the-scheduler"
WORDS = {
    "product": "quote", "key": "AAPL", "job_id": "1", "spend_id": "1", "slug": "coffee-vs-tea", "ticker": "AAPL",
    "day": "2026-01-05", "token": "no-such-token-here", "symbol": "AAPL", "name": "2026-01-05",
    "batch": "1", "number": "1", "action": "zone", "provider": "fmp",
}  # fmt: skip
REFUSED = {401, 403}


@dataclass(frozen=True)
class Role:
    """A way to come, and the most that it is let into."""

    name: str
    headers: dict[str, str]
    lets_in: str
    local: bool = False


@asynccontextmanager
async def house(
    dsn: str, environment: str, client: str = "203.0.113.9"
) -> AsyncIterator[tuple[Any, httpx.AsyncClient]]:
    """An application in this process, asked from an address."""
    config = WebConfig(dsn=dsn, registry=registry(), environment=environment, cron_secret=SECRET, warmup_secret=SECRET)
    app = create_app(config)
    door = httpx.ASGITransport(app, raise_app_exceptions=False, client=(client, 1))
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=door, base_url="http://localhost") as http:
        await eventually(lambda: app.state.database.pool is not None)
        yield app, http


async def roles(pool: asyncpg.Pool) -> list[Role]:
    """Everybody who can come, those whose time is over, and those who were never here."""
    someone = await add_person(pool, "someone@example.com", state="active")
    boss = await add_person(pool, "boss@example.com", role="admin", state="active")
    blocked = await add_person(pool, "blocked@example.com", state="active")
    tokens = {
        "token of a subscriber": (await make_token(pool, someone, "a"), "person"),
        "token of an admin for themselves": (await make_token(pool, boss, "b"), "person"),
        "token of an operator": (await make_token(pool, boss, "c", scope="operator"), "admin"),
        "token that is nobody's": (PREFIX + "x" * 43, "everybody"),
        "token of another house": ("sk-live-" + "y" * 40, "everybody"),
    }
    revoked = await make_token(pool, boss, "d", scope="operator")
    await pool.execute("update openbell.api_token set revoked_at = openbell.now() where hash = $1", digest(revoked))
    out = await make_token(pool, blocked, "e")
    await pool.execute("update openbell.person set state = 'blocked' where id = $1", blocked.id)
    tokens["token that was revoked"] = (revoked, "everybody")
    tokens["token of somebody blocked"] = (out, "everybody")
    found = [Role("nobody", {}, "everybody")]
    found += [Role(name, {"Authorization": f"Bearer {token}"}, most) for name, (token, most) in tokens.items()]
    for name, person, most in (("subscriber", someone, "person"), ("admin", boss, "admin")):
        found.append(Role(name, {"Cookie": f"openbell={await open_session(pool, person.id)}"}, most))
    old = await open_session(pool, boss.id)
    await pool.execute(
        "update openbell.visit set expires_at = openbell.now() - interval '1 s' where hash = $1", digest(old)
    )
    found.append(Role("admin whose session is over", {"Cookie": f"openbell={old}"}, "everybody"))
    return found


def expected(asked: Protection, role: Role, environment: str) -> str:
    """What the declaration says: whether this one comes in."""
    if asked.by == "secret":
        return "refused"
    ranks = ["everybody", "person", "admin"]
    if ranks.index(role.lets_in) < ranks.index(asked.by):
        return "refused"
    return "refused" if asked.level == "staging_only" and environment == "production" else "in"


def verdict(answer: httpx.Response) -> str:
    """Whether somebody came in, by the answer alone."""
    led_away = answer.status_code == 303 and answer.headers["location"].startswith("/sign-in")
    return "refused" if answer.status_code in REFUSED or led_away else "in"


def address(path: str) -> str:
    """A route's path with words that could stand in it."""
    return re.sub(r"\{(\w+)(:path)?\}", lambda found: WORDS[found[1]], path)


OPEN_WITH_CONDITIONS = {"/api/weekly-picks/generate", "/picks/generate"}
"""Open to everybody by declaration; what they ask for besides, the operator's switch first, is tested with picks."""


@pytest.mark.parametrize("environment", ["production", "staging"])
async def test_every_route_answers_every_role_as_it_declares(dsn: str, pool: asyncpg.Pool, environment: str) -> None:
    """PF-38, PF-39, PF-48: every route with every role, none, an expired, a revoked and a foreign token; in staging
    what is for staging opens to admins. A page of another origin changes nothing anywhere, whoever is signed in.
    """
    await registry().seed(pool)
    await pool.execute("insert into openbell.meta values ('environment', to_jsonb($1::text))", environment)
    wrong: list[str] = []
    asked = 0
    async with house(dsn, environment) as (app, http):
        routes = sorted(declared(app), key=lambda one: one[0].path == "/sign-out")  # which ends what others need
        if environment == "staging":
            routes = [one for one in routes if one[1].level != "safe"]
        for role in await roles(pool):
            for route, protection in routes:
                if route.path == "/api/v1/stream":
                    continue  # it does not end; it is open to everybody, and test_stream has it
                for method in sorted(route.methods or ()):
                    answer = await http.request(method, address(route.path), headers=role.headers)
                    asked += 1
                    wants = expected(protection, role, environment)
                    right = verdict(answer) == wants or route.path in OPEN_WITH_CONDITIONS
                    if answer.status_code >= 500 or not right:
                        wrong.append(f"{role.name}: {method} {route.path}: {answer.status_code}, should be {wants}")
                    if verdict(answer) == "refused" and route.path.startswith(("/api/", "/admin/", "/jobs/")):
                        assert answer.json()["error"]["code"], route.path
        for route, _ in routes:
            if "POST" in (route.methods or ()):
                foreign = {"Origin": "https://evil.example", "Cookie": role.headers.get("Cookie", "")}
                answer = await http.post(address(route.path), headers=foreign)
                assert answer.status_code == 403, route.path
                asked += 1
    assert not wrong, "\n".join(wrong)
    assert asked > (900 if environment == "production" else 60)


async def test_a_route_that_declares_nothing_keeps_the_application_from_starting(dsn: str) -> None:
    """PF-38: refused by default: what says neither what it may do nor who may ask does not start."""
    app = create_app(WebConfig(dsn=dsn, registry=registry()))
    enforce(app)
    router = APIRouter()
    router.add_api_route("/admin/forgotten", lambda: "done", methods=["POST"])
    app.include_router(router)
    with pytest.raises(Undeclared, match="POST /admin/forgotten"):
        enforce(app)
    with pytest.raises(ValueError, match="a route is safe, confirm, staging_only"):
        safe("anybody")  # type: ignore[arg-type]


async def test_the_operator_at_this_machine_comes_in_without_a_name_in_development_only(
    dsn: str, pool: asyncpg.Pool
) -> None:
    """PF-39: the local operator is known by the loopback and development; a proxy or another environment ends that."""
    await registry().seed(pool)
    for environment, headers, status in (
        ("development", {}, 200),
        ("development", {"X-Forwarded-For": "203.0.113.9"}, 401),
        ("development", {"Host": "bell.example.com"}, 401),
        ("staging", {}, 401),
        ("production", {}, 401),
    ):
        async with house(dsn, environment, client="127.0.0.1") as (_, http):
            answer = await http.get("/api/v1/people", headers=headers)
            assert answer.status_code == status, (environment, headers)


async def test_the_schedulers_secret_opens_its_route_and_nothing_else(dsn: str, pool: asyncpg.Pool) -> None:
    """PF-39: a program's secret is compared on its own route, and is never taken from the address."""
    await registry().seed(pool)
    async with house(dsn, "production") as (_, http):
        bearer = {"Authorization": f"Bearer {SECRET}"}
        assert (await http.get("/api/cron/weekly-picks", headers=bearer)).status_code not in REFUSED
        assert (await http.get("/api/v1/people", headers=bearer)).status_code == 401
        assert (await http.get(f"/api/cron/weekly-picks?token={SECRET}")).status_code == 401
