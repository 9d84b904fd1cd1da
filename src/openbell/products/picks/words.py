"""The words that producer, schedule, API, pages and terminal share: how far an edition is, and what is shown instead.

pending ─▶ started ─▶ processing ─▶ sent_to_provider ─▶ parsing_response ─▶ complete
   └──────────┴───────────┴───────────────┴────────────────────┴──────────▶ error ─▶ pending (tried again)
"""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """How far an edition is. The database checks for the same words."""

    PENDING = "pending"
    STARTED = "started"
    PROCESSING = "processing"
    SENT = "sent_to_provider"
    PARSING = "parsing_response"
    COMPLETE = "complete"
    ERROR = "error"

    @property
    def is_live(self) -> bool:
        """Whether somebody works on it, or will."""
        return self not in (Status.COMPLETE, Status.ERROR)

    @property
    def step(self) -> str:
        """For people: what is being done."""
        return _STEPS[self]


_STEPS = {
    Status.PENDING: "waiting for its turn",
    Status.STARTED: "reading what is stored",
    Status.PROCESSING: "writing the question",
    Status.SENT: "the provider searches and writes",
    Status.PARSING: "checking the answer",
    Status.COMPLETE: "there",
    Status.ERROR: "failed",
}


class Reason(StrEnum):
    """Why an edition was asked for."""

    NEW_USER = "new_user"
    NEW_WEEK = "new_week"
    ERROR_RECOVERY = "error_recovery"
    MANUAL_TRIGGER = "manual_trigger"


class Kind(StrEnum):
    """What an edition is."""

    PERSONAL = "personal"
    IMPERSONAL = "impersonal"
    FIGURES = "figures"
    IMPORTED = "imported"
    STATIC = "static"


class Fallback(StrEnum):
    """Why something else is shown than this week's edition of this person."""

    COST = "cost_optimization"
    IN_PROGRESS = "generation_in_progress"
    CLAIM_FAILED = "claim_failed"
    SERVICE_ERROR = "service_error"

    @property
    def sentence(self) -> str:
        """For people."""
        return _SENTENCES[self]


_SENTENCES = {
    Fallback.COST: "No paid edition is made at the moment.",
    Fallback.IN_PROGRESS: "The new edition is being made.",
    Fallback.CLAIM_FAILED: "The new edition could not be queued.",
    Fallback.SERVICE_ERROR: "The new edition could not be made.",
}


class Answered(StrEnum):
    """What the generate call answers."""

    QUEUED = "generation_queued"
    IN_PROGRESS = "in_progress"
    COMPLETED = "already_completed"
