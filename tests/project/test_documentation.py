"""The documentation: builds without a warning, says what the program has, and its commands run."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click

from openbell.cli.app import openbell as commands
from openbell.engine import alert_rules
from openbell.settings import Settings

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
COMMAND = re.compile(r"^(?:    )?(openbell [a-z][^\n#|]*?)(?:   .*)?$", re.MULTILINE)
INLINE = re.compile(r"`(openbell [a-z][^`]*)`")


def test_it_builds_without_a_warning(tmp_path: Path) -> None:
    """`make docs`: every page is in the contents, every link leads somewhere, the reference is the program's."""
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", DOCS, tmp_path / "site"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    site = tmp_path / "site"
    settings = (site / "settings.html").read_text("utf-8")
    assert [name for name in Settings.model_fields if name.upper() not in settings] == []
    shown = (site / "reference/commands.html").read_text("utf-8")
    assert [name for name in commands.commands if f"openbell {name}" not in shown] == []
    assert "/api/v1/artifacts/{product}/{key}" in (site / "reference/http.html").read_text("utf-8")
    assert "data.quote" in (site / "reference/sql.html").read_text("utf-8")
    links = {
        link for page in site.glob("*.html") for link in re.findall(r'href="([^"#:]+\.html)', page.read_text("utf-8"))
    }
    assert [link for link in links if not (site / link).exists() and not link.startswith("..")] == []


def test_commands_exist_as_they_are_written() -> None:
    """Each `openbell …` of the guides is a command with these options."""
    found = set()
    for page in (ROOT / "README.md", *DOCS.glob("*.md")):
        text = page.read_text("utf-8")
        found |= {(page.name, line) for line in [*COMMAND.findall(text), *INLINE.findall(text)]}
    assert len(found) > 100
    for page, line in sorted(found):
        words = [word for word in shlex.split(line)[1:] if word != "…"]
        group: click.Command = commands
        while words and (below := getattr(group, "commands", {}).get(words[0])) is not None:
            group, words = below, words[1:]
        alone = getattr(group, "invoke_without_command", False)  # as `openbell migrate --check`
        assert not getattr(group, "commands", None) or alone or not words, f"{page}: there is no `{line}`"
        known = {name for one in group.params for name in one.opts}
        assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known, f"{page}: {line}"


def test_each_alert_has_its_runbook() -> None:
    """PF-34: whoever is woken finds what the alert means and what to do."""
    source = Path(alert_rules.__file__).read_text("utf-8")
    codes = set(re.findall(r'Finding\(\s*"([a-z_]+)"', source)) | {
        "budget_75",
        "budget_90",
        "breaker",
        "unknown_spends",
    }
    told = set(re.findall(r"^\| `([a-z_0-9]+)`", (DOCS / "runbooks.md").read_text("utf-8"), re.MULTILINE))
    assert len(codes) >= 10
    assert codes - told == set()
