"""Which simulators there are. To add one, add a line (simulator.py tells how to write it)."""

from __future__ import annotations

from openbell.sandbox.anthropic import Anthropic
from openbell.sandbox.edgar import Edgar
from openbell.sandbox.gemini import Gemini
from openbell.sandbox.house import House
from openbell.sandbox.news import News
from openbell.sandbox.openai import OpenAi
from openbell.sandbox.perplexity import Perplexity
from openbell.sandbox.scrapfly import Scrapfly
from openbell.sandbox.simulator import Simulator
from openbell.sandbox.smtp import Smtp
from openbell.sandbox.wikimedia import Wikimedia

KINDS: tuple[type[Simulator], ...] = (Perplexity, OpenAi, Anthropic, Gemini, News, Scrapfly, Edgar, Wikimedia, Smtp)


def simulators(house: House) -> list[Simulator]:
    """One of each, beside FMP, which the server makes itself because it has a plan."""
    return [kind(house) for kind in KINDS]
