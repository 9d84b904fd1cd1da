"""The commands beside a running `openbell up`, which all these tests share."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.cli import house
from tests.cli.house import COMMAND, House, environ
from tests.support import eventually


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One `openbell up` in sandbox mode, with keys in its environment that must not reach the web process."""
    made = house.start(tmp_path_factory.mktemp("home"), FMP_API_KEY="not-for-the-web", PPLX_API_KEY="nor-this")
    yield made
    assert made.end() == 0


def test_it_says_where_it_is(home: House) -> None:
    """`up` prints address, mode, folder and how to stop; the page answers there."""
    text = "\n".join(home.said)
    assert "synthetic replay of real prices" in text
    assert ".openbell/sandbox" in text
    assert "Ctrl-C" in text
    assert "<html" in home.page()
    assert json.loads(home.page("/readyz"))["status"] == "ready"


async def test_it_signs_its_operator_in(home: House) -> None:
    """Issue 9: the link that `up` prints signs the operator in, once, and leads to the console."""

    def link() -> str:
        found = re.search(r"Admin +(\S+/sign-in/\S+)", "\n".join(home.said))
        return found[1] if found else ""

    await eventually(link)
    async with httpx.AsyncClient(follow_redirects=True) as http:
        console = await http.post(link())
        assert (console.status_code, console.url.path) == (200, "/console")
        assert http.cookies
        assert (await http.post(link())).url.path != "/console"


def test_get_prints_everything_about_a_value(home: House) -> None:
    """Done when: `openbell get quote AAPL` prints value, state, age, source and cost, and that it is synthetic."""
    done = home.run("get", "quote", "aapl")
    assert done.returncode == 0, done.stderr
    lines = dict(line.split("  ", 1) for line in done.stdout.splitlines() if line)
    facts = {name.strip(): value.strip() for name, value in lines.items()}
    assert facts["symbol"] == "AAPL"
    assert float(facts["price"].replace(",", "")) > 0
    assert facts["state"] == "fresh"
    assert " s, checked " in facts["age"]
    assert facts["source"].startswith("fmp, quote, 127.0.0.1:")
    assert facts["label"].startswith("synthetic: ")
    assert facts["cost"] == "free"
    assert int(facts["version"]) >= 1
    assert "\x1b[" not in done.stdout


def test_the_quick_start_works_as_it_stands(home: House) -> None:
    """Each command of docs/quick-start.md runs beside `up`."""
    guide = (Path(__file__).parents[2] / "docs" / "quick-start.md").read_text("utf-8")
    block = re.search(r"<!-- run -->\n```sh\n(.*?)```", guide, re.DOTALL)
    assert block is not None
    commands = [line.split()[1:] for line in block[1].splitlines()]
    assert len(commands) >= 6
    for command in commands:
        done = home.run(*command)
        assert done.returncode == 0, (command, done.stdout, done.stderr)


def test_get_gives_the_same_to_a_program(home: House) -> None:
    """Done when: `--json` gives the same, as one document on stdout and nothing else."""
    done = home.run("get", "quote", "AAPL", "--json")
    reading = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert (reading["product"], reading["key"], reading["state"]) == ("quote", "AAPL", "fresh")
    assert reading["value"]["price"] > 0
    assert reading["source"]["provider"] == "fmp"
    assert "replay of real daily prices" in reading["source"]["synthetic"]
    assert {"age_s", "cost_micro", "version", "reason", "checked_at", "fresh_until"} <= reading.keys()


@pytest.mark.parametrize(("product", "key"), [("profile", "MSFT"), ("eod-prices", "IBM")])
def test_every_product_is_got_and_printed(home: House, product: str, key: str) -> None:
    """Each product can be got from the terminal."""
    done = home.run("get", product, key)
    assert done.returncode == 0, done.stderr
    assert key in done.stdout


def test_unknown_symbol_is_3(home: House) -> None:
    """Step 1, bad input: an unknown symbol is a result and not a failure, exit 3; asking again costs no call."""
    done = home.run("get", "quote", "ZZZZZZ")
    assert done.returncode == 3, done.stderr
    assert "empty" in done.stdout
    assert "nothing under this key" in done.stdout
    assert home.run("get", "quote", "ZZZZZZ").returncode == 3
    assert [job["state"] for job in home.json("jobs", "list") if job["key"] == "ZZZZZZ"] == ["empty"]


def test_without_waiting(home: House) -> None:
    """`get --wait 0` prints what is stored, exit 3 when that is nothing, and asks for it all the same."""
    first = home.run("get", "quote", "GOOG", "--wait", "0", "--json")
    assert first.returncode == 3
    assert json.loads(first.stdout)["state"] == "missing"
    assert home.json("get", "quote", "GOOG")["state"] == "fresh"
    assert home.run("get", "quote", "GOOG", "--wait", "0").returncode == 0


def test_what_cannot_be_made_is_1(home: House) -> None:
    """Step 1, bad input: a symbol outside the plan ends with exit 1 at once, and the reason is printed."""
    misbehave(home, path="historical-price-eod/*", symbol="GOOG", kind="premium_symbol", times=1)
    done = home.run("get", "eod-prices", "GOOG")
    assert done.returncode == 1, done.stdout
    assert "The last attempt failed" in done.stdout
    assert "plan" in done.stdout


def test_what_takes_too_long_is_4(home: House) -> None:
    """Step 1, bad input: a provider that is down ends the wait with exit 4, the reason, and progress on stderr only."""
    misbehave(home, path="profile", symbol="GOOG", kind="html502")
    done = home.run("get", "profile", "GOOG", "--wait", "2.5", "--json")
    assert done.returncode == 4
    reading = json.loads(done.stdout)
    assert (reading["state"], reading["value"]) == ("missing", None)
    assert reading["reason"].startswith("Nothing is known yet. ")
    assert done.stderr.startswith("Waiting for profile GOOG")
    job = reading["job"]["id"]
    assert home.json("jobs", "cancel", str(job))["id"] == job
    assert home.json("jobs", "retry", str(job))["retry_of"] == job


def misbehave(home: House, **fault: object) -> None:
    """Script a fault of the sandbox."""
    run = json.loads((home.cwd / ".openbell/sandbox/run.json").read_text())
    body = json.dumps(fault).encode()
    request = urllib.request.Request(
        f"{run['fmp_base_url']}/_control/faults", body, {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request, timeout=30).close()


def test_jobs(home: House) -> None:
    """`jobs list|show|stats` say what was made and what it took, as tables and as JSON."""
    home.json("get", "quote", "AAPL")
    rows = home.json("jobs", "list", "--product", "quote")
    job = next(row for row in rows if row["key"] == "AAPL")
    assert job["state"] in ("done", "unchanged")
    assert "AAPL" in home.run("jobs", "list", "--state", job["state"]).stdout
    shown = home.json("jobs", "show", str(job["id"]))
    assert [spend["operation"] for spend in shown["spends"]] == ["quote"]
    assert "fmp quote" in home.run("jobs", "show", str(job["id"])).stdout
    assert home.json("jobs", "stats")["workers"] == 1
    assert home.run("jobs", "stats").returncode == 0


def test_a_rejected_answer_is_shown(home: House) -> None:
    """MD-7: `jobs show` has what is wrong with an answer that did not pass, and how it began; --json has it all."""
    misbehave(home, path="quote", symbol="FB", kind="nulls", times=1)
    assert home.run("get", "quote", "FB").returncode == 1
    job = next(row for row in home.json("jobs", "list", "--state", "failed") if row["key"] == "FB")
    assert job["code"] == "invalid_answer"
    [kept] = home.json("jobs", "show", str(job["id"]))["rejected"]
    assert json.loads(kept["body"])[0]["symbol"] == "FB"
    assert "price" in {fault["at"] for fault in kept["faults"]}
    shown = home.run("jobs", "show", str(job["id"])).stdout
    assert '[{"symbol":"FB"' in shown
    assert "Input should be a valid number" in shown


def test_unknown_job_is_3(home: House) -> None:
    """Exit code 3 also for a job that there is not."""
    for command in ("show", "cancel", "retry"):
        done = home.run("jobs", command, "999999999")
        assert done.returncode == 3, done.stderr
        assert "There is no job 999999999" in done.stderr


def test_accounts_and_products(home: House) -> None:
    """`accounts list` shows the limits of the plan, `products list` the policy in force."""
    minute = next(
        row for row in home.json("accounts", "list") if (row["resource"], row["period"]) == ("calls", "minute")
    )
    assert 0 < minute["granted"] <= 750
    assert "calls" in home.run("accounts", "list").stdout
    assert {"quote", "profile", "eod-prices"} <= {row["name"] for row in home.json("products", "list")}
    assert "eod-prices" in home.run("products", "list").stdout


def test_doctor_finds_it_healthy(home: House) -> None:
    """`doctor` beside a healthy house: nothing bad, exit 0."""
    report = home.json("doctor")
    found = {finding["about"]: finding for finding in report["findings"]}
    assert report["healthy"] is True
    assert found["data"]["detail"] == "synthetic"
    assert found["workers"]["state"] == found["database"]["state"] == found["provider"]["state"] == "ok"
    assert "clock" in home.run("doctor").stdout


def test_migrate_has_nothing_to_do(home: House) -> None:
    """`migrate --check` exits 0 when the database is up to date."""
    assert home.json("migrate", "--check") == {"applied": [], "waiting": []}
    assert "up to date" in home.run("migrate").stdout


def test_the_web_process_holds_no_key(home: House) -> None:
    """PF-41: no paid key is in the environment of the web or sandbox process; the worker has the sandbox's."""
    for name in ("web", "sandbox"):
        assert not [key for key in home.child(name).environ() if key.endswith("_API_KEY")]
    assert home.child("worker").environ()["FMP_API_KEY"] == "sandbox"


async def test_a_second_worker_beside_it(home: House) -> None:
    """`openbell worker` beside `up` joins it and asks the same provider, without any setting."""
    command = [*COMMAND, "worker", "--slots", "2", "--classes", "interactive"]
    with subprocess.Popen(command, cwd=home.cwd, env=environ(), stderr=subprocess.DEVNULL) as process:  # noqa: ASYNC220
        await eventually(lambda: home.json("jobs", "stats")["workers"] == 2)
        process.terminate()
        assert process.wait(timeout=30) == 0
    assert home.json("jobs", "stats")["workers"] == 1


def test_a_worker_never_mixes_real_data_in(home: House) -> None:
    """A worker that is told to ask the real provider is refused on a sandbox database."""
    done = home.run(
        "worker", FMP_BASE_URL="https://financialmodelingprep.com", FMP_API_KEY="a9F3kQ7LmZ2vX8sT4wR6yB1nC5dE0gHj"
    )
    assert done.returncode == 2
    assert done.stderr.strip().endswith("set FMP_BASE_URL to a sandbox, or use another database.")


def test_two_on_one_folder(home: House) -> None:
    """Build 2: a second `up` on the folder is a clear error that names the first."""
    done = home.run("up", "--port", "0")
    assert done.returncode == 1
    assert f"in use by process {home.process.pid}" in done.stderr
    assert "--data" in done.stderr


def test_ctrl_c_at_the_terminal_reaches_only_the_parent(home: House) -> None:
    """Each part has a session of its own, so that the parent alone decides the order in which they end."""
    children = [one.pid for one in psutil.Process(home.process.pid).children()]
    assert len(children) == 4
    assert all(os.getsid(pid) == pid for pid in children)


def test_the_port_is_closed_to_others(home: House) -> None:
    """The parent holds the port for as long as it runs: nobody can take it between two web processes."""
    port = int(home.address.rsplit(":", 1)[1])
    with pytest.raises(OSError, match="in use"):
        socket.create_server(("127.0.0.1", port)).close()


def test_logs_are_in_the_folder(home: House) -> None:
    """What the parts log is in the data folder and not on the terminal."""
    logs = home.cwd / ".openbell/sandbox/logs"
    assert {"web.log", "worker.log", "sandbox.log"} <= {path.name for path in logs.iterdir()}
    assert "worker.registered" in (logs / "worker.log").read_text()
    assert not any("worker.registered" in line for line in home.said)


def test_a_live_start_on_a_sandbox_database(home: House, tmp_path: Path) -> None:
    """Real and synthetic data never share a database: the stamp of the first start is kept."""
    dsn = psutil.Process(home.child("web").pid).environ()["DATABASE_URL"]
    done = house.run(
        "up", "--live", "--port", "0", cwd=tmp_path, DATABASE_URL=dsn, FMP_API_KEY="a9F3kQ7LmZ2vX8sT4wR6yB1nC5dE0gHj"
    )
    assert done.returncode == 1
    assert "never mix: leave out --live" in done.stderr
