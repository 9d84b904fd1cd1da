"""`python -m openbell.sandbox`: the sandbox alone, until Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from openbell.sandbox.fmp.plans import PLANS
from openbell.sandbox.server import PortTaken, StateUnreadable, serve


def main() -> int:
    """Read the arguments, serve, and return the exit code."""
    parser = argparse.ArgumentParser(prog="openbell.sandbox", description="Pretend providers on one port.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9100, help="0 takes a free one")
    parser.add_argument("--day-seconds", type=float, default=60.0, help="how long a market day lasts")
    parser.add_argument("--plan", choices=list(PLANS), default="premium")
    parser.add_argument("--calls-per-minute", type=int, help="instead of the plan's own limit")
    parser.add_argument("--key", default="sandbox", help="the API key that all of them accept")
    parser.add_argument("--state", type=Path, help="file that keeps the place in the replay, the ledger beside it")
    parser.add_argument("--smtp-port", type=int, default=0, help="where the mail server listens; 0 takes a free one")
    try:
        asyncio.run(_run(parser.parse_args()))
    except (PortTaken, StateUnreadable, ValueError) as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    return 0


async def _run(options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await serve(
        options.host,
        options.port,
        day_seconds=options.day_seconds,
        plan=options.plan,
        calls_per_minute=options.calls_per_minute,
        key=options.key,
        state=options.state,
        smtp_port=options.smtp_port,
        ready=lambda port: _announce(options.host, port),
        stop=stop,
    )


def _announce(host: str, port: int) -> None:
    sys.stdout.write(f"Sandbox on http://{host}:{port}/stable/\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
