"""Which addresses from outside may be asked: what a link may look like, and which networks are nobody's to ask.

Pure judgement, without a socket; outbound.py acts on it. The networks are those of the IANA special-purpose registries
(RFC 6890 and its updates). Whatever carries an IPv4 address within an IPv6 one (mapped, 6to4, Teredo, NAT64) is refused
as a whole: nothing public needs it, and it is how a private address is dressed up.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

import httpx

from openbell.engine.errors import Permanent

Ip = IPv4Address | IPv6Address
HostPort = tuple[str, int]

LONGEST = 4_000
PORTS = {"http": 80, "https": 443}

_SPECIAL = [
    (ip_network(network), what)
    for network, what in (
        ("0.0.0.0/8", "this network"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "shared by a carrier's customers"),
        ("127.0.0.0/8", "this machine"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved"),
        ("192.0.2.0/24", "documentation"),
        ("192.31.196.0/24", "reserved"),
        ("192.52.193.0/24", "reserved"),
        ("192.88.99.0/24", "a 6to4 relay"),
        ("192.168.0.0/16", "private"),
        ("192.175.48.0/24", "reserved"),
        ("198.18.0.0/15", "benchmarking"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
        ("2001::/23", "reserved"),
        ("2001:db8::/32", "documentation"),
        ("2002::/16", "6to4"),
        ("2620:4f:8000::/48", "reserved"),
        ("3fff::/20", "documentation"),
    )
]
_GLOBAL_V6 = ip_network("2000::/3")
_HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
_NUMERIC = re.compile(r"(.*\.)?(0x[0-9a-f]*|[0-9]+)")


def special(address: Ip) -> str | None:
    """What an address is that is not to be asked, in words; None for one of the public internet."""
    if isinstance(address, IPv6Address) and address not in _GLOBAL_V6:
        return "this machine" if address.is_loopback else "not of the public IPv6 range"
    for network, what in _SPECIAL:
        if address in network:
            return what
    return None


def check_url(text: str, allowed: Collection[HostPort] = ()) -> httpx.URL:
    """The address, if its form is one that may be asked. Raises :class:`Permanent` with the code `refused_url`.

    http and https only, no credentials, the scheme's own port unless (host, port) is ``allowed``. A host must be a name
    or a plainly written IP address: programs read `127.1`, `0x7f.0.0.1` and `2130706433` differently.
    """
    if len(text) > LONGEST or not text.isprintable() or "\\" in text or " " in text:
        raise _refused(text, "is not a plain web address")
    try:
        split, url = urlsplit(text), httpx.URL(text)
        host, port = url.raw_host.decode("ascii"), url.port or PORTS.get(url.scheme, 0)
    except (httpx.InvalidURL, ValueError) as error:
        raise _refused(text, "is not a web address") from error
    if url.scheme not in PORTS:
        raise _refused(text, "is neither http nor https")
    if "@" in split.netloc:
        raise _refused(text, "carries credentials")
    if literal(host) is None and (not _HOST.fullmatch(host) or _NUMERIC.fullmatch(host)):
        raise _refused(text, "has a host that is neither a name nor a plainly written IP address")
    if port != PORTS[url.scheme] and (host, port) not in allowed:
        raise _refused(text, f"asks for port {port}; only 80 for http and 443 for https are asked")
    return url.copy_with(fragment=None)


def literal(host: str) -> Ip | None:
    """The IP address that a host is, written in full; None for a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def _refused(text: str, why: str) -> Permanent:
    shown = "".join(letter if letter.isprintable() else "?" for letter in text[:100])
    shown = re.sub(r"//[^/]*@", "//…@", shown)
    return Permanent(f"The address {shown!r} {why}; it is not fetched.", code="refused_url")
