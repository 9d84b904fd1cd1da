"""Two ledgers that know nothing of each other must tell the same, to the micro-dollar: a provider's sales, our spends.

Each rule yields what was seen against it. They look at the tables when everything has come to rest, and share no code
with the engine. What is doubtful is compared twice: as it stands, where it must be visible and held for, and after
somebody has resolved every doubt from the provider's books, where not a micro-dollar may be missing or left over.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

TABLES: Mapping[str, str] = {
    "spend": "select id, job_id, product, operation, state::text as state, effect::text as effect, idempotency_key,"
    " charged, cost_micro, coalesce((held ->> 'usd_micro')::bigint, 0) as held"
    " from openbell.spend where product = any ($1)",
    "ended": "select id, product, outcome::text as outcome, code from openbell.job_history where product = any ($1)",
    "live": "select id, product, key, state::text as state from openbell.job where product = any ($1)",
    "version": "select job_id, value -> 'refs' as refs from openbell.version where product = any ($1)",
    "account": "select id, resource, period, held, spent, overrun from openbell.account"
    " where subject in (select provider from openbell.product where name = any ($1))",
    "hold": "select account_id, sum(amount)::bigint as amount from openbell.hold group by account_id",
    "aging": "select account_id, sum(amount)::bigint as amount from openbell.aging group by account_id",
}
STORE = tuple(f"deal-{kind}" for kind in ("read", "keyed", "asked", "paid", "bare", "beside", "chain", "run"))
KEYED = frozenset({"deal-keyed", "deal-asked", "deal-run", "deal-batch"})
"""Products all of whose purchases have a key that the provider knows: whatever dies, they get their result."""
SETTLE_UP = "select openbell.age_out(array(select id from openbell.account), openbell.now())"


@dataclass(frozen=True, slots=True)
class Books:
    """The sales of the provider, and our tables row by row.

    ``late`` are sales under a key that was sold to somebody else meanwhile: the buyer stood still for longer than a
    call may take, with the request in his hand. No engine can prevent that at a provider that does not know keys.
    """

    sales: Sequence[Mapping[str, Any]]
    late: Sequence[Mapping[str, Any]]
    rows: Mapping[str, Sequence[Mapping[str, Any]]]

    def __getitem__(self, name: str) -> Sequence[Mapping[str, Any]]:
        return self.rows[name]

    @property
    def bought(self) -> Mapping[int, int]:
        """What each spend has cost, by the provider's books."""
        bought: dict[int, int] = defaultdict(int)
        for sale in self.sales:
            bought[sale["spend"]] += sale["cost"]
        return bought


async def read_books(pool: asyncpg.Pool, sales: Sequence[Mapping[str, Any]], products: Sequence[str] = STORE) -> Books:
    """All that the rules look at for the products of one provider, with all that is due taken off the accounts."""
    await pool.execute(SETTLE_UP)
    rows = {}
    for name, query in TABLES.items():
        rows[name] = [dict(row) for row in await pool.fetch(query, *([products] if "$1" in query else []))]
    in_time = {sale["key"] for sale in sales if not sale["late"]}
    late = [sale for sale in sales if sale["late"] and sale["key"] is not None and sale["key"] in in_time]
    return Books([sale for sale in sales if sale not in late], late, rows)


def purchases_end(books: Books) -> Iterator[str]:
    yield from (f"{job} never ends" for job in books["live"])
    yield from (f"{spend} is open" for spend in books["spend"] if spend["state"] in ("intended", "sent"))


def keys_buy_once(books: Books) -> Iterator[str]:
    sold = Counter((sale["name"], sale["step"]) for sale in books.sales if sale["key"] is not None)
    return (f"{step} of {name} was bought {n} times" for (name, step), n in sold.items() if n > 1)


def never_is_bought_once(books: Books) -> Iterator[str]:
    sold = Counter((sale["job"], sale["step"]) for sale in books.sales if sale["effect"] == "never")
    return (f"{step} of job {job} was bought {n} times" for (job, step), n in sold.items() if n > 1)


def bought_results_are_kept(books: Books) -> Iterator[str]:
    outcome = {job["id"]: job for job in books["ended"]}
    refs = {row["job_id"]: set(row["refs"]) for row in books["version"]}
    buyers = {sale["job"] for sale in books.sales}
    for job in books["ended"]:
        if job["product"] in KEYED and job["outcome"] != "done" and (job["code"] != "skipped" or job["id"] in buyers):
            yield f"{job} has no result though every purchase of it had a key"
    for sale in books.sales:
        job = outcome.get(sale["job"])
        kept = job is not None and job["outcome"] == "done" and sale["effect"] != "repeat" and sale["job"] in refs
        if kept and sale["ref"] not in refs[sale["job"]]:
            yield f"{sale} is not in the result of {job}"


def doubts_are_visible(books: Books) -> Iterator[str]:
    state = {spend["id"]: spend["state"] for spend in books["spend"]}
    jobs = {job["id"]: job for job in books["ended"]}
    for sale in books.sales:
        if sale["effect"] != "never" or sale["job"] not in jobs:
            continue
        job = jobs[sale["job"]]
        kept = job["outcome"] == "done" and state.get(sale["spend"]) == "settled"
        told = job["code"] in ("outcome_unknown", "result_lost") and state.get(sale["spend"]) in ("unknown", "settled")
        if not kept and not told:
            yield f"{sale}: {job}, and its spend is {state.get(sale['spend'])}"
    for job in books["ended"]:
        if job["outcome"] == "failed" and job["code"] not in ("outcome_unknown", "result_lost"):
            yield f"{job} gave up"
    done = {job["id"] for job in books["ended"] if job["outcome"] == "done"}
    for spend in books["spend"]:
        if spend["state"] == "unknown" and spend["job_id"] in done and spend["effect"] != "repeat":
            yield f"{spend} is in doubt and its job is done"


def spends_cost_what_was_charged(books: Books) -> Iterator[str]:
    bought = books.bought
    for spend in books["spend"]:
        charged = bought.get(spend["id"], 0)
        if spend["state"] == "settled" and spend["cost_micro"] != charged:
            yield f"{spend} was charged {charged}"
        if spend["state"] == "released" and (charged or spend["cost_micro"]):
            yield f"{spend} was given back and charged {charged}"
        if spend["state"] == "unknown" and not spend["charged"] and spend["cost_micro"] != spend["held"]:
            yield f"{spend} is in doubt and does not count as spent"
    known = {spend["id"] for spend in books["spend"]}
    yield from (f"{sale} has no spend" for sale in books.sales if sale["spend"] not in known)
    asked = Counter(sale["spend"] for sale in books.sales)
    yield from (f"spend {spend} was bought for {n} times" for spend, n in asked.items() if n > 1)


def accounts_tell_the_same(books: Books) -> Iterator[str]:
    held = {row["account_id"]: row["amount"] for row in books["hold"]}
    aging = {row["account_id"]: row["amount"] for row in books["aging"]}
    doubtful = sum(spend["held"] for spend in books["spend"] if spend["state"] == "unknown" and not spend["charged"])
    settled = [spend for spend in books["spend"] if spend["charged"]]
    over = sum(max(0, spend["cost_micro"] - spend["held"]) for spend in settled)
    cost = sum(spend["cost_micro"] for spend in settled)
    for account in books["account"]:
        if account["held"] != held.get(account["id"], 0) + aging.get(account["id"], 0):
            yield f"{account}, with {held.get(account['id'], 0)} in holds and {aging.get(account['id'], 0)} aging"
    for name, accounts in _by_kind(books["account"]).items():
        got = tuple(sum(account[column] for account in accounts) for column in ("held", "spent", "overrun"))
        want = (doubtful, cost - over, over) if name.startswith("usd_micro") else (0, 0, 0)
        if name != "calls" and got != want:
            yield f"{name}: held, spent, overrun are {got}, and by the spends {want}"


def _by_kind(accounts: Sequence[Mapping[str, Any]]) -> Mapping[str, list[Mapping[str, Any]]]:
    """The accounts of a limit: one, or one for each of its calendar periods."""
    kinds: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for account in accounts:
        dated = account["period"][:4].isdecimal()
        kinds[account["resource"] + " by day" * dated].append(account)
    return kinds


def ledgers_agree(books: Books) -> Iterator[str]:
    """To be asked when no doubt is left."""
    sold = sum(sale["cost"] for sale in books.sales)
    for name, accounts in _by_kind(books["account"]).items():
        ours = sum(account["spent"] + account["overrun"] for account in accounts)
        if name.startswith("usd_micro") and ours != sold:
            yield f"{name}: we have spent {ours}, and the provider has charged {sold}"
    yield from (f"{spend} is still in doubt" for spend in books["spend"] if spend["state"] == "unknown")


RULES: Mapping[str, Callable[[Books], Iterator[str]]] = {
    "purchases come to an end": purchases_end,
    "what has a key is bought once": keys_buy_once,
    "what must not be repeated is bought once": never_is_bought_once,
    "what was bought with a key is kept": bought_results_are_kept,
    "every doubtful call is visible": doubts_are_visible,
    "spends cost what the provider charged": spends_cost_what_was_charged,
    "accounts tell the same as spends": accounts_tell_the_same,
}
IN_THE_END = {"the two ledgers agree": ledgers_agree}


def check_books(books: Books, rules: Mapping[str, Callable[[Books], Iterator[str]]] = RULES) -> list[tuple[str, str]]:
    """Every broken promise as (rule, what was seen)."""
    return [(name, seen) for name, rule in rules.items() for seen in rule(books)]


async def resolve_doubts(pool: asyncpg.Pool, books: Books) -> list[str]:
    """Settle every unknown spend by the provider's books, as an operator does; what each was answered."""
    bought, sold = books.bought, {sale["spend"] for sale in books.sales}
    answers = []
    for spend in books["spend"]:
        if spend["state"] == "unknown":
            happened = spend["id"] in sold
            cost = bought[spend["id"]] if happened and spend["held"] and not spend["charged"] else None
            said = await pool.fetchval(
                "select openbell.resolve_spend($1, $2, $3, 'as in the books of the provider', 'chaos')",
                spend["id"], happened, cost,
            )  # fmt: skip
            answers.append(said if said == "resolved" else f"{spend}: {said}")
    return answers
