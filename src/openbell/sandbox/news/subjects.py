"""Who and what the invented news is about, and which invented papers print it.

Topics are companies, sectors and the economy at large. The companies are those of the sandbox and three more whose
symbols are common words. Publishers live below `.example`, which nobody can register.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from openbell.sandbox.companies import COMPANIES, Company

_SUFFIXES = (", Inc.", " Inc.", " Corporation", ", L.P.", " Co.")


@dataclass(frozen=True, slots=True)
class Topic:
    """What stories are about. `index` is its place in TOPICS and part of every article's identity.

    words      what a searcher types for it, lower case, besides the symbol
    size       usual quarterly revenue in billions of dollars, invented
    decoys     which bank of irrelevant stories its word attracts; empty for none
    """

    index: int
    kind: str  # company, sector or macro
    symbol: str
    name: str
    full_name: str
    sector: str
    products: Sequence[str] = ()
    words: Sequence[str] = ()
    size: float = 1.0
    decoys: str = ""


@dataclass(frozen=True, slots=True)
class Publisher:
    """An invented paper. `wire`: others copy it. `paywall`: two paragraphs are free. `banner`: asks about cookies."""

    name: str
    domain: str
    wire: bool = False
    paywall: bool = False
    banner: bool = False
    tracking: str = ""  # what it adds to the addresses it gives away


PUBLISHERS: Sequence[Publisher] = (
    Publisher("Lantern Wire", "lanternwire.example", wire=True),
    Publisher("Port & Sound Press Agency", "portsound.example", wire=True),
    Publisher("The Dockside Ledger", "docksideledger.example", banner=True),
    Publisher("Fenwick Street Journal of Trade", "fenwickstreet.example", paywall=True),
    Publisher(
        "Northgate Evening Post", "northgatepost.example", banner=True, tracking="utm_source=rss&utm_medium=feed"
    ),
    Publisher("Tallow Hill Markets", "tallowhill.example", tracking="utm_campaign=syndication&guccounter=1"),
    Publisher("Copper Kettle Finance", "copperkettle.example"),
    Publisher("Hedgerow Tech Review", "hedgerowtech.example", banner=True),
    Publisher("Quarter Bell", "quarterbell.example", tracking="ref=news&cmpid=qb-rss"),
    Publisher("Le Courrier des Marchés", "courriermarches.example"),
    Publisher("Broadwater Business Weekly", "broadwaterweekly.example", paywall=True, banner=True),
    Publisher("Seven Gables Investor", "sevengables.example", tracking="fbclid=IwSynthetic"),
)

SECTOR_WORDS: Mapping[str, str] = {
    "Technology": "technology",
    "Communication Services": "internet and media",
    "Industrials": "industrial",
    "Healthcare": "healthcare",
    "Energy": "energy",
    "Utilities": "utility",
    "Basic Materials": "materials",
    "Consumer Defensive": "household goods",
    "Financial Services": "insurance and banking",
}

# symbol: (short name, products, search words, quarterly billions, decoys)
_DETAILS: Mapping[str, tuple[str, tuple[str, ...], tuple[str, ...], float, str]] = {
    "AAPL": ("Apple", ("tablet", "laptop line", "music service", "phone"), ("apple",), 39.2, "apple"),
    "FB": ("Facebook", ("timeline", "photo sharing app", "mobile ads"), ("facebook",), 1.3, "name"),
    "GOOG": ("Google", ("search engine", "mobile system", "video site", "map service"), ("google",), 13.9, "name"),
    "IBM": ("IBM", ("mainframe", "consulting arm", "analytics suite"), ("ibm",), 24.7, "name"),
    "MSFT": ("Microsoft", ("operating system", "office suite", "game console"), ("microsoft",), 20.9, "name"),
}
_INVENTED_PRODUCTS: Mapping[str, tuple[str, ...]] = {
    "Industrials": ("conveyor line", "pump series", "rail axle"),
    "Healthcare": ("insulin pen", "scanner", "allergy tablet"),
    "Energy": ("offshore platform", "pipeline", "gas terminal"),
    "Utilities": ("smart meter", "grid battery", "water plant"),
    "Basic Materials": ("copper mine", "resin plant", "fertiliser line"),
    "Consumer Defensive": ("oat drink", "detergent range", "frozen meals"),
}
_WORDY = (
    ("NET", "Cloudflare", "Cloudflare, Inc.", "Technology", ("edge network", "firewall"), 0.5, "net"),
    ("ALL", "Allstate", "The Allstate Corporation", "Financial Services", ("home policy", "motor policy"), 16.0, "all"),
    ("SPY", "SPDR S&P 500", "SPDR S&P 500 ETF Trust", "Financial Services", ("index fund",), 0.1, "spy"),
)


def _short(name: str) -> str:
    for suffix in _SUFFIXES:
        name = name.removesuffix(suffix)
    return name


def _company_topic(index: int, company: Company) -> Topic:
    plain = (_short(company.name), _INVENTED_PRODUCTS.get(company.sector, ("product line",)), (), 0.8, "")
    name, products, words, size, decoys = _DETAILS.get(company.symbol, plain)
    return Topic(
        index=index,
        kind="company",
        symbol=company.symbol,
        name=name,
        full_name=company.name,
        sector=company.sector,
        products=products,
        words=words or (name.lower(),),
        size=size,
        decoys=decoys,
    )


def _wordy_topic(index: int, row: tuple[str, str, str, str, tuple[str, ...], float, str]) -> Topic:
    symbol, name, full_name, sector, products, size, decoys = row
    return Topic(index, "company", symbol, name, full_name, sector, products, (name.lower(),), size, decoys)


def _topics() -> tuple[Topic, ...]:
    companies = [_company_topic(index, company) for index, company in enumerate(COMPANIES.values())]
    companies += [_wordy_topic(len(companies) + n, row) for n, row in enumerate(_WORDY)]
    first = len(companies)
    sectors = [
        Topic(first + n, "sector", "", f"{word} companies", sector, sector, words=(word,))
        for n, (sector, word) in enumerate(SECTOR_WORDS.items())
    ]
    last = first + len(sectors)
    return (*companies, *sectors, Topic(last, "macro", "", "the economy", "the economy", "", words=("economy",)))


TOPICS: Sequence[Topic] = _topics()
BY_SYMBOL: Mapping[str, Topic] = {topic.symbol: topic for topic in TOPICS if topic.symbol}
BY_SECTOR: Mapping[str, Topic] = {topic.sector: topic for topic in TOPICS if topic.kind == "sector"}
MACRO: Topic = TOPICS[-1]
