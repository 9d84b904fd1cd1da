"""The replies of mail servers, as those of large providers have been captured (spec domain.md B8)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Reply:
    """A refusal. `at`: after RCPT TO, or after the final dot of DATA. `closes`: the connection ends with it."""

    at: Literal["rcpt", "data"]
    text: str
    closes: bool = False

    @property
    def code(self) -> int:
        """The reply code."""
        return int(self.text[:3])


REFUSALS: Mapping[str, Reply] = {
    "no_such_user": Reply("rcpt", "550 5.1.1 The email account that you tried to reach does not exist"),
    "mailbox_full": Reply("rcpt", "452 4.2.2 The recipient's inbox is out of storage space"),
    "mailbox_busy": Reply("rcpt", "450 4.2.1 The user is receiving mail too quickly, try again later"),
    "slow_down": Reply("rcpt", "421 4.7.28 Unusual rate of mail from your network, sending is limited", closes=True),
    "content_refused": Reply("data", "550 5.7.1 Message refused as likely unsolicited mail"),
    "unauthenticated": Reply("data", "550 5.7.26 Sender is unauthenticated: SPF or DKIM must pass"),
    "unauthenticated_microsoft": Reply("data", "550 5.7.515 Access denied, sending domain does not authenticate"),
    "slow_down_late": Reply("data", "421 4.7.28 Unusual rate of mail from your network, come back later", closes=True),
}
LOST = "lost"  # the connection ends after the final dot, and nothing was accepted; with `drop` it was
KINDS = frozenset((*REFUSALS, LOST))


def queued(queue_id: str) -> str:
    """The reply to a message that was accepted."""
    return f"250 2.0.0 OK: queued as {queue_id}"
