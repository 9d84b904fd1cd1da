"""From settings to whom a worker may ask: names, limits, and the key that signs mails."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any, get_args

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from openbell.cli.mode import SANDBOX, choose_connections, relay_of, source_of, stamp_mode
from openbell.cli.services import PLANS
from openbell.engine.errors import Permanent
from openbell.products.sources import SETTINGS, Connections, limits_of
from openbell.providers import fmp, scrapfly
from openbell.providers.perplexity.client import TIERS
from openbell.sandbox.fmp.plans import PLANS as SOLD
from openbell.settings import HOMES, KEYED, Plan, Settings, SettingsError, load
from tests.certificates import dkim_key
from tests.cli.house import run

MAIL = {"SMTP_HOST": "mail.example", "DKIM_DOMAIN": "openbell.example", "DKIM_SELECTOR": "s1"}


def granted(folder: Path, **environ: str) -> dict[tuple[str, str, str], int]:
    """The limits that a worker with these settings keeps."""
    settings = load(folder=folder, environ=environ)
    limits = limits_of({one: source_of(settings, one) for one in HOMES})
    return {(limit.subject, limit.resource, limit.period): limit.granted for limit in limits}


def test_every_name_is_one(tmp_path: Path) -> None:
    """DESIGN 5: a provider has one name in the sources, the accounts and the refusals, each with its setting."""
    assert SETTINGS.keys() == HOMES.keys()
    assert {name.lower() for name in SETTINGS.values()} <= Settings.model_fields.keys()
    assert [one for one, name in SETTINGS.items() if name.endswith("_API_KEY")] == list(KEYED)
    assert {subject for subject, _, _ in granted(tmp_path)} == {*HOMES, "google_links", "pages"}
    with pytest.raises(Permanent, match=r"^perplexity is not configured: set PPLX_API_KEY\.$"):
        Connections({}).source("perplexity")


def test_the_plans_are_the_same_everywhere() -> None:
    """DESIGN 5: what a setting allows is what the clients know; the sandbox has the plans that are sold."""
    assert get_args(Plan) == PLANS == tuple(fmp.PLANS) == tuple(SOLD)
    assert get_args(Settings.model_fields["scrapfly_plan"].annotation) == tuple(scrapfly.PLANS)
    assert get_args(Settings.model_fields["pplx_tier"].annotation) == tuple(str(tier) for tier in TIERS)


@pytest.mark.parametrize("name", ["FMP", "PPLX", "ANTHROPIC", "OPENAI", "SCRAPFLY"])
def test_calls_a_minute_are_the_operators(tmp_path: Path, name: str) -> None:
    """PF-19: an operator's own figure is kept exactly, by the one provider that it is meant for."""
    before, after = granted(tmp_path), granted(tmp_path, **{f"{name}_CALLS_PER_MINUTE": "7"})
    provider = {"PPLX": "perplexity"}.get(name, name.lower())
    assert {account for account in after if after[account] != before[account]} == {(provider, "calls", "minute")}
    assert after[provider, "calls", "minute"] == 7


def test_pages_at_once(tmp_path: Path) -> None:
    """PF-19: ScrapFly's calls at once are an account where the operator says how many there may be."""
    assert ("scrapfly", "calls", "at once") not in granted(tmp_path)
    assert granted(tmp_path, SCRAPFLY_CALLS_AT_ONCE="3")["scrapfly", "calls", "at once"] == 3


def test_the_key_that_signs(tmp_path: Path) -> None:
    """DESIGN 5: DKIM_KEY is a path or the PEM, also in one line; on synthetic data nothing is signed."""
    pem, _ = dkim_key()
    (tmp_path / "dkim.pem").write_text(pem)
    new = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
    modern = new.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    for given, wanted in ((str(tmp_path / "dkim.pem"), pem), (pem.replace("\n", "\\n"), pem), (modern, modern)):
        settings = load(folder=tmp_path, environ={**MAIL, "DKIM_KEY": given})
        relay = relay_of(settings, signs=True)
        assert relay is not None
        assert relay.dkim is not None
        assert (relay.dkim.domain, relay.dkim.selector) == ("openbell.example", "s1")
        assert relay.dkim.key.strip() == wanted.strip()
        unsigned: Any = relay_of(settings, signs=False)
        assert unsigned.dkim is None


@pytest.mark.parametrize(
    "real", [{"SMTP_HOST": "mail.example"}, {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": "25"}, {"SMTP_HOST": "localhost"}]
)
async def test_no_real_mail_from_synthetic_data(pool: asyncpg.Pool, tmp_path: Path, real: dict[str, str]) -> None:
    """DESIGN 6: on synthetic data no server of the operator's is handed a mail, whichever way the sandbox was named."""
    await stamp_mode(pool, SANDBOX)
    there = {"FMP_BASE_URL": "http://127.0.0.1:9100"}
    beside = {"mode": SANDBOX, "fmp_base_url": "http://127.0.0.1:9100", "smtp_host": "127.0.0.1", "smtp_port": "9125"}
    connections = await choose_connections(pool, load(folder=tmp_path, environ=real | there), {})
    with pytest.raises(Permanent, match="SMTP_HOST"):
        assert connections.relay
    connections = await choose_connections(pool, load(folder=tmp_path, environ=real), beside)
    assert (connections.relay.host, connections.relay.port) == ("127.0.0.1", 9125)


async def test_only_real_mails_are_signed(pool: asyncpg.Pool, tmp_path: Path) -> None:
    """DESIGN 7: the operator's key signs what leaves for real, and nothing that is made of synthetic data."""
    pem, _ = dkim_key()
    real = {**MAIL, "DKIM_KEY": pem, "FMP_API_KEY": "a9F3kQ7LmZ2vX8sT4wR6yB1nC5dE0gHj"}
    pretended = {**real, "SMTP_HOST": "127.0.0.1", "SMTP_PORT": "9125", "FMP_BASE_URL": "http://127.0.0.1:9100"}
    await stamp_mode(pool, SANDBOX)
    connections = await choose_connections(pool, load(folder=tmp_path, environ=pretended), {})
    assert (connections.relay.host, connections.relay.dkim) == ("127.0.0.1", None)
    await pool.execute("delete from openbell.meta where key = 'mode'")
    connections = await choose_connections(pool, load(folder=tmp_path, environ=real), {})
    assert connections.relay.dkim is not None


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("/nowhere/marked-secret", "is no file that can be read (No such file or directory)"),
        ("marked-secret" * 1_000, "is no file that can be read (File name too long)"),
        ("-----BEGIN RSA PRIVATE KEY-----\nmarked-secret\n-----END", "must be an RSA private key in PEM"),
        ("", "DKIM_KEY is not set, and DKIM_DOMAIN and DKIM_SELECTOR are"),
    ],
)
def test_a_key_that_cannot_sign(tmp_path: Path, given: str, told: str) -> None:
    """PF-40: a DKIM_KEY that is none stops the worker with one sentence, which never shows what it holds."""
    settings = load(folder=tmp_path, environ={**MAIL, "DKIM_KEY": given})
    with pytest.raises(SettingsError) as caught:
        relay_of(settings, signs=True)
    assert told in str(caught.value)
    assert "marked-secret" not in f"{caught.value} {settings!r}"


def test_one_fetcher_a_process() -> None:
    """The door for addresses from outside is made once: each would read all certificates of the world again."""
    connections = Connections({"news": source_of(Settings(), "news")})
    assert connections.fetcher is connections.fetcher


def test_the_doctor_on_allowances_and_mail(tmp_path: Path) -> None:
    """DESIGN 5: the doctor shows what an operator allows, and whether mails can leave and are signed."""
    pem, _ = dkim_key()
    (tmp_path / "dkim.pem").write_text(pem)
    here = {"FMP_BASE_URL": "http://127.0.0.1:1", "SMTP_HOST": "127.0.0.1", "SMTP_PORT": "1"}
    keys = {"ANTHROPIC_API_KEY": "a9F3kQ7LmZ2vX8sT4wR6", "SCRAPFLY_API_KEY": "yB1nC5dE0gHjA9f3kq7l"}
    limits = {"ANTHROPIC_USD_PER_MONTH": "20", "ANTHROPIC_CALLS_PER_MINUTE": "90", "SCRAPFLY_CALLS_AT_ONCE": "5"}
    told = run("doctor", cwd=tmp_path, **here, **keys, **limits).stdout
    assert "ANTHROPIC_API_KEY is set, $20 a month, 90 calls a minute" in told
    assert "SCRAPFLY_API_KEY is set, 5 calls at once" in told
    assert "127.0.0.1:1: " in told
    told = run("doctor", cwd=tmp_path, **MAIL | here).stdout
    assert "DKIM_KEY is not set, and DKIM_DOMAIN and DKIM_SELECTOR are" in told
    with socket.create_server(("127.0.0.1", 0)) as door:
        there = here | {"SMTP_PORT": str(door.getsockname()[1]), "MAIL_FROM": "mail@example.com"}
        assert "PUBLIC_URL is not set" in run("doctor", cwd=tmp_path, **there).stdout
