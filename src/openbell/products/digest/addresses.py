"""When two addresses, or two titles, are the same article (DG-4). Pure; no address is asked for here.

Only parameters that are known to track readers are removed from an address: whatever else is in it may choose the page.
So two pages are never taken for one because of their addresses; the same page under two addresses may stay two, until
publisher and title tell.
"""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit, urlunsplit

from rapidfuzz import fuzz

TRACKING = frozenset(
    (
        "fbclid", "gclid", "gclsrc", "dclid", "gbraid", "wbraid", "msclkid", "twclid", "ttclid", "yclid", "igshid",
        "igsh", "li_fat_id", "mc_cid", "mc_eid", "_hsenc", "_hsmi", "hsctatracking", "mkt_tok", "oly_anon_id",
        "oly_enc_id", "vero_conv", "vero_id", "wickedid", "rb_clickid", "s_cid", "ns_campaign", "ns_mchannel",
        "ns_source", "ns_linkname", "ns_fee", "cmpid", "guccounter", "guce_referrer", "guce_referrer_sig", ".tsrc",
        "tsrc", "ncid", "sr_share", "smid", "smtyp", "taid", "soc_src", "soc_trk", "xtor", "spm", "_ga", "_gl",
        "epik", "srsltid", "ocid", "__twitter_impression", "fb_action_ids", "fb_action_types", "fb_source",
    )
)  # fmt: skip
"""Parameters that only say by whom or through what a reader came. `ref`, `id`, `p`, `page` and their like stay."""
TRACKING_PREFIXES = ("utm_", "pk_", "mtm_", "hsa_", "itm_", "at_custom", "at_medium", "at_campaign")

_PORTS = {"http": ":80", "https": ":443"}


def canonical(address: str) -> str:
    """The address without what tracks its reader, in one spelling: https, host in lower case, no fragment.

    The scheme http becomes https, since no publisher shows different articles on both. Path, remaining parameters and
    their order stay exactly as they are. What is no web address comes back as it was.
    """
    try:
        parts = urlsplit(address.strip())
        host = (parts.hostname or "").rstrip(".")
        port = parts.port
    except ValueError:
        return address.strip()
    if parts.scheme.lower() not in _PORTS or not host:
        return address.strip()
    default = port in (None, 80, 443)
    where = f"[{host}]" if ":" in host else host
    scheme = "https" if default else parts.scheme.lower()
    kept = "&".join(pair for pair in parts.query.split("&") if pair and not is_tracking(pair.partition("=")[0]))
    return urlunsplit((scheme, where if default else f"{where}:{port}", parts.path or "/", kept, ""))


def is_tracking(name: str) -> bool:
    """Whether a parameter of an address only tracks its reader."""
    plain = unquote(name).lower()
    return plain in TRACKING or plain.startswith(TRACKING_PREFIXES)


def domain_of(address: str) -> str | None:
    """The host without `www.`; None for what is no web address."""
    try:
        host = urlsplit(address).hostname
    except ValueError:
        return None
    return host.rstrip(".").removeprefix("www.")[:253] if host else None


def title_key(title: str) -> str:
    """A title without case, punctuation and the marks of an update: `UPDATE 1-Apple rises` is `apple rises`."""
    bare = _UPDATE.sub("", title.strip())
    return " ".join(re.findall(r"[^\W_]+(?:[.,]\d+)*", bare.casefold()))


_UPDATE = re.compile(
    r"^(?:(?:update|correct(?:ed|ion)|refile|recast|wrapup|breaking|exclusive)\s*\d*\s*[-:]\s*)+", re.I
)

NEARLY = 88.0
"""From how alike two titles are one story, of 100: a short title and the same with one more word have about 90."""


def nearly(one: str, other: str) -> bool:
    """Whether two title keys say the same, but for their order or a word at an end. Numbers must all be the same."""
    if one == other:
        return True
    if not one or not other or _numbers(one) != _numbers(other):
        return False
    return fuzz.token_sort_ratio(one, other, score_cutoff=NEARLY) >= NEARLY


def _numbers(key: str) -> list[str]:
    return sorted(re.findall(r"\d+(?:[.,]\d+)*", key))
