"""Where the opaque links of Google News lead to.

Since mid 2024 a link such as `…/rss/articles/CBMi…` no longer holds its target. Two requests find it: the link's own
page carries a signature and a timestamp, and with these `batchexecute` (procedure Fbv4je) gives the target, for several
links in one request. None of this is documented; it is what Google's own page does.

A link that cannot be resolved is an answer, not a failure: headline, publisher and date are known without it. When
Google takes us for a robot ("sorry" page), all resolving pauses, which is why it is a provider of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx

from openbell.engine.attempt import Attempt
from openbell.engine.errors import RateLimited, Transient
from openbell.engine.ledger import Limit
from openbell.providers import wire
from openbell.providers.pauses import asked_pause

TIMEOUT_S = 10.0
MOST_LINKS = 20
MOST_BYTES = 2 * 1024 * 1024
BOT_PAUSE = timedelta(hours=1)

_PROCEDURE = "Fbv4je"
_ID = re.compile(r"[A-Za-z0-9_-]{1,2000}")
_SIGNATURE = re.compile(r'data-n-a-sg="([^"<>]{1,500})"')
_TIMESTAMP = re.compile(r'data-n-a-ts="(\d{1,12})"')
_READER = [["X", "X", ["X", "X"], None, None, 1, 1, "US:en", None, 1, None, None, None, None, None, 0, 1], "X", "X", 1,
           [1, 1, 1], 1, 1, None, 0, 0, None, 0]  # fmt: skip
"""What Google's page says about its reader: language and country; the rest is constant."""


def limits(calls_per_minute: int = 20) -> list[Limit]:
    """How many requests a minute go into resolving. Google names no limit and stops whom it takes for a robot."""
    return [Limit("google_links", "calls", "minute", calls_per_minute, span=timedelta(minutes=1))]


def open_http(base_url: str, *, contact: str | None = None) -> httpx.AsyncClient:
    """The connection pool to Google News."""
    agent = f"openbell/0.1 (+{contact})" if contact else "openbell/0.1"
    return wire.open_http(f"{base_url.rstrip('/')}/", timeout_s=TIMEOUT_S, headers={"user-agent": agent})


@dataclass(frozen=True, slots=True)
class Resolution:
    """What became of one link: its target, or why there is none. ``passing`` when a later try may find it."""

    id: str
    url: str | None
    reason: str | None = None
    passing: bool = False


class GoogleLinks:
    """The resolver as one attempt may use it: sign each link, then ask for the targets of all.

    Nothing is raised for a link. :class:`RateLimited` `bot_check` when Google wants to see a person: nobody resolves
    for a while, and the caller goes on without the targets.
    """

    def __init__(self, http: httpx.AsyncClient, attempt: Attempt) -> None:
        self._http, self._attempt = http, attempt

    async def sign(self, link: str) -> tuple[int, str] | Resolution:
        """Timestamp and signature under which Google tells where a link leads (its id: the last part of it), in one
        request; or why it has none.
        """
        if not _ID.fullmatch(link):
            return Resolution(link, None, "malformed")
        try:
            page = await self._ask("GET", f"rss/articles/{link}", "page", params=_locale())
        except Transient as error:
            return Resolution(link, None, error.code, passing=True)
        signature = read_page(page)
        if isinstance(signature, str):
            return Resolution(link, None, signature, passing=page.status >= 500)
        return signature

    async def targets(self, signed: Mapping[str, tuple[int, str]]) -> dict[str, Resolution]:
        """Where signed links lead, at most twenty at a time: one request for all of them."""
        if len(signed) > MOST_LINKS:
            raise ValueError(f"at most {MOST_LINKS} links at a time, not {len(signed)}")
        try:
            answer = await self._ask(
                "POST",
                "_/DotsSplashUi/data/batchexecute",
                "batchexecute",
                params={"rpcids": _PROCEDURE},
                content=urlencode({"f.req": question(signed)}).encode(),
                headers={"content-type": "application/x-www-form-urlencoded;charset=utf-8"},
            )
            targets = read_targets(list(signed), answer) if answer.status == 200 else None
        except Transient as error:
            return {link: Resolution(link, None, error.code, passing=True) for link in signed}
        if targets is None:
            reason = "unreadable" if answer.status == 200 else f"http_{answer.status}"
            return {link: Resolution(link, None, reason, passing=True) for link in signed}
        host = wire.host_of(self._http)
        self._attempt.cite(provider="google_links", operation="batchexecute", host=host, synthetic=answer.synthetic)
        return {
            link: Resolution(link, target) if target else Resolution(link, None, "no_target")
            for link, target in targets.items()
        }

    async def _ask(self, method: str, path: str, operation: str, **request: Any) -> wire.Answer:
        timeout = wire.call_time(TIMEOUT_S)
        async with self._attempt.spends("google_links").call(operation, timeout=timeout, bytes=700_000) as call:
            answer = await wire.exchange(
                self._http, call, method, path, name="Google News", most_bytes=MOST_BYTES, **request
            )
            if is_bot_check(answer):
                raise RateLimited(
                    "Google News takes us for a robot; links are resolved again later.",
                    code="bot_check",
                    retry_after=max(asked_pause(answer.headers) or BOT_PAUSE, BOT_PAUSE),
                )
            return answer


def _locale() -> dict[str, str]:
    return {"hl": "en-US", "gl": "US", "ceid": "US:en"}


def is_bot_check(answer: wire.Answer) -> bool:
    """Whether it is the "sorry" page, the way to it, or a plain 429."""
    towards = urlsplit(answer.headers.get("location", ""))
    return answer.status == 429 or "/sorry/" in towards.path or "/sorry/index" in answer.text[:20_000]


def read_page(answer: wire.Answer) -> tuple[int, str] | str:
    """Timestamp and signature of a link's page, or the reason why it has none."""
    if answer.status != 200:
        return "no_such_link" if answer.status in (404, 410) else f"http_{answer.status}"
    signature, timestamp = _SIGNATURE.search(answer.text), _TIMESTAMP.search(answer.text)
    return (int(timestamp[1]), signature[1]) if signature and timestamp else "unsigned"


def question(signed: Mapping[str, tuple[int, str]]) -> str:
    """The form's `f.req` for these links; each is tagged with its number, from 1, by which its answer is known."""
    calls = [
        [_PROCEDURE, json.dumps(["garturlreq", _READER, link, timestamp, signature]), None, str(number)]
        for number, (link, (timestamp, signature)) in enumerate(signed.items(), 1)
    ]
    return json.dumps([calls])


def read_targets(links: Sequence[str], answer: wire.Answer) -> dict[str, str | None] | None:
    """The target of each link, None for one that has none; None when the answer cannot be read.

    An answer belongs to the link whose tag it carries, wherever it stands: the right target of the wrong link would be
    worse than none.
    """
    frames = _frames(answer.text)
    if frames is None:
        return None
    targets: dict[str, str | None] = dict.fromkeys(links)
    for frame in frames:
        tag = frame[-1]
        if isinstance(tag, str) and tag.isascii() and tag.isdigit() and 1 <= int(tag) <= len(links):
            targets[links[int(tag) - 1]] = _target(frame[2])
        elif len(links) == 1 and len(frames) == 1:
            targets[links[0]] = _target(frame[2])
    return targets


def _frames(text: str) -> list[Any] | None:
    begin = text.find("[[")
    try:
        outer = json.JSONDecoder().raw_decode(text, begin)[0] if begin >= 0 else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(outer, list):
        return None
    return [f for f in outer if isinstance(f, list) and len(f) > 3 and f[:2] == ["wrb.fr", _PROCEDURE]]


def _target(packed: object) -> str | None:
    try:
        said = json.loads(packed) if isinstance(packed, str) else None
    except (ValueError, RecursionError):
        return None
    if not (isinstance(said, list) and len(said) > 1 and said[0] == "garturlres" and isinstance(said[1], str)):
        return None
    target = said[1]
    return target if target.startswith(("http://", "https://")) and len(target) <= 4_000 else None
