"""A mail server that answers as scripted and keeps what arrived.

answers knows the replies, mails what is kept of a message and whether its signature holds; simulator speaks SMTP.
"""

from openbell.sandbox.smtp.simulator import Smtp

__all__ = ["Smtp"]
