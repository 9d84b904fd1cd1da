"""Settings: the environment, then `.env`, then `openbell.toml`, then the defaults below.

Only the doors of the house (`cli`, `web`) read settings; every lower floor is handed plain values.
A setting that is unknown or wrong stops the program with one sentence that names it and the mend.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, get_args

from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, ValidationInfo, field_validator

HOMES: Mapping[str, str] = {
    "fmp": "https://financialmodelingprep.com",
    "perplexity": "https://api.perplexity.ai",
    "anthropic": "https://api.anthropic.com",
    "openai": "https://api.openai.com/v1",
    "gemini": "https://generativelanguage.googleapis.com/v1beta/openai",
    "scrapfly": "https://api.scrapfly.io",
    "news": "https://news.google.com",
    "edgar": "https://www.sec.gov",
    "wikimedia": "https://wikimedia.org",
}
"""Where the providers are at home; a base address of another host is a sandbox or a proxy."""

KEYED = ("fmp", "perplexity", "anthropic", "openai", "gemini", "scrapfly")
"""Providers that want a key."""

SEVERAL = ("fmp",)
"""Providers that may be given several keys, separated by commas."""

MOST_KEYS = 20

PREFIXES: Mapping[str, str] = {"perplexity": "pplx"}
"""What the settings of a provider begin with, where that is not its name."""

OTHER_NAMES: Mapping[str, str] = {"claude_api_key": "anthropic_api_key"}
"""Names that settings are known by elsewhere."""

PLACEHOLDERS = frozenset(
    (
        "apikey", "changethis", "default", "demo", "dummy", "empty", "example", "fake", "fmpapikey", "insertkeyhere",
        "key", "mock", "mykey", "none", "null", "placeholder", "replaceme", "sample", "sandbox", "secret", "test",
        "testkey", "todo", "token", "tbd", "unset", "yoursecret",
    )
)  # fmt: skip
# Set by `openbell up` for its own children; not settings.
INTERNAL = frozenset({"OPENBELL_LIFELINE_FD"})
PAID_NAME = re.compile(r"_API_KEY$|^SMTP_PASSWORD$|^DKIM_KEY$", re.IGNORECASE)

Plan = Literal["basic", "starter", "premium", "ultimate"]
_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]


class SettingsError(Exception):
    """A setting is unknown, wrong, missing or a placeholder. The message is one sentence that names it and the mend."""


def field_of(provider: str, what: str) -> str:
    """The name of a provider's setting: ``pplx_api_key`` for `perplexity` and `api_key`."""
    return f"{PREFIXES.get(provider, provider)}_{what}"


def _base_url(provider: str, name: str) -> Any:
    return Field(HOMES[provider], description=f"where {name} answers", pattern=r"^https?://[^\s/]+")


def _dollars(name: str, period: str = "month") -> Any:
    about = f"dollars that may be spent with {name} in a calendar {period}; without it nothing is"
    return Field(None, ge=0, le=1_000_000, max_digits=12, decimal_places=6, description=about)


def _calls_per_minute(instead: str) -> Any:
    return Field(None, ge=1, le=10_000, description=f"calls a minute, instead of {instead}")


class Settings(BaseModel):
    """What an operator may set. The name of a setting is the field's name in capitals."""

    model_config = ConfigDict(frozen=True, validate_default=True)

    environment: Literal["development", "staging", "production"] = Field(
        "development", description="where this runs; production refuses synthetic data"
    )
    database_url: SecretStr | None = Field(
        None, description="PostgreSQL 15 to 18 to use instead of the embedded one: postgresql://user@host/name"
    )
    direct_database_url: SecretStr | None = Field(
        None, description="the same database past a transaction pooler; carries LISTEN only"
    )
    fmp_api_key: SecretStr | None = Field(
        None, description="the key of Financial Modeling Prep, or several, separated by commas; only workers read it"
    )
    fmp_base_url: str = _base_url("fmp", "FMP")
    fmp_plan: Plan = Field("basic", description="the FMP plan that is paid for; decides calls and bytes allowed")
    fmp_calls_per_minute: int | None = _calls_per_minute("those of the plan")
    pplx_api_key: SecretStr | None = Field(None, description="the key of Perplexity; only workers read it")
    pplx_base_url: str = _base_url("perplexity", "Perplexity")
    pplx_tier: Literal["0", "50", "250", "500", "1000"] = Field(
        "0", description="dollars of credit bought with Perplexity so far; decides the calls a second"
    )
    pplx_calls_per_minute: int | None = _calls_per_minute("those of the tier")
    pplx_usd_per_month: Decimal | None = _dollars("Perplexity")
    anthropic_api_key: SecretStr | None = Field(None, description="the key of Anthropic; only workers read it")
    anthropic_base_url: str = _base_url("anthropic", "Anthropic")
    anthropic_calls_per_minute: int | None = _calls_per_minute("50")
    anthropic_usd_per_month: Decimal | None = _dollars("Anthropic")
    openai_api_key: SecretStr | None = Field(
        None, description="the key of OpenAI or of a compatible server; only workers read it"
    )
    openai_base_url: str = _base_url("openai", "OpenAI or a compatible server")
    openai_calls_per_minute: int | None = _calls_per_minute("50")
    openai_usd_per_month: Decimal | None = _dollars("OpenAI")
    gemini_api_key: SecretStr | None = Field(None, description="the key of Gemini; only workers read it")
    gemini_base_url: str = _base_url("gemini", "Gemini, in the form of OpenAI's chat")
    gemini_calls_per_minute: int | None = _calls_per_minute("50")
    gemini_usd_per_month: Decimal | None = _dollars("Gemini")
    enable_weekly_picks_generation: bool = Field(
        default=False, description="the switch of all paid generation of weekly picks"
    )
    picks_usd_per_week: Decimal | None = _dollars("weekly picks", "week")
    picks_usd_per_edition: Decimal = Field(
        Decimal(5), gt=0, le=1_000, decimal_places=6, description="dollars that are held for one edition of picks"
    )
    picks_provider: Literal["perplexity", "anthropic", "openai"] = Field(
        "perplexity", description="who writes weekly picks"
    )
    picks_model: str | None = Field(None, description="a model of theirs, instead of the effort", max_length=100)
    picks_effort: str = Field(
        "medium@2026-10-16.0",
        description="a pinned effort of Perplexity's such as medium@2026-10-16.0",
        pattern=r"^(fast|low|medium|high|xhigh)@\d{4}-\d{2}-\d{2}\.\d+$",
    )
    picks_per_batch: int = Field(100, ge=1, le=1_000, description="editions in one batch of the weekly run")
    cron_secret: SecretStr | None = Field(
        None, description="at least 16 letters, the bearer token of outside schedulers", min_length=16
    )
    warmup_secret: SecretStr | None = Field(
        None,
        description="at least 16 letters, what outside callers of POST /api/jobs/run-warmup show; without it none may",
        min_length=16,
    )
    compare_notes: str = Field(
        "",
        description="a model that writes notes on comparisons, such as anthropic:claude-haiku-5-5; without it none is",
        pattern=r"^((anthropic|openai|gemini):[\w./:-]{1,100})?$",
    )
    compare_notes_per_day: int = Field(100, ge=0, le=100_000, description="such notes a day, of everybody together")
    compare_notes_per_person: int = Field(5, ge=0, le=1_000, description="such notes a day that one person may ask for")
    debug_api_headers: bool = Field(
        default=False, description="whether comparisons tell their debug id, last error and keys to programs"
    )
    digest_models: str = Field(
        "auto",
        description=(
            "who writes digests: auto (those with a key and a budget), none (sentences of the sources, no model), or "
            "such as `anthropic:claude-haiku-5-5 > openai:gpt-6-luna; summary=openai:gpt-6-sol; known=none`"
        ),
        pattern=r"^(auto|none|[\w.:/>;=,\s-]+:[\w.:/>;=,\s-]+)$",
    )
    digest_usd_max: Decimal = Field(
        Decimal(2),
        ge=0,
        le=1_000,
        max_digits=10,
        decimal_places=6,
        description="dollars that a digest may cost at most",
    )
    scrapfly_api_key: SecretStr | None = Field(None, description="the key of ScrapFly; only workers read it")
    scrapfly_base_url: str = _base_url("scrapfly", "ScrapFly")
    scrapfly_plan: Literal["free", "discovery", "pro", "startup", "enterprise"] = Field(
        "free", description="the ScrapFly plan that is paid for; decides the credits of a month"
    )
    scrapfly_calls_per_minute: int | None = _calls_per_minute("60")
    scrapfly_calls_at_once: int | None = Field(None, ge=1, le=500, description="pages at once that the account allows")
    news_base_url: str = _base_url("news", "the news feeds")
    edgar_base_url: str = _base_url("edgar", "EDGAR")
    wikimedia_base_url: str = _base_url("wikimedia", "Wikimedia")
    admin_email: str | None = Field(
        None, description="an address such as you@example.com, the operator's", pattern=r"^[^\s@]+@[^\s@]+\.[^\s@]+$"
    )
    smtp_host: str | None = Field(None, description="the mail server that sends for us")
    smtp_port: int = Field(587, ge=1, le=65_535, description="its port")
    smtp_tls: Literal["starttls", "implicit", "none"] = Field("starttls", description="how the way there is encrypted")
    smtp_user: str | None = Field(None, description="the name to sign in with there")
    smtp_password: SecretStr | None = Field(None, description="the password to sign in with; only workers read it")
    dkim_domain: str | None = Field(
        None,
        description="a domain such as example.com, for which mails are signed",
        pattern=rf"^{_LABEL}(\.{_LABEL})+$",
    )
    dkim_selector: str | None = Field(
        None,
        description="a name such as mail2026, under which the domain tells the key",
        pattern=rf"^{_LABEL}(\.{_LABEL})*$",
    )
    dkim_key: SecretStr | None = Field(
        None, description="an RSA private key in PEM, or the path of a file with one; only workers read it"
    )
    dry_run: bool | None = Field(
        None, description="every mail goes to ADMIN_EMAIL instead; in staging that is so unless this is set to false"
    )
    mail_from: str | None = Field(
        None,
        description="whom mails are from: Openbell <mail@example.com>",
        pattern=r"^([^<>@\r\n]+ <[^\s@<>]+@[^\s@<>]+\.[^\s@<>]+>|[^\s@<>]+@[^\s@<>]+\.[^\s@<>]+)$",
    )
    mail_allowed: list[str] = Field(
        [], description="the only addresses, separated by commas, that staging writes to when DRY_RUN is false"
    )
    mails_per_minute: int = Field(30, ge=1, le=10_000, description="mails a minute, all together")
    mails_per_day: int | None = Field(None, ge=1, le=10_000_000, description="mails in any 24 hours, all together")
    mails_per_domain: int = Field(10, ge=1, le=10_000, description="mails a minute to the addresses of one domain")
    public_url: str | None = Field(
        None,
        description="where those who get mail find the pages, such as https://bell.example.com",
        pattern=r"^https?://[^\s/]+/?$",
    )
    schedules: bool | None = Field(
        None, description="whether schedules run; in staging they do not unless this is set to true"
    )
    max_concurrent_jobs: int | None = Field(None, ge=1, le=500, description="jobs at once of all workers together")
    max_concurrent_scheduled: int | None = Field(
        None, ge=1, le=500, description="how many of them scheduled work takes, and is sure of while it has any waiting"
    )
    max_concurrent_adhoc: int | None = Field(None, ge=1, le=500, description="how many of them ad-hoc work takes")
    allowed_origins: list[str] = Field([], description="origins, separated by commas, whose pages may call the API")
    reading_origins: list[str] = Field([], description="origins, separated by commas, whose pages may read only")
    requests_a_minute: int = Field(
        600,
        ge=0,
        description="requests that one person or program may make; an address five times as many; 0: no limit",
    )
    display_licences: list[str] = Field(
        [], description="providers, separated by commas, whose data you hold a licence to show to others, such as fmp"
    )
    openbell_data: Path | None = Field(None, description="data folder of `openbell up`")
    openbell_host: str = Field("127.0.0.1", min_length=1, description="address the web process listens on")
    openbell_port: int = Field(8000, ge=0, le=65_535, description="port the web process listens on; 0 picks a free one")
    log_level: LogLevel = Field("INFO", description="least level that is logged")
    log_format: Literal["plain", "json"] = Field(
        "plain", description="how log lines of the services look: plain, or json, one object a line"
    )
    metrics: Literal["local", "open", "off"] = Field(
        "local",
        description="who may read /metrics without METRICS_TOKEN: local (this machine), open (anybody), off (nobody)",
    )
    metrics_token: SecretStr | None = Field(
        None, description="at least 16 letters, the bearer token with which /metrics may be read", min_length=16
    )
    alert_webhook_secret: SecretStr | None = Field(
        None, description="at least 16 letters, what alerts that are posted are signed with", min_length=16
    )
    alert_webhook_url: str | None = Field(
        None, description="where alerts are posted, such as https://example.com/hook", pattern=r"^https?://[^\s/]+\S*$"
    )
    otel_exporter_otlp_endpoint: str | None = Field(
        None,
        description="where traces are sent over OTLP/HTTP, such as http://127.0.0.1:4318; needs the extra telemetry",
        pattern=r"^https?://[^\s/]+",
    )
    sentry_dsn: SecretStr | None = Field(
        None, description="where errors are reported, an address that Sentry gives; needs the extra sentry"
    )

    @field_validator("allowed_origins", "reading_origins", "display_licences", "mail_allowed", mode="before")
    @classmethod
    def _split_origins(cls, given: object) -> object:
        return [part.strip() for part in given.split(",") if part.strip()] if isinstance(given, str) else given

    @field_validator("allowed_origins", "reading_origins")
    @classmethod
    def _check_origins(cls, given: list[str]) -> list[str]:
        for origin in given:
            if not re.fullmatch(r"https?://[^\s/]+", origin):
                raise ValueError(f"origins such as https://example.com, without a path, and {origin!r} is none")
        return given

    @field_validator("fmp_api_key")
    @classmethod
    def _check_keys(cls, given: SecretStr | None) -> SecretStr | None:
        keys = [key.strip() for key in given.get_secret_value().split(",")] if given is not None else []
        if len(keys) > 1 and (not all(keys) or len(set(keys)) < len(keys) or len(keys) > MOST_KEYS):
            raise ValueError(f"one key, or 2 to {MOST_KEYS} different ones, separated by commas, none of them empty")
        return given

    @field_validator("dry_run")
    @classmethod
    def _check_dry_run(cls, given: bool | None, info: ValidationInfo) -> bool | None:
        if given and not info.data.get("admin_email"):
            raise ValueError("off, or ADMIN_EMAIL must be set, to which the mails of a dry run go")
        return given

    @field_validator("alert_webhook_url")
    @classmethod
    def _check_webhook(cls, given: str | None, info: ValidationInfo) -> str | None:
        if given and not info.data.get("alert_webhook_secret"):
            raise ValueError("set together with ALERT_WEBHOOK_SECRET, with which what is posted there is signed")
        return given

    @field_validator("max_concurrent_scheduled", "max_concurrent_adhoc")
    @classmethod
    def _check_share(cls, given: int | None, info: ValidationInfo) -> int | None:
        total = info.data.get("max_concurrent_jobs")
        if given is not None and total is not None and given > total:
            raise ValueError(f"at most MAX_CONCURRENT_JOBS, which is {total}")
        return given

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, given: object) -> object:
        return given.upper() if isinstance(given, str) else given

    @field_validator("environment", "fmp_plan", mode="before")
    @classmethod
    def _lower(cls, given: object) -> object:
        return given.lower() if isinstance(given, str) else given

    @field_validator("database_url", "direct_database_url")
    @classmethod
    def _check_dsn(cls, given: SecretStr | None) -> SecretStr | None:
        if given is not None and not given.get_secret_value().startswith(("postgresql://", "postgres://")):
            raise ValueError("an address that starts with postgresql://")
        return given

    @field_validator(*(field_of(name, "base_url") for name in HOMES))
    @classmethod
    def _trim_slash(cls, given: str) -> str:
        return given.rstrip("/")

    @property
    def dsn(self) -> str | None:
        """The connection string of the chosen server, or None for the embedded one."""
        return self.database_url.get_secret_value() if self.database_url else None

    @property
    def listen_dsn(self) -> str | None:
        """The connection string that may carry LISTEN, or None for the embedded server."""
        return self.direct_database_url.get_secret_value() if self.direct_database_url else self.dsn

    def key_of(self, provider: str) -> str:
        """The key of a provider; empty where there is none."""
        secret: SecretStr | None = getattr(self, field_of(provider, "api_key"), None)
        return secret.get_secret_value().strip() if secret else ""

    def keys_of(self, provider: str) -> dict[str, str]:
        """The keys of a provider by name, k1, k2, … in the order in which they are given; empty where there is none."""
        given = self.key_of(provider)
        keys = given.split(",") if provider in SEVERAL else [given]
        return {f"k{n}": key.strip() for n, key in enumerate(keys, 1) if key.strip()}

    def base_url_of(self, provider: str) -> str:
        """Where a provider answers."""
        return str(getattr(self, field_of(provider, "base_url")))

    def beside(self, run: Mapping[str, Any], *, key: str) -> Settings:
        """These settings, but for whom to ask: those of a running `openbell up`, and its key for all."""
        theirs = {name: value for name, value in run.items() if name in type(self).model_fields}
        keys = {field_of(provider, "api_key"): key for provider in KEYED} | {"smtp_password": key}
        return Settings(**(self.model_dump() | theirs | keys))

    @property
    def is_staging(self) -> bool:
        """Whether this is the place where things are tried."""
        return self.environment == "staging"

    @property
    def runs_dry(self) -> bool:
        """Whether mails go to the operator instead: as set, and in staging unless set."""
        return self.is_staging if self.dry_run is None else self.dry_run

    @property
    def runs_schedules(self) -> bool:
        """Whether schedules run: as set, and elsewhere than in staging unless set."""
        return not self.is_staging if self.schedules is None else self.schedules

    @property
    def dkim_gaps(self) -> list[str]:
        """What is missing for signing mails, where any of it is there."""
        given = {name: getattr(self, name) for name in ("dkim_domain", "dkim_selector", "dkim_key")}
        there = [name.upper() for name, value in given.items() if value]
        rest = f"{' and '.join(there)} {'is' if len(there) == 1 else 'are'}"
        return [f"{name.upper()} is not set, and {rest}" for name, value in given.items() if there and not value]

    def is_set(self, name: str) -> bool:
        """Whether somebody chose this setting, so that it is not merely the default."""
        return name in self.model_fields_set


def load(*, folder: Path | None = None, environ: Mapping[str, str] | None = None, keys: bool = True) -> Settings:
    """Read the settings that hold in `folder` (default: the working folder).

    `keys=False` is for the web process, which must never hold a paid key. Raises SettingsError.
    """
    folder = folder or Path.cwd()
    environment = {name: value for name, value in (environ if environ is not None else os.environ).items() if value}
    dotenv = {name: value for name, value in dotenv_values(folder / ".env").items() if value}
    toml = _read_toml(folder / "openbell.toml")
    _refuse_unknown(environment, dotenv, toml)

    merged: dict[str, Any] = {}
    origin: dict[str, str] = {}
    sources: list[tuple[str, Mapping[str, Any]]] = [("openbell.toml", toml), (".env", dotenv)]
    for source, values in [*sources, ("the environment", environment)]:
        for name, value in sorted(values.items(), key=lambda item: item[0].lower() not in OTHER_NAMES):
            field = OTHER_NAMES.get(name.lower(), name.lower())
            if field in Settings.model_fields and (keys or not PAID_NAME.search(name)):
                merged[field], origin[field] = value, source
    try:
        return Settings(**merged)
    except ValidationError as error:
        raise SettingsError(_sentence(error, merged, origin)) from None


def require_live_secrets(settings: Settings) -> None:
    """Refuse to start on real data without real keys (PF-40). Raises SettingsError that names every wrong one."""
    wrong = []
    for provider in KEYED:
        key, name = settings.key_of(provider), field_of(provider, "api_key").upper()
        if any(is_placeholder(one) for one in settings.keys_of(provider).values()):
            wrong.append(f"{name} holds a placeholder")
        elif not key and provider == "fmp":
            wrong.append(f"{name} is not set")
    password = settings.smtp_password.get_secret_value() if settings.smtp_password else ""
    if settings.smtp_user and not password:
        wrong.append("SMTP_PASSWORD is not set, and SMTP_USER is")
    elif password and is_placeholder(password):
        wrong.append("SMTP_PASSWORD holds a placeholder")
    wrong += settings.dkim_gaps
    if wrong:
        raise SettingsError(
            f"{' and '.join(wrong)}: put the real key into the environment or .env, "
            "or run without --live on synthetic data."
        )


def is_placeholder(secret: str) -> bool:
    """Whether this is what people leave in templates (`changeme`, `<your-key>`, `xxxx`) and not a key."""
    plain = re.sub(r"[^a-z0-9]", "", secret.lower())
    return (
        plain in PLACEHOLDERS
        or len(set(plain)) <= 1
        or "changeme" in plain
        or re.search("your.*key", plain) is not None
    )


def without_paid_keys(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process that may not spend money or send mail (PF-41)."""
    return {name: value for name, value in environ.items() if not PAID_NAME.search(name)}


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"openbell.toml cannot be read as TOML: {error}.") from None
    except OSError as error:
        raise SettingsError(f"openbell.toml cannot be read: {error.strerror}.") from None


def _refuse_unknown(environment: Iterable[str], dotenv: Iterable[str], toml: Iterable[str]) -> None:
    """Every key of openbell.toml is ours; elsewhere only what begins with OPENBELL_ is."""
    known = {field.upper() for field in (*Settings.model_fields, *OTHER_NAMES)}
    for source, names, ours in (
        ("openbell.toml", toml, ""),
        (".env", dotenv, "OPENBELL_"),
        ("the environment", environment, "OPENBELL_"),
    ):
        for name in names:
            if name.upper().startswith(ours) and name.upper() not in known | INTERNAL:
                close = difflib.get_close_matches(name.upper(), sorted(known), n=1, cutoff=0.5)
                mend = (
                    f"did you mean {close[0]}?" if close else "remove it, or see docs/settings.md for those there are."
                )
                raise SettingsError(f"Unknown setting {name} in {source}: {mend}")


def _sentence(error: ValidationError, merged: Mapping[str, Any], origin: Mapping[str, str]) -> str:
    """The first complaint in plain words: setting, value (never of a secret), source, what is allowed."""
    first = error.errors(include_url=False)[0]
    field = str(first["loc"][0])
    secret = "Secret" in str(Settings.model_fields[field].annotation)
    value = "" if secret else f" is {merged[field]!r}"
    return f"{field.upper()}{value} (from {origin[field]}): it must be {_allowed(field, first)}."


def _allowed(field: str, complaint: Mapping[str, Any]) -> str:
    about = Settings.model_fields[field]
    context = complaint.get("ctx", {})
    if (choices := get_args(about.annotation)) and all(isinstance(choice, str) for choice in choices):
        return "one of " + ", ".join(choices)
    bounds = {name: getattr(item, name) for item in about.metadata for name in ("ge", "le") if hasattr(item, name)}
    if complaint["type"] == "value_error":
        return str(context["error"])
    if bounds and "Decimal" in str(about.annotation):
        return f"dollars from {bounds['ge']:,} to {bounds['le']:,}, with a point"
    if bounds:
        return f"a whole number from {bounds['ge']:,} to {bounds['le']:,}"
    if complaint["type"] == "string_pattern_mismatch":
        return f"an address such as {about.default}" if about.default else f"{about.description}"
    return f"{about.description}"
