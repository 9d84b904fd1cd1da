"""The files of deploy/: linted by the tools of their formats, and true to the program that they start.

What is asserted here holds everywhere. The linters run besides wherever they are installed: hadolint's wheel, for one,
is for Linux only.
"""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import asyncpg
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from openbell.cli.app import openbell as commands
from openbell.settings import PAID_NAME, Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
SCALING = [KUBERNETES / "scaling.yaml", KUBERNETES / "scaling-access.yaml"]
BIN = Path(sys.executable).parent


def lint(*command: str | Path) -> None:
    """Run a linter of this environment; on a platform without a wheel of it there is none."""
    if sys.platform != "linux" and not (BIN / command[0]).exists():
        return
    done = subprocess.run([BIN / command[0], *command[1:]], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_container_file_passes_its_linter() -> None:
    """The container file is of two stages from one pinned base and does not run as root; hadolint, where it is
    installed, finds nothing.
    """
    lint("hadolint", DEPLOY / "Containerfile")
    text = (DEPLOY / "Containerfile").read_text("utf-8")
    bases = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert len(bases) == 2
    assert len(set(bases)) == 1
    assert re.fullmatch(r"python:\d+\.\d+\.\d+-[a-z-]+", bases[0])
    assert re.search(r"^USER (?!0|root)\d+:\d+$", text, re.MULTILINE)
    assert "HEALTHCHECK" in text


def test_the_image_can_compute_trading_sessions() -> None:
    """`openbell calendars write` works in the image: all that it imports is installed there, as the lock has it."""
    text = (DEPLOY / "Containerfile").read_text("utf-8")
    assert "--requirement requirements.lock --requirement calendars.lock" in text
    locked, extra = entries(ROOT / "requirements.lock"), entries(DEPLOY / "calendars.lock")
    tested = entries(ROOT / "requirements-dev.lock")
    assert {name: tested[name] for name in extra} == extra
    todo, needed = ["exchange_calendars"], set[str]()
    while todo:
        if (name := canonicalize_name(todo.pop())) not in needed:
            needed.add(name)
            wants = [Requirement(one) for one in metadata.requires(name) or []]
            todo += [one.name for one in wants if one.marker is None or one.marker.evaluate({"extra": ""})]
    assert needed - locked.keys() == extra.keys()
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    copied = re.findall(r"^COPY (?!--)(.+) \./$", text, re.MULTILINE)[0].split()
    assert {f"!{name}" for name in copied} <= set(ignored)


def entries(lock: Path) -> dict[str, str]:
    """By name, what a lock file says of a package, with its hashes."""
    found: dict[str, str] = {}
    for entry in re.split(r"\n(?=\S)", lock.read_text("utf-8").strip()):
        name = canonicalize_name(re.split(r"[=\[ ]", entry)[0])
        found[name] = found.get(name, "") + entry + "\n"
    return found


def test_the_compose_file_is_one() -> None:
    """The compose file follows the format's own schema and holds all parts; the password is not part of an address,
    where some of its letters would mean something.
    """
    lint("check-jsonschema", "--builtin-schema", "vendor.compose-spec", DEPLOY / "compose.yaml")
    text = (DEPLOY / "compose.yaml").read_text("utf-8")
    services = text.split("\nservices:\n")[1].split("\nvolumes:\n")[0]
    parts = ["database", "migrate", "web", "worker", "calendars", "mail"]
    assert re.findall(r"^  (\w+):$", services, re.MULTILINE) == parts
    assert "PASSWORD" not in text.split("DATABASE_URL: ")[1].split("\n")[0]
    assert "PGPASSWORD: ${POSTGRES_PASSWORD:?" in text


def test_the_manifests_are_what_kubernetes_takes() -> None:
    """Manifests pass strictly; KEDA's, whose schema is not at hand, pass a small one of ours; all are tidy YAML."""
    lint("yamllint", "--config-file", DEPLOY / ".yamllint.yaml", "--strict", DEPLOY)
    plain = [path for path in sorted(KUBERNETES.glob("*.yaml")) if path not in SCALING]
    assert len(plain) == 6
    lint("kubernetes-validate", "--strict", "--quiet", *plain)
    lint("check-jsonschema", "--schemafile", DEPLOY / "keda.schema.json", *SCALING)


def test_manifests_hold_no_secret_and_name_what_there_is() -> None:
    """No secret stands in a manifest, the web process gets no paid key, and settings and commands exist."""
    manifests = {path.name: path.read_text("utf-8") for path in KUBERNETES.glob("*.yaml")}
    assert not any(re.search(r"^kind: Secret$", text, re.MULTILINE) for text in manifests.values())
    assert "openbell-worker" not in re.findall(r"secretRef: \{name: ([\w-]+)", manifests["web.yaml"])
    settings = {name.upper() for name in Settings.model_fields}
    block = manifests["settings.yaml"].split("\ndata:\n")[1].split("\n---")[0]
    assert set(re.findall(r"^  ([A-Z_]+):", block, re.MULTILINE)) <= settings
    compose = (DEPLOY / "compose.yaml").read_text("utf-8")
    names = re.findall(r"^ +([A-Z_]+): ", compose, re.MULTILINE)
    own = {"POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD", "PGPASSWORD"}
    inside = {"OPENBELL_DATA", "OPENBELL_HOST", "OPENBELL_PORT"}  # the image's own
    assert set(names) == settings - inside | own
    shared = compose.split("\nx-settings:")[1].split("\nservices:")[0]
    web = compose.split("\n  web:\n")[1].split("\n  worker:\n")[0]
    assert not any(PAID_NAME.search(name) for name in re.findall(r"[A-Z_]{6,}", shared + web))
    started = set(re.findall(r"(?:args|command): \[(\w+)", compose + "".join(manifests.values())))
    assert {"migrate", "web", "worker", "calendars"} <= started <= set(commands.commands)


def test_images_of_compose_are_pinned() -> None:
    """Every image names its version."""
    images = re.findall(r"image: (\S+)", (DEPLOY / "compose.yaml").read_text("utf-8"))
    assert images
    assert all(re.search(r":v?\d+\.\d+", image) for image in images)


async def test_the_backlog_is_what_workers_could_run_now(pool: asyncpg.Pool) -> None:
    """`openbell.backlog()`: waiting, running and due jobs, no parked ones, at most the seats; bare roles may ask."""
    await pool.execute(
        "insert into openbell.job (product, key, job_class, max_attempts, parked_until)"
        " select 'p', n::text, 1, 3, case when n > 8 then openbell.now() + interval '1 hour'"
        " when n > 6 then openbell.now() - interval '1 second' end from generate_series(1, 10) n"
    )
    assert await pool.fetchval("select openbell.backlog()") == 8
    await pool.execute("insert into openbell.seat_limit (scope, name, most) values ('total', '', 5)")
    assert await pool.fetchval("select openbell.backlog()") == 5
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("create role scaling_test; grant usage on schema openbell to scaling_test")
        await connection.execute("set local role scaling_test")
        assert await connection.fetchval("select openbell.backlog()") == 5
        await transaction.rollback()


def test_the_question_of_the_scaler_is_the_function() -> None:
    """KEDA scales by the backlog, up at once and down slowly, and never to none."""
    text = (KUBERNETES / "scaling.yaml").read_text("utf-8")
    assert "query: select openbell.backlog()" in text
    assert int(re.search(r"minReplicaCount: (\d+)", text)[1]) >= 1  # type: ignore[index]
    up, down = (int(found) for found in re.findall(r"stabilizationWindowSeconds: (\d+)", text))
    assert up == 0
    assert down >= 120
