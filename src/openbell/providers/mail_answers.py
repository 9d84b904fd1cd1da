"""What the answers of a mail server mean, and what is to be done about each (RFC 5321, RFC 3463, large providers).

The enhanced status (`5.7.26`) decides before the bare code (550): servers use 550 for an address that does not exist as
well as for a campaign that they take for spam, and confusing the two suppresses good addresses or goes on with a bad
campaign.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Literal

from openbell.engine.errors import Permanent, ProducerError, ProviderStopped, RateLimited, Transient

Stage = Literal["connect", "login", "sender", "recipient", "data", "content"]
"""What was asked when the answer came: the greeting and encryption, AUTH, MAIL FROM, RCPT TO, DATA, the final dot."""

BUSY_PAUSE = timedelta(minutes=30)
"""RFC 5321, 4.5.4.1: who is told to come later waits at least so long."""
SLOW_PAUSE = timedelta(minutes=15)
STOP_PAUSE = timedelta(hours=1)
"""How soon a server is tried again that an operator has to set right: each try costs reputation."""

_ENHANCED = re.compile(r"(?:^|\n|\s|#)([245])\.(\d{1,3})\.(\d{1,3})(?!\d|\.\d)")
_UNAUTHENTICATED = frozenset({(7, 26), (7, 27), (7, 30), (7, 515)})
_NO_ROOM = frozenset({(2, 2), (2, 3), (3, 4)})


class AddressRefused(Permanent):
    """There is no such address, or it takes no mail: it is to be suppressed, the campaign goes on."""

    code = "address_refused"


class CampaignStopped(Permanent):
    """Content, sender or reputation is refused: more of this campaign would make it worse. Stop it and alert."""

    code = "content_refused"


def judge(stage: Stage, code: int, text: str, shown: str) -> ProducerError:
    """The error that a refusal (400 to 599) stands for; ``shown`` is its text as people may see it.

    =====================================  ==========================================================
    unauthenticated mail (5.7.26, 5.7.515)  the provider stops: SPF, DKIM or DMARC is missing
    421, or 4.7.28 with any code            everybody slows down
    refused login, or login required        the provider stops: credentials
    400 to 499                              this mail again in half an hour
    relaying refused                        the provider stops: the relay does not know us
    550 5.1.1 and such at the recipient     :class:`AddressRefused`
    policy, content, sender                 :class:`CampaignStopped`
    too large, anything else                this mail will not go
    =====================================  ==========================================================
    """
    found = next((one for one in _ENHANCED.finditer(text) if int(one[1]) == code // 100), None)
    status = (int(found[2]), int(found[3])) if found else (0, 0)
    said = f"The mail server answered at {stage}: {code} {shown}".rstrip()
    if status in _UNAUTHENTICATED and code >= 500:
        return _stopped(f"{said}. Set up SPF, DKIM and DMARC for the sender.", "authentication_missing")
    if code == 421 or (code < 500 and status == (7, 28)):
        return RateLimited(f"{said}. Everybody sends more slowly.", code="slow_down", retry_after=SLOW_PAUSE)
    if code < 500:
        busy = "mailbox_busy" if stage == "recipient" else "server_busy"
        return Transient(f"{said}. It is tried again.", code=busy, retry_after=BUSY_PAUSE)
    if stage == "login" or code in (530, 534, 535, 538):
        return _stopped(f"{said}. Check SMTP_USER and SMTP_PASSWORD.", "bad_credentials")
    if stage == "connect":
        return _stopped(f"{said}. It does not talk to us; ask its operator.", "server_refuses")
    if stage == "recipient" and "relay" in text.lower():
        return _stopped(f"{said}. The server does not send for us; check its settings.", "relay_denied")
    if status in _NO_ROOM or code == 552:
        return Permanent(f"{said}. The mail is too large or the mailbox full.", code="no_room")
    return _final(stage, code, status[0], said)


def _stopped(sentence: str, code: str) -> ProviderStopped:
    return ProviderStopped(sentence, code=code, retry_after=STOP_PAUSE)


def _final(stage: Stage, code: int, kind: int, said: str) -> ProducerError:
    about_address = kind in (1, 2, 4) or (kind == 0 and stage == "recipient" and code in (550, 551, 553))
    if stage == "sender":
        stop = f"{said}. Nothing more is sent from this sender until somebody has looked."
        return CampaignStopped(stop, code="sender_refused")
    if about_address:
        return AddressRefused(f"{said}. The address is to be suppressed.")
    if kind == 7 or (kind in (0, 6) and stage in ("data", "content")) or code == 554:
        return CampaignStopped(f"{said}. Nothing more of this campaign is sent until somebody has looked.")
    return Permanent(f"{said}. This mail is not sent.", code="mail_refused")
