"""`openbell web | worker | sandbox`: the long-running processes, one each. SIGTERM or Ctrl-C drains them."""

from __future__ import annotations

import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from openbell.cli import reach
from openbell.cli.exits import BAD_INPUT, CliError
from openbell.cli.mode import choose_connections, notes_of
from openbell.cli.options import data_option

if TYPE_CHECKING:
    import asyncio

    import asyncpg

    from openbell.engine.registry import Registry
    from openbell.mail.alerting import Webhook
    from openbell.mail.rules import Rules
    from openbell.settings import Settings


ALWAYS_SCHEDULED = ("mail-sweep",)
PLANS = ("basic", "starter", "premium", "ultimate")
POOL_MAX = 10
FILES_MAX = 65_536
SLOTS, STAGING_SLOTS = 8, 2
NICENESS = 10
"""A worker that shares its cores with the pages gives way to those who read."""
# Together with the rest of the way out these stay below what `openbell up` allows (house.DRAIN_S).
WEB_GRACE_S = 1
WORKER_GRACE_S = 1.5


@click.command()
@click.option("--port", type=click.IntRange(0, 65_535), help="Port [default: OPENBELL_PORT, else 8000].")
@click.option("--host", help="Address to listen on [default: OPENBELL_HOST, else 127.0.0.1].")
@click.option("--listen-fd", type=int, hidden=True, help="A listening socket that was inherited.")
@data_option
def web(port: int | None, host: str | None, listen_fd: int | None, data: Path | None) -> None:
    """Run the pages and the API alone. Holds no provider key."""
    from openbell.cli.telemetry import observed
    from openbell.cli.up import open_door
    from openbell.settings import load, without_paid_keys

    for name in set(os.environ) - set(without_paid_keys(os.environ)):
        del os.environ[name]
    settings = load(keys=False)
    _log(settings.log_level, settings.log_format)
    _allow_streams()
    place = reach.find(settings, data)
    if listen_fd is not None:
        door = socket.socket(fileno=listen_fd)
    else:
        host = host or settings.openbell_host
        door = open_door(host, settings.openbell_port if port is None else port)
        click.echo(f"Pages on http://{host}:{door.getsockname()[1]}", err=True)
    with observed(settings, "web", place.dsn):
        _until_asked(lambda stop: _serve_web(place, settings, door, stop))


def _allow_streams() -> None:
    """Each open stream is an open file: take as many as the system gives without asking for more."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_MAX if hard == resource.RLIM_INFINITY else min(hard, FILES_MAX)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _serve_web(place: reach.Place, settings: Settings, door: socket.socket, stop: asyncio.Event) -> None:
    import asyncio
    import gc

    import uvicorn

    from openbell.products import registry
    from openbell.web.app import WebConfig, create_app
    from openbell.web.server import configure

    class Server(uvicorn.Server):
        """Leaves the signals to us: uvicorn's own way of ending waits for streams that never end."""

        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    app = create_app(
        WebConfig(
            dsn=place.dsn,
            registry=registry(),
            direct_dsn=place.listen_dsn,
            allowed_origins=settings.allowed_origins,
            reading_origins=settings.reading_origins,
            picks_enabled=settings.enable_weekly_picks_generation,
            cron_secret=settings.cron_secret.get_secret_value() if settings.cron_secret else "",
            warmup_secret=settings.warmup_secret.get_secret_value() if settings.warmup_secret else "",
            debug_api_headers=settings.debug_api_headers,
            notes=notes_of(settings),
            environment=settings.environment,
            metrics=settings.metrics,
            metrics_token=settings.metrics_token.get_secret_value() if settings.metrics_token else "",
            alerts=True,
            webhook=_webhook(settings),
            has_home=settings.public_url is not None,
            display_licences=frozenset(settings.display_licences),
            requests_a_minute=settings.requests_a_minute,
        )
    )
    server = Server(configure(app, grace_s=WEB_GRACE_S, log_level="warning"))
    gc.collect()
    gc.freeze()  # code and routes stay: a full collection that walks over them stops all readers for 0.1 s and more
    serving = asyncio.create_task(server.serve(sockets=[door]))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
    app.state.stopping.set()
    app.state.hub.end_all()  # first the streams say goodbye, then the server has nothing to wait for
    server.should_exit = True
    stopping.cancel()
    await serving


@click.command()
@click.option(
    "--slots",
    type=click.IntRange(1, 500),
    help="Jobs that this worker runs at once [default: MAX_CONCURRENT_JOBS, else 8].",
)
@click.option("--classes", metavar="A,B", help="Job classes to serve [default: all].")
@data_option
def worker(slots: int | None, classes: str | None, data: Path | None) -> None:
    """Run one worker alone. Any number of them share a database.

    Beside `openbell up` it asks the same provider; elsewhere FMP_API_KEY and FMP_BASE_URL say whom to ask.
    """
    from openbell.cli.telemetry import observed
    from openbell.settings import load

    settings = load()
    _log(settings.log_level, settings.log_format)
    place = reach.find(settings, data)
    os.nice(NICENESS)
    chosen = _classes(classes)
    usual = STAGING_SLOTS if settings.is_staging else SLOTS
    most = slots or settings.max_concurrent_jobs or usual
    with observed(settings, "worker", place.dsn):
        _until_asked(lambda stop: _work(place, settings, most, chosen, stop))


def _classes(given: str | None) -> tuple[str, ...]:
    """The job classes named on the command line, all when none is."""
    from openbell.engine.registry import CLASSES

    chosen = tuple(part.strip() for part in given.split(",") if part.strip()) if given else tuple(CLASSES)
    for name in chosen:
        if name not in CLASSES:
            raise CliError(f"There is no job class {name!r}: the classes are {', '.join(CLASSES)}.", BAD_INPUT)
    return chosen


async def _work(
    place: reach.Place, settings: Settings, slots: int, classes: tuple[str, ...], stop: asyncio.Event
) -> None:
    import asyncio

    from openbell.engine.seats import forget_others, seat_limits
    from openbell.engine.worker import Worker
    from openbell.mail.alerting import Alerter
    from openbell.postgres.pool import open_pool
    from openbell.products.context import contexts

    pool = await open_pool(place.dsn, name="worker", max_size=POOL_MAX, ordered=True)
    connections = await choose_connections(pool, settings, reach.read_run(place.folder))
    await _stamp(pool, connections.mail)
    shares = (settings.max_concurrent_jobs, settings.max_concurrent_scheduled, settings.max_concurrent_adhoc)
    seats = seat_limits(*shares)
    try:
        if any(share is not None for share in shares):
            await forget_others(pool, seats)
        worker = Worker(
            pool,
            place.listen_dsn,
            _declared(settings),
            limits=connections.limits,
            seats=seats,
            context=contexts(connections),
            slots=slots,
            classes=classes,
            grace_s=WORKER_GRACE_S,
            duties=[Alerter(pool, webhook=_webhook(settings), home=settings.public_url is not None)],
        )
        warming = asyncio.create_task(connections.warm_up(one.provider for one in worker.registry))
        await worker.run(stop)
        warming.cancel()
    finally:
        await connections.close()
        pool.terminate()


def _webhook(settings: Settings) -> Webhook | None:
    """Where alerts are posted, if anywhere."""
    from openbell.mail.alerting import Webhook

    if settings.alert_webhook_url is None or settings.alert_webhook_secret is None:
        return None
    return Webhook(settings.alert_webhook_url, settings.alert_webhook_secret.get_secret_value())


def _declared(settings: Settings) -> Registry:
    """What this worker makes. Where schedules do not run, of them only what looks after queued mail is left."""
    from openbell.products import registry

    found = registry()
    if not settings.runs_schedules:
        found.schedules = {name: one for name, one in found.schedules.items() if name in ALWAYS_SCHEDULED}
    return found


async def _stamp(pool: asyncpg.Pool, rules: Rules) -> None:
    """Say whose database this is. Raises :class:`CliError` where it is another environment's."""
    from openbell.mail.gate import stamp

    found = await stamp(pool, rules)
    if found != rules.environment:
        raise CliError(
            f"The database is stamped {found} and ENVIRONMENT is {rules.environment}: nothing is started. "
            f"Name the right ones; to change the stamp: `openbell mail environment {rules.environment}`.",
            BAD_INPUT,
        )


@click.command()
@click.option("--port", type=click.IntRange(0, 65_535), default=9100, show_default=True, help="0 takes a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--day-seconds", type=click.FloatRange(min=0.1), default=60.0, show_default=True, help="Length of a market day."
)
@click.option(
    "--plan", type=click.Choice(PLANS), default="premium", show_default=True, help="The plan whose limits hold."
)
@click.option(
    "--smtp-port", type=click.IntRange(0, 65_535), default=0, show_default=True, help="Of its mail server; 0 is any."
)
@click.option(
    "--state", type=click.Path(path_type=Path, dir_okay=False), help="File that keeps the place in the replay."
)
def sandbox(port: int, host: str, day_seconds: float, plan: str, smtp_port: int, state: Path | None) -> None:
    """Run the pretend providers alone: market data, models, news, filings, mail. Their key is `sandbox`.

    FMP_BASE_URL and its like lead to them: PPLX_BASE_URL=http://127.0.0.1:9100/perplexity, and so on.
    """

    async def serve(stop: asyncio.Event) -> None:
        from openbell.sandbox.server import PortTaken, StateUnreadable
        from openbell.sandbox.server import serve as serve_sandbox

        try:
            await serve_sandbox(
                host,
                port,
                day_seconds=day_seconds,
                plan=plan,
                smtp_port=smtp_port,
                state=state,
                stop=stop,
                ready=lambda real: _listening(host, real),
            )
        except PortTaken as error:
            raise CliError(f"{error}, with --port.") from None
        except StateUnreadable as error:
            raise CliError(f"{error}.") from None

    _log("INFO")
    _until_asked(serve)


def _listening(host: str, port: int) -> None:
    click.echo(f"Sandbox on http://{f'[{host}]' if ':' in host else host}:{port}", err=True)


def _log(level: str, form: str = "plain") -> None:
    from openbell.cli import logs

    logs.start(level, form)


def _until_asked(work: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run a service on uvloop. SIGTERM, SIGINT and SIGHUP set its stop event; a second one ends it at once."""
    import asyncio
    import signal

    async def body() -> None:
        stop = asyncio.Event()

        def ask() -> None:
            if stop.is_set():
                os._exit(1)
            stop.set()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, ask)
        await work(stop)

    reach.run_async(body())
