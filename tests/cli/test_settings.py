from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from openbell.settings import (
    OTHER_NAMES,
    Settings,
    SettingsError,
    is_placeholder,
    load,
    require_live_secrets,
    without_paid_keys,
)

ROOT = Path(__file__).parents[2]


def refused(folder: Path, **environ: str) -> str:
    with pytest.raises(SettingsError) as caught:
        load(folder=folder, environ=environ)
    return str(caught.value)


def test_sources_in_order(tmp_path: Path) -> None:
    """DESIGN 5: the environment wins over .env, .env over openbell.toml, and openbell.toml over the defaults."""
    (tmp_path / "openbell.toml").write_text('openbell_port = 1001\nFMP_PLAN = "starter"\nlog_level = "debug"\n')
    (tmp_path / ".env").write_text("OPENBELL_PORT=1002\nFMP_PLAN=premium\n")
    found = load(folder=tmp_path, environ={"OPENBELL_PORT": "1003"})
    assert (found.openbell_port, found.fmp_plan, found.log_level, found.max_concurrent_jobs) == (
        1003,
        "premium",
        "DEBUG",
        None,
    )
    assert found.is_set("fmp_plan")
    assert not found.is_set("max_concurrent_jobs")


def test_empty_means_unset(tmp_path: Path) -> None:
    """An empty variable, as compose files and templates leave them, is the same as none."""
    assert load(folder=tmp_path, environ={"DATABASE_URL": "", "OPENBELL_PORT": ""}) == Settings()


def test_lists_and_addresses(tmp_path: Path) -> None:
    """ALLOWED_ORIGINS is separated by commas; a base address loses its last slash."""
    found = load(
        folder=tmp_path,
        environ={"ALLOWED_ORIGINS": "https://a.example, https://b.example", "FMP_BASE_URL": "http://x:1/"},
    )
    assert found.allowed_origins == ["https://a.example", "https://b.example"]
    assert found.fmp_base_url == "http://x:1"


def test_listen_goes_past_the_pooler(tmp_path: Path) -> None:
    """DESIGN 4: DIRECT_DATABASE_URL carries LISTEN; without it DATABASE_URL does."""
    one = load(folder=tmp_path, environ={"DATABASE_URL": "postgresql://a/b"})
    two = load(folder=tmp_path, environ={"DATABASE_URL": "postgresql://a/b", "DIRECT_DATABASE_URL": "postgres://c/d"})
    assert (one.dsn, one.listen_dsn, two.listen_dsn) == ("postgresql://a/b", "postgresql://a/b", "postgres://c/d")


def test_unknown_settings_are_named(tmp_path: Path) -> None:
    """Step 1, bad input: an unknown setting is named, with what was probably meant."""
    assert (
        refused(tmp_path, OPENBELL_PROT="1")
        == "Unknown setting OPENBELL_PROT in the environment: did you mean OPENBELL_PORT?"
    )
    (tmp_path / ".env").write_text("OPENBELL_DAAT=x\nSOMEBODY_ELSES=fine\n")
    assert refused(tmp_path) == "Unknown setting OPENBELL_DAAT in .env: did you mean OPENBELL_DATA?"
    (tmp_path / ".env").unlink()
    (tmp_path / "openbell.toml").write_text('fmp_api_kye = "x"\n')
    assert refused(tmp_path) == "Unknown setting fmp_api_kye in openbell.toml: did you mean FMP_API_KEY?"
    (tmp_path / "openbell.toml").write_text("zzzz = 1\n")
    assert "remove it" in refused(tmp_path)


def test_a_share_is_part_of_the_whole(tmp_path: Path) -> None:
    """DG-25: scheduled and ad-hoc work cannot be given more than there is."""
    told = refused(tmp_path, MAX_CONCURRENT_JOBS="5", MAX_CONCURRENT_SCHEDULED="6")
    assert told.startswith("MAX_CONCURRENT_SCHEDULED is '6'")
    assert "at most MAX_CONCURRENT_JOBS, which is 5" in told


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("OPENBELL_PORT", "99999", "a whole number from 0 to 65,535"),
        ("OPENBELL_PORT", "http", "a whole number from 0 to 65,535"),
        ("MAX_CONCURRENT_JOBS", "0", "a whole number from 1 to 500"),
        ("MAX_CONCURRENT_ADHOC", "two", "a whole number from 1 to 500"),
        ("FMP_CALLS_PER_MINUTE", "many", "a whole number from 1 to 10,000"),
        ("PPLX_CALLS_PER_MINUTE", "0", "a whole number from 1 to 10,000"),
        ("ANTHROPIC_CALLS_PER_MINUTE", "1e3", "a whole number from 1 to 10,000"),
        ("OPENAI_CALLS_PER_MINUTE", "-1", "a whole number from 1 to 10,000"),
        ("SCRAPFLY_CALLS_PER_MINUTE", "10001", "a whole number from 1 to 10,000"),
        ("SCRAPFLY_CALLS_AT_ONCE", "0", "a whole number from 1 to 500"),
        ("DKIM_DOMAIN", "example", "a domain such as example.com, for which mails are signed"),
        ("DKIM_SELECTOR", "mail 2026", "a name such as mail2026, under which the domain tells the key"),
        ("FMP_PLAN", "gold", "one of basic, starter, premium, ultimate"),
        ("ENVIRONMENT", "prod", "one of development, staging, production"),
        ("LOG_LEVEL", "loud", "one of DEBUG, INFO, WARNING, ERROR"),
        ("FMP_BASE_URL", "fmp", "an address such as https://financialmodelingprep.com"),
        ("ALLOWED_ORIGINS", "a.example", "origins such as https://example.com"),
    ],
)
def test_wrong_values_are_named(tmp_path: Path, name: str, value: str, allowed: str) -> None:
    """Step 1, bad input: one sentence says the setting, its value, where it came from and what is allowed."""
    sentence = refused(tmp_path, **{name: value})
    assert sentence.startswith(f"{name} is ")
    assert f"{value}'" in sentence
    assert "(from the environment)" in sentence
    assert allowed in sentence


def test_secrets_are_never_shown(tmp_path: Path) -> None:
    """DESIGN 7: a secret is in no error and in no repr."""
    assert "hunter2" not in refused(tmp_path, DATABASE_URL="mysql://root:hunter2@db/x")
    found = load(folder=tmp_path, environ={"FMP_API_KEY": "hunter2", "DATABASE_URL": "postgresql://u:hunter2@db/x"})
    assert "hunter2" not in f"{found!r} {found}"


def test_broken_toml_is_named(tmp_path: Path) -> None:
    """A file that is no TOML is one sentence with the place."""
    (tmp_path / "openbell.toml").write_text("openbell_port =\n")
    assert refused(tmp_path).startswith("openbell.toml cannot be read as TOML: ")


@pytest.mark.parametrize(
    "key",
    [
        "changeme",
        "CHANGE-ME",
        "your-key-here",
        "<your key>",
        "YOUR_FMP_API_KEY",
        "sandbox",
        "demo",
        "xxxxxxxx",
        "test",
        "todo",
        "...",
    ],
)
def test_placeholder_secrets_are_refused(key: str) -> None:
    """PF-40: a placeholder is as good as no key, and the variable is named."""
    assert is_placeholder(key)
    with pytest.raises(SettingsError, match=r"^FMP_API_KEY holds a placeholder: "):
        require_live_secrets(Settings(fmp_api_key=key))  # type: ignore[arg-type]


def test_missing_secrets_are_refused() -> None:
    """PF-40: a live start without the key says which variable is missing."""
    with pytest.raises(SettingsError, match=r"^FMP_API_KEY is not set: "):
        require_live_secrets(Settings())


def test_real_looking_keys_pass() -> None:
    """A key as the provider issues them is not taken for a placeholder."""
    require_live_secrets(Settings(fmp_api_key="a9F3kQ7LmZ2vX8sT4wR6yB1nC5dE0gHj"))  # type: ignore[arg-type]


def test_the_web_process_reads_no_key(tmp_path: Path) -> None:
    """PF-41: with `keys=False` no paid key is read, from whichever source; the database address is."""
    (tmp_path / "openbell.toml").write_text('fmp_api_key = "k1"\n')
    (tmp_path / ".env").write_text("FMP_API_KEY=k2\n")
    found = load(folder=tmp_path, environ={"FMP_API_KEY": "k3", "DATABASE_URL": "postgresql://a/b"}, keys=False)
    assert found.fmp_api_key is None
    assert found.dsn == "postgresql://a/b"
    given = {"FMP_API_KEY": "1", "PPLX_API_KEY": "2", "SMTP_PASSWORD": "3", "DKIM_KEY": "4"}
    assert without_paid_keys({**given, "CRON_SECRET": "5", "DATABASE_URL": "6"}) == {
        "CRON_SECRET": "5",
        "DATABASE_URL": "6",
    }


def test_signing_needs_all_three() -> None:
    """PF-40: a live start with a part of what signing wants says which variables are missing."""
    key = "a9F3kQ7LmZ2vX8sT4wR6yB1nC5dE0gHj"
    with pytest.raises(SettingsError, match=r"^DKIM_DOMAIN is not set, and DKIM_KEY is and DKIM_SELECTOR is not set, "):
        require_live_secrets(Settings(fmp_api_key=key, dkim_key="a path"))  # type: ignore[arg-type]


def test_the_page_of_settings_is_written_from_the_code() -> None:
    """DESIGN 5: what is unknown is refused with "see docs/settings.md"; that page names every setting, its other names
    too, as `make docs` writes it from the code, and README leads there.
    """
    page = (ROOT / "docs" / "settings.md").read_text("utf-8")
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    named = [name for row in rows for name in re.findall(r"`([A-Z_]+)`", row)]
    assert sorted(named) == sorted(name.upper() for name in (*Settings.model_fields, *OTHER_NAMES))
    found = importlib.util.spec_from_file_location("reference", ROOT / "docs" / "reference.py")
    assert found is not None
    assert found.loader is not None
    reference = importlib.util.module_from_spec(found)
    found.loader.exec_module(reference)
    assert page == reference.settings()
    assert "docs/settings.md" in (ROOT / "README.md").read_text("utf-8")
