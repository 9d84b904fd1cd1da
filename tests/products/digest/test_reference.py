"""Reference data: what a file may say, and that only imports change it."""

from __future__ import annotations

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbell.products.digest.reference import (
    COLUMNS,
    Reference,
    feeds_for,
    import_rows,
    list_references,
    read_rows,
    starter,
    write_rows,
)  # fmt: skip

HEAD = "ticker,name,cik,aliases,industry,competitors,upstream,downstream\n"


async def _import(pool: asyncpg.Pool, text: str) -> object:
    async with pool.acquire() as conn:
        return await import_rows(conn, text, source="file.csv", actor="tests")


def test_the_starter_set_is_sound() -> None:
    """DG-35: the file that comes with the package has no bad row, and survives being written and read again."""
    rows, errors = read_rows(starter())
    assert (len(rows), errors) == (50, [])
    assert read_rows(write_rows(rows)) == (rows, [])
    assert all(one.cik and one.industry and one.competitors for one in rows)
    assert len({one.cik for one in rows}) == 50


async def test_an_import_again_changes_nothing(pool: asyncpg.Pool) -> None:
    """DG-35: idempotent; a changed row is the only one that is written; every import that changes is audited."""
    first = await _import(pool, starter())
    assert (first.added, first.changed, first.unchanged, first.errors) == (50, 0, 0, ())
    feeds = await pool.fetch("select * from openbell.digest_ticker_feed order by 1, 2")
    again = await _import(pool, starter())
    assert (again.added, again.changed, again.unchanged) == (0, 0, 50)
    changed = await _import(pool, HEAD + "AAPL,Apple,320193,,phones,GOOG: Google,,\n")
    assert (changed.added, changed.changed, changed.unchanged) == (0, 1, 0)
    assert len(await list_references(pool)) == 50
    assert await pool.fetchval("select count(*) from openbell.audit where action = 'reference.import'") == 2
    assert len(await pool.fetch("select * from openbell.digest_ticker_feed")) < len(feeds)
    [apple] = await list_references(pool, "AAPL")
    assert [one.name for one in apple.competitors] == ["Google"]


BAD = {
    "no ticker": (HEAD + ",Apple,,,,,,\n", "line 2"),
    "no name": (HEAD + "AAPL,,,,,,,\n", "AAPL"),
    "malformed ticker": (HEAD + "A APL,Apple,,,,,,\n", "line 2"),
    "twice": (HEAD + "AAPL,Apple,,,,,,\naapl,Apple,,,,,,\n", "line 2 already"),
    "bad cik": (HEAD + "AAPL,Apple,12x,,,,,\n", "cik"),
    "too many keywords": (HEAD + "AAPL,Apple,,,a;b;c;d,,,\n", "industry"),
    "too many competitors": (HEAD + "AAPL,Apple,,,,a;b;c;d,,\n", "competitors"),
    "bad competitor": (HEAD + 'AAPL,Apple,,,,"B AD: Bad",,\n', "line 2"),
    "too few fields": (HEAD + "AAPL,Apple\n", "number of fields"),
    "too many fields": (HEAD + "AAPL,Apple,,,,,,,,,\n", "number of fields"),
    "unknown column": ("ticker,name,colour\nAAPL,Apple,red\n", "colour"),
    "missing column": ("name\nApple\n", "ticker"),
    "broken quotes": (HEAD + 'AAPL,"Apple\n', "line"),
    "a NUL": (HEAD + "AAPL,App\x00le,,,,,,\n", "NUL"),
    "empty": ("", "first line"),
    "no row": (HEAD, "no row"),
}


@pytest.mark.parametrize("name", BAD)
async def test_one_bad_row_and_nothing_changes(pool: asyncpg.Pool, name: str) -> None:
    """DG-35: a file with an error is refused as a whole, with the line and what is wrong with it."""
    text, words = BAD[name]
    good = "MSFT,Microsoft,,,,,,\n" if text.startswith(HEAD) and text != HEAD and "broken" not in name else ""
    if "fields" not in name and good:
        text += good
    done = await _import(pool, text)
    assert words in "\n".join(done.errors)
    assert await list_references(pool) == []
    assert await pool.fetchval("select count(*) from openbell.digest_feed") == 0


@given(st.text(max_size=300))
def test_any_file_is_survived(text: str) -> None:
    """PF: a file is rows or sentences, never an exception."""
    rows, errors = read_rows(text)
    assert isinstance(rows, list)
    assert all(isinstance(one, str) for one in errors)
    read_rows(HEAD + text)


def test_feeds_of_a_ticker() -> None:
    """DG-5: two for the company and each competitor with a ticker, one for all others."""
    rows, _ = read_rows(HEAD + "AAPL,Apple,,,phones;tablets,MSFT: Microsoft; Samsung,TSM: TSMC,BBY: Best Buy\n")
    wishes = [(w.kind, w.subject, w.category, w.direction) for w in feeds_for(rows[0])]
    assert wishes == [
        ("google", "Apple stock when:7d", "company", None),
        ("yahoo", "AAPL", "company", None),
        ("google", "phones when:7d", "industry", None),
        ("google", "tablets when:7d", "industry", None),
        ("google", "Microsoft stock when:7d", "competitor", None),
        ("yahoo", "MSFT", "competitor", None),
        ("google", "Samsung stock when:7d", "competitor", None),
        ("google", "TSMC stock when:7d", "value_chain", "upstream"),
        ("google", '"Best Buy" stock when:7d', "value_chain", "downstream"),
    ]
    assert len(COLUMNS) == len(Reference.__slots__)


async def test_feeds_are_shared_and_know_no_ticker(pool: asyncpg.Pool) -> None:
    """DG-5: two tickers that want a feed have one between them, each with a category and a direction of its own."""
    await _import(pool, HEAD + "AAPL,Apple,,,,MSFT: Microsoft,,\nMSFT,Microsoft,,,,,AAPL: Apple,\n")
    rows = await pool.fetch(
        "select f.kind, f.subject, array_agg(concat_ws(' ', ticker, category, direction) order by ticker) as wanted"
        " from openbell.digest_feed f join openbell.digest_ticker_feed t on t.feed_id = f.id group by 1, 2"
    )
    wanted = {(row["kind"], row["subject"]): row["wanted"] for row in rows}
    assert wanted["yahoo", "MSFT"] == ["AAPL competitor", "MSFT company"]
    assert wanted["google", "Apple stock when:7d"] == ["AAPL company", "MSFT value_chain upstream"]
    columns = await pool.fetch(
        "select column_name from information_schema.columns where table_name in ('digest_feed', 'digest_article')"
    )
    assert not {"ticker", "category", "direction"} & {row["column_name"] for row in columns}
