"""A pretend Financial Modeling Prep ("stable" API) on a real socket.

It replays real daily prices, a market day per minute or so, and can be told to misbehave in every documented way.
It shares no code with the rest of openbell: whoever talks to it talks over HTTP, as with the real provider.

    clock       which market moment is it           (pure)
    replay      what every symbol costs at a moment (pure)
    prices      the real price series               (reads package data)
    companies   who the symbols are
    rows        replay -> documented JSON rows
    refusals    every documented error, word for word
    plans       what a subscription allows, and the meter
    faults      scripted misbehaviour
    ledger      every call that arrived
    provider    one call from arrival to answer
    control     /_control/...
    server      serve() on a socket
"""

from openbell.sandbox.server import PortTaken, serve

__all__ = ["PortTaken", "serve"]
