"""Reference data: which companies digests are made for, and what stands beside them (DG-35).

It is changed by imports alone; nothing that makes digests writes here. A file is checked as a whole: one bad row and
nothing changes.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import asyncpg

from openbell.engine.database import Db
from openbell.products.digest.database import SQL
from openbell.products.digest.inputs import Category, Company, Direction
from openbell.products.keys import Symbol

COLUMNS = ("ticker", "name", "cik", "aliases", "industry", "competitors", "upstream", "downstream")
MOST_INDUSTRY, MOST_COMPETITORS, MOST_CHAIN, MOST_ALIASES = 3, 3, 2, 10
MOST_ROWS = 20_000
MOST_BYTES = 20 * 1024 * 1024
LONGEST = 200


@dataclass(frozen=True, slots=True)
class Reference:
    """One ticker: its company, keywords of its industry, and the companies beside it."""

    ticker: str
    name: str
    cik: int | None = None
    aliases: Sequence[str] = ()
    industry: Sequence[str] = ()
    competitors: Sequence[Company] = ()
    upstream: Sequence[Company] = ()
    downstream: Sequence[Company] = ()

    def as_row(self) -> dict[str, str]:
        """As a row of a file, by column."""
        return {
            "ticker": self.ticker,
            "name": self.name,
            "cik": "" if self.cik is None else str(self.cik),
            "aliases": "; ".join(self.aliases),
            "industry": "; ".join(self.industry),
            "competitors": _written(self.competitors),
            "upstream": _written(self.upstream),
            "downstream": _written(self.downstream),
        }


@dataclass(frozen=True, slots=True)
class FeedWish:
    """A feed that a ticker wants, and what the ticker has to do with it."""

    kind: str
    subject: str
    category: Category
    direction: Direction | None
    about: str


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import has changed, in tickers. With ``errors`` nothing has."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    errors: Sequence[str] = ()


def feeds_for(one: Reference) -> list[FeedWish]:
    """The feeds of a ticker: two for the company and for each competitor, one for a keyword and for each company up
    and down the chain; each feed once, under the first category that wants it.
    """
    wishes = [
        FeedWish("google", f"{_quoted(one.name)} stock when:7d", "company", None, one.name),
        FeedWish("yahoo", one.ticker, "company", None, one.name),
    ]
    wishes += [FeedWish("google", f"{_quoted(word)} when:7d", "industry", None, word) for word in one.industry]
    for rival in one.competitors:
        wishes.append(FeedWish("google", f"{_quoted(rival.name)} stock when:7d", "competitor", None, rival.name))
        if rival.ticker:
            wishes.append(FeedWish("yahoo", rival.ticker, "competitor", None, rival.name))
    ways: list[tuple[Direction, Sequence[Company]]] = [("upstream", one.upstream), ("downstream", one.downstream)]
    for direction, companies in ways:
        wishes += [
            FeedWish("google", f"{_quoted(c.name)} stock when:7d", "value_chain", direction, c.name) for c in companies
        ]
    unique: dict[tuple[str, str], FeedWish] = {}
    for wish in wishes:
        unique.setdefault((wish.kind, wish.subject), wish)
    return list(unique.values())


def _quoted(words: str) -> str:
    bare = words.replace('"', "")
    return f'"{bare}"' if " " in bare else bare


def read_rows(text: str) -> tuple[list[Reference], list[str]]:
    """The rows of a file, and a sentence for each that is none, with its line. A byte order mark is skipped."""
    if "\x00" in text:
        return [], ["the file holds a NUL: it is no CSV file"]
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    rows: list[Reference] = []
    errors: list[str] = []
    lines: dict[str, int] = {}
    try:
        header = [str(name).strip().lower() for name in reader.fieldnames or ()]
        if wrong := _wrong_header(header):
            return [], [wrong]
        reader.fieldnames = header
        for fields in reader:
            if len(rows) + len(errors) >= MOST_ROWS:
                return rows, [*errors, f"the file has more than {MOST_ROWS:,} rows"]
            try:
                one = _read_row(fields)
                if one.ticker in lines:
                    raise ValueError(f"{one.ticker} stands in line {lines[one.ticker]} already")
            except ValueError as error:
                errors.append(f"line {reader.line_num}: {error}")
            else:
                lines[one.ticker] = reader.line_num
                rows.append(one)
    except csv.Error as error:
        errors.append(f"line {reader.line_num}: {error}")
    return rows, errors


def _wrong_header(header: Sequence[str]) -> str | None:
    if missing := [name for name in ("ticker", "name") if name not in header]:
        return f"the first line must name the columns, and {' and '.join(missing)} is missing: {', '.join(COLUMNS)}"
    if unknown := [name for name in header if name not in COLUMNS]:
        return f"there is no column {unknown[0][:40]!r}; there are {', '.join(COLUMNS)}"
    return "a column stands twice" if len(set(header)) < len(header) else None


def _read_row(fields: dict[str, Any]) -> Reference:
    if None in fields or None in fields.values():
        raise ValueError(f"it has another number of fields than the first line ({len(COLUMNS)} with all columns)")
    given = {name: str(value).strip() for name, value in fields.items()}
    ticker = Symbol.parse(given["ticker"])
    cik = given.get("cik", "")
    if cik and not re.fullmatch(r"0*[1-9]\d{0,9}", cik):
        raise ValueError(f"{ticker}: the cik {cik[:20]!r} is no number of up to ten digits")
    return Reference(
        ticker=ticker,
        name=_name(given["name"], ticker),
        cik=int(cik) if cik else None,
        aliases=_list(given, "aliases", MOST_ALIASES, ticker),
        industry=_list(given, "industry", MOST_INDUSTRY, ticker),
        competitors=_companies(given, "competitors", MOST_COMPETITORS, ticker),
        upstream=_companies(given, "upstream", MOST_CHAIN, ticker),
        downstream=_companies(given, "downstream", MOST_CHAIN, ticker),
    )


def _name(text: str, ticker: str) -> str:
    if not text or len(text) > LONGEST or not text.isprintable():
        raise ValueError(f"{ticker}: a name has 1 to {LONGEST} printable characters")
    return text


def _list(given: dict[str, str], column: str, most: int, ticker: str) -> tuple[str, ...]:
    found = tuple(
        dict.fromkeys(_name(part.strip(), ticker) for part in given.get(column, "").split(";") if part.strip())
    )
    if len(found) > most:
        raise ValueError(f"{ticker}: {column} has {len(found)} entries, and at most {most} are used")
    return found


def _companies(given: dict[str, str], column: str, most: int, ticker: str) -> tuple[Company, ...]:
    found = []
    for part in _list(given, column, most, ticker):
        symbol, colon, name = part.partition(":")
        found.append(
            Company(name=_name(name.strip(), ticker), ticker=Symbol.parse(symbol)) if colon else Company(name=part)
        )
    return tuple(found)


def _written(companies: Iterable[Company]) -> str:
    return "; ".join(f"{one.ticker}: {one.name}" if one.ticker else one.name for one in companies)


def write_rows(rows: Iterable[Reference]) -> str:
    """A file of some rows, as :func:`read_rows` reads it."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(row.as_row() for row in rows)
    return out.getvalue()


def starter() -> str:
    """The file of well-known tickers that comes with the package. It is imported when somebody says so."""
    return files(__package__).joinpath("starter.csv").read_text("utf-8")


async def import_rows(conn: asyncpg.Connection, text: str, *, source: str, actor: str) -> Imported:
    """Bring the reference data of the tickers in a file to what it says; others stay. All of it, or nothing.

    Again with the same file it changes nothing. Feeds that a ticker does not want any more are unlinked, never deleted:
    others may want them.
    """
    rows, errors = read_rows(text)
    if errors or not rows:
        return Imported(errors=errors or ["the file has no row"])
    known = {one.ticker: one for one in await list_references(conn)}
    changed = [row for row in rows if known.get(row.ticker) != row]
    async with conn.transaction():
        for row in changed:
            await _write(conn, row, source)
        if changed:
            names = [row.ticker for row in changed]
            await conn.execute(SQL.get("audit_import"), actor, source, {"tickers": names[:1_000], "count": len(names)})
    added = sum(row.ticker not in known for row in rows)
    return Imported(added, len(changed) - added, len(rows) - len(changed))


async def _write(conn: asyncpg.Connection, row: Reference, source: str) -> None:
    await conn.execute(
        SQL.get("put_ticker"), row.ticker, row.name, row.cik, list(row.aliases), list(row.industry), source
    )
    beside = [
        (relation, place, one.name, one.ticker)
        for relation, companies in (
            ("competitor", row.competitors), ("upstream", row.upstream), ("downstream", row.downstream),
        )
        for place, one in enumerate(companies, 1)
    ]  # fmt: skip
    await conn.execute(SQL.get("put_neighbours"), row.ticker, *_columns(beside, 4))
    await link_again(conn, row)


async def link_again(conn: asyncpg.Connection, row: Reference) -> None:
    """Link a ticker to the feeds that its reference data wants, and to no others; what is not there is added."""
    wishes = [(w.kind, w.subject, w.category, w.direction, w.about) for w in feeds_for(row)]
    kinds, subjects, categories, directions, abouts = _columns(wishes, 5)
    await conn.execute(SQL.get("add_feeds"), kinds, subjects)
    await conn.execute(SQL.get("link_feeds"), row.ticker, kinds, subjects, categories, directions, abouts)


def _columns(rows: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]


async def list_references(db: Db, ticker: str | None = None) -> list[Reference]:
    """All reference data by ticker, or that of one."""
    return [_reference(row) for row in await db.fetch(SQL.get("list_tickers"), ticker)]


async def read_reference(db: Db, ticker: str) -> Reference | None:
    """The reference data of a ticker; None where there is none."""
    found = await list_references(db, ticker)
    return found[0] if found else None


def _reference(row: asyncpg.Record) -> Reference:
    beside: dict[str, list[Company]] = {"competitor": [], "upstream": [], "downstream": []}
    for one in row["beside"]:
        beside[one["relation"]].append(Company(name=one["name"], ticker=one["symbol"]))
    return Reference(
        row["ticker"], row["name"], row["cik"], tuple(row["aliases"]), tuple(row["industry"]),
        tuple(beside["competitor"]), tuple(beside["upstream"]), tuple(beside["downstream"]),
    )  # fmt: skip
