"""What is no news: law firms that look for clients, price tips, shopping, and titles that cannot be read. Pure."""

from __future__ import annotations

import re

LAW_FIRMS = re.compile(
    r"\b(class action|shareholder alert|investor alert|lead plaintiff|law offices? of|deadline (?:alert|reminder)|"
    r"reminds? (?:investors|shareholders)|encourages? (?:investors|shareholders)|securities fraud investigation|"
    r"investigates? claims on behalf|llp (?:announces|reminds|notifies))\b",
    re.IGNORECASE,
)
TIPS = re.compile(
    r"\b(penny stocks?|stocks? to buy (?:now|today)|(?:could|will|set to) (?:soar|explode|skyrocket)|\d+x returns?|"
    r"next big stock|millionaire[- ]maker|get rich|secret stock|hot stock pick|signals? group)\b",
    re.IGNORECASE,
)
SHOPPING = re.compile(
    r"\b(coupons?|promo codes?|discount codes?|black friday deals?|prime day|best deals?|% off\b.*\bdeals?|"
    r"giveaway|casino|betting odds|horoscope|crossword|wordle)\b",
    re.IGNORECASE,
)
SPAM_DOMAINS = frozenset(("accesswire-legal.com", "stocktwits.com", "classactionlawyers.com", "topclassactions.com"))

SHORTEST_TITLE = 12


def spam_reason(title: str, publisher: str, domain: str | None) -> str | None:
    """Why an article stands for no selection; None for one that does. The reason is stored, so that it stays out."""
    if len(title.strip()) < SHORTEST_TITLE:
        return "no headline"
    if domain in SPAM_DOMAINS:
        return "domain is known for no news"
    for reason, pattern in (("law firm", LAW_FIRMS), ("tip", TIPS), ("shopping", SHOPPING)):
        if pattern.search(title) or (reason == "law firm" and pattern.search(publisher)):
            return reason
    letters = [letter for letter in title if letter.isalpha()]
    if len(letters) > 20 and sum(letter.isupper() for letter in letters) > 0.9 * len(letters):
        return "shouted"
    return None
