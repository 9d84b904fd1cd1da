"""Who may see what is made of a series that somebody brought: they themselves, and the operator.

To everybody else it is as if it were not there, whether there is a series of that name or not.
"""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import Request

from openbell.products.forecast.uploads import brought_in, owns
from openbell.web.errors import NotHere
from openbell.web.licence import is_operator


async def check(request: Request, keys: Iterable[tuple[str, str]]) -> None:
    """Raises NotHere unless every series that these products and keys name is of whoever asks."""
    names = {name for product, key in keys for name in brought_in(product, key)}
    if not names or await is_operator(request):
        return
    from openbell.web.api import database  # noqa: PLC0415 - it stands on this module
    from openbell.web.sign_in import person_of  # noqa: PLC0415 - as above

    person = await person_of(request)
    if person is not None:
        async with database(request).use() as db:
            if await owns(db, person.id, names):
                return
    raise NotHere("You have no series of that name.", todo="Whoever has brought it signs in.")
