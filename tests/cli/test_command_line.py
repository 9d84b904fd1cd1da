"""What the command line does when nothing is running: help, refusals and exit codes."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from openbell.cli import main
from openbell.cli.output import age, cell, dollars, flatten
from tests.cli.house import COMMAND, environ, limited, run

COMMANDS = ("up", "web", "worker", "sandbox", "migrate", "get", "jobs", "accounts", "products", "calendars", "doctor")


def one_sentence(done: subprocess.CompletedProcess[str]) -> str:
    """What a refused command said: something, briefly, without a traceback, and nothing on stdout."""
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert 0 < len(done.stderr.strip().splitlines()) <= 4, done.stderr
    return done.stderr.strip()


def test_help_is_complete(tmp_path: Path) -> None:
    """DESIGN 5: `openbell --help` names every command and every exit code."""
    done = run("--help", cwd=tmp_path)
    assert done.returncode == 0
    assert all(f"\n  {name}" in done.stdout for name in COMMANDS)
    assert all(f"\n    {code} " in done.stdout for code in (0, 1, 2, 3, 4, 5, 130))


def test_help_loads_next_to_nothing() -> None:
    """`openbell --help` starts at once: nothing that takes long to load is loaded for it."""
    probe = "import sys; from openbell.cli import main; main(['--help']); print(*sys.modules, sep=chr(10))"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert not {"asyncpg", "pydantic", "fastapi", "httpx", "rich", "uvicorn"} & set(done.stdout.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each command has help of its own."""
    assert main([name, "--help"]) == 0
    assert f"Usage: openbell {name}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["get", "quote"],
        ["get", "quote", "AAPL", "--wait", "soon"],
        ["jobs", "show", "x"],
        ["up", "--port", "70000"],
    ],
)
def test_wrong_usage_is_2(tmp_path: Path, arguments: list[str]) -> None:
    """Exit code 2: the command was written wrongly."""
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    one_sentence(done)


@pytest.mark.parametrize(
    ("product", "key"), [("quote", "AA PL"), ("quote", "../etc"), ("quote", ""), ("quote", "A" * 16)]
)
def test_malformed_symbol_is_2(tmp_path: Path, product: str, key: str) -> None:
    """Step 1, bad input: a malformed symbol ends with exit 2 and a sentence, before any database is asked."""
    done = run("get", product, key, cwd=tmp_path)
    assert done.returncode == 2
    assert "cannot be a key of 'quote'" in one_sentence(done)


def test_unknown_product_is_2(tmp_path: Path) -> None:
    """Step 1, bad input: an unknown product is named, with those that there are."""
    done = run("get", "quotes", "AAPL", cwd=tmp_path)
    assert done.returncode == 2
    assert "'quotes'" in one_sentence(done)
    assert "eod-prices" in done.stderr


@pytest.mark.parametrize(
    "arguments", [["get", "quote", "AAPL"], ["jobs", "list"], ["accounts", "list"], ["products", "list"], ["migrate"]]
)
def test_nothing_running_is_5(tmp_path: Path, arguments: list[str]) -> None:
    """Exit code 5: no database, and the sentence says how to start one."""
    done = run(*arguments, "--json", cwd=tmp_path)
    assert done.returncode == 5
    assert (
        one_sentence(done) == "Nothing is running in this folder: start `openbell up`, or set DATABASE_URL to a server."
    )


def test_unreachable_database_is_5(tmp_path: Path) -> None:
    """Exit code 5: the server of DATABASE_URL does not answer; its password is not shown."""
    done = run("jobs", "list", cwd=tmp_path, DATABASE_URL="postgresql://u:hunter2@127.0.0.1:1/x")
    assert done.returncode == 5
    assert "127.0.0.1:1" in one_sentence(done)
    assert "hunter2" not in done.stderr


def test_unknown_setting_is_2(tmp_path: Path) -> None:
    """Step 1, bad input: an unknown setting stops every command with the sentence that names it."""
    done = run("jobs", "list", cwd=tmp_path, OPENBELL_PROT="1")
    assert done.returncode == 2
    assert one_sentence(done).endswith("did you mean OPENBELL_PORT?")


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    """A traceback is shown to whoever asks for it, and to nobody else."""
    done = run("--debug", "jobs", "list", cwd=tmp_path)
    assert "Traceback" in done.stderr
    assert done.returncode == 1


@pytest.mark.parametrize(("key", "complaint"), [("", "is not set"), ("changeme", "holds a placeholder")])
def test_live_without_a_key_is_refused(tmp_path: Path, key: str, complaint: str) -> None:
    """PF-40: `up --live` refuses a missing or placeholder key, names it, and starts nothing."""
    done = run("up", "--live", cwd=tmp_path, FMP_API_KEY=key)
    assert done.returncode == 2
    assert one_sentence(done).startswith(f"FMP_API_KEY {complaint}")
    assert not (tmp_path / ".openbell").exists()


def test_production_refuses_synthetic_data(tmp_path: Path) -> None:
    """ENVIRONMENT=production never serves the sandbox's data."""
    done = run("up", cwd=tmp_path, ENVIRONMENT="production")
    assert done.returncode == 2
    assert "--live" in one_sentence(done)


def test_port_taken(tmp_path: Path) -> None:
    """Step 1, bad input: a taken port is named with the option that mends it, before anything else starts."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("up", "--port", str(port), cwd=tmp_path)
    assert done.returncode == 1
    assert one_sentence(done) == f"Port {port} on 127.0.0.1 is taken: stop what uses it, or choose another with --port."
    assert not (tmp_path / ".openbell/sandbox/cluster").exists()


def test_folder_not_writable(tmp_path: Path) -> None:
    """Step 1, bad input: a data folder that cannot be made is named, with the mend."""
    (tmp_path / "file").write_text("")
    done = run("up", "--data", "file/data", "--port", "0", cwd=tmp_path)
    assert done.returncode == 1
    assert "file/data" in one_sentence(done)
    assert "--data" in done.stderr


def test_doctor_without_anything(tmp_path: Path) -> None:
    """`doctor` says what is missing and how to mend it, and fails, because there is no database."""
    done = run("doctor", "--json", cwd=tmp_path, FMP_BASE_URL="http://127.0.0.1:1")
    report = json.loads(done.stdout)
    found = {finding["about"]: finding for finding in report["findings"]}
    assert done.returncode == 1
    assert report["healthy"] is False
    assert found["python"]["state"] == "ok"
    assert found["database"]["state"] == "bad"
    assert "openbell up" in found["database"]["mend"]
    assert "provider" not in found, "nobody is asked without a key"
    assert found["key"]["detail"] == "FMP_API_KEY is not set"


def test_doctor_never_shows_a_secret(tmp_path: Path) -> None:
    """DESIGN 7: the doctor says whether there is a key, never which."""
    done = run(
        "doctor", cwd=tmp_path, FMP_BASE_URL="http://127.0.0.1:1", FMP_API_KEY="a9F3kQ7LmZ2vX8sT4wR6yB1nC5dE0gHj"
    )
    assert "FMP_API_KEY is set" in done.stdout
    assert "a9F3k" not in done.stdout + done.stderr


def test_no_colours_in_a_pipe(tmp_path: Path) -> None:
    """LOOK, Terminal: colour only on a terminal."""
    done = run("doctor", cwd=tmp_path, FMP_BASE_URL="http://127.0.0.1:1", FORCE_COLOR="")
    assert "\x1b[" not in done.stdout


def test_sandbox_runs_alone(tmp_path: Path) -> None:
    """`openbell sandbox` says its address, answers, and ends on SIGTERM with exit 0."""
    command = [*COMMAND, "sandbox", "--port", "0"]
    with (
        subprocess.Popen(command, cwd=tmp_path, env=environ(), stderr=subprocess.PIPE, text=True) as process,
        limited(process),
    ):
        assert process.stderr is not None
        assert process.stderr.readline().startswith("Sandbox on http://127.0.0.1:")
        process.terminate()
        assert process.wait(timeout=30) == 0


def test_figures_in_the_words_of_the_house() -> None:
    """LOOK: a true minus, thousands separated, no more digits than are meant."""
    assert [cell(value) for value in (-1234.5, 4343647.0, 0.12345, 1_000_000, None, True)] == [
        "−1,234.50",
        "4,343,647",
        "0.1235",
        "1,000,000",
        "–",
        "yes",
    ]
    assert [age(seconds) for seconds in (0.2, 119, 180, 7_200, 259_200)] == ["0 s", "119 s", "3 min", "2 h", "3 days"]
    assert [dollars(micro) for micro in (0, 400, 3_120_000)] == ["free", "$0.0004", "$3.12"]
    assert flatten({"day_low": 1, "rows": [[1, 2]] * 7})[:2] == [("day low", 1), ("rows", "7, the last of them:")]


def test_doctor_names_a_key_without_a_budget(tmp_path: Path) -> None:
    """PF-20, PF-40: a key with which nothing may be spent, and one that is a placeholder, are named with the mend."""
    keys = {
        "PPLX_API_KEY": "a9F3kQ7LmZ2vX8sT4wR6",
        "OPENAI_API_KEY": "yB1nC5dE0gHjA9f3kq7l",
        "SCRAPFLY_API_KEY": "changeme",
    }
    done = run("doctor", cwd=tmp_path, FMP_BASE_URL="http://127.0.0.1:1", OPENAI_USD_PER_MONTH="5", **keys)
    assert "set PPLX_USD_PER_MONTH" in done.stdout
    assert "SCRAPFLY_API_KEY holds a placeholder" in done.stdout
    assert re.search(r"ok +key +OPENAI_API_KEY is set", done.stdout)
