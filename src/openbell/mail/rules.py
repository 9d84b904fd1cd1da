"""What the process that sends was told about mail, and who may be written to under it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from email.utils import parseaddr

PER_DOMAIN = 10
"""Mails a minute to the addresses of one domain, where nothing else is said. Large providers tell no figures."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How mail leaves this process.

    ``environment`` is compared with what the database is stamped with. ``sender`` is the From of every mail:
    ``Openbell <mail@example.com>``. ``home`` is where the pages are for those who get mail. ``allowed`` are the only
    addresses that staging writes to, lower case; None allows all. In a dry run all of it goes to ``dry_run_to``;
    ``dry_run`` without such an address sends nothing.
    """

    environment: str = "development"
    sender: str | None = field(default=None, repr=False)
    home: str | None = None
    dry_run: bool = False
    dry_run_to: str | None = field(default=None, repr=False)
    allowed: frozenset[str] | None = field(default=None, repr=False)
    per_minute: int = 30
    per_day: int | None = None
    per_domain: int = PER_DOMAIN

    @property
    def sender_address(self) -> str:
        """The address in the sender."""
        return parseaddr(self.sender or "")[1]

    @property
    def domain(self) -> str:
        """The domain that mails come from."""
        return self.sender_address.rpartition("@")[2].lower()
