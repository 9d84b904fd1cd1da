"""How often one asker may come: people by their session, programs by their token, and everybody by their address.

Each web process counts for itself and in memory, so that a limit costs no question to the database; with several
processes an asker may come as often to each. A limit is a bucket of as many requests as a minute allows, which fills
evenly: a burst is served, and whoever goes on is slowed to the pace. The arithmetic is the generic cell rate algorithm
of ATM (ITU-T I.371): all that is kept of an asker is the time at which the bucket would be full again.
"""

from __future__ import annotations

import hashlib
import ipaddress
import logging
from collections import OrderedDict
from http.cookies import CookieError, SimpleCookie
from math import ceil
from time import monotonic

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from openbell.web.errors import TooMany, respond
from openbell.web.sign_in import COOKIE, is_near, is_proxied

log = logging.getLogger(__name__)

MINUTE_S = 60.0
ROUNDING_S = 1e-6
OF_AN_ADDRESS = 5
"""An address, behind which a whole office may sit, may come so many times as often as one asker."""
ASKERS_MAX = 100_000
FREE = ("/static/", "/livez", "/readyz")
"""Files, and what probes ask often."""


class Buckets:
    """The buckets of many askers; of those who came last, and of so many at the most."""

    def __init__(self, most: int = ASKERS_MAX) -> None:
        self._most = most
        self._full_at: OrderedDict[bytes | str, float] = OrderedDict()

    def take(self, asker: bytes | str, a_minute: int, now: float) -> float:
        """Seconds until this asker may come again; 0 when now, which is then counted."""
        full_at = max(self._full_at.get(asker, now), now) + MINUTE_S / a_minute
        if (wait_s := full_at - now - MINUTE_S) > ROUNDING_S:
            self._full_at.move_to_end(asker)
            return wait_s
        self._full_at[asker] = full_at
        self._full_at.move_to_end(asker)
        if len(self._full_at) > self._most:
            self._full_at.popitem(last=False)
        return 0.0

    def __len__(self) -> int:
        return len(self._full_at)


class Rates:
    """Refuses whoever comes too often, with the time to come again. Whoever sits at this machine is not counted."""

    def __init__(self, app: ASGIApp, *, a_minute: int) -> None:
        self.app = app
        self.a_minute = a_minute
        self.buckets = Buckets()
        self._warned = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or refuse."""
        wait_s = 0.0
        if self.a_minute and scope["type"] == "http" and not scope["path"].startswith(FREE):
            wait_s = self.wait(Request(scope), monotonic())
        if wait_s:
            refusal = TooMany(
                f"You ask more often than {self.a_minute:,} times a minute.",
                todo=f"Come again in {ceil(wait_s)} seconds." if wait_s > 1 else "Come again in a second.",
            )
            answer = respond(Request(scope), refusal)
            answer.headers["Retry-After"] = str(ceil(wait_s))
            await answer(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def wait(self, request: Request, now: float) -> float:
        """Seconds to wait, 0 for none. What somebody calls himself counts beside his address, never in its place."""
        if is_near(request):
            return 0.0
        wait_s = self.buckets.take(address_of(request), self.a_minute * OF_AN_ADDRESS, now)
        if wait_s and is_proxied(request) and not self._warned:
            self._warned = True
            log.warning("rates.proxy many askers come as one address: name the proxy in FORWARDED_ALLOW_IPS")
        if not wait_s and (secret := secret_of(request)):
            wait_s = self.buckets.take(hashlib.sha256(secret.encode()).digest(), self.a_minute, now)
        return wait_s


def address_of(request: Request) -> str:
    """The client's address; of IPv6 the /64, which is what one subscriber line has."""
    host = request.client.host if request.client else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(address) if address.version == 4 else str(ipaddress.ip_network((address, 64), strict=False))


def secret_of(request: Request) -> str:
    """The token or the session that came, right or wrong."""
    if given := request.headers.get("authorization"):
        return given
    try:
        cookies = SimpleCookie(request.headers.get("cookie", ""))
    except CookieError:
        return ""
    return next((cookies[name].value for name in (f"__Host-{COOKIE}", COOKIE) if name in cookies), "")
