"""Word lists of the truth checks. They are lists, not knowledge: what is not in them is looked up in the sources."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


UP = _words(
    """rose rise rises rising risen gain gained gains gaining up increase increased increases increasing grew grow
    grows growing growth climbed climb climbs jumped jump jumps surged surge surges soared soar soars higher
    advanced raise raised raises beat beats exceeded exceed expanded expand improved improve improves profit
    profits rallied rally upgraded"""
)
DOWN = _words(
    """fell fall falls falling fallen drop dropped drops dropping down decrease decreased decreases decreasing
    decline declined declines declining slid slide slides sank sink plunged plunge tumbled tumble lower
    lowered lowers lost lose loses loss losses cut cuts cutting reduced reduce reduces shrank shrink
    contracted missed miss misses slipped slip slump slumped weakened worsened downgraded"""
)
SAYING = _words(
    """said says told reported reports announced announces plans planned will would expects expected agreed raised
    cut has had is was rose fell beat missed shares stock and unveiled launched acquired bought sold filed
    named appointed denied confirmed warned declined posted reiterated upgraded downgraded"""
)
"""What follows a name at the beginning of a sentence."""

HARMLESS = _words(
    """a an the and or but if as at by for from in into of on to with over under after before during since until
    while it its he she they we you this that these those there here what who when where why how not no yes
    all any both each few many more most other some such only own same so than too very just also however
    meanwhile still yet then now monday tuesday wednesday thursday friday saturday sunday january february
    march april may june july august september october november december jan feb mar apr jun jul aug sep
    sept oct nov dec today yesterday tomorrow q1 q2 q3 q4 h1 h2 fy us usa uk eu america american europe
    european asia asian china chinese japan japanese u.s wall street street's nasdaq nyse dow sec fed
    federal reserve congress washington york new ceo cfo coo cto chief executive officer president chairman
    chair director board company companies corp corporation inc ltd plc group holdings management analysts
    analyst investors investor shareholders shareholder shares share stock stocks revenue revenues sales
    earnings profit profits income loss losses margin margins guidance results result quarter quarterly
    annual year years demand supply costs cost cash debt dividend dividends buyback prices price pricing
    executives executive officials official regulators regulator customers customer suppliers supplier
    competitors rivals operating net gross adjusted non-gaap gaap eps ebitda ebit ipo etf ai it esg r&d m&a
    form filing filings report reports market markets industry sector peers product products services
    service technology business operations orders deliveries units growth research development production
    capital spending outlook forecast forecasts estimates consensus according based compared despite given
    including excluding although because separately overall additionally first second third fourth half full
    one two three four five six seven eight nine ten up down higher lower rising falling strong weak major
    several news article articles synthetic sandbox"""
)
"""Words that may be written with a capital without naming anybody in particular."""
