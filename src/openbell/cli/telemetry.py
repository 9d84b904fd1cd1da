"""What a service tells of itself while it runs: traces and errors, where an operator has said to whom."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pydantic import SecretStr

from openbell.cli.exits import BAD_INPUT, CliError
from openbell.postgres.pool import password_of

if TYPE_CHECKING:
    from openbell.settings import Settings

log = logging.getLogger(__name__)


@contextmanager
def observed(settings: Settings, service: str, dsn: str) -> Iterator[None]:
    """Traces and errors are sent within the block. Raises CliError where an extra is missing."""
    ends = []
    if settings.otel_exporter_otlp_endpoint is not None:
        from openbell.telemetry import traces

        database = urlsplit(dsn).path.lstrip("/") or "openbell"
        try:
            ends.append(
                traces.start(settings.otel_exporter_otlp_endpoint, service=f"openbell-{service}", namespace=database)
            )
        except ImportError:
            raise CliError(_missing("OTEL_EXPORTER_OTLP_ENDPOINT", "telemetry"), BAD_INPUT) from None
    if settings.sentry_dsn is not None:
        from openbell.telemetry import errors

        try:
            ends.append(
                errors.start(
                    settings.sentry_dsn.get_secret_value(),
                    environment=settings.environment,
                    release=f"openbell@{version('openbell')}",
                    service=service,
                    secrets=secrets_of(settings, dsn),
                )
            )
        except ImportError:
            raise CliError(_missing("SENTRY_DSN", "sentry"), BAD_INPUT) from None
    try:
        yield
    finally:
        for end in ends:
            end()


def secrets_of(settings: Settings, dsn: str) -> list[str]:
    """Every value that must not leave: several keys in one setting apart, a password as typed and as written."""
    found = [dsn, password, urlsplit(dsn).password or ""] if (password := password_of(dsn)) else []
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            found += [value.get_secret_value(), *(one.strip() for one in value.get_secret_value().split(","))]
    return [one for one in dict.fromkeys(found) if one]


def _missing(setting: str, extra: str) -> str:
    return f"{setting} is set, and the extra {extra!r} is not installed: pip install 'openbell[{extra}]'."
