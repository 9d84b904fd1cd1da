"""The engine: makes a result once, on time, within budget. It knows no market, no page and no provider.

The way of the data: :mod:`registry` declares products, :mod:`demand` says who wants which key, :mod:`sweep` turns
demand and staleness into jobs, :mod:`worker` claims and runs them, :mod:`spends` stands before every outside call,
:mod:`artifacts` holds the results and :mod:`hints` tells who watches.
"""
