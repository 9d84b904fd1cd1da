"""Mail addresses: one spelling for one mailbox, so that a person is one identity."""

from __future__ import annotations

import hashlib

from openbell.people.errors import InvalidAddress

LONGEST = 254


def normalise(text: str) -> str:
    """The one spelling of an address: lower case, the domain in ASCII. Nothing is asked of the network.

    Local parts are compared without case, as every large provider does; dots and `+tags` are left alone, because what
    they mean differs. Raises :class:`InvalidAddress`.
    """
    # Imported late: it brings a table of names, and most processes never check an address.
    from email_validator import EmailNotValidError, validate_email  # noqa: PLC0415

    written = text.strip()
    if len(written) > LONGEST:
        raise InvalidAddress(f"A mail address has at most {LONGEST} characters.")
    try:
        found = validate_email(written, check_deliverability=False, allow_smtputf8=False)
    except EmailNotValidError as error:
        raise InvalidAddress(f"That is no mail address: {error}") from None
    return str(found.ascii_email).lower()


def fingerprint(address: str) -> bytes:
    """What is kept of an address where the address itself must not be: SHA-256 of its normalised spelling."""
    return hashlib.sha256(address.encode()).digest()


def hidden(address: str | None) -> str:
    """An address as logs and lists of others may show it: ``j…@example.com``."""
    if not address:
        return "erased"
    local, _, domain = address.partition("@")
    return f"{local[:1]}…@{domain}"
