"""Files of our own pages: their address carries a hash of their content, so browsers keep them for good."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from pathlib import Path

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

FOLDER = Path(str(files("openbell.web"))) / "static"
CHART_LIBRARY = "vendor/lightweight-charts.standalone.production.js"
FOREVER = "public, max-age=31536000, immutable"


@cache
def digest(name: str) -> str:
    """Twelve digits of the file's hash; an empty string for a file that is not there."""
    path = FOLDER / name
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12] if path.is_file() else ""


def asset(name: str) -> str:
    """The address of a file of ours."""
    return f"/static/{name}?v={digest(name)}"


def has_charts() -> bool:
    """The chart library is added when the package is built; a bare checkout may lack it."""
    return bool(digest(CHART_LIBRARY))


class Assets(StaticFiles):
    """Static files: kept for good under the right hash, asked for again otherwise."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, with the time it may be kept."""
        response = await super().get_response(path, scope)
        asked = scope["query_string"].decode("latin-1")
        right = response.status_code in (200, 304) and asked == f"v={digest(path)}"
        response.headers["Cache-Control"] = FOREVER if right else "no-cache"
        return response
