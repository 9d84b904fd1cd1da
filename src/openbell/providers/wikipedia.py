"""Wikipedia's own pages: what a term names, by the action API of MediaWiki (www.mediawiki.org/wiki/API:Query).

One call answers whether a title exists, where it redirects to, and whether it is a list of several meanings. We
keep titles and one-line descriptions (CC0 of Wikidata, or CC BY-SA). The rules of conduct of the pageviews hold, and
their accounts: a User-Agent that tells who asks, few calls at a time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import httpx

from openbell.engine.attempt import Attempt
from openbell.engine.errors import Transient
from openbell.providers import wire
from openbell.providers.pageviews import TIMEOUT_S, refusal

MOST_CHOICES = 8
MOST_TITLE = 120


def open_http(contact: str | None, base_url: str) -> httpx.AsyncClient:
    """The connection pool to one Wikipedia, such as https://en.wikipedia.org."""
    agent = f"openbell/0.1 (+{contact})" if contact else "openbell/0.1"
    return wire.open_http(f"{base_url.rstrip('/')}/", timeout_s=TIMEOUT_S, headers={"user-agent": agent})


@dataclass(frozen=True, slots=True)
class Page:
    """A page: its title as it is now, after redirects; `ambiguous` when it lists several meanings.

    `via` is the title that was found, where that was a redirect.
    """

    title: str
    description: str
    ambiguous: bool
    via: str = ""


class Wikipedia:
    """One Wikipedia as one attempt may use it."""

    def __init__(self, http: httpx.AsyncClient, attempt: Attempt) -> None:
        self._http, self._attempt = http, attempt

    async def page(self, title: str) -> Page | None:
        """The page of a title, redirects followed; None when there is none. Its first letter may be small."""
        said = await self._query("page", {"titles": _plain(title), "redirects": "1", **_PROPERTIES})
        return next(iter(read_pages(said)), None)

    async def search(self, text: str) -> list[Page]:
        """Pages whose titles begin like the text or hold it, best first, up to eight."""
        more = {"generator": "prefixsearch", "gpssearch": _plain(text), "gpslimit": str(MOST_CHOICES), "redirects": "1"}
        return read_pages(await self._query("search", more | _PROPERTIES))

    async def _query(self, step: str, params: dict[str, str]) -> Any:
        asked = {"action": "query", "format": "json", "formatversion": "2", "maxlag": "5", **params}
        timeout = wire.call_time(TIMEOUT_S)
        async with self._attempt.spends("wikimedia").call(step, timeout=timeout, bytes=20_000) as call:
            answer = await wire.exchange(self._http, call, "GET", "w/api.php", name="Wikipedia", params=asked)
            if answer.status != 200:
                raise refusal(answer)
        self._attempt.cite(
            provider="wikimedia", operation=step, host=wire.host_of(self._http), synthetic=answer.synthetic
        )
        try:
            said = answer.json()
            if not isinstance(said, dict):
                raise TypeError("no object")
        except (ValueError, TypeError) as error:
            raise Transient(f"Wikipedia answered with something else: {error}", code="unexpected_answer") from error
        if "error" in said:
            raise Transient(f"Wikipedia refused: {str(said['error'].get('code'))[:60]}", code="refused")
        return said


_PROPERTIES = {"prop": "pageprops|description", "ppprop": "disambiguation"}


def read_pages(said: Any) -> list[Page]:
    """The pages of an answer that exist, in its order. Raises :class:`Transient` when it is not such an answer."""
    try:
        query = said.get("query", {})
        pages, via = query.get("pages", []), {one["to"]: str(one["from"]) for one in query.get("redirects", [])}
        found = [page for page in pages if not page.get("missing") and not page.get("invalid")]
        found.sort(key=lambda page: page.get("index", 0))
        return [
            Page(
                str(page["title"])[:MOST_TITLE],
                str(page.get("description", ""))[:MOST_TITLE],
                "disambiguation" in page.get("pageprops", {}),
                via.get(page["title"], "")[:MOST_TITLE],
            )
            for page in found
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise Transient(f"Wikipedia answered without pages: {error}", code="unexpected_answer") from error


def _plain(text: str) -> str:
    """A title that cannot mean more than one, nor a page outside the articles."""
    return re.sub(r"[|#<>\[\]{}\x00-\x1f]", " ", text).strip(" :")[:MOST_TITLE]
