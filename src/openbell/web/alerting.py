"""The web process looks at the alert rules, too: when no worker runs, somebody must say so."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from openbell.mail.alerting import Alerter

if TYPE_CHECKING:
    from fastapi import FastAPI

LOOK_S = 0.5


async def keep_watch(app: FastAPI) -> None:
    """Begin once the database is there; until cancelled."""
    while (pool := app.state.database.pool) is None:
        await asyncio.sleep(LOOK_S)
    config = app.state.config
    alerter = Alerter(pool, webhook=config.webhook, home=config.has_home)
    alerter.start()
    try:
        await asyncio.Event().wait()
    finally:
        await alerter.stop()
