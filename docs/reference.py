# ruff: noqa: INP001 -- a folder of pages, not a package
"""Writes the pages of reference from the program itself: commands, settings, data types, HTTP API, views of SQL."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_type_hints

import click
from pydantic import BaseModel

from openbell.cli.app import openbell
from openbell.products import registry
from openbell.settings import OTHER_NAMES, PAID_NAME, Settings
from openbell.web.app import WebConfig, create_app

SETTINGS = """# Settings

From the environment, `.env` or `openbell.toml`, in that order of weight. What is unknown or wrong is named, with the
mend; one that is empty is not set. `openbell doctor` says what is set, and what is missing.

This page is written from `src/openbell/settings.py` by `make docs`; change it there. What is marked *worker* is read by
workers alone: keep it from web processes, which start without it."""
HEAD = "| setting | meaning | default |\n|---|---|---|"
PARTS = {
    "environment": "Where it runs",
    "fmp_api_key": "Providers, their limits and budgets",
    "enable_weekly_picks_generation": "Weekly picks",
    "cron_secret": "Callers from outside",
    "compare_notes": "Comparisons",
    "digest_models": "Digests",
    "scrapfly_api_key": "Pages, news and filings",
    "admin_email": "Mail",
    "public_url": "The house",
    "log_level": "Logs, metrics, alerts, traces",
}
"""By the first setting of each part, in the order of the model, its heading."""
TYPES = """# Data types and tasks

As this version declares them. `openbell products list` shows the policy in force, which an operator may have changed.

| name | provider | fresh for | usable for | what it is |
|---|---|---|---|---|"""
HTTP = """# HTTP API

From the OpenAPI document, which a running Openbell serves at `/openapi.json`. Errors are JSON with a stable code.
"""
VIEWS = """# Views of SQL

Each data type is a view in the schema `data`; [Reading in SQL](../sql.md) says what all of them share. These are the
fields of the values.
"""
METHODS = ("get", "post", "put", "patch", "delete")


def write(folder: Path) -> None:
    """All pages, below ``folder``, and beside it the page of settings, which is kept with the code, as README leads
    there. A page that has not changed is left alone, so that it is not built again.
    """
    folder.mkdir(exist_ok=True)
    texts = {folder / f"{name}.md": text for name, text in pages().items()}
    for path, text in (texts | {folder.parent / "settings.md": settings()}).items():
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")


def pages() -> Mapping[str, str]:
    """By name, the text of each page."""
    return {"commands": commands(), "data-types": data_types(), "http": http(), "sql": sql()}


def commands() -> str:
    """From click."""
    said = ["# Commands\n\nWritten from the program; `openbell COMMAND --help` says the same.\n"]
    for path, command in _walk(openbell, ["openbell"]):
        context = click.Context(command, info_name=" ".join(path), max_content_width=100)
        kind = "##" if len(path) == 2 else "###"
        said.append(f"{kind} {' '.join(path)}\n\n```text\n{_fence(command.get_help(context))}\n```\n")
    return "\n".join(said)


def _walk(group: click.Command, path: list[str]) -> Iterator[tuple[list[str], click.Command]]:
    for name, command in sorted(getattr(group, "commands", {}).items()):
        if not command.hidden:
            yield [*path, name], command
            yield from _walk(command, [*path, name])


def _fence(text: str) -> str:
    return text.replace("```", "'''").rstrip()


def settings() -> str:
    """From the model of the settings."""
    rows = [SETTINGS]
    other = {field: name.upper() for name, field in OTHER_NAMES.items()}
    for name, field in Settings.model_fields.items():
        if name in PARTS:
            rows.append(f"\n## {PARTS[name]}\n\n{HEAD}")
        default = field.default
        text = str(default).lower() if isinstance(default, bool) else default
        shown = "none" if default is None or default == [] else f"`{text}`"
        names = f"`{name.upper()}`" + (f" or `{other[name]}`" if name in other else "")
        about = _cell((field.description or "").replace("; only workers read it", ""))
        about += " · *worker*" if PAID_NAME.search(name) else ""
        rows.append(f"| {names} | {about} | {shown} |")
    return "\n".join(rows) + "\n"


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|").replace("<", "&lt;").strip()


def data_types() -> str:
    """From the registry, as it is declared; an operator may have set other values."""
    rows = [TYPES]
    for one in sorted(registry(), key=lambda one: one.name):
        about = _cell((one.producer.__doc__ or "").strip().split("\n\n")[0])
        spans = f"{_span(one, 'ttl')} | {_span(one, 'stale_ttl')}"
        rows.append(f"| `{one.name}` | {one.provider} | {spans} | {about} |")
    return "\n".join(rows) + "\n"


def _span(one: Any, name: str) -> str:
    given = one.seed().get(name)
    if given is None or one.is_task:
        return "–"
    seconds = given.total_seconds()
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds:g} s"


def http() -> str:
    """From the OpenAPI document."""
    document = create_app(WebConfig(dsn="postgresql://nobody@localhost/none", registry=registry())).openapi()
    said = [HTTP]
    for path, methods in sorted(document["paths"].items()):
        said += [_endpoint(path, method, methods[method]) for method in METHODS if method in methods]
    return "\n".join(said)


def _endpoint(path: str, method: str, about: Mapping[str, Any]) -> str:
    described = (about.get("description") or about.get("summary") or "").strip()
    lines = [f"## `{method.upper()} {path}`\n", _prose(described) + "\n"]
    if given := about.get("parameters"):
        lines.append("| parameter | in | needed | meaning |\n|---|---|---|---|")
        for one in given:
            needed = "yes" if one.get("required") else "no"
            lines.append(f"| `{one['name']}` | {one['in']} | {needed} | {_cell(one.get('description', ''))} |")
        lines.append("")
    answered = sorted(about["responses"].items())
    answers = ", ".join(f"{code} {_cell(one.get('description', ''))}".strip() for code, one in answered)
    return "\n".join([*lines, f"Answers: {answers}.\n"])


def _prose(text: str) -> str:
    return re.sub(r"^(#+)", r"\\\1", text.replace("<", "&lt;"), flags=re.MULTILINE)


def sql() -> str:
    """From the models: the columns of each data type's view."""
    said = [VIEWS]
    for one in sorted(registry(), key=lambda one: one.name):
        model = None if one.is_task else _model(one)
        if model is None:
            continue
        said.append(f"## data.{one.name.replace('-', '_')}\n\n| field | meaning |\n|---|---|")
        said += [f"| `{name}` | {_cell(field.description or '')} |" for name, field in model.model_fields.items()]
        said.append("")
    return "\n".join(said)


def _model(one: Any) -> Any:
    hint = get_type_hints(one.producer).get("return")
    return next(
        (kind for kind in (hint, *get_args(hint)) if isinstance(kind, type) and issubclass(kind, BaseModel)), None
    )
