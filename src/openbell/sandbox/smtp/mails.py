"""What is kept of a message, and whether its DKIM signature holds. Pure, but for the store."""

from __future__ import annotations

import email
import email.policy
from collections import Counter
from collections.abc import Iterable, Mapping
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from typing import Any

import dkim

from openbell.sandbox.journal import Store

MAILS_PER_ANSWER_MAX = 1_000
_MAIL, _KEY, _CLEARED = "mail", "dkim", "cleared"


class Mailbox:
    """Every accepted message in the order of arrival, and the DKIM keys that stand for DNS."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._last = max((mail["n"] for mail in store.all(_MAIL)), default=0)

    def keep(self, queue_id: str, received_at: int, sender: str, recipients: list[str], raw: bytes) -> None:
        """Keep an accepted message. `received_at` is in microseconds since the epoch."""
        self._last += 1
        head = {"n": self._last, "queue_id": queue_id, "received_at": received_at}
        envelope = {"from": sender, "to": recipients}
        self._store.put(_MAIL, queue_id, {**head, "envelope": envelope, "raw": raw.decode("latin-1")})

    def clear(self) -> int:
        """Show none of the messages so far any more. Returns how many there were."""
        count = sum(1 for _ in self._kept(0))
        self._store.put(_CLEARED, _CLEARED, self._last)
        return count

    def add_key(self, name: str, record: str) -> None:
        """What DNS would say about a name such as s1._domainkey.example.org."""
        self._store.put(_KEY, name.lower().rstrip("."), record)

    def as_json(self, since: int = 0, recipient: str = "") -> dict[str, Any]:
        """Messages with n > since, oldest first (at most 1,000: `more` tells), and how many each recipient got."""
        wanted = [m for m in self._kept(since) if not recipient or recipient.lower() in map(str.lower, _to(m))]
        keys = {name: self._store.get(_KEY, name) for name in self._key_names(wanted)}
        return {
            "mails": [described(mail, keys) for mail in wanted[:MAILS_PER_ANSWER_MAX]],
            "more": len(wanted) > MAILS_PER_ANSWER_MAX,
            "recipients": Counter(address for mail in self._kept(0) for address in _to(mail)),
        }

    def _kept(self, since: int) -> Iterable[dict[str, Any]]:
        cleared = self._store.get(_CLEARED, _CLEARED) or 0
        return (mail for mail in self._store.all(_MAIL) if mail["n"] > max(since, cleared))

    def _key_names(self, mails: Iterable[dict[str, Any]]) -> set[str]:
        names = {_key_name(dkim.DKIM(mail["raw"].encode("latin-1"))) for mail in mails}
        return {name for name in names if name and self._store.get(_KEY, name)}


def described(mail: Mapping[str, Any], keys: Mapping[str, Any]) -> dict[str, Any]:
    """A message as /_control/smtp/mails shows it: envelope, headers in their order, both bodies, signature, raw."""
    raw = mail["raw"].encode("latin-1")
    message = email.message_from_bytes(raw, policy=email.policy.default)
    return {
        **mail,
        "bytes": len(raw),
        "message_id": message.get("message-id"),
        "subject": message.get("subject"),
        "headers": [[name, str(value)] for name, value in message.items()],
        "text": _body(message, "plain"),
        "html": _body(message, "html"),
        "dkim": signature(raw, keys),
    }


def signature(raw: bytes, keys: Mapping[str, Any]) -> dict[str, Any]:
    """The first DKIM signature (RFC 6376): result none, pass, fail or no_key; what it covers."""
    checked = dkim.DKIM(raw)
    name = _key_name(checked)
    if name is None:
        return {"result": "fail" if checked.present() else "none"}
    about = {
        "domain": checked.domain.decode(),
        "selector": checked.selector.decode(),
        "signed_headers": [header.decode() for header in checked.include_headers],
    }
    if name not in keys:
        return {"result": "no_key", **about}
    try:
        holds = checked.verify(dnsfunc=lambda *_args, **_options: keys[name].encode())
    except dkim.DKIMException as broken:
        return {"result": "fail", "reason": str(broken), **about}
    return {"result": "pass" if holds else "fail", **about}


def message_id(raw: bytes) -> str | None:
    """The Message-ID, which stays the same when a message is sent again."""
    found = BytesHeaderParser().parsebytes(raw).get("message-id")
    return None if found is None else str(found).strip()


def _key_name(checked: Any) -> str | None:
    """Where the key of the first signature would be found; None without a signature that can be read."""
    try:
        if not checked.verify_headerprep():
            return None
    except dkim.DKIMException:
        return None
    return f"{checked.selector.decode()}._domainkey.{checked.domain.decode()}".lower()


def _to(mail: Mapping[str, Any]) -> list[str]:
    return list(mail["envelope"]["to"])


def _body(message: EmailMessage, kind: str) -> str | None:
    part = message.get_body((kind,))
    if part is None:
        return None
    try:
        return str(part.get_content()).replace("\r\n", "\n")
    except (LookupError, ValueError):
        return None  # an encoding that there is not
