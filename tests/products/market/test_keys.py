"""Keys: one spelling for one thing."""

from __future__ import annotations

import pytest

from openbell.engine.errors import InvalidKey
from openbell.products.keys import Symbol
from tests.products.kitchen import PRODUCTS


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        ("BRK.B", "BRK-B"), ("brk-b", "BRK-B"), ("bf.b", "BF-B"), ("teck.b.to", "TECK-B.TO"), ("HEI.A", "HEI-A"),
        ("VOD.L", "VOD.L"), ("7203.T", "7203.T"), ("X.V", "X.V"), ("SAP.DE", "SAP.DE"), ("0700.HK", "0700.HK"),
        ("A", "A"), ("ALL", "ALL"), ("GLOBAL", "GLOBAL"),
    ],
)  # fmt: skip
def test_a_class_of_shares_has_one_spelling(typed: str, key: str) -> None:
    """PF-1: a class of shares is one key with a dot or a hyphen; the suffix of an exchange keeps its dot."""
    assert Symbol.parse(typed) == key
    assert Symbol.parse(key) == key


@pytest.mark.parametrize("product", ["market-risk-premium", "treasury-rates", "market-headlines"])
def test_global_data_has_one_key(product: str) -> None:
    """MD-26: a data set that exists once has the one reserved key, and no other is accepted."""
    assert PRODUCTS.get(product).parse_key(" global ") == "GLOBAL"
    with pytest.raises(InvalidKey):
        PRODUCTS.get(product).parse_key("AAPL")
