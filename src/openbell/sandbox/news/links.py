"""The opaque links of the news search, and their resolution in two steps.

Form of the identities, attributes and bodies: as public decoders of such links describe them (spec domain.md B5).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from typing import Any
from uuid import UUID

PROCEDURE = "Fbv4je"
GUARD = ")]}'\n\n"
IDS_MAX = 100
SIGNATURE_SECONDS = 86_400
_HEAD = b"\x08\x13\x22"  # in base64: CBMi
_MARK = "AU_yqL"
_SECRET = b"not a secret: whoever can read this can read the articles"


class BadForm(Exception):
    """The posted form is not a batch of known procedures."""


def opaque_id(uuid: UUID) -> str:
    """The identity of an article in links and guids."""
    filler = hashlib.sha512(uuid.bytes).digest()[:54]
    text = f"{_MARK}{_base64(uuid.bytes + filler)}".encode()
    return _base64(_HEAD + bytes([len(text)]) + text)


def uuid_of(identity: str) -> UUID | None:
    """The article's own identity; None when the link is not one of ours."""
    try:
        text = base64.urlsafe_b64decode(identity + "=" * (-len(identity) % 4)).removeprefix(_HEAD)[1:].decode("ascii")
        blob = text.removeprefix(_MARK)
        uuid = UUID(bytes=base64.urlsafe_b64decode(blob + "=" * (-len(blob) % 4))[:16])
    except (binascii.Error, ValueError):
        return None
    return uuid if opaque_id(uuid) == identity else None


def signature(identity: str, stamp: int) -> str:
    """What the article page gives out and the second step asks for."""
    return _base64(hmac.digest(_SECRET, f"{identity} {stamp}".encode(), "sha256"))


def wanted(form: str) -> list[tuple[str, int, str, str]]:
    """(identity, timestamp, signature, label) of each call in the `f.req` of a batch. Raises BadForm."""
    try:
        [calls] = json.loads(form)
        return [_wanted(call) for call in calls[:IDS_MAX]]
    except (ValueError, TypeError, IndexError, KeyError) as odd:
        raise BadForm from odd


def _wanted(call: list[Any]) -> tuple[str, int, str, str]:
    if call[0] != PROCEDURE:
        raise BadForm
    inner = json.loads(call[1])
    if inner[0] != "garturlreq":
        raise BadForm
    return str(inner[2]), int(inner[3]), str(inner[4]), str(call[3]) if len(call) > 3 else "generic"


def is_signed(identity: str, stamp: int, given: str, now: float) -> bool:
    """Whether the signature is ours and not too old."""
    fresh = 0 <= now - stamp <= SIGNATURE_SECONDS
    return fresh and hmac.compare_digest(given.encode(), signature(identity, stamp).encode())


def batch(results: list[tuple[str | None, str]]) -> bytes:
    """The guarded answer: (address, or None if there is none, and label) in the order given."""
    rows: list[list[Any]] = [
        ["wrb.fr", PROCEDURE, None, None, None, [3], label]
        if address is None
        else ["wrb.fr", PROCEDURE, json.dumps(["garturlres", address, 1]), None, None, None, label]
        for address, label in results
    ]
    rows += [["di", 23], ["af.httprm", 22, "-4242424242", 9]]
    return (GUARD + json.dumps(rows, separators=(",", ":"))).encode()


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
