"""The least that a web process can do: the bare framework, answering with the same bytes each time.

``python -m openbell.bench.bare FILE`` serves the file at ``/`` and prints its port; it ends with its standard input.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path

import uvicorn
import uvloop
from fastapi import FastAPI, Response


def create_bare(body: bytes) -> FastAPI:
    """One route, one answer."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/")
    async def answer() -> Response:
        return Response(body, media_type="application/json")

    return app


async def main(body: bytes) -> None:
    """Serve until standard input ends."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_bare(body), http="httptools", log_level="error", access_log=False))
    serving = asyncio.create_task(server.serve([listening]))
    sys.stdout.write(f"{listening.getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    server.should_exit = True
    await serving


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1]).read_bytes()))
