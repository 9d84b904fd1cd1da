"""Every mail to a person: written as a letter, queued as a delivery, judged and sent through one gate.

letter ──▶ delivery (one a recipient, unique) ──▶ the task `mail-delivery` ──▶ the gate ──▶ providers/mail
"""

from openbell.mail.deliveries import Delivery, MailError, queue, queue_all
from openbell.mail.kinds import KINDS, Kind
from openbell.mail.letters import Letter, render

__all__ = ["KINDS", "Delivery", "Kind", "Letter", "MailError", "queue", "queue_all", "render"]
