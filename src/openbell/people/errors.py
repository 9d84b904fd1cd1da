"""What can be wrong about people.

::

    PeopleError         code, and a sentence
    ├── UnknownPerson   nobody of that id or address
    ├── InvalidAddress  no mail address that we could send to
    ├── StateRefused    the state table has no such step
    ├── FollowRefused   a ticker that is not known, not clear, or one too many; with suggestions
    ├── LinkRefused     a one-time link that is used, too old or unknown
    └── NoCredit        the credits of the month are used up
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from openbell.engine.errors import EngineError


class PeopleError(EngineError):
    """Base of all errors about people."""

    code = "people_error"


class UnknownPerson(PeopleError):
    """Nobody of that id or address."""

    code = "unknown_person"

    def __init__(self, who: str) -> None:
        super().__init__(f"There is nobody {who}: `openbell people list` shows who there is.")


class InvalidAddress(PeopleError):
    """No mail address that we could send to."""

    code = "invalid_address"


class StateRefused(PeopleError):
    """The state table has no such step."""

    code = "state_refused"


class FollowRefused(PeopleError):
    """A ticker that is not known (`unknown_ticker`), not clear (`ambiguous_ticker`), or one too many (`limit_reached`).

    ``candidates`` are (symbol, name) that may have been meant.
    """

    def __init__(self, message: str, code: str, candidates: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.candidates = list(candidates)


class LinkRefused(PeopleError):
    """A one-time link that is `link_used`, `link_expired` or `link_unknown`."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class NoCredit(PeopleError):
    """The credits of the month are used up; new ones come at ``resets_at``."""

    code = "no_credits"

    def __init__(self, message: str, resets_at: datetime) -> None:
        super().__init__(message)
        self.resets_at = resets_at
