"""What the service's answers mean: rows, or an error that says what to do about it.

What the service means by its errors is told apart here, because each wants another action: see :func:`refusal`.
"""

from __future__ import annotations

import csv
import io
from datetime import timedelta

from pydantic_core import from_json

from openbell.engine.errors import NotInPlan, Permanent, ProducerError, ProviderStopped, RateLimited, Transient
from openbell.providers.fmp.rows import Row

MOST_WORDS = 2_000
"""Characters of an answer in which a refusal is looked for; a page of HTML or a cut table says anything further on."""


def read_answer(status: int, body: bytes) -> list[Row] | ProducerError:
    """The rows of an answer, or the error that it stands for."""
    if status == 200:
        try:
            rows = from_json(body)
        except ValueError:
            return Transient("FMP answered with something that is not JSON", code="not_json")
        if isinstance(rows, list) and all(isinstance(row, dict) for row in rows):
            return rows
    return refusal(status, body.decode("utf-8", "replace"))


def read_csv(status: int, body: bytes) -> list[Row] | ProducerError:
    """The rows of a bulk answer, every value a string ("" where there is none), or the error that it stands for.

    A row with fewer or more values than there are columns shows that the answer was cut off: none of it is taken.
    """
    if status != 200:
        return refusal(status, body.decode("utf-8", "replace"))
    try:
        lines = list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error):
        return Transient("FMP answered with something that is not CSV", code="not_csv")
    if not lines or lines == [["[]"]]:
        return []
    columns, *rows = lines
    if len(columns) < 2 or columns[0].lstrip()[:1] in ("{", "[", "<"):
        return refusal(status, body[: 4 * MOST_WORDS].decode("utf-8", "replace"))
    rows = [row for row in rows if row]
    if len(set(columns)) < len(columns) or any(len(row) != len(columns) for row in rows):
        return Transient("FMP answered with a table whose rows do not fit its columns", code="not_csv")
    return [dict(zip(columns, row, strict=True)) for row in rows]


class CallLimit(RateLimited):
    """The limit of a minute or that of a day; FMP does not say which. A day ends at midnight in New York."""

    day_zone = "America/New_York"


_PAUSE = {"minute": timedelta(minutes=1), "day": timedelta(days=1)}
_REPROBE = timedelta(days=7)

_REFUSALS: tuple[tuple[str, int | None, type[ProducerError], str, timedelta | None, str], ...] = (
    ("invalid api key", 401, ProviderStopped, "bad_key", None, "FMP refuses the key; set FMP_API_KEY to a valid one"),
    ("suspended", None, ProviderStopped, "account_suspended", None, "FMP has suspended the account; ask FMP"),
    (
        "bandwidth limit",
        None,
        RateLimited,
        "bandwidth_used_up",
        _PAUSE["day"],
        "the bandwidth of 30 days at FMP is used up",
    ),
    ("limit reach", 429, CallLimit, "rate_limited", _PAUSE["minute"], "FMP says that its call limit is reached"),
    ("legacy endpoint", None, Permanent, "legacy_endpoint", None, "FMP has retired this endpoint; update openbell"),
    (
        "restricted endpoint",
        None,
        NotInPlan,
        "endpoint_not_in_plan",
        _REPROBE,
        "the FMP plan does not include this endpoint",
    ),
    (
        "exclusive endpoint",
        None,
        NotInPlan,
        "endpoint_not_in_plan",
        _REPROBE,
        "the FMP plan does not include this endpoint",
    ),
    (
        "special parameters",
        None,
        NotInPlan,
        "parameter_not_in_plan",
        _REPROBE,
        "the FMP plan does not allow this parameter",
    ),
    (
        "this value set for 'period'",
        None,
        NotInPlan,
        "parameter_not_in_plan",
        _REPROBE,
        "the FMP plan does not allow this period",
    ),
    (
        "premium query parameter",
        402,
        NotInPlan,
        "symbol_not_in_plan",
        _REPROBE,
        "the FMP plan does not include this symbol",
    ),
)
"""What the service writes (in any case), or the bare status that means it; the error; how long to leave it alone."""


def refusal(status: int, text: str) -> ProducerError:
    """What the service means by a refusal. Its words decide before the status, since limits also come with status 200.

    * bad key, suspended account: the provider stops until an operator acts
    * endpoint, symbol or parameter outside the plan: this key is left alone, others go on
    * calls or bandwidth used up: everybody pauses, nothing is lost
    * anything of 500 and above, or not JSON: try again later
    """
    said = text[:MOST_WORDS].lower()
    for words, _, error, code, retry_after, sentence in _REFUSALS:
        if words in said:
            return error(sentence, code=code, retry_after=retry_after)
    for _, bare_status, error, code, retry_after, sentence in _REFUSALS:
        if status == bare_status:
            return error(sentence, code=code, retry_after=retry_after)
    if status >= 500:
        return Transient(f"FMP is out of order (HTTP {status})", code="outage")
    if status == 200:
        return Transient("FMP answered with something else than rows", code="unexpected_answer")
    return Permanent(f"FMP refused the call (HTTP {status})", code=f"http_{status}")
