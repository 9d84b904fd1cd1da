"""The pages of people and mail, looked at: by axe in both themes, on a phone, and as pictures for people."""

from __future__ import annotations

from datetime import timedelta

import pytest
from axe_playwright_python.async_playwright import Axe

from openbell.mail import control, letters, queue_all
from openbell.people import Person, add_person, consent, follow
from openbell.people.doors import make_link, make_token
from tests.web.conftest import Browser, Site, shot

SIDEWAYS = "document.documentElement.scrollWidth > document.documentElement.clientWidth"


async def house(site: Site) -> tuple[Person, int]:
    """A small house: people in every state, mails of several kinds; all of it synthetic."""
    people = [
        await add_person(
            site.pool, f"reader{n}@example.com", name=f"Reader {n}", state="active" if n else "pending", actor="test"
        )
        for n in range(4)
    ]
    boss = await add_person(site.pool, "boss@example.com", state="active", role="admin", actor="test")
    for one in [*people, boss]:
        await consent(site.pool, one.id, ["terms", "privacy", "mail"], given=True, source="test")
    for ticker in ("AAPL", "MSFT"):
        await follow(site.pool, boss, ticker)
        await follow(site.pool, people[1], ticker)
    await make_token(site.pool, boss, "notebook")
    due = await site.pool.fetchval("select openbell.now()") + timedelta(hours=3)
    letter = letters.render(
        "welcome", subject="Apple: shares slip after the results", tickers=["AAPL"], listed=True,
        why="You get this because you follow AAPL.",
    )  # fmt: skip
    queued = await queue_all(
        site.pool,
        kind="digest",
        recipients=people,
        letter=letter,
        artifact=("digest", "AAPL|daily|2026-11-23", 1),
        send_at=due,
    )
    await control.act(site.pool, "hold", [queued[2].id], actor="test")
    await control.act(site.pool, "cancel", [queued[3].id], actor="test")
    return boss, queued[1].id


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_page_of_people_and_mail(site: Site, browser: Browser, scheme: str) -> None:
    """LOOK: no violation that axe finds, nothing to scroll sideways on a phone, no complaint of the browser."""
    boss, mail = await house(site)
    token = await make_link(site.pool, boss.id, "sign-in")
    places = {
        "sign-in": "/sign-in",
        "sign-up": "/sign-up",
        "unsubscribe": f"/unsubscribe?token={boss.mail_token}&list=digest",
        "link": "/confirm/anything",
        "account": "/account",
        "console": "/console",
        "console-people": "/console/people",
        "console-mail": "/console/mail",
        "console-letter": f"/console/mail/{mail}",
    }
    found: dict[str, object] = {}
    async with browser(color_scheme=scheme) as (_, page, complaints):
        await page.goto(f"{site.address}/sign-in/{token}")
        await page.get_by_role("button", name="Sign in").click()
        await page.wait_for_url("**/console")
        for name, place in places.items():
            await page.set_viewport_size({"width": 1280, "height": 860})
            await page.goto(f"{site.address}{place}")
            result = await Axe().run(page, options={"iframes": False})
            if result.violations_count:
                found[name] = [
                    (one["id"], [node["html"][:120] for node in one["nodes"]]) for one in result.response["violations"]
                ]
            await shot(page, f"people-{name}-{scheme}")
            await page.set_viewport_size({"width": 390, "height": 844})
            if await page.evaluate(SIDEWAYS):
                found[f"{name} on a phone"] = "scrolls sideways"
            await shot(page, f"people-{name}-{scheme}-phone")
        assert found == {}
        assert complaints == []


@pytest.mark.browser
async def test_a_letter_in_its_frame_can_do_nothing(site: Site, browser: Browser) -> None:
    """Issue 6: what a mail brings does not run in the console, and calls nobody."""
    jane = await add_person(site.pool, "jane@example.com", state="active", actor="test")
    html = '<h1>Hello</h1><script>top.document.title = "owned"</script><img src="https://evil.example/x.png">'
    [one] = await queue_all(site.pool, kind="welcome", recipients=[jane], letter=letters.Letter("Hello", html, "Hello"))
    asked: list[str] = []
    async with browser() as (_, page, _complaints):
        page.on("requestfinished", lambda request: asked.append(request.url))
        await page.goto(f"{site.address}/console/mail/{one.id}")
        frame = page.frame_locator("iframe")
        assert await frame.get_by_role("heading").inner_text() == "Hello"
        assert "owned" not in await page.title()
    assert [url for url in asked if not url.startswith(site.address)] == []


@pytest.mark.browser
async def test_signing_up_without_javascript(site: Site, browser: Browser) -> None:
    """LOOK: sign-up, account and the console work as plain forms."""
    await site.publish("profile", "AAPL", {"symbol": "AAPL", "name": "Apple Inc."}, hint=False)
    async with browser(java_script_enabled=False) as (_, page, _complaints):
        await page.goto(f"{site.address}/sign-up")
        await page.fill("#address", "jane@example.com")
        await page.fill("#tickers", "aapl")
        await page.check("#agree")
        await page.get_by_role("button", name="Sign up").click()
        assert "Look into your mail" in await page.inner_text("main")
        person = await site.pool.fetchval("select id from openbell.person")
        await page.goto(f"{site.address}/confirm/{await make_link(site.pool, person, 'confirm')}")
        await page.get_by_role("button", name="Confirm").click()
        assert "No digest is made of AAPL yet" in await page.inner_text("main")
        await site.pool.execute("insert into openbell.digest_ticker (ticker, name, source) values ('AAPL', 'A', '')")
        await page.reload()
        assert "AAPL" in await page.inner_text("main")
        assert "No digest is made" not in await page.inner_text("main")
        await page.get_by_role("button", name="No longer follow AAPL").click()
        assert "You follow none yet" in await page.inner_text("main")
