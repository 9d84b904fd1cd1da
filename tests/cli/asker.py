"""The command line as it is, with one product more, which asks a provider that wants a key: ``asker.py worker``."""

from __future__ import annotations

import sys
from datetime import timedelta
from email.message import EmailMessage
from typing import Any

from pydantic import BaseModel

import openbell.products
from openbell.cli import main
from openbell.engine.keys import Key
from openbell.engine.registry import Product, Registry, task
from openbell.products.context import Context
from openbell.providers.perplexity import Ask


class Said(BaseModel):
    """What a model is asked for."""

    text: str


ONCE: dict[str, Any] = {"timeout": timedelta(seconds=30), "retry": timedelta(seconds=1), "max_attempts": 1}


@task("asking", key=Key, version=1, spends={}, **ONCE)
async def asking(key: Key, ctx: Context) -> None:
    """One call to the provider that the key names."""
    match str(key):
        case "perplexity":
            await ctx.perplexity.submit(Ask("What is new?", model="perplexity/sonar"), key="asking")
        case "anthropic":
            await ctx.llm("anthropic").ask("claude-haiku-5-5", "What is new?", output=Said, max_tokens=400)
        case "openai":
            await ctx.llm("openai").ask("gpt-6-luna", "What is new?", output=Said, max_tokens=400)
        case "gemini":
            await ctx.llm("gemini").ask(
                "gemini-2.5-flash", "What is new?", output=Said, max_tokens=400, hold_micro=1_000
            )
        case "scrapfly":
            await ctx.scrapfly.scrape("https://example.com/")
        case "smtp":
            message = EmailMessage()
            message["From"], message["Message-ID"] = "us@example.com", "<asking@example.com>"
            message.set_content("What is new?")
            await ctx.mailer.send(message, to="you@example.org", sender="us@example.com")


def products() -> Registry:
    """What we make, and this."""
    found = ours()
    found.add(asking)
    return found


ours = openbell.products.registry
ASKING: Product = asking

if __name__ == "__main__":
    openbell.products.registry = products
    sys.exit(main())
