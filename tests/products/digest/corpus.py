"""The feeds that feedparser is tested with, through our intake: `python -m tests.products.digest.corpus [--write]`.

They are hand-made edge cases of feeds, in feedparser's source package (BSD-2), which is fetched from the package index
by pip; none of them is kept here. Each is read as an answer from outside would be, and its entries are prepared as they
are kept. A file ends with entries, without, or as a feed that was refused with a code; an exception is a failure of
ours. With --write the outcomes go into docs/feed-corpus.md.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import httpx

from openbell.engine.errors import Transient
from openbell.products.digest.feeds import shown
from openbell.providers.news import read_feed
from openbell.providers.outbound import Fetched
from openbell.providers.wire import Answer

PAGE = Path(__file__).parents[3] / "docs" / "feed-corpus.md"
KINDS = (".xml", ".z", ".gz", ".dat", ".html", ".rss", ".atom", ".json")
POLICIES = ("guid", "link", "canonical")
LEAST = 1_000
"""Files that there must be, for the corpus to be what it is taken for."""


def fetch(folder: Path) -> Path:
    """The source package of feedparser in the version that is installed, by pip's ordinary client."""
    wanted = f"feedparser=={version('feedparser')}"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", wanted]
    subprocess.run([*command, "--dest", str(folder)], check=True, timeout=300)
    return next(folder.glob("feedparser-*.tar.gz"))


def outcome(name: str, body: bytes) -> str:
    """What becomes of one file. Whatever else than a refusal is raised is not caught here."""
    kind = "application/json" if name.endswith(".json") else "application/xml"
    answer = Answer(200, httpx.Headers({"content-type": kind}), body)
    try:
        entries = read_feed(name, Fetched("https://feeds.example/one", None, answer))
    except Transient as refused:
        return refused.code
    for policy in POLICIES:
        for one in shown(entries, policy):
            assert one.title
            assert one.address.startswith("http")
            assert "\x00" not in f"{one.title}{one.summary}{one.publisher}{one.identity}"
    return f"{len(entries)} read, {len(shown(entries, 'guid'))} kept" if entries else "no entry"


def outcomes(package: Path) -> dict[str, str]:
    """By file of the package's tests what becomes of it."""
    found = {}
    with tarfile.open(package) as packed:
        for member in packed.getmembers():
            _, _, name = member.name.partition("/tests/")
            if member.isfile() and name.endswith(KINDS):
                content = packed.extractfile(member)
                assert content is not None
                found[name] = outcome(name, content.read())
    return dict(sorted(found.items()))


def page(found: dict[str, str]) -> str:
    """The outcomes as a page."""
    counts = Counter("entries" if "kept" in one else one for one in found.values())
    groups: dict[str, list[str]] = {}
    for name, one in found.items():
        groups.setdefault(one, []).append(name)
    lines = [
        "# The feeds of feedparser's tests, through our intake",
        "",
        f"`python -m tests.products.digest.corpus --write` takes {len(found):,} files of the source package of",
        f"feedparser {version('feedparser')} through our intake, under three identity policies. None raises.",
        "",
        "| outcome | files |",
        "|---|---|",
        *(f"| {name} | {count:,} |" for name, count in counts.most_common()),
        "",
        "A refused feed is recorded at that feed with its code and asked again later: `feed_broken` is no whole XML,",
        "`feed_is_html` a web page, `feed_empty` nothing at all. Many files test one element and have no title or no",
        "link to the web: such an entry is read and not kept.",
        "",
        "## Each file",
    ]
    for one in sorted(groups):
        lines += ["", f"### {one}", "", ", ".join(f"`{name}`" for name in groups[one])]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Fetch, read, and write the page where that was asked for; 1 when there are fewer files than there should be."""
    with tempfile.TemporaryDirectory() as folder:
        found = outcomes(fetch(Path(folder)))
    counts = Counter("entries" if "kept" in one else one for one in found.values())
    sys.stdout.write(f"{len(found):,} files: {dict(counts)}\n")
    if "--write" in sys.argv:
        PAGE.write_text(page(found), "utf-8")
    return 0 if len(found) >= LEAST else 1


if __name__ == "__main__":
    sys.exit(main())
