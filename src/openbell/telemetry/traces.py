"""Traces over the whole way: demand ──▶ job ──▶ attempt ──▶ call ──▶ publish ──▶ delivery, in however many processes.

The trace of a job follows from its id, so that no process has to hand anything on: who queues it, who runs it and who
sends its result to a browser each begin a span of their own under the span `job`, which whoever ends it writes.

Off until :func:`start` is called, and until then the cost is a look at a variable. Needs the extra `telemetry`. A span
has only the attributes of :data:`ALLOWED`, and of an error its type: no text of anybody, no secret.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

ALLOWED = frozenset(
    (
        "job", "product", "key", "attempt", "worker", "spend", "provider", "operation", "effect", "outcome", "version",
        "viewers", "class",
    )
)  # fmt: skip
LONGEST = 200

_tracer: Tracer | None = None
_namespace = ""
_forced: ContextVar[tuple[int, int] | None] = ContextVar("openbell_span_ids", default=None)


def is_on() -> bool:
    """Whether anybody listens."""
    return _tracer is not None


def start(endpoint: str, *, service: str, namespace: str, delay_s: float = 2.0) -> Callable[[], None]:
    """Send spans to ``endpoint`` over OTLP/HTTP; what is answered sends the rest and ends it.

    ``namespace`` tells databases apart whose jobs have the same numbers: the name of the database. Raises ImportError
    where the extra is not installed.
    """
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 (an extra)
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator  # noqa: PLC0415

    class Ids(RandomIdGenerator):
        """Random, but for the span of a job, whose ids follow from its number."""

        def generate_trace_id(self) -> int:
            forced = _forced.get()
            return super().generate_trace_id() if forced is None else forced[0]

        def generate_span_id(self) -> int:
            forced = _forced.get()
            return super().generate_span_id() if forced is None else forced[1]

    global _tracer, _namespace
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=5)
    provider = TracerProvider(resource=Resource.create({"service.name": service}), id_generator=Ids())
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=delay_s * 1000))
    _tracer, _namespace = provider.get_tracer("openbell"), namespace

    def stop() -> None:
        global _tracer  # noqa: PLW0603
        _tracer = None
        provider.shutdown()

    return stop


def ids_of(job_id: int) -> tuple[int, int]:
    """Trace and span of a job."""
    digest = hashlib.sha256(f"openbell:{_namespace}:{job_id}".encode()).digest()
    return int.from_bytes(digest[:16]), int.from_bytes(digest[16:24])


@contextmanager
def span(name: str, *, job_id: int | None = None, **attributes: Any) -> Iterator[None]:
    """A span over the block, under the job's, or under the one around it; spans that begin in it stand under it."""
    if _tracer is None:
        yield
        return
    from opentelemetry import trace  # noqa: PLC0415 (an extra)

    made = _begin(name, job_id, attributes)
    try:
        with trace.use_span(made, end_on_exit=False, record_exception=False, set_status_on_exception=False):
            yield
    except BaseException as error:
        _fail(made, error)
        raise
    finally:
        made.end()


def begin(name: str, **attributes: Any) -> Callable[[BaseException | None], None]:
    """A span under the one around it; it ends when what is answered is called, with what ended it, or None."""
    if _tracer is None:
        return _nothing
    made = _begin(name, None, attributes)

    def end(error: BaseException | None) -> None:
        if error is not None:
            _fail(made, error)
        made.end()

    return end


def note(name: str, job_id: int, *, since: datetime | None = None, root: bool = False, **attributes: Any) -> None:
    """A span that is over: from ``since`` until now. With ``root`` it is the job's own."""
    if _tracer is None:
        return
    began = None if since is None else int(since.timestamp() * 1e9)
    if not root:
        _begin(name, job_id, attributes, began).end()
        return
    from opentelemetry.context import Context  # noqa: PLC0415 (an extra)

    before = _forced.get()
    _forced.set(ids_of(job_id))
    try:
        _tracer.start_span(name, context=Context(), start_time=began, attributes=_plain(attributes)).end()
    finally:
        _forced.set(before)


def _begin(name: str, job_id: int | None, attributes: dict[str, Any], began: int | None = None) -> Span:
    from opentelemetry import trace  # noqa: PLC0415 (an extra)

    assert _tracer is not None
    context = None
    if job_id is not None:
        trace_id, span_id = ids_of(job_id)
        job = trace.SpanContext(trace_id, span_id, is_remote=True, trace_flags=trace.TraceFlags(1))
        context = trace.set_span_in_context(trace.NonRecordingSpan(job))
        attributes = {"job": job_id, **attributes}
    return _tracer.start_span(name, context=context, start_time=began, attributes=_plain(attributes))


def _plain(attributes: dict[str, Any]) -> dict[str, str | int]:
    if wrong := attributes.keys() - ALLOWED:
        raise ValueError(f"a span has no attribute {sorted(wrong)[0]!r}")
    return {
        f"openbell.{name}": value if isinstance(value, int) else str(value)[:LONGEST]
        for name, value in attributes.items()
        if value is not None
    }


def _fail(made: Span, error: BaseException) -> None:
    from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415 (an extra)

    made.set_status(Status(StatusCode.ERROR, type(error).__name__))


def _nothing(_error: BaseException | None) -> None:
    """Nobody listens."""
