"""The corpus of feeds: what the script does with a package, and that the page tells what the code does."""

from __future__ import annotations

import io
import random
import re
import tarfile
from pathlib import Path

from tests.products.digest import corpus

FILES = {
    "feedparser-1/tests/wellformed/one.xml": b"""<rss version="2.0"><channel><item><title>A story of the day</title>
<link>https://paper.example/1</link></item></channel></rss>""",
    "feedparser-1/tests/wellformed/none.xml": b'<rss version="2.0"><channel></channel></rss>',
    "feedparser-1/tests/illformed/cut.xml": b'<rss version="2.0"><channel><item><title>A st',
    "feedparser-1/tests/illformed/page.html": b"<!doctype html><html><body>no feed</body></html>",
    "feedparser-1/tests/runtests.py": b"print('not read')",
}


def test_each_file_has_an_outcome(tmp_path: Path) -> None:
    """Issue 6: every file of the package's tests is read, and told apart by what became of it."""
    with tarfile.open(tmp_path / "feedparser-1.tar.gz", "w:gz") as packed:
        for name, body in FILES.items():
            member = tarfile.TarInfo(name)
            member.size = len(body)
            packed.addfile(member, io.BytesIO(body))
    found = corpus.outcomes(tmp_path / "feedparser-1.tar.gz")
    assert found == {
        "illformed/cut.xml": "feed_broken",
        "illformed/page.html": "feed_is_html",
        "wellformed/none.xml": "no entry",
        "wellformed/one.xml": "1 read, 1 kept",
    }
    assert "| feed_broken | 1 |" in corpus.page(found)


def test_a_sample_of_broken_feeds() -> None:
    """Issue 6: 300 feeds of our own, broken at random places by a fixed seed: each has an outcome, and none raises."""
    rng, whole = random.Random(6), [body for name, body in FILES.items() if name.endswith(".xml")]
    seen = set()
    for n in range(300):
        broken = bytearray(rng.choice(whole) * rng.randint(1, 3))
        for _ in range(rng.randint(1, 12)):
            place = rng.randrange(len(broken))
            broken[place : place + rng.randint(0, 4)] = rng.choice(
                (
                    b"",
                    b"\x00",
                    b"&#xD800;",
                    b"<![CDATA[",
                    b"<!ENTITY a 'b'>",
                    b"\xff\xfe",
                    b"</item>",
                    b"&nope;",
                    b"<item>",
                )
            )
        seen.add(re.sub(r"\d+", "n", corpus.outcome(f"wellformed/{n}.xml", bytes(broken))))
    assert {"feed_broken", "n read, n kept"} <= seen, seen


def test_the_page_holds_every_file() -> None:
    """Issue 6: docs/feed-corpus.md lists as many files as it counts, each once."""
    text = corpus.PAGE.read_text("utf-8")
    count = re.search(r"takes ([\d,]+) files", text)
    assert count
    head, _, body = text.partition("## Each file")
    named = re.findall(r"`([^`]+)`", body)
    assert len(named) == len(set(named)) == int(count[1].replace(",", "")) >= corpus.LEAST
    rows = re.findall(r"^\| [a-z_ ]+ \| ([\d,]+) \|$", head, re.MULTILINE)
    assert sum(int(row.replace(",", "")) for row in rows) == len(named)
