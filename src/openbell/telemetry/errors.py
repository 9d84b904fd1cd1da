"""Errors to a Sentry, where its address is set. What is sent is scrubbed: no variables, no addresses, no secrets."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Any

from openbell.telemetry.context import known

HIDDEN = "[hidden]"
_ADDRESS = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}")
_LOGIN = re.compile(r"(\w+://)[^/\s:@]+:[^/\s@]+@")
_PARAMETER = re.compile(
    r"(?i)(api_?key|token|secret|password|authorization|signature|dsn)"
    r"(['\"]?\s*[=:]\s*['\"]?(?:(?:bearer|basic) )?)[^\s&'\",;]+"
)
SHORTEST = 6
"""A secret that is shorter would hide ordinary words."""


def start(dsn: str, *, environment: str, release: str, service: str, secrets: Collection[str]) -> Callable[[], None]:
    """Report errors there; what is answered sends the rest and ends it. Raises ImportError without the extra."""
    import sentry_sdk  # noqa: PLC0415 (an extra)

    hidden = sorted((one for one in secrets if len(one) >= SHORTEST), key=len, reverse=True)

    def before_send(event: Any, _hint: Any) -> Any:
        event = scrub(event, hidden)
        event.setdefault("tags", {}).update(
            {name: str(value)[:200] for name, value in known().items() if name != "key"}
        )
        return event

    sentry_sdk.init(
        dsn=dsn,
        environment=environment,
        release=release,
        server_name=service,
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        max_breadcrumbs=20,
        before_send=before_send,
        before_breadcrumb=lambda crumb, _hint: scrub(crumb, hidden),
        traces_sample_rate=None,
        default_integrations=False,
        integrations=_integrations(),
    )

    def stop() -> None:
        sentry_sdk.flush(timeout=2)
        sentry_sdk.get_client().close()

    return stop


def _integrations() -> list[Any]:
    """Log lines from ERROR on, and what ends a process or a thread; nothing that looks into requests."""
    from sentry_sdk.integrations.excepthook import ExcepthookIntegration  # noqa: PLC0415 (an extra)
    from sentry_sdk.integrations.logging import LoggingIntegration  # noqa: PLC0415
    from sentry_sdk.integrations.threading import ThreadingIntegration  # noqa: PLC0415

    return [LoggingIntegration(), ExcepthookIntegration(), ThreadingIntegration(propagate_scope=False)]


def scrub(told: Any, secrets: Collection[str]) -> Any:
    """The same with every secret, mail address, login and named key in it hidden, however deep."""
    if isinstance(told, str):
        return _scrubbed(told, secrets)
    if isinstance(told, dict):
        return {name: scrub(value, secrets) for name, value in told.items() if name not in ("request", "user", "vars")}
    if isinstance(told, list | tuple):
        return [scrub(one, secrets) for one in told]
    return told


def _scrubbed(text: str, secrets: Collection[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    text = _LOGIN.sub(rf"\1{HIDDEN}@", text)
    text = _PARAMETER.sub(rf"\1\2{HIDDEN}", text)
    return _ADDRESS.sub(HIDDEN, text)
