"""The rules of CONTRIBUTING that a program can check, read from the sources without importing them."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "openbell"

FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 600

# One letter of each is in brackets, so that this file obeys its own rule.
MACHINE_PATHS = re.compile(r"(?<![\w.:/<{~-])/(?:w[o]rk|r[o]ot|h[o]me)/[\w.-]")
INDEX_HOSTS = re.compile(r"py[p]i\.org|python[h]osted\.org|registry\.[n]pmjs\.|registry\.[y]arnpkg\.")
STATEMENT = re.compile(
    r"^\s*(select\s.+\sfrom\s|select\s+[\w.]+\(|insert\s+into\s|update\s+[\w.]+\s+set\s|delete\s+from\s|with\s+\w+\s+as\s*\(|"
    r"(create|alter|drop)\s+(table|index|function|schema|database|type|view)\s|truncate\s|set\s+local\s)",
    re.IGNORECASE | re.DOTALL,
)


@cache
def tracked() -> list[Path]:
    """Every file that git knows and that exists; all files outside a checkout (a source archive)."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    names = done.stdout.decode().split("\0") if done.returncode == 0 else []
    paths = [ROOT / name for name in names if name] or [path for path in ROOT.rglob("*") if ".venv" not in path.parts]
    return [path for path in paths if path.is_file()]


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def sources() -> Iterator[Path]:
    return (path for path in tracked() if path.suffix == ".py")


def texts() -> Iterator[tuple[Path, str]]:
    for path in tracked():
        try:
            yield path.relative_to(ROOT), path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a picture


def places(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{path}:{number}: {line.strip()[:100]}"
        for path, text in texts()
        for number, line in enumerate(text.splitlines(), start=1)
        if pattern.search(line)
    ]


def test_no_file_names_a_path_of_one_machine() -> None:
    """A checkout works wherever it lies."""
    assert places(MACHINE_PATHS) == []


def test_no_file_names_a_package_index() -> None:
    """Where packages come from is the business of the machine's own configuration, in the lock files too."""
    assert places(INDEX_HOSTS) == []


def test_every_locked_version_has_a_checksum() -> None:
    """What is installed is what was tested: each version is pinned and each archive is checked."""
    for name in ("requirements.lock", "requirements-dev.lock"):
        entries = re.split(r"(?<!\\)\n", (ROOT / name).read_text().strip())
        wrong = [
            entry.splitlines()[0]
            for entry in entries
            if not re.match(r"[\w.\[\]-]+==\S+ .*--hash=sha256:", entry, re.DOTALL)
        ]
        assert wrong == [], name


def test_functions_are_under_70_lines() -> None:
    """A function fits on a screen."""
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.name} has {lines} lines"
        for path in sources()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or node.lineno) - node.lineno + 1) >= FUNCTION_LINES_MAX
    ]
    assert long == []


def test_files_are_under_600_lines() -> None:
    """A file has one subject."""
    long = [str(path.relative_to(ROOT)) for path in sources() if len(path.read_text().splitlines()) >= FILE_LINES_MAX]
    assert long == []


def test_no_sql_in_python() -> None:
    """SQL lives in `.sql` files, where it can be read, linted and explained."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.value.strip()[:80]}"
        for path in sources()
        if path.is_relative_to(PACKAGE)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and STATEMENT.search(node.value)
    ]
    assert found == []


def test_sql_files_are_named_verb_noun() -> None:
    """One statement a file, named by what it does to what; statements that nobody asks for are removed."""
    python = "\n".join(path.read_text() for path in sources() if path.is_relative_to(PACKAGE))
    for path in PACKAGE.rglob("queries/*.sql"):
        assert re.fullmatch(r"[a-z]+(_[a-z0-9]+)+", path.stem), path.name
        assert f'"{path.stem}"' in python, f"nothing uses {path.relative_to(ROOT)}"


@pytest.mark.parametrize("kind", ["module", "class"])
def test_every_module_and_public_class_says_what_it_is(kind: str) -> None:
    """Who opens a file reads first what it is for."""
    silent = []
    for path in sources():
        if not path.is_relative_to(PACKAGE):
            continue
        nodes = [tree(path)] if kind == "module" else [n for n in tree(path).body if isinstance(n, ast.ClassDef)]
        for node in nodes:
            name = getattr(node, "name", "")
            if node.body and not name.startswith("_") and not ast.get_docstring(node):
                silent.append(f"{path.relative_to(ROOT)} {name}")
    assert silent == []


def test_every_test_says_which_rule_it_proves() -> None:
    """A test's docstring is the rule; when it fails, the reader knows what is broken."""
    silent = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.name}"
        for path in sources()
        if path.name.startswith("test_")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]
    assert silent == []
