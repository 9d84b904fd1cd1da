"""Who may see a value: what a provider licenses for one's own use is for the operator alone (DC-10).

To everybody but the operator a reserved value (:mod:`openbell.products.licences`) is as if it were not there, with the
reason; what is not known to be allowed is not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from fastapi import Request

from openbell.engine.artifacts import Reading, Setback
from openbell.products.licences import is_reserved
from openbell.web.errors import WebError

WORDS = "Its provider licenses it for the operator's own use, so it is shown to nobody else here."


class PersonalLicence(WebError):
    """Somebody else than the operator asks for what only the operator may see."""

    status, code = 403, "personal_licence"

    def __init__(self) -> None:
        super().__init__(
            WORDS, todo="An operator signs in; one who holds a licence to display it sets DISPLAY_LICENCES."
        )


def withheld(reading: Reading) -> Reading:
    """The same without its value: nothing is known, and why."""
    return replace(
        reading, version=0, state="missing", value=None, checked_at=None, changed_at=None, source_time=None,
        fresh_until=None, stale_until=None, provenance={}, licence=reading.licence, cost_micro=0, job=None,
        setback=Setback(PersonalLicence.code, WORDS, reading.now, reading.now),
    )  # fmt: skip


def is_withheld(reading: Reading) -> bool:
    """Whether it was made by :func:`withheld`."""
    return reading.setback is not None and reading.setback.code == PersonalLicence.code


def open_part(readings: Iterable[Reading], held: Collection[str]) -> list[Reading]:
    """The readings as everybody may have them."""
    return [withheld(one) if is_reserved(one, held) else one for one in readings]


def held_by(request: Request) -> Collection[str]:
    """The providers whose data the operator says may be shown."""
    found: Collection[str] = request.app.state.config.display_licences
    return found


async def is_operator(request: Request) -> bool:
    """Whether whoever asks runs this instance; a token without the scope `operator` does not count."""
    from openbell.web.sign_in import is_local, person_of  # noqa: PLC0415 - it stands on modules that use this one

    person = await person_of(request)
    if person is None:
        return is_local(request)
    return person.is_admin and request.scope["state"]["scope"] != "person"


def proof(request: Request) -> bytes | None:
    """By what an operator was known, to be asked about while a stream is open; None for who sits at this machine."""
    from openbell.web.sign_in import proof_of  # noqa: PLC0415 - it stands on modules that use this one

    return None if request.scope["state"]["person"] is None else proof_of(request)


async def visible(request: Request, readings: Iterable[Reading]) -> list[Reading]:
    """The readings as whoever asks may have them."""
    found, held = list(readings), held_by(request)
    if not any(is_reserved(one, held) for one in found) or await is_operator(request):
        return found
    return open_part(found, held)


async def check(request: Request, reading: Reading) -> None:
    """Raises :class:`PersonalLicence` when whoever asks may not have this value."""
    if is_reserved(reading, held_by(request)) and not await is_operator(request):
        raise PersonalLicence
