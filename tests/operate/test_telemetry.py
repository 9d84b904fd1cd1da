"""Traces over every step, errors to a Sentry, and log lines with ids: to real sockets, and without a secret."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import logging
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from pydantic import SecretStr

from openbell.cli.logs import JsonFormatter, LineFormatter, in_one_line
from openbell.cli.telemetry import secrets_of
from openbell.engine.registry import Registry
from openbell.settings import Settings
from openbell.telemetry import errors, traces
from openbell.telemetry.context import about
from tests.engine.conftest import Employ
from tests.engine.hand import Number, declare, per_minute
from tests.engine.purse import BUDGET
from tests.providers.scripted import Scripted, http, serving
from tests.support import eventually
from tests.web.conftest import serve

SECRET = "sk-secret-of-the-test-551"


@pytest.fixture
async def collector() -> AsyncIterator[Scripted]:
    """Somebody who takes whatever is posted."""
    async with serving({"*": http(200, b"{}", content_type="application/json")}) as made:
        yield made


def posted(collector: Scripted) -> list[bytes]:
    """What came, unpacked."""
    return [
        gzip.decompress(one.body) if one.headers.get("content-encoding") == "gzip" else one.body
        for one in collector.asked
    ]


def spans_of(collector: Scripted) -> list[Any]:
    """Every span that came."""
    assert set(collector.targets) <= {"/v1/traces"}
    return [
        span
        for body in posted(collector)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


async def test_one_trace_from_demand_to_delivery(
    pool: asyncpg.Pool, dsn: str, employ: Employ, collector: Scripted
) -> None:
    """Platform F: demand, job, attempt, call, publish and delivery to a browser are one trace; no secret is in it."""

    async def make(key: Any, attempt: Any) -> Number:
        async with attempt.spends("shop").call("buy", effect="never", usd_micro=1) as call:
            await call.sending()
            call.took(usd_micro=1, ref=SECRET)
        return Number(n=1, text=SECRET)

    stop = traces.start(collector.url, service="test", namespace="test", delay_s=0.1)
    try:
        product = declare("quote", make=make)
        await Registry([product]).seed(pool)
        async with serve(dsn, pool) as site:
            await site.ready()
            await employ(product, limits=[BUDGET, per_minute(100)])
            async with site.watch("quote:AAPL") as stream:
                names = {"demand", "job", "attempt", "call", "publish", "delivery"}
                await eventually(lambda: names <= {span.name for span in spans_of(collector)})
                await eventually(lambda: SECRET in json.dumps(stream.events), message="the browser has the value")
                job = await pool.fetchval("select job_id from openbell.version")
    finally:
        await asyncio.to_thread(stop)
    trace_id, span_id = traces.ids_of(job)
    mine = [span for span in spans_of(collector) if int.from_bytes(span.trace_id) == trace_id]
    by_name = {span.name: span for span in mine}
    assert set(by_name) == {"demand", "job", "attempt", "call", "publish", "delivery"}
    root, attempt = by_name["job"], by_name["attempt"]
    assert (int.from_bytes(root.span_id), root.parent_span_id) == (span_id, b"")
    assert [by_name[name].parent_span_id for name in ("demand", "attempt", "delivery")] == [root.span_id] * 3
    assert [by_name[name].parent_span_id for name in ("call", "publish")] == [attempt.span_id] * 2
    told = {one.key: one.value.int_value for one in by_name["call"].attributes}
    assert told["openbell.spend"] == await pool.fetchval("select id from openbell.spend")
    assert SECRET.encode() not in b"".join(posted(collector))
    assert dsn.encode() not in b"".join(posted(collector))
    with pytest.raises(ValueError, match="has no attribute 'body'"):
        traces._plain({"body": "x"})


CRASH = """
import logging, sys
from openbell.telemetry import errors
from openbell.telemetry.context import about
secret = sys.argv[2]
stop = errors.start(sys.argv[1], environment="test", release="x", service="test", secrets=[secret])
try:
    password = secret
    asked = "https://me:hunter22@shop.example/?api_key=abcdef123"
    raise RuntimeError(f"no answer from {asked} for jane@example.com, {secret}")
except RuntimeError:
    with about(job=7, attempt=2, key="jane@example.com"):
        logging.getLogger("openbell").exception("job.failed with %s", secret)
stop()
"""


async def test_errors_go_to_sentry_scrubbed(collector: Scripted) -> None:
    """Platform F: an error is reported with its ids, once; no secret, address, login or local variable is in it."""
    dsn = collector.url.replace("http://", "http://public@") + "/1"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CRASH, dsn, SECRET, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    _, complaints = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, complaints.decode()
    told = b"".join(posted(collector)).decode()
    events = [json.loads(line) for line in told.splitlines() if '"exception"' in line]
    assert len(events) == 1
    assert events[0]["tags"]["job"] == "7"
    assert events[0]["exception"]["values"][0]["type"] == "RuntimeError"
    for hidden in (SECRET, "jane@", "hunter22", "abcdef123"):
        assert hidden not in told, hidden
    assert errors.HIDDEN in told


@pytest.mark.parametrize("dsn", ["postgresql://me:p%40ss%21word@db/x", "postgresql://me@db/x?password=p%40ss%21word"])
def test_every_form_of_a_secret_is_known(dsn: str) -> None:
    """Platform F: keys apart, and the password as it is typed and as it stands in the address."""
    found = secrets_of(Settings(fmp_api_key=SecretStr("key-one, key-two")), dsn)
    told = errors.scrub(f"{dsn} refused p@ss!word; key-two; key-one", sorted(found, key=len, reverse=True))
    assert not any(secret in told for secret in ("p@ss!word", "p%40ss%21word", "key-one", "key-two"))


def test_log_lines_carry_ids() -> None:
    """PF-36: a line has job, product, key, attempt, worker and spend, plain for people and JSON for programs."""
    out = {"plain": io.StringIO(), "json": io.StringIO()}
    log = logging.getLogger("test.logs")
    log.setLevel("INFO")
    log.propagate = False
    handlers = [logging.StreamHandler(out["plain"]), logging.StreamHandler(out["json"])]
    for handler, formatter in zip(handlers, (LineFormatter(), JsonFormatter()), strict=True):
        handler.setFormatter(formatter)
        log.addHandler(handler)
    ids = {"worker": 3, "job": 7, "product": "quote", "key": "AAPL", "attempt": 2, "spend": 9}
    try:
        with about(**ids):
            log.info("call.made outcome=ok took_s=%.1f", 0.5)
            log.info("two\nlines")
        log.addFilter(in_one_line)
        try:
            raise OSError("away")
        except OSError:
            log.exception("Failed to restore the pool")
    finally:
        for handler in handlers:
            log.removeHandler(handler)
    plain, lines = (
        out["plain"].getvalue().splitlines(),
        [json.loads(one) for one in out["json"].getvalue().splitlines()],
    )
    assert len(plain) == len(lines) == 3
    assert all(f"{name}={value}" in plain[0] for name, value in ids.items())
    assert (lines[0]["event"], lines[0]["outcome"]) == ("call.made", "ok")
    assert lines[0].items() >= ids.items()
    assert plain[2].endswith("Failed to restore the pool error=OSError")
    assert "error" not in lines[2]
