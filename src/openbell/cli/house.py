"""The parent process of `openbell up`: brings the parts up in order, keeps them up, and takes them down in order."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import click

from openbell.cli import reach
from openbell.cli.exits import INTERRUPTED, CliError
from openbell.cli.output import progress
from openbell.cli.supervisor import LogFile, Service, run_once

if TYPE_CHECKING:
    from openbell.cli.up import Plan
    from openbell.postgres.embedded import EmbeddedServer

READY_TIMEOUT_S = 60.0
DRAIN_S = 2.5
SANDBOX_STOP_S = 0.5
LAST_RESORT_S = 4.0
DATABASE_WATCH_S = 0.5
CALENDARS_WATCH_S = 24 * 3600.0
CALENDARS_RETRY_S = 600.0
POLL_S = 0.05

SANDBOX_PATHS: Mapping[str, str] = {
    "fmp": "",
    "perplexity": "/perplexity",
    "anthropic": "/anthropic",
    "openai": "/openai/v1",
    "gemini": "/gemini/v1beta/openai",
    "scrapfly": "/scrapfly",
    "news": "/news",
    "edgar": "/edgar",
    "wikimedia": "/wikimedia",
}
"""Where each provider stands in the sandbox."""

PLAY_MONEY: Mapping[str, str] = {
    "PPLX_USD_PER_MONTH": "50",
    "PPLX_TIER": "1000",
    "ANTHROPIC_USD_PER_MONTH": "50",
    "OPENAI_USD_PER_MONTH": "50",
    "SCRAPFLY_PLAN": "discovery",
    "ADMIN_EMAIL": "operator@example.com",
    "MAIL_FROM": "Openbell <openbell@sandbox.example>",
}
"""What the sandbox costs is not real; an operator who sets limits of his own tries those."""


class House:
    """One run of `openbell up`. `run` returns the exit code."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._server: EmbeddedServer | None = None
        self._services: dict[str, Service] = {}
        self._database: dict[str, str] = {}
        self._lifeline = os.pipe()  # the children hold the reading end; ours is closed by the kernel when we are gone
        self._logs = plan.folder.absolute() / "logs"
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()

    async def run(self) -> int:
        """Up, until Ctrl-C or until it cannot be kept up; then down."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._asked_to_stop)
        life = asyncio.create_task(self._live())
        stop = asyncio.create_task(self._stop.wait())
        await asyncio.wait([life, stop], return_when=asyncio.FIRST_COMPLETED)
        began = time.monotonic()
        life.cancel()
        stop.cancel()
        failure: BaseException | None = None
        try:
            await life
        except asyncio.CancelledError:
            pass
        except Exception as error:  # noqa: BLE001 (raised again below, after everything is down)
            failure = error
        await self._down()
        if failure is not None:
            raise failure
        click.echo(f"Stopped in {time.monotonic() - began:.1f} s.", err=True)
        return INTERRUPTED if self._hurry.is_set() else 0

    def _asked_to_stop(self) -> None:
        if self._stop.is_set():
            self._hurry.set()
        else:
            # \r: over the ^C that the terminal shows
            _tell("\rStopping; Ctrl-C again ends everything at once." if sys.stderr.isatty() else "Stopping.")
            self._stop.set()

    async def _live(self) -> None:
        """Bring everything up and watch over it; ends only by an error or by being cancelled."""
        self._logs.mkdir(parents=True, exist_ok=True)
        with progress("Starting") as say:
            await self._bring_up(say)
        self._announce(await self._admin_link())
        failures = [service.failed for service in self._services.values()]
        watch = asyncio.create_task(self._watch_database())
        calendars = asyncio.create_task(self._keep_calendars()) if self.plan.live else None
        try:
            done, _ = await asyncio.wait([*failures, watch], return_when=asyncio.FIRST_COMPLETED)
            for ended in done:
                raise CliError(str(ended.result()))
        finally:
            watch.cancel()
            if calendars is not None:
                calendars.cancel()
                await asyncio.wait([calendars])

    async def _bring_up(self, say: Callable[[str], None]) -> None:
        plan = self.plan
        if not plan.live:
            arguments = ["sandbox", "--port", str(plan.sandbox_port), "--plan", plan.sandbox_plan]
            arguments += [
                "--smtp-port",
                str(plan.smtp_port),
                "--day-seconds",
                str(plan.day_seconds),
                "--state",
                str(plan.folder.absolute() / "sandbox.json"),
            ]
            self._start("sandbox", arguments, keys=False)
        dsn, listen_dsn = await self._open_database(say)
        await self._migrate(dsn, say)
        say("Starting web and worker")
        self._database = database = {"DATABASE_URL": dsn, "DIRECT_DATABASE_URL": listen_dsn}
        door = plan.door.fileno()
        self._start("web", ["web", "--listen-fd", str(door)], extra=database, keys=False, inherit=(door,))
        self._start("worker", ["worker"], extra=database, keys=True)
        self._write_run_file()
        await self._until_ready()

    async def _open_database(self, say: Callable[[str], None]) -> tuple[str, str]:
        settings = self.plan.settings
        if settings.dsn and settings.listen_dsn:
            return settings.dsn, settings.listen_dsn
        from openbell.postgres.embedded import EmbeddedServer

        self._server = EmbeddedServer(self.plan.folder)
        first = not (self.plan.folder / "cluster").exists()
        say(f"Making the database in {self.plan.folder} (first start only)" if first else "Starting the database")
        dsn = await self._server.start()
        return dsn, dsn

    async def _migrate(self, dsn: str, say: Callable[[str], None]) -> None:
        from openbell.cli.migrate import numbered
        from openbell.cli.mode import check_mode, stamp_mode
        from openbell.cli.pace import set_pace
        from openbell.postgres.migrate import migrate
        from openbell.postgres.pool import connect

        connection = await connect(dsn, name="up")
        try:
            await check_mode(connection, self.plan.mode)
            await migrate(dsn, on_step=numbered(say), alone=self.plan.settings.dsn is None)
            await stamp_mode(connection, self.plan.mode)
            if not self.plan.live:
                await set_pace(connection, self.plan.day_seconds)
        finally:
            await connection.close(timeout=2)

    def _start(
        self,
        name: str,
        arguments: list[str],
        *,
        keys: bool,
        extra: dict[str, str] | None = None,
        inherit: tuple[int, ...] = (),
    ) -> None:
        from openbell.settings import without_paid_keys

        environ = dict(os.environ) if keys else without_paid_keys(os.environ)
        environ |= extra or {}
        if keys:
            environ |= self._provider_settings()
        service = Service(
            name, arguments, environ=environ, logs=self._logs, lifeline_fd=self._lifeline[0], say=_tell, inherit=inherit
        )
        self._services[name] = service
        service.start()

    def _provider_settings(self) -> dict[str, str]:
        """What the worker is told about the providers; in sandbox mode the same settings lead to the sandbox."""
        from openbell.settings import HOMES, KEYED, field_of

        settings, plan = self.plan.settings, self.plan
        if plan.live:
            addresses = {provider: settings.base_url_of(provider) for provider in HOMES}
            keys = {field_of(one, "api_key").upper(): settings.key_of(one) for one in KEYED}
        else:
            addresses = {one: f"http://127.0.0.1:{plan.sandbox_port}{SANDBOX_PATHS[one]}" for one in HOMES}
            keys = {field_of(one, "api_key").upper(): "sandbox" for one in KEYED}
        told = {field_of(one, "base_url").upper(): url for one, url in addresses.items()} | keys
        told |= {"PUBLIC_URL": settings.public_url or plan.address}
        if plan.live:
            password = settings.smtp_password.get_secret_value() if settings.smtp_password else ""
            return told | {"FMP_PLAN": settings.fmp_plan, "SMTP_PASSWORD": password}
        pretended = {name: value for name, value in PLAY_MONEY.items() if not settings.is_set(name.lower())}
        mail = {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(plan.smtp_port), "SMTP_TLS": "none"}
        mail |= {"SMTP_USER": "sandbox", "SMTP_PASSWORD": "sandbox"}
        return told | pretended | mail | {"FMP_PLAN": plan.sandbox_plan}

    def _write_run_file(self) -> None:
        """How other commands find this run: `openbell worker` beside it uses the same provider."""
        from openbell.settings import without_paid_keys

        told = without_paid_keys(self._provider_settings())
        provider = {name.lower(): value for name, value in told.items()}
        about = {"pid": os.getpid(), "mode": self.plan.mode, "address": self.plan.address, **provider}
        path = self.plan.folder / reach.RUN_FILE
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(about), "utf-8")
        fresh.replace(path)

    async def _until_ready(self) -> None:
        end = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < end:
            for service in self._services.values():
                if service.failed.done():
                    raise CliError(service.failed.result())
            pages = await _answers(self.plan.door.getsockname()[:2], "/readyz")
            if pages and (self.plan.live or await _answers(("127.0.0.1", self.plan.sandbox_port), "/_control/clock")):
                return
            await asyncio.sleep(POLL_S)
        raise CliError(f"The pages did not answer within {READY_TIMEOUT_S:.0f} s; see {self._logs}.")

    async def _admin_link(self) -> str:
        """A link that signs the operator in once; empty where nobody is named as such. Made anew at each start."""
        from openbell.people import PeopleError, add_person, consent
        from openbell.people.consents import NEEDED
        from openbell.people.doors import make_link
        from openbell.postgres.pool import connect

        address = self.plan.settings.admin_email or ("" if self.plan.live else PLAY_MONEY["ADMIN_EMAIL"])
        if not address:
            return ""
        connection = await connect(self._database["DATABASE_URL"], name="up")
        try:
            person = await add_person(connection, address, role="admin", state="active", actor="up")
            if not person.is_admin:
                return ""
            await consent(connection, person.id, NEEDED, given=True, source="openbell up")
            return f"{self.plan.address}/sign-in/{await make_link(connection, person.id, 'sign-in')}"
        except PeopleError as error:
            _tell(f"No admin could be made of ADMIN_EMAIL: {error}")
            return ""
        finally:
            await connection.close(timeout=2)

    def _announce(self, link: str) -> None:
        plan = self.plan
        mode = "live: real data" if plan.live else "sandbox: synthetic replay of real prices"
        address = (
            click.style(plan.address, bold=True)
            if sys.stdout.isatty() and "NO_COLOR" not in os.environ
            else plan.address
        )
        click.echo(f"\n  Openbell is up.\n\n  Address  {address}\n  Mode     {mode}")
        if link:
            click.echo(f"  Admin    {link} (once, for 15 minutes)")
        click.echo(f"  Data     {plan.folder} (logs in {plan.folder / 'logs'})\n  Stop     Ctrl-C\n")

    async def _watch_database(self) -> str:
        """Start the embedded server again should it die; returns a sentence when that cannot be done."""
        from openbell.postgres.errors import PostgresError

        while True:
            await asyncio.sleep(DATABASE_WATCH_S)
            if self._server is None or self._server.pid is not None:
                continue
            _tell("The database process ended; starting it again.")
            before = self._server.dsn
            await self._server.stop()
            try:
                dsn = await self._server.start()
            except (PostgresError, OSError) as error:
                return f"The database cannot be started again. {error}"
            if dsn != before:  # a socket in a temporary folder, because the data folder's path is too long for one
                self._database = {"DATABASE_URL": dsn, "DIRECT_DATABASE_URL": dsn}
                for name in ("web", "worker"):
                    self._services[name].renew(self._database)

    async def _keep_calendars(self) -> None:
        """Have trading sessions written when they are missing or end soon, beside everything else and once a day.

        After trouble again in minutes, then less and less often: without sessions every market counts as open. In a
        process of its own, whose memory goes with it.
        """
        from openbell.settings import without_paid_keys

        log = LogFile(self._logs / "calendars.log")
        retry_s, told = CALENDARS_RETRY_S, ""
        try:
            while True:
                environ = without_paid_keys(os.environ) | self._database
                arguments = ("calendars", "write", "--if-needed")
                try:
                    code, said = await run_once(arguments, environ=environ, lifeline_fd=self._lifeline[0])
                except OSError as error:
                    code, said = 1, f"{error}\n".encode()
                log.write(said)
                if not code:
                    retry_s, told = CALENDARS_RETRY_S, ""
                    await asyncio.sleep(CALENDARS_WATCH_S)
                    continue
                trouble = said.decode("utf-8", "replace").strip().rpartition("\n")[2]
                if trouble != told:
                    _tell(f"Not all trading sessions are known; markets without them count as open. {trouble}")
                told = trouble
                await asyncio.sleep(retry_s)
                retry_s = min(2 * retry_s, CALENDARS_WATCH_S)
        finally:
            log.close()

    async def _down(self) -> None:
        """Everything ends within LAST_RESORT_S plus what killing takes; a second Ctrl-C skips the waiting."""
        drain = asyncio.create_task(self._drain())
        hurry = asyncio.create_task(self._hurry.wait())
        await asyncio.wait([drain, hurry], timeout=LAST_RESORT_S, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        if not drain.done():
            for service in self._services.values():
                service.kill()
            if self._server is not None and self._server.pid is not None:
                os.kill(self._server.pid, signal.SIGQUIT)  # PostgreSQL's immediate shutdown
        await drain
        with contextlib.suppress(OSError):
            (self.plan.folder / reach.RUN_FILE).unlink(missing_ok=True)

    async def _drain(self) -> None:
        self.plan.door.close()
        workers = [service for name, service in self._services.items() if name != "sandbox"]
        await asyncio.gather(*(service.stop(DRAIN_S) for service in workers))
        if "sandbox" in self._services:
            await self._services["sandbox"].stop(SANDBOX_STOP_S)
        if self._server is not None:
            await self._server.stop()


def _tell(sentence: str) -> None:
    click.echo(sentence, err=True)


async def _answers(where: tuple[str, int], path: str) -> bool:
    """Whether an HTTP server there answers 200. By hand: an HTTP client takes longer to import than to ask."""
    try:
        async with asyncio.timeout(2.0):
            reader, writer = await asyncio.open_connection(*where)
            try:
                writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
                return b" 200 " in await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
