"""When two addresses or titles are one article."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from openbell.products.digest.addresses import canonical, is_tracking, nearly, title_key

PAGE = "https://paper.example/2026/11/apple-rises?id=7"
VARIANTS = (
    PAGE,
    f"{PAGE}&utm_source=rss&utm_medium=feed&utm_campaign=daily",
    f"{PAGE}&fbclid=IwAR0abc",
    f"{PAGE}&gclid=Cj0&gbraid=x",
    f"{PAGE}#comments",
    "http://paper.example/2026/11/apple-rises?id=7",
    "https://PAPER.example:443/2026/11/apple-rises?id=7&.tsrc=rss",
    "https://paper.example/2026/11/apple-rises?mc_cid=1&id=7&guccounter=1",
)


def test_eight_variants_of_an_address_are_one() -> None:
    """DG-4: parameters that track readers, scheme, fragment, port and case of the host make no other article."""
    assert len(set(VARIANTS)) == 8
    assert {canonical(one) for one in VARIANTS} == {PAGE}


def test_what_may_choose_the_page_stays() -> None:
    """DG-4: different pages never become one; a tracking parameter in the middle cuts nothing behind it off."""
    pages = [
        "https://paper.example/story?id=1",
        "https://paper.example/story?id=2",
        "https://paper.example/story?utm_source=x&id=3",
        "https://paper.example/story?p=1&ref=front",
        "https://paper.example/story?ref=sport&p=1",
        "https://paper.example/Story?id=1",
        "https://paper.example/story/?id=1",
        "https://www.paper.example/story?id=1",
        "https://paper.example:8443/story?id=1",
        "https://paper.example/story?id=1&page=2",
        "https://paper.example/story?id=utm_source",
    ]
    assert len({canonical(one) for one in pages}) == len(pages)
    assert canonical("https://paper.example/story?utm_source=x&id=3") == "https://paper.example/story?id=3"


_words = st.text("abcxyz019-_.~", min_size=1, max_size=8)
_pairs = st.lists(st.tuples(_words, _words), max_size=5)


@given(
    _pairs, st.lists(st.sampled_from(["utm_source", "fbclid", "gclid", "UTM_Medium", ".tsrc"]), max_size=4), st.data()
)
def test_only_tracking_is_ever_removed(pairs: list[tuple[str, str]], marks: list[str], data: st.DataObject) -> None:
    """DG-4: with tracking parameters put in anywhere the address is the same as without; nothing else is lost."""
    kept = [(name, value) for name, value in pairs if not is_tracking(name)]
    plain = "https://paper.example/a?" + "&".join(f"{n}={v}" for n, v in kept)
    mixed = list(kept)
    for mark in marks:
        mixed.insert(data.draw(st.integers(0, len(mixed))), (mark, "x"))
    tracked = "https://paper.example/a?" + "&".join(f"{n}={v}" for n, v in mixed)
    assert canonical(tracked) == canonical(plain)
    assert [f"{n}={v}" for n, v in kept] == [p for p in canonical(plain).partition("?")[2].split("&") if p]


@given(st.text(max_size=200))
def test_any_text_is_survived(text: str) -> None:
    """PF: what is no address comes back, and twice is the same as once."""
    assert canonical(canonical(text)) == canonical(text)
    assert nearly(title_key(text), title_key(text))


def test_titles() -> None:
    """DG-4: marks of an update, case and punctuation are no other story; other figures are."""
    assert (
        title_key("UPDATE 1-Apple rises 3.5%, again!") == title_key("Apple Rises 3.5% again") == "apple rises 3.5 again"
    )
    assert nearly(
        title_key("Apple delays laptop line by 7 weeks"), title_key("Apple delays laptop line by 7 weeks - report")
    )
    assert not nearly(
        title_key("Apple delays laptop line by 7 weeks"), title_key("Apple delays laptop line by 9 weeks")
    )
    assert not nearly(title_key("Apple sues Google over patents"), title_key("Oil ends the week lower"))
    assert title_key("?!") == ""
