"""`openbell accounts`, `spends`, `costs` and the doctor on money, against a database that `DATABASE_URL` names."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from openbell.cli import main
from openbell.engine.database import SQL
from openbell.engine.errors import AccountBlocked
from openbell.engine.estimates import Estimator
from openbell.engine.ledger import Limit, ensure_accounts
from openbell.engine.spends import Ledger, Settlement, Spends
from tests.cli.house import openbell

BUDGET = Limit(
    "shop", "usd_micro", "month", 2_000_000, closes="charge", calendar="month", floors={"scheduled": 500_000}
)
PACE = Limit("shop", "calls", "minute", 60, span=timedelta(minutes=1))
DAY = Limit("shop", "calls", "day", 250, span=timedelta(days=1))


async def told(dsn: str, *arguments: str) -> Any:
    """What it tells a program."""
    code, out, err = await openbell(dsn, *arguments, "--json")
    assert (code, err) == (0, "")
    return json.loads(out)


def says(out: str, *words: str) -> None:
    """All of the words are in what was said."""
    assert [word for word in words if word not in out] == [], out


async def shop(pool: asyncpg.Pool, *limits: Limit) -> Spends:
    """A gate to a shop with these accounts, without a job."""
    accounts = (await ensure_accounts(pool, limits))["shop"]
    return Spends(Ledger(pool), "shop", accounts, "report", "AAPL", None, None, "user:7")


async def buy(spends: Spends, end: str, took: int, held: int = 100_000) -> int:
    """One call that ends so; the id of its spend."""
    async with spends.call("v1/agent", effect="never", usd_micro=held) as call:
        pass
    spends.ended.clear()
    amounts = {"usd_micro": took} if end == "settled" else {}
    await spends.ledger.settle([Settlement(call.spend_id, end, "ok" if end == "settled" else "timeout", amounts)])  # type: ignore[arg-type]
    return call.spend_id


async def test_accounts_are_shown_and_granted(dsn: str, pool: asyncpg.Pool) -> None:
    """Issue 4: `accounts list|show|grant`: the books in words and figures, and a grant in dollars with its history."""
    spends = await shop(pool, BUDGET, PACE)
    await buy(spends, "settled", 42)
    code, out, _ = await openbell(dsn, "accounts", "list")
    assert code == 0
    says(out, "shop dollars, ", "$2.00", "$0.000042", "shop calls in any minute", "At $0.000042 a day (all of it since")
    assert "usd_micro" not in out
    assert max(map(len, out.splitlines())) <= 100
    code, out, err = await openbell(
        dsn, "accounts", "grant", "shop", "usd", "1.5", "--reason", "launch", "--actor", "ada"
    )
    assert (code, err) == (0, "")
    assert out.startswith("Granted $1.50: shop dollars, ")
    assert "now grants $3.50, of which $3.499958 are free." in out
    granted = await told(dsn, "accounts", "grant", "shop", "usd_micro", "-500000", "--reason", "too much")
    assert (granted["granted"], granted["grants"], granted["limit"]) == (3_000_000, 1_000_000, 2_000_000)
    (shown,) = await told(dsn, "accounts", "show", "shop", "usd")
    assert [(one["actor"], one["amount"]) for one in shown["history"]] == [("ada", 1_500_000), ("cli", -500_000)]
    assert (shown["floors"], shown["burn_per_day"], shown["spent"]) == ({"scheduled": 500_000}, 42, 42)
    code, out, _ = await openbell(dsn, "accounts", "show", "shop")
    assert code == 0
    says(out, "granted beyond it  $1.00", "$0.50 for scheduled", "launch", "−$0.50", "next to free")


async def test_a_pause_is_ended_by_hand(dsn: str, pool: asyncpg.Pool) -> None:
    """PF-49: an operator ends a provider's pause whose cause is gone; it is audited, and calls go out at once."""
    spends = await shop(pool, PACE)
    await pool.execute(SQL.get("pause_provider"), "shop", timedelta(hours=9), "Limit Reach", None, "rate_limited")
    with pytest.raises(AccountBlocked):
        async with spends.call("v1/agent", effect="repeat"):
            pass
    _, out, _ = await openbell(dsn, "doctor")
    says(out, "openbell accounts resume shop --reason")
    resume = ("accounts", "resume", "shop", "--reason", "a new key", "--actor", "pat")
    assert await told(dsn, *resume) == {"subject": "shop", "resumed": 1}
    async with spends.call("v1/agent", effect="repeat"):
        pass
    assert (await openbell(dsn, *resume))[:2] == (0, "shop was not paused.\n")
    (audit,) = await pool.fetch("select actor, target, before ->> 'reason', after ->> 'reason' from openbell.audit")
    assert tuple(audit) == ("pat", "shop calls minute", "Limit Reach", "a new key")
    code, _, err = await openbell(dsn, "accounts", "resume", "nobody", "--reason", "x")
    assert (code, "no account of nobody" in err) == (3, True)


async def test_what_is_refused_says_why(dsn: str, pool: asyncpg.Pool) -> None:
    """Bad input: no such account is 3, an amount that is none is 2, what cannot be granted or resolved is 1."""
    spends = await shop(pool, BUDGET, PACE, DAY)
    settled = await buy(spends, "settled", 42)
    for arguments, code, complaint in (
        (("accounts", "show", "mall"), 3, "no account mall"),
        (("accounts", "grant", "mall", "calls", "5", "--reason", "r"), 3, "The accounts are: shop calls --period day"),
        (("accounts", "grant", "shop", "usd_micro", "1.5", "--reason", "r"), 2, "name `usd` as the resource"),
        (("accounts", "grant", "shop", "usd", "much", "--reason", "r"), 2, "no amount of dollars"),
        (("accounts", "grant", "shop", "usd", "0.0000001", "--reason", "r"), 2, "finer than a millionth"),
        (("accounts", "grant", "shop", "usd", "nan", "--reason", "r"), 2, "no amount of dollars"),
        (("accounts", "grant", "shop", "calls", "5"), 2, "--reason"),
        (("accounts", "grant", "shop", "calls", "5", "--reason", "r"), 1, "--period"),
        (("accounts", "grant", "shop", "usd", "-1", "--reason", "r"), 1, "cannot be taken back"),
        (("accounts", "grant", "shop", "calls", "5", "--period", "minute", "--reason", "r"), 1, "would never end"),
        (("spends", "show", "987654"), 3, "no spend 987654"),
        (("spends", "resolve", "987654", "--happened", "--reason", "r"), 3, "no spend 987654"),
        (("spends", "resolve", str(settled), "--happened", "--reason", "r"), 1, "is settled (ok)"),
        (("spends", "resolve", str(settled), "--reason", "r"), 2, "--never-happened"),
        (("spends", "resolve", str(settled), "--happened", "--cost", "1e99", "--reason", "r"), 1, "is no cost"),
        (("costs", "--since", "yesterday"), 2, "yesterday"),
        (("costs", "--by", "moon"), 2, "moon"),
    ):
        found, out, err = await openbell(dsn, *arguments)
        assert (found, out) == (code, ""), (arguments, out, err)
        assert complaint in err, (arguments, err)
        assert "Traceback" not in err
    assert await pool.fetchval("select count(*) from openbell.audit") == 0


async def test_a_doubtful_call_is_found_and_resolved(dsn: str, pool: asyncpg.Pool) -> None:
    """Issue 4: `spends list --unknown`, `show`, `resolve`: what it held; then its true cost is charged."""
    spends = await shop(pool, BUDGET)
    lost, gone = await buy(spends, "unknown", 0), await buy(spends, "unknown", 0)
    await buy(spends, "settled", 42)
    assert [row["id"] for row in await told(dsn, "spends", "list", "--unknown", "--provider", "shop")] == [gone, lost]
    assert len(await told(dsn, "spends", "list")) == 3
    assert await told(dsn, "spends", "list", "--job", "987654") == []
    code, out, _ = await openbell(dsn, "spends", "list")
    assert code == 0
    says(out, "shop v1/agent", "report AAPL", "unknown", "$0.10", "$0.000042")
    done = ("--happened", "--cost", "0.07", "--reason", "their invoice of May", "--actor", "ada")
    assert await openbell(dsn, "spends", "resolve", str(lost), *done) == (
        0, f"Spend {lost} has happened: $0.07 are charged.\n", "",
    )  # fmt: skip
    assert (await told(dsn, "spends", "resolve", str(gone), "--never-happened", "--reason", "r"))["state"] == "released"
    (account,) = await told(dsn, "accounts", "list")
    assert (account["held"], account["spent"]) == (0, 70_042)
    code, out, _ = await openbell(dsn, "spends", "show", str(lost))
    assert code == 0
    says(out, "never: it is not made again", "ada", "their invoice of May", "$0.07")
    again, _, err = await openbell(dsn, "spends", "resolve", str(lost), *done)
    assert again == 1
    assert "is settled by ada" in err


async def test_costs_add_up(dsn: str, pool: asyncpg.Pool) -> None:
    """Issue 4: `costs` by each part adds up to the ledger to the micro-unit; operations show what one call takes."""
    spends = await shop(pool, BUDGET)
    await buy(spends, "settled", 42)
    await buy(spends, "settled", 58)
    await buy(spends, "unanswered", 0, held=7)
    await buy(spends, "unknown", 0)
    await Estimator(pool, lag=timedelta(0)).beat()
    (account,) = await told(dsn, "accounts", "list")
    for by in ("product", "provider", "user", "week", "day", "operation"):
        report = await told(dsn, "costs", "--by", by)
        total = report["total"]
        assert (total["cost_micro"], total["failed_micro"], total["calls"]) == (107, 7, 4)
        assert (total["cost_micro"], total["unknown_micro"]) == (account["spent"], account["held"])
        (row,) = report["rows"]
        assert row["cost_micro"] == 107
    assert [(one["resource"], one["average"]) for one in row["estimates"]] == [("usd_micro", 50)]
    code, out, _ = await openbell(dsn, "costs", "--by", "operation")
    assert code == 0
    says(out, "report: shop v1/agent", "$0.000107", "$0.000007", "$0.10 (1)", "$0.00005")
    assert "No calls since then" in (await openbell(dsn, "costs", "--since", "2100-01-01"))[1]


async def test_the_doctor_looks_at_the_books(dsn: str, pool: asyncpg.Pool) -> None:
    """PF-34: `doctor` tells budgets at 75 and 90 %, open breakers, doubtful calls, pauses, estimates, with mends."""
    spends = await shop(pool, BUDGET)
    found = {one["about"]: one for one in (await doctor(dsn))["findings"]}
    for about in ("budgets", "pauses", "breakers", "spends", "estimates"):
        assert found[about]["state"] == "ok"
    await buy(spends, "settled", 1_900_000, held=1_000)
    await buy(spends, "unknown", 0)
    await Estimator(pool, lag=timedelta(0)).beat()
    await pool.execute(
        """insert into openbell.breaker (provider, operation, opened_at, open_until, code, reason)
        values ('shop', '', openbell.now(), openbell.now() + interval '5 minutes', 'outage',
            '6 of the last 8 calls failed')"""
    )
    await pool.execute(
        "update openbell.account set blocked_until = openbell.now() + interval '1 hour', blocked_reason = 'full'"
    )
    found = {one["about"]: one for one in (await doctor(dsn))["findings"]}
    for about, detail, mend in (
        ("budgets", "more than was held for them", "costs --by operation"),
        ("pauses", "Paused until", "a grant ends the pause"),
        ("breakers", "6 of the last 8 calls failed", "status page"),
        ("spends", "1 call whose outcome nobody knows, $0.10 held for it", "openbell spends resolve ID"),
        ("estimates", "took $1.90, more than twice the $0.001 expected", "openbell spends show"),
    ):
        assert found[about]["state"] == "warn"
        assert detail in found[about]["detail"]
        assert mend in found[about]["mend"]
    assert "100 % used: $2.00 of $2.00" in (await openbell(dsn, "doctor"))[1]


async def test_the_doctor_tells_a_database_of_another_environment(dsn: str, pool: asyncpg.Pool) -> None:
    """PF-42: settings of one environment beside a database of another: `doctor` names both and the mend."""
    await pool.execute("insert into openbell.meta values ('environment', '\"staging\"')")
    found = {one["about"]: one for one in (await doctor(dsn))["findings"]}["environment"]
    assert (found["state"], found["detail"]) == (
        "bad",
        "the database is stamped staging, and ENVIRONMENT is development",
    )
    assert "openbell mail environment" in found["mend"]
    await pool.execute("update openbell.meta set value = '\"development\"' where key = 'environment'")
    assert {one["about"]: one for one in (await doctor(dsn))["findings"]}["environment"]["state"] == "ok"


async def doctor(dsn: str) -> Any:
    """Its report; without a worker it is not healthy, which is not what is asked here."""
    return json.loads((await openbell(dsn, "doctor", "--json"))[1])


@pytest.mark.parametrize("name", ["accounts", "spends", "costs"])
def test_each_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """DESIGN 5: each command has help of its own, and `openbell --help` names it."""
    assert main([name, "--help"]) == 0
    assert f"Usage: openbell {name}" in capsys.readouterr().out
    assert main(["--help"]) == 0
    assert f"\n  {name}" in capsys.readouterr().out
