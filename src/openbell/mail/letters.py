"""Letters: subject, HTML and text of one mail, drawn from a pair of templates on the base layout."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import jinja2

UNSUBSCRIBE = "%%UNSUBSCRIBE%%"
"""Where each recipient's own link to unsubscribe is put when the mail is sent."""
ACCOUNT = "%%ACCOUNT%%"
LINK = "%%LINK%%"
HOME = "%%HOME%%"
"""Where this instance is on the web, told by the process that sends."""

LONGEST_SUBJECT = 200
LARGEST = 2_000_000
"""Bytes of a letter with its images at most."""

DISCLAIMER = (
    "Information, not investment advice. Figures may be late or wrong; each tells its source and its time. "
    "Decide for yourself, or ask somebody who is licensed to advise you."
)


@dataclass(frozen=True, slots=True)
class Image:
    """A picture inside a mail, which its HTML names ``cid:NAME``."""

    type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Letter:
    """What a mail says. ``images`` are by content id. Raises ``ValueError`` for what no mail can hold."""

    subject: str
    html: str = field(repr=False)
    text: str = field(repr=False)
    images: Mapping[str, Image] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if (
            not self.subject.strip()
            or len(self.subject) > LONGEST_SUBJECT
            or re.search(r"[\x00-\x1f\x7f]", self.subject)
        ):
            raise ValueError(f"a subject is one line of 1 to {LONGEST_SUBJECT} characters")
        size = len(self.html) + len(self.text) + sum(len(one.data) for one in self.images.values())
        if not self.text.strip() or size > LARGEST or "\x00" in self.html + self.text:
            raise ValueError(f"a letter has a text, and at most {LARGEST:,} bytes")
        if bad := [name for name in self.images if not re.fullmatch(r"[a-z0-9-]{1,40}", name)]:
            raise ValueError(
                f"{bad[0][:40]!r} is no name for an image; it takes lower-case letters, digits and hyphens"
            )

    def stored_images(self) -> dict[str, dict[str, str]]:
        """As the database keeps them."""
        return {
            name: {"type": one.type, "data": base64.b64encode(one.data).decode()} for name, one in self.images.items()
        }

    @property
    def hash(self) -> bytes:
        """The same for two letters that say the same."""
        parts = [self.subject, self.html, self.text, self.stored_images()]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).digest()


def images_of(stored: Mapping[str, Mapping[str, str]]) -> dict[str, Image]:
    """The images as :meth:`Letter.stored_images` has stored them."""
    return {name: Image(one["type"], base64.b64decode(one["data"])) for name, one in stored.items()}


@cache
def environment(package: str = "openbell.mail") -> jinja2.Environment:
    """The templates of a package beside those of this one: HTML is escaped, text is not, a missing name is an error."""
    folders = dict.fromkeys((package, "openbell.mail"))
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader([str(files(one).joinpath("templates")) for one in folders]),
        autoescape=jinja2.select_autoescape(("html",), default_for_string=True),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


def render(
    name: str,
    *,
    subject: str,
    package: str = "openbell.mail",
    images: Mapping[str, Image] | None = None,
    listed: bool = False,
    why: str = "",
    instance: str = "Openbell",
    **values: Any,
) -> Letter:
    """The letter of the templates ``NAME.html`` and ``NAME.txt`` of a package, which extend `base.html` and `base.txt`.

    ``why`` says to the reader why this mail comes; ``listed`` puts the link to unsubscribe below it.
    """
    given = values | {
        "subject": subject,
        "instance": instance,
        "why": why,
        "listed": listed,
        "disclaimer": DISCLAIMER,
        "unsubscribe": UNSUBSCRIBE,
        "account": ACCOUNT,
        "link": LINK,
        "home": HOME,
    }
    made = environment(package)
    html, text = (made.get_template(f"{name}.{form}").render(given) for form in ("html", "txt"))
    return Letter(subject, html, re.sub(r"\n{3,}", "\n\n", text).strip() + "\n", images or {})


_LINKS: Mapping[str, dict[str, Any]] = {
    "sign-in": {
        "subject": "Your link to sign in",
        "headline": "Sign in",
        "lead": "Somebody, most likely you, wants to sign in with this address. The link works once, for 15 minutes.",
        "action": "Sign in",
        "after": "If it was not you, do nothing: nobody can sign in without this mail.",
    },
    "confirm": {
        "subject": "Confirm your address",
        "headline": "Confirm your address",
        "lead": "Somebody, most likely you, signed up with this address. Nothing more is sent until you confirm it.",
        "action": "Confirm",
        "after": "If it was not you, do nothing: you will not hear from us again. The link works once, for three days.",
    },
}


def link_letter(kind: Literal["sign-in", "confirm"]) -> Letter:
    """The mail with a one-time link, which is put in when it is sent."""
    return render("link", **_LINKS[kind])
