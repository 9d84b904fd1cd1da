"""A house of pretend providers on real sockets, under faults by script and with a ledger of what they billed.

It replays real daily prices, a market day per minute or so, and labels what it invents as synthetic. It shares no code
with the rest of openbell: whoever talks to it talks over HTTP or SMTP, as with the real providers.

    clock       which market moment is it           (pure)
    replay      what every symbol costs at a moment (pure)
    prices      the real price series               (reads package data)
    companies   who the symbols are
    journal     what survives a restart
    ledger      every call that arrived, and what was billed for it
    faults      scripted misbehaviour
    house       what all simulators share
    simulator   what every simulator is made of; how to write one
    catalog     which ones there are
    fmp         Financial Modeling Prep
    llm         what the models' simulators share: prices, writing, batches
    perplexity  the Agent API
    openai      chat completions, responses, batches
    anthropic   messages, message batches
    news        feeds, Google's links and their resolver, publishers' pages
    scrapfly    pages through a scraping service
    edgar       filings
    wikimedia   page views
    smtp        a mail server that keeps what arrives
    control     /_control/...
    server      serve() on a socket
"""

from openbell.sandbox.server import PortTaken, serve

__all__ = ["PortTaken", "serve"]
