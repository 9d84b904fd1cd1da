"""Every error of the engine.

::

    EngineError                 code, and a sentence
    ├── UnknownProduct          no product of that name is registered
    ├── KeepsNoResult           the product is a task: there is nothing to read or to want
    ├── InvalidKey              the key cannot be one of this product
    ├── InvalidDeclaration      a product was declared with something missing or impossible
    ├── UnknownJob              no job with that id
    ├── JobEnded                the job has ended already
    ├── Fenced                  the attempt is no longer ours: its token is outdated, or it was cancelled
    └── ProducerError           what a producer or a provider client may raise; each has its own consequence
        ├── NothingKnown        the source has nothing under this key: stored as a result
        ├── Transient           try again later, with backoff; uses an attempt
        ├── Waiting             not now, no fault of the job: goes back without using the attempt
        │   ├── AccountBlocked  an account has no room
        │   └── RateLimited     the provider asks for a pause; pauses it for everybody
        ├── ProviderStopped     a bad key, a suspended or exhausted account: pauses the provider, an operator must act
        └── Permanent           trying again changes nothing
            └── NotInPlan       the provider's plan does not include this
"""

from __future__ import annotations

from datetime import timedelta


class EngineError(Exception):
    """Base of all errors of the engine: a stable ``code`` and a sentence for people."""

    code = "engine_error"

    def __init__(self, message: str) -> None:
        super().__init__(message)


class UnknownProduct(EngineError):
    """No product of that name is registered."""

    code = "unknown_product"

    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__(f"There is no product {name[:80]!r}. The products are: {', '.join(known)}.")
        self.name = name


class KeepsNoResult(EngineError):
    """The product is a task: it leaves nothing that could be read, and runs when its schedule or other code says so."""

    code = "keeps_no_result"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name!r} is a task and keeps no result; `openbell schedules list` shows when tasks run.")
        self.name = name


class InvalidKey(EngineError):
    """The key cannot be one of this product."""

    code = "malformed_key"

    def __init__(self, product: str, key: str, reason: str) -> None:
        super().__init__(f"{key[:80]!r} cannot be a key of {product!r}: {reason}.")
        self.product, self.key = product, key


class InvalidDeclaration(EngineError):
    """A product was declared with something missing or impossible; the process does not start with it."""

    code = "invalid_declaration"


class UnknownJob(EngineError):
    """There is no job with that id, live or in history."""

    code = "unknown_job"

    def __init__(self, job_id: int) -> None:
        super().__init__(f"There is no job {job_id}. It may have been removed after its retention time.")


class JobEnded(EngineError):
    """The job has ended already, so that there is nothing to cancel."""

    code = "job_ended"

    def __init__(self, job_id: int, outcome: str) -> None:
        super().__init__(f"Job {job_id} has ended already: {outcome}.")


class Fenced(EngineError):
    """The attempt is no longer ours: its token is outdated or the job was cancelled. Stop, and write nothing."""

    code = "fenced"


class ProducerError(EngineError):
    """What a producer or a provider client may raise. ``retry_after`` is how long to wait, where the source said so.

    ``provider`` is who is meant, where a call has failed; ``subject`` whose accounts, where it has several keys.
    """

    code = "producer_error"
    provider: str | None = None
    subject: str | None = None

    def __init__(self, message: str, *, code: str | None = None, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.code = code or type(self).code
        self.retry_after = retry_after


class NothingKnown(ProducerError):
    """The source answered that it has nothing under this key. This is a result, not a failure."""

    code = "nothing_known"


class Transient(ProducerError):
    """It failed now and may work later: a time-out, a broken connection, an outage."""

    code = "transient"


class Waiting(ProducerError):
    """It could not run now for no fault of its own; it goes back without using an attempt."""

    code = "waiting"


class AccountBlocked(Waiting):
    """An account has no room for this call; it may have some in ``opens_in``.

    ``gated`` when the claim knows of it and takes no such work until then; with ``keys`` it was so for all of several.
    """

    code = "account_full"

    def __init__(self, message: str, *, opens_in: timedelta, gated: bool, keys: bool = False) -> None:
        super().__init__(message)
        self.opens_in, self.gated, self.keys = opens_in, gated, keys


class RateLimited(Waiting):
    """The provider asks for a pause of ``retry_after``; everybody who calls it waits.

    With ``day_zone`` the same said again right after a pause means a limit of the day: everybody waits until midnight
    in that zone.
    """

    code = "rate_limited"
    day_zone: str | None = None


class ProviderStopped(ProducerError):
    """The provider refuses this account as a whole: bad key, suspended, out of credit. An operator must act."""

    code = "provider_stopped"


class Permanent(ProducerError):
    """Trying again changes nothing."""

    code = "permanent"


class NotInPlan(Permanent):
    """The plan with the provider does not include this call; with ``operation`` set, no call of that operation."""

    code = "not_in_plan"
    operation: str | None = None
