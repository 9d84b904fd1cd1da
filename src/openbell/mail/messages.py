"""From a letter and its recipient to one message (RFC 5322), with what lists need (RFC 2919, RFC 2369, RFC 8058)."""

from __future__ import annotations

from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from urllib.parse import urlencode

from openbell.mail.gate import Facts
from openbell.mail.letters import ACCOUNT, HOME, LINK, UNSUBSCRIBE, Letter
from openbell.mail.rules import Rules

NAMES = {"digest": "Digests per ticker", "picks": "Weekly picks"}


def unsubscribe_address(home: str, token: str, name: str) -> str:
    """Where one recipient ends one list: personal, works without signing in, and only by POST."""
    return f"{home}/unsubscribe?{urlencode({'token': token, 'list': name})}"


def link_address(home: str, purpose: str, token: str) -> str:
    """Where a one-time link leads. The token is a fragment's neighbour nowhere: pages of links send no referrer."""
    return f"{home}/{purpose}/{token}"


def message(letter: Letter, found: Facts, rules: Rules, *, link: str = "", now: datetime) -> EmailMessage:
    """The message: text first, then HTML with its images. Each recipient's own links stand in it."""
    home = (rules.home or "").rstrip("/")
    listed = found.list is not None and found.mail_token is not None
    own = unsubscribe_address(home, found.mail_token or "", found.list or "") if listed else f"{home}/account"
    places = {UNSUBSCRIBE: own, ACCOUNT: f"{home}/account", LINK: link, HOME: home}
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = rules.sender, found.recipient, letter.subject
    made["Date"], made["Message-ID"] = format_datetime(now), found.message_id
    if listed:
        made["List-Id"] = f"{NAMES.get(found.list or '', found.list)} <{found.list}.{rules.domain}>"
        made["List-Unsubscribe"] = f"<{own}>"
        made["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    else:
        made["Auto-Submitted"] = "auto-generated"
    made.set_content(_filled(letter.text, places))
    made.add_alternative(
        _filled(letter.html, {place: _escaped(text) for place, text in places.items()}), subtype="html"
    )
    page = made.get_payload()[1]  # type: ignore[index]
    for name, image in letter.images.items():
        major, _, minor = image.type.partition("/")
        page.add_related(image.data, major, minor, cid=f"<{name}>", disposition="inline")  # type: ignore[union-attr]
    return made


def _filled(text: str, places: dict[str, str]) -> str:
    for place, value in places.items():
        text = text.replace(place, value)
    return text


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
