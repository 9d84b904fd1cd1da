"""Mails 1 to 3: drawn from what is stored, safe, readable without images and as text."""

from __future__ import annotations

import base64
import io
import re
from datetime import date
from html.parser import HTMLParser
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from PIL import Image

from openbell.mail import Letter
from openbell.products.digest.content import Mark, Paragraph, Price, Summary
from openbell.products.digest.render import (
    Cost,
    content_letter,
    digest_letter,
    dollars,
    money,
    render_html,
    render_text,
    safe_url,
    selection_letter,
)
from openbell.products.digest.render_chart import HEIGHT, WIDTH, chart
from tests.products.digest.contents import content
from tests.products.digest.writing import inputs
from tests.web.conftest import Browser, browser, shot  # noqa: F401 - fixture

EVIL = '"><img src=x onerror=alert(1)><script>alert(1)</script>{{ 7*7 }}'


class Tags(HTMLParser):
    """What a page is made of."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def links(self) -> set[str]:
        return {str(given["href"]) for tag, given in self.found if tag == "a"}


class Words(HTMLParser):
    """What a reader sees of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.feed(html)

    def handle_data(self, data: str) -> None:
        self.text += data


def letters() -> dict[str, Letter]:
    weekly = content()
    return {
        "digest": digest_letter(weekly),
        "selection": selection_letter(inputs()),
        "content": content_letter(inputs(), weekly, costs=[Cost("anthropic", "anthropic", 4, 6_400)]),
    }


def test_rendering_reads_stored_results_only() -> None:
    """DG-19: the same stored digest gives the same bytes, without a database, a network or a clock; also from JSON."""
    weekly = content()
    again = type(weekly).model_validate_json(weekly.model_dump_json())
    assert digest_letter(weekly) == digest_letter(again)
    assert render_html(weekly) == digest_letter(weekly).html
    plain = render_text(weekly, "https://bell.example")
    assert plain == render_text(again, "https://bell.example")
    assert "Read this on the web: https://bell.example/digest/ACME/2026-11-24?edition=weekly" in plain
    assert "%%" not in plain


def test_both_forms_say_the_same() -> None:
    """Mail 3: every shown bullet, its sources with their marks, and the AI mark stand in HTML and in text alike."""
    letter = digest_letter(content())
    for form in (letter.html, letter.text):
        for words in (
            "Revenue rose 12.4% to $3.42 billion", "The probe concerns 1,250 warehouse systems.", "quality 7/10",
            "paywall", "new", "From the filings (10-K of 12 Feb 2026)", "claude-haiku-5-5 and gpt-6-luna",
            "A record quarter meets a federal probe.", "$181.25", "+8.80 (+5.10 %)", "not investment advice",
            "%%UNSUBSCRIBE%%", "/digest/ACME/2026-11-24", "Next report", "synthetic, by hand",
        ):  # fmt: skip
            assert words in form, words
        for words in ("Revenue beat estimates.", "An unrelated firm moved.", "Unseen", "Profit was $999 million"):
            assert words not in form, words
    assert letter.subject == "Acme Robotics (ACME): weekly report, 24 Nov 2026"


def test_a_daily_edition_hides_what_is_for_mondays() -> None:
    """Background 3.3: upside, downside, catalysts and key variables stand in the weekly only."""
    daily = digest_letter(content("daily"))
    for form in (daily.html, daily.text):
        assert "Revenue rose 12.4%, and guidance went up." not in form
        assert "Next report" not in form
        assert "A record quarter meets a federal probe." in form


def test_links_lead_to_stored_sources_only() -> None:
    """DG-15: each link of a mail is a stored source, a filing, or a page of ours."""
    allowed = {f"https://news.example.com/a/{n}" for n in range(1, 6)} | {"https://filings.example.com/acme-10k"}
    for letter in letters().values():
        assert all(one in allowed or one.startswith("%%") for one in Tags(letter.html).links())


def test_each_bullet_and_point_names_its_sources_by_number() -> None:
    """DG-15: behind what is said stand the numbers of its sources, its twins' too; a source keeps its number."""
    letter = digest_letter(content())
    for form in (Words(letter.html).text, letter.text):
        for words in (
            "A record quarter meets a federal probe. [1, 2, 3]", "A probe of 1,250 systems has begun. [3]",
            "between $13.1 billion and $13.4 billion. [1, 2]", "The probe concerns 1,250 warehouse systems. [3]",
            "welding robots by 8% in China. [4]", "Acme Robotics reports on Jan. 28. [1]",
        ):  # fmt: skip
            assert words in form, words
    listed = re.findall(r"^(\d)\. .*\n   (\S+)$", letter.text, re.M)
    assert listed == [(n, f"https://news.example.com/a/{key}") for n, key in ("11", "23", "32", "44", "11")]
    assert [given["value"] for tag, given in Tags(letter.html).found if tag == "li" and "value" in given] == list(
        "12341"
    )


def test_hostile_texts_stay_text() -> None:
    """Section 7: markup and template signs in any stored text are shown as letters, in no mail as anything else."""
    weekly = content()
    words = {"content": EVIL, "topic": EVIL, "known": None}
    source = {"title": EVIL, "publisher": EVIL, "url": f"javascript:{EVIL}"}
    evil = weekly.model_copy(
        update={
            "name": EVIL,
            "bullets": [one.model_copy(update=words) for one in weekly.bullets],
            "sources": [one.model_copy(update=source) for one in weekly.sources],
            "summary": Summary(bottom_line=Paragraph(text=EVIL, bullets=["per-1"])),
            "marks": [Mark(where=EVIL, kind="number", text=EVIL, detail=EVIL, action="dropped")],
        }
    )
    bad = inputs(name=EVIL + "\r\nBcc: everybody@example.com")
    for letter in (digest_letter(evil), content_letter(inputs(), evil), selection_letter(bad)):
        tags = Tags(letter.html).found
        assert {"script", "iframe", "form", "object"} & {tag for tag, _ in tags} == set()
        assert not [given for _, given in tags if any(name.startswith("on") for name in given)]
        assert all(given.get("src") == "cid:chart" for tag, given in tags if tag == "img")
        assert "49" not in letter.subject
        assert "\n" not in letter.subject
        assert not any(link.startswith("javascript") for link in Tags(letter.html).links())


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://news.example.com/a?b=c%20d#e", True), ("http://x.example/", True), ("javascript:alert(1)", False),
        ("data:text/html,x", False), ("//evil.example/x", False), ("https://", False), ("https://a.example/\"x", False),
        ("https://a.example/ x", False), ("https://a.example/%%UNSUBSCRIBE%%", False), ("http://[::1", False),
        ("https://a.example/\u202ex", False), ("", False),
    ],
)  # fmt: skip
def test_only_web_addresses_become_links(url: str, safe: bool) -> None:
    """DG-15: a stored address becomes a link when it is plain http or https, and stays text otherwise."""
    assert safe_url(url) == (url if safe else "")


def test_the_chart_is_a_picture_with_words() -> None:
    """Build 5: a PNG inside the mail with a text alternative; the same closes give the same picture, one close none."""
    price = content().price
    assert price is not None
    drawn = chart(price.closes)
    assert drawn is not None
    assert drawn == chart(price.closes)
    with Image.open(io.BytesIO(drawn)) as picture:
        assert (picture.format, picture.size) == ("PNG", (WIDTH, HEIGHT))
    assert len(drawn) < 30_000
    assert chart(price.closes[:1]) is None
    assert chart([(date(2026, 1, 1), 5.0), (date(2026, 1, 2), 5.0)]) is not None
    letter = digest_letter(content())
    assert letter.images["chart"].data == drawn
    [image] = [given for tag, given in Tags(letter.html).found if tag == "img"]
    assert "Closes of 60 sessions, 1 Sep 2026 to 30 Oct 2026, between $150.00 and $183.20" in str(image["alt"])


def test_without_a_price_or_news_it_still_reads() -> None:
    """DG-18: no price, no bullets: a short mail that says that nothing new was found."""
    quiet = content(quiet=True, bullets=[], summary=Summary(), price=None, filings=[], runs=[])
    letter = digest_letter(quiet)
    assert "Nothing new was found about Acme Robotics" in letter.text
    assert "Nothing new was found about Acme Robotics" in letter.html
    assert letter.images == {}
    one = content(
        price=Price(
            day=date(2026, 1, 2), close=3.0, change=None, percent=None, currency="EUR", closes=[], low=3, high=3
        )
    )
    assert "3.00 EUR" in digest_letter(one).text


def test_mail_1_shows_every_candidate_with_both_scores() -> None:
    """DG-20: the selection, for admins: chosen or not, scores of both scorers, what became of it and why."""
    letter = selection_letter(inputs())
    for form in (letter.html, letter.text):
        assert form.count("model 7.5 · titles 8.0") == 4
        assert "best of its subject" in form
        assert "11 feeds, 1 of them failed" in form
    assert letter.subject == "[Selection] ACME daily 2026-11-24: 4 chosen"


def test_mail_2_shows_what_every_phase_says_and_what_it_cost() -> None:
    """DG-20, DG-36: bullets with ids, duplicates, marks, who did each phase, failures, and the cost by step."""
    weekly = content()
    found = {"judge": "rules", "verdict": "hold", "sentences": 9, "findings": [{"kind": "x", "text": "y", "why": "z"}]}
    letter = content_letter(inputs(), weekly, costs=[Cost("anthropic", "anthropic", 4, 6_400)], review=found)
    for form in (letter.html, letter.text):
        for words in (
            "per-1", "of per-1: shares 2 of 3 facts", "no: indirect, and of low impact", "stands in no source",
            "output cut off", "kept answer", "$0.0042", "$0.0064", "hold", "high impact, positive, direct",
        ):  # fmt: skip
            assert words.replace("'", "&#39;") in form or words in form, words
    assert letter.subject == "[Content] ACME weekly 2026-11-24: 4 of 6 bullets shown, 1 marks"


def test_amounts_are_written_with_care() -> None:
    """LOOK: thousands, a true minus, no more digits than are meant; costs below a cent keep their digits."""
    assert money(1234.5, "USD") == "$1,234.50"
    assert money(-3, "EUR") == "−3.00 EUR"
    assert money(0.1234, None) == "0.1234"
    assert (dollars(0), dollars(4_210), dollars(1_500_000)) == ("$0.00", "$0.0042", "$1.50")


def shown(letter: Letter) -> str:
    """The HTML with its pictures in it, as a mail program draws it."""

    def picture(found: re.Match[str]) -> str:
        return "data:image/png;base64," + base64.b64encode(letter.images[found[1]].data).decode()

    return re.sub(r"cid:([a-z]+)", picture, letter.html)


CHECKS: dict[str, Any] = {"runOnly": ["color-contrast", "link-in-text-block", "image-alt", "list", "heading-order"]}


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_mails_look_right_everywhere(browser: Browser, scheme: Any) -> None:  # noqa: F811
    """Issue 6, Done when: at phone and desktop width, light and dark, also without images: all can be read."""
    for width in (390, 800):
        async with browser(color_scheme=scheme, viewport={"width": width, "height": 900}) as (_, page, complaints):
            for name, letter in letters().items():
                html = shown(letter)
                await page.set_content(html)
                wide = await page.evaluate("document.documentElement.scrollWidth")
                assert wide <= width, (name, wide)
                found = await Axe().run(page, options=CHECKS)
                assert found.response["violations"] == [], name
                await shot(page, f"mail-{name}-{scheme}-{width}")
                await page.set_content(re.sub(r' src="(?:cid|data):[^"]*"', "", html))
                assert await page.evaluate("document.documentElement.scrollWidth") <= width, name
                lost = "[...document.images].filter(one => !one.alt.trim() || one.offsetHeight < 8).length"
                assert await page.evaluate(lost) == 0, f"{name}: what a picture says is there without it"
                await shot(page, f"mail-{name}-{scheme}-{width}-no-images")
            assert complaints == []
