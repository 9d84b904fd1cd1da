"""Financial Modeling Prep, "stable" API (site.financialmodelingprep.com/developer/docs/stable).

GET only; the key travels in the header ``apikey``, never in the address. Every answer is a JSON array of rows, but for
the bulk ones, which are CSV.

* ``plans``      what a plan allows
* ``refusals``   what an answer means
* ``rows``       the traps of the rows: cut lists, rows of somebody else, pages, times without a zone
* ``client``     one call
* ``prices``, ``companies``, ``markets``   what to ask for, an endpoint a method
"""

from openbell.providers.fmp.client import open_http
from openbell.providers.fmp.companies import Companies
from openbell.providers.fmp.markets import Markets
from openbell.providers.fmp.plans import PLANS, limits
from openbell.providers.fmp.prices import Prices
from openbell.providers.fmp.refusals import read_answer, read_csv, refusal
from openbell.providers.fmp.rows import Row, Rows, every_page, instant, local_time, of


class Fmp(Prices, Companies, Markets):
    """Every endpoint of the service that openbell uses. Each raises what :meth:`get` raises."""


__all__ = [
    "PLANS",
    "Fmp",
    "Row",
    "Rows",
    "every_page",
    "instant",
    "limits",
    "local_time",
    "of",
    "open_http",
    "read_answer",
    "read_csv",
    "refusal",
]
