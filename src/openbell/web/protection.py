"""What each route may do, and who may ask it: declared beside the route, refused by default (PF-38).

    router = APIRouter(dependencies=[safe("admin")])                                 for all routes of a router
    @router.post("/admin/wipe-database", dependencies=[staging_only("admin")])       for one

``safe``          is done at once: a read, or what can be taken back
``confirm``       is planned first: the answer says what would change, with a token by which it is done once
                  (:mod:`openbell.engine.confirm`)
``staging_only``  as ``confirm``, and refused in production

and who: ``everybody``; ``person``, who has signed in; ``admin``, who runs this instance; ``secret``, a program that
holds a secret of the operator's, which the route compares itself. :func:`enforce` refuses to start an application with
a route that declares nothing; where several declarations meet, all of them hold.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from openbell.web.errors import WebError

log = logging.getLogger(__name__)

Level = Literal["safe", "confirm", "staging_only"]
Who = Literal["everybody", "person", "admin", "secret"]
LEVELS: tuple[Level, ...] = ("safe", "confirm", "staging_only")
WHO: tuple[Who, ...] = ("everybody", "secret", "person", "admin")
"""From the least to the most that is asked for."""
PLAIN = frozenset({"/openapi.json", "/static"})
"""What the framework serves by itself: the document of the API, and files that everybody may have."""


class Undeclared(Exception):
    """A route says neither what it may do nor who may ask it, so the application does not start."""


class DisabledHere(WebError):
    """A production is asked for what may only be tried elsewhere."""

    status, code = 403, "disabled_in_production"

    def __init__(self) -> None:
        super().__init__("This is disabled in production.", todo="Try it in staging: see docs/staging.md.")


@dataclass(frozen=True, slots=True)
class Protection:
    """What one declaration asks for."""

    level: Level
    by: Who

    async def admit(self, request: Request) -> None:
        """Raises DisabledHere, SignInNeeded, AdminNeeded; a refusal is logged with the route, not its values."""
        from openbell.web.sign_in import admin, is_local, signed_in  # noqa: PLC0415 - it stands on routes

        try:
            if self.by == "person" and not is_local(request):  # the route says what it has for who sits here
                await signed_in(request)
            elif self.by == "admin":
                await admin(request)
            if self.level == "staging_only" and request.app.state.config.environment == "production":
                raise DisabledHere
        except WebError as error:
            if error.status < 500:
                route = getattr(request.scope.get("route"), "path", "?")
                log.warning("request.refused code=%s method=%s route=%s", error.code, request.method, route)
            raise


_DECLARED: dict[Callable[..., Awaitable[None]], Protection] = {}


@functools.cache
def level(name: Level, by: Who) -> Any:
    """The dependency by which a route declares itself."""
    if name not in LEVELS or by not in WHO:
        raise ValueError(f"a route is {', '.join(LEVELS)}, and for {', '.join(WHO)}; not {name!r} for {by!r}")
    found = Protection(name, by)

    async def admit(request: Request) -> None:
        await found.admit(request)

    async def admit_all() -> None:
        """Nothing to ask."""

    check = admit_all if name == "safe" and by in ("everybody", "secret") else admit
    _DECLARED[check] = found
    return Depends(check)


def safe(by: Who) -> Any:
    """Done at once, for those who may."""
    return level("safe", by)


def confirm(by: Who) -> Any:
    """Planned first, and done with the plan's token."""
    return level("confirm", by)


def staging_only(by: Who) -> Any:
    """Planned first, done with the plan's token, and never in production."""
    return level("staging_only", by)


def protection_of(route: APIRoute) -> Protection | None:
    """The strictest level and the most that is asked of whoever comes; None where nothing is declared."""
    found = [_DECLARED[one.dependency] for one in route.dependencies if one.dependency in _DECLARED]
    if not found:
        return None
    return Protection(
        max((one.level for one in found), key=LEVELS.index), max((one.by for one in found), key=WHO.index)
    )


def declared(app: FastAPI) -> Iterator[tuple[APIRoute, Protection]]:
    """Every route with what it declares. Raises :class:`Undeclared`."""
    missing = []
    for route in _flat(app.routes):
        if not isinstance(route, APIRoute):
            if _path(route) not in PLAIN:
                missing.append(_path(route))
            continue
        found = protection_of(route)
        if found is None:
            missing.append(f"{'/'.join(sorted(route.methods or ()))} {route.path}")
        else:
            yield route, found
    if missing:
        raise Undeclared(
            f"{', '.join(missing)}: a route is refused until it declares what it may do and who may ask it, such as "
            "dependencies=[safe('admin')] of openbell.web.protection."
        )


def enforce(app: FastAPI) -> None:
    """Refuse to start with a route that declares nothing. Raises :class:`Undeclared`."""
    for _ in declared(app):
        pass


def _flat(routes: Sequence[BaseRoute]) -> Iterator[BaseRoute]:
    """Every route, those of included routers too; a route carries what its router asks for."""
    for route in routes:
        inner: APIRouter | None = getattr(route, "original_router", None)
        if inner is None:
            yield route
        else:
            yield from _flat(inner.routes)


def _path(route: BaseRoute) -> str:
    return str(getattr(route, "path", route))
