"""A post office: the real task in a real worker, and a mail server on a real socket."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import asyncpg
import pytest

from openbell.engine.worker import Worker
from openbell.mail import Delivery, gate, queue
from openbell.mail.deliveries import get_delivery
from openbell.mail.rules import Rules
from openbell.people import Person, add_person, consent
from openbell.products import registry
from openbell.products.context import contexts
from openbell.products.sources import Connections
from openbell.providers.mail import Relay
from tests.engine.conftest import Employ, employ  # noqa: F401 - fixture
from tests.sandbox.conftest import sandbox, start  # noqa: F401 - fixtures
from tests.sandbox.harness import Running
from tests.support import eventually

RULES = Rules(
    sender="Openbell <mail@openbell.example>",
    home="https://bell.example.com",
    per_minute=1_000,
    per_domain=1_000,
)
ADMIN = "admin@openbell.example"


@dataclass
class Post:
    """Queues mails, employs those who send them, and looks into the boxes."""

    pool: asyncpg.Pool
    sandbox: Running
    employ: Callable[..., Awaitable[Worker]]
    port: int
    workers: list[Worker] = field(default_factory=list)

    async def open(self, rules: Rules = RULES, **relay: Any) -> Worker:
        """A worker that sends under these rules."""
        given = {"dry_run_to": rules.dry_run_to if rules.dry_run else None, "only": rules.allowed} | relay
        connections = Connections({}, relay=Relay("127.0.0.1", self.port, tls="none", **given), mail_rules=rules)
        await gate.stamp(self.pool, rules)
        products = [registry().get(name) for name in ("mail-delivery", "mail-sweep")]
        worker = await self.employ(*products, limits=connections.limits, context=contexts(connections))
        self.workers.append(worker)
        return worker

    async def person(self, name: str = "jane", **other: Any) -> Person:
        """Somebody who has agreed to mail."""
        made = await add_person(self.pool, f"{name}@example.com", **({"state": "active", "actor": "test"} | other))
        await consent(self.pool, made.id, ["terms", "privacy", "mail"], given=True, source="test")
        return made

    async def mail(self, to: Person | str, **other: Any) -> Delivery:
        """A mail in the queue."""
        given: dict[str, Any] = {"kind": "digest", "subject": "Digest", "html": "<p>Hello</p>", "text": "Hello\n"}
        return await queue(self.pool, recipient=to, **given | other)

    async def arrived(self) -> list[dict[str, Any]]:
        """What the server has accepted."""
        return list((await self.sandbox.client.get("/_control/smtp/mails")).json()["mails"])

    async def boxes(self) -> dict[str, int]:
        """How many mails each recipient was sent, by the envelope."""
        return dict((await self.sandbox.client.get("/_control/smtp/mails")).json()["recipients"])

    async def state(self, one: Delivery) -> str:
        """What became of a mail so far."""
        found = await get_delivery(self.pool, one.id)
        assert found is not None
        return found.state

    async def ends(self, one: Delivery, state: str) -> Delivery:
        """Wait until it is so."""

        async def there() -> bool:
            return await self.state(one) == state

        await eventually(there, message=f"delivery {one.id} never was {state}")
        found = await get_delivery(self.pool, one.id)
        assert found is not None
        return found

    async def idle(self) -> None:
        """Wait until no job of a mail is left that could be done now."""
        statement = "select count(*) = 0 from openbell.job where product = 'mail-delivery' and parked_until is null"
        await eventually(lambda: self.pool.fetchval(statement))


def staging(**other: Any) -> Rules:
    """The rules of a staging environment, every flag on."""
    given: dict[str, Any] = {
        "environment": "staging",
        "dry_run": True,
        "dry_run_to": ADMIN,
        "allowed": frozenset({ADMIN}),
    }
    return replace(RULES, **given | other)


@pytest.fixture
async def post(pool: asyncpg.Pool, sandbox: Running, employ: Employ) -> Post:  # noqa: F811
    """The post office, closed until somebody opens it."""
    port = int((await sandbox.client.get("/_control/ports")).json()["smtp"])
    await registry().seed(pool)
    return Post(pool, sandbox, employ, port)
