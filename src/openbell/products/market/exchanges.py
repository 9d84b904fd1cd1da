"""Which calendar of trading sessions an exchange keeps.

The names of calendars are the ISO 10383 codes that exchange_calendars uses. Where an exchange is missing here, its
hours are unknown and count as open: currencies and coins trade at any time, and Athens, Bucharest and the smaller
exchanges of the Gulf have no calendar that can be computed.
"""

from __future__ import annotations

EXCHANGES = (
    ("NASDAQ", "XNYS", ""), ("NYSE", "XNYS", ""), ("AMEX", "XNYS", ""), ("CBOE", "XNYS", ""), ("OTC", "XNYS", ""),
    ("PNK", "XNYS", ""), ("TSX", "XTSE", "TO"), ("TSXV", "XTSE", "V"), ("NEO", "XTSE", "NE"), ("CNQ", "XTSE", "CN"),
    ("MEX", "XMEX", "MX"), ("SAO", "BVMF", "SA"), ("BUE", "XBUE", "BA"), ("SGO", "XSGO", "SN"), ("BVC", "XBOG", "CL"),
    ("LSE", "XLON", "L"), ("IOB", "XLON", "IL"), ("DUB", "XDUB", "IR"), ("XETRA", "XETR", "DE"), ("FSX", "XFRA", "F"),
    ("STU", "XSTU", "SG"), ("HAM", "XHAM", "HM"), ("DUS", "XDUS", "DU"), ("PAR", "XPAR", "PA"), ("AMS", "XAMS", "AS"),
    ("BRU", "XBRU", "BR"), ("LIS", "XLIS", "LS"), ("MIL", "XMIL", "MI"), ("BME", "XMAD", "MC"), ("SIX", "XSWX", "SW"),
    ("VIE", "XWBO", "VI"), ("STO", "XSTO", "ST"), ("CPH", "XCSE", "CO"), ("HEL", "XHEL", "HE"), ("OSL", "XOSL", "OL"),
    ("ICE", "XICE", "IC"), ("RIS", "XRIS", "RG"), ("TAL", "XTAL", "TL"), ("WSE", "XWAR", "WA"), ("PRA", "XPRA", "PR"),
    ("BUD", "XBUD", "BD"), ("IST", "XIST", "IS"), ("TLV", "XTAE", "TA"), ("SAU", "XSAU", "SR"), ("JNB", "XJSE", "JO"),
    ("JPX", "XTKS", "T"), ("HKSE", "XHKG", "HK"), ("SHH", "XSHG", "SS"), ("SHZ", "XSHG", "SZ"), ("KSC", "XKRX", "KS"),
    ("KOE", "XKRX", "KQ"), ("TAI", "XTAI", "TW"), ("TWO", "XTAI", "TWO"), ("NSE", "XBOM", "NS"), ("BSE", "XBOM", "BO"),
    ("SES", "XSES", "SI"), ("SET", "XBKK", "BK"), ("KLS", "XKLS", "KL"), ("JKT", "XIDX", "JK"), ("ASX", "XASX", "AX"),
    ("NZE", "XNZE", "NZ"),
)  # fmt: skip
"""FMP's code of an exchange, its calendar, and the suffix of its symbols.

Second markets and neighbours that keep the hours and holidays of the first one share its calendar.
"""

CALENDARS = tuple(sorted({calendar for _, calendar, _ in EXCHANGES}))
"""Every calendar that a product may keep to."""

_BY_CODE = {code: calendar for code, calendar, _ in EXCHANGES}
_BY_SUFFIX = {suffix: calendar for _, calendar, suffix in EXCHANGES}

TICKER_LETTERS = 5
"""What has no suffix and is longer is no American share: BTCUSD, EURUSD."""


def calendar_of(exchange: str | None) -> str | None:
    """The calendar of an exchange by FMP's code, such as ``NASDAQ``; None where its hours are unknown."""
    return None if exchange is None else _BY_CODE.get(exchange.strip().upper())


def calendar_of_symbol(symbol: str) -> str | None:
    """The calendar that the suffix of a symbol tells: ``VOD.L`` keeps London's; None where nothing can be told."""
    ticker, _, suffix = symbol.rpartition(".") if "." in symbol else (symbol, "", "")
    if not suffix and len(ticker.partition("-")[0]) > TICKER_LETTERS:
        return None
    return _BY_SUFFIX.get(suffix)
