"""Who the symbols are: five real companies as they were in 2012, and 500 invented ones for load.

The facts about the real ones are public; the descriptions are our own. Unknown facts are left empty, as the provider
does. Every description says that it is sandbox data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from openbell.sandbox.replay import Invented

INVENTED_COUNT = 500
_EXCHANGES = {"NASDAQ": "NASDAQ Global Select", "NYSE": "New York Stock Exchange", "SYNX": "Synthetic Exchange"}
_NOTE = "Sandbox data: not for investment use."


@dataclass(frozen=True, slots=True)
class Company:
    """What `profile` and the searches tell about a symbol. `shares` is an approximate count for the market value."""

    symbol: str
    name: str
    exchange: str
    shares: int
    about: str
    sector: str = ""
    industry: str = ""
    cik: str = ""
    isin: str = ""
    cusip: str = ""
    website: str = ""
    ceo: str = ""
    employees: str = ""
    phone: str = ""
    address: str = ""
    city: str = ""
    state: str = ""
    zip: str = ""
    country: str = "US"
    currency: str = "USD"
    ipo_date: str = ""
    beta: float = 1.0
    last_dividend: float = 0.0
    invented: bool = False

    @property
    def exchange_name(self) -> str:
        """The exchange in full."""
        return _EXCHANGES[self.exchange]

    @property
    def description(self) -> str:
        """What it does, and that this is sandbox data."""
        return f"{self.about} {_NOTE}"


_REAL = (
    Company(
        symbol="AAPL",
        name="Apple Inc.",
        exchange="NASDAQ",
        shares=935_000_000,
        about="Designs phones, tablets, computers and music players and sells software and media.",
        sector="Technology",
        industry="Consumer Electronics",
        cik="0000320193",
        isin="US0378331005",
        cusip="037833100",
        website="https://www.apple.com",
        ceo="Timothy D. Cook",
        employees="72800",
        phone="408 996 1010",
        address="1 Infinite Loop",
        city="Cupertino",
        state="CA",
        zip="95014",
        ipo_date="1980-12-12",
        beta=1.2,
        last_dividend=10.6,
    ),
    Company(
        symbol="FB",
        name="Facebook, Inc.",
        exchange="NASDAQ",
        shares=2_140_000_000,
        about="Runs a social network and sells advertising on it; listed since 18 May 2012.",
        sector="Communication Services",
        industry="Internet Content & Information",
        cik="0001326801",
        isin="US30303M1027",
        cusip="30303M102",
        website="https://www.facebook.com",
        ceo="Mark Zuckerberg",
        employees="4619",
        phone="650 543 4800",
        address="1 Hacker Way",
        city="Menlo Park",
        state="CA",
        zip="94025",
        ipo_date="2012-05-18",
    ),
    Company(
        symbol="GOOG",
        name="Google Inc.",
        exchange="NASDAQ",
        shares=327_000_000,
        about="Runs a search engine, a video site and a mobile system, paid for by advertising.",
        sector="Communication Services",
        industry="Internet Content & Information",
        cik="0001288776",
        isin="US38259P5089",
        cusip="38259P508",
        website="https://www.google.com",
        ceo="Larry Page",
        employees="53861",
        phone="650 253 0000",
        address="1600 Amphitheatre Parkway",
        city="Mountain View",
        state="CA",
        zip="94043",
        ipo_date="2004-08-19",
        beta=1.1,
    ),
    Company(
        symbol="IBM",
        name="International Business Machines Corporation",
        exchange="NYSE",
        shares=1_130_000_000,
        about="Sells computing services, software and large computers to companies and states.",
        sector="Technology",
        industry="Information Technology Services",
        cik="0000051143",
        isin="US4592001014",
        cusip="459200101",
        website="https://www.ibm.com",
        ceo="Virginia M. Rometty",
        employees="434246",
        phone="914 499 1900",
        address="1 New Orchard Road",
        city="Armonk",
        state="NY",
        zip="10504",
        beta=0.7,
        last_dividend=3.4,
    ),
    Company(
        symbol="MSFT",
        name="Microsoft Corporation",
        exchange="NASDAQ",
        shares=8_380_000_000,
        about="Sells operating systems, office programs, servers and game consoles.",
        sector="Technology",
        industry="Software - Infrastructure",
        cik="0000789019",
        isin="US5949181045",
        cusip="594918104",
        website="https://www.microsoft.com",
        ceo="Steven A. Ballmer",
        employees="94000",
        phone="425 882 8080",
        address="One Microsoft Way",
        city="Redmond",
        state="WA",
        zip="98052",
        ipo_date="1986-03-13",
        beta=0.9,
        last_dividend=0.8,
    ),
)

_SECTORS = ("Industrials", "Healthcare", "Energy", "Utilities", "Basic Materials", "Consumer Defensive")


def _invented_company(number: int) -> Company:
    return Company(
        symbol=f"SYN{number:03d}",
        name=f"Synthetic Company {number:03d}",
        exchange="SYNX",
        shares=10_000_000 * (1 + number * 7 % 90),
        about="An invented company whose prices are derived from those of a real one.",
        sector=_SECTORS[number % len(_SECTORS)],
        industry="Invented",
        invented=True,
    )


def _derivation(number: int) -> Invented:
    base = ("AAPL", "IBM", "MSFT")[number % 3]
    return Invented(base=base, lag=number * 5 % 251, scale=round(0.2 + number * 37 % 100 / 50, 2))


_NUMBERS = range(1, INVENTED_COUNT + 1)

COMPANIES: Mapping[str, Company] = {
    company.symbol: company for company in (*_REAL, *(_invented_company(n) for n in _NUMBERS))
}
INVENTED: Mapping[str, Invented] = {f"SYN{n:03d}": _derivation(n) for n in _NUMBERS}
