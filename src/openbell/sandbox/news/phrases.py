"""The sentences of the invented news: our own, about things that never happened. Slots are filled by `articles`.

A beat is one kind of story. Every version of a story shares its facts; publishers choose headline, lead and details.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Beat:
    """One kind of story. `category` is earnings, product, legal, sector, macro or unrelated."""

    category: str
    headlines: Sequence[str]
    leads: Sequence[str]
    details: Sequence[str]
    closings: Sequence[str]


RESULTS = Beat(
    "earnings",
    (
        "{name} quarterly revenue {rose} {pct}% to {revenue}",
        "{name} {beats} forecasts with earnings of ${eps} a share",
        "Quarter at {name}: sales of {revenue}, shares {move} {pct2}%",
        "What the {revenue} quarter says about {name}",
    ),
    (
        (
            "{full} ({symbol}) reported revenue of {revenue} for its {quarter} quarter, {pct}% {above} the same "
            "period a year earlier, and earnings of ${eps} a share."
        ),
        (
            "Revenue at {name} {rose} {pct}% to {revenue} in the {quarter} quarter, the company said on {weekday}, "
            "while earnings per share came to ${eps} against a consensus of ${eps_expected}."
        ),
    ),
    (
        "Analysts had expected earnings of ${eps_expected} a share, according to estimates gathered before the report.",
        "Gross margin was {margin}%, compared with {margin_before}% in the year-earlier quarter.",
        "Sales of the {product} contributed {amount} and were the {largest} item of the report.",
        "Operating expenses grew {small}% as the company hired {people} people, most of them in {city}.",
        "Cash flow from operations reached {cash}, and the board kept the dividend policy unchanged.",
        "Shares {moved} {pct2}% in trading after the close.",
    ),
    (
        "“The quarter was {strong}, and the order book tells us why,” said {speaker}, who speaks for the company.",
        "For the current quarter the company expects revenue between {guide_low} and {guide_high}.",
        "A call for investors is planned for the afternoon.",
    ),
)

TARGET = Beat(
    "earnings",
    (
        "{house} {raises} price target on {name} to ${target_new} from ${target_old}",
        "{name} price target now ${target_new} at {house}",
        "Analyst {analyst} {raises} {symbol} target, cites {product}",
    ),
    (
        (
            "{analyst}, an analyst at {house}, {raised} the price target for {full} ({symbol}) to ${target_new} from "
            "${target_old} on {weekday}."
        ),
        "{house} now sees {name} shares at ${target_new} within a year, after ${target_old} before.",
    ),
    (
        "The analyst pointed to demand for the {product}, which field checks in {city} found {pct}% {above} last year.",
        (
            "{house} expects earnings of ${eps} a share in the {quarter} quarter, where the consensus stands at "
            "${eps_expected}."
        ),
        "The rating on the stock was left at {rating}.",
        "Of {count} analysts who follow the company, {count_few} changed their estimates in the past month.",
        "The shares {moved} {pct2}% after the note was published.",
    ),
    (
        "“We would wait for the next report before reading too much into one number,” {analyst} wrote.",
        "{house} lists slower spending by business customers as the main risk.",
    ),
)

PREVIEW = Beat(
    "earnings",
    (
        "{name} earnings preview: {revenue} in sales expected",
        "Five numbers to watch when {name} reports",
        "Estimates for {name} {rise} ahead of the {quarter} quarter report",
    ),
    (
        (
            "Investors expect {full} ({symbol}) to post revenue of {revenue} for the {quarter} quarter, {pct}% {above} "
            "the year before."
        ),
        (
            "The average estimate for {name}'s {quarter} quarter earnings stands at ${eps_expected} a share, after "
            "${eps} three months ago."
        ),
    ),
    (
        "Much depends on the {product}, which is thought to bring in {amount} a quarter.",
        "Options prices imply a move of about {pct2}% on the day of the report.",
        "Margins are expected near {margin}%, {above} the {margin_before}% of a year ago.",
        "In {count_few} of the past {count} quarters the company did better than the average forecast.",
        "A survey of {people} buyers by {house} found orders {small}% {above} those of last spring.",
    ),
    (
        "“The bar is not high,” said {analyst} of {house}.",
        "The company has not said when exactly it will publish.",
    ),
)

GUIDANCE = Beat(
    "earnings",
    (
        "{name} {raises} full-year outlook to {guide_low}-{guide_high}",
        "{name} now sees {guide_high} in sales at most",
        "Outlook at {name} {raised} for the second time",
    ),
    (
        (
            "{full} ({symbol}) {raised} its outlook for the year and now expects revenue between {guide_low} and "
            "{guide_high}."
        ),
        "{name} told investors in {city} on {weekday} that sales would be between {guide_low} and {guide_high}.",
    ),
    (
        "The change reflects orders for the {product}, which {rose} {pct}% in the past three months.",
        "The margin target of {margin}% was left as it is.",
        "Capital spending will be about {amount}, of which a third goes to the site in {city}.",
        "The shares {moved} {pct2}% on the news, on volume of {units} shares.",
        "{house} had expected revenue of {revenue} for the {quarter} quarter.",
    ),
    (
        "“We guide for what we can see,” said {speaker} for the company.",
        "The next report is due in {months} weeks.",
    ),
)

LAUNCH = Beat(
    "product",
    (
        "{name} unveils new {product}, priced at ${price}",
        "New {product} from {name} goes on sale in {months} weeks",
        "First look: the {name} {product} that costs ${price}",
    ),
    (
        "{full} ({symbol}) presented a new version of its {product} in {city} on {weekday}; it will cost ${price}.",
        "A new {product} is to reach customers of {name} in {months} weeks, at a price of ${price}.",
    ),
    (
        "The company expects to deliver {units} units in the first quarter of sales.",
        "It is said to use {small}% less energy than the version before.",
        "{house} estimates that the {product} brings in {amount} a year.",
        "Suppliers in {city} have added {people} jobs for the start of production.",
        "The predecessor sold for ${price_before} and stays available for another {months} months.",
    ),
    (
        "“Customers asked for it, and {count} teams worked on it,” said {speaker}.",
        "Early orders were not disclosed.",
        "Shares of the company {moved} {pct2}% on the day.",
    ),
)

ORDER = Beat(
    "product",
    (
        "{name} wins {amount} order from {partner}",
        "{partner} picks {name} for {amount} contract",
        "{name} and {partner} sign {months}-year deal",
    ),
    (
        "{partner} has ordered from {full} ({symbol}) for {amount}, the companies said on {weekday}.",
        "{name} will supply its {product} to {partner} for the next {months} years, a contract worth {amount}.",
    ),
    (
        "Deliveries start in {city} and will occupy {people} people.",
        "The order is worth about {small}% of the company's yearly revenue.",
        "{count} bidders had taken part in the tender.",
        "{house} had put the chance of a win at one in three.",
        "Payment is spread over {months} years, with {cash} due on signature.",
    ),
    (
        "“This is the largest order for the {product} so far,” said {speaker}.",
        "The competition authorities do not have to approve the contract.",
    ),
)

DELAY = Beat(
    "product",
    (
        "{name} delays {product} by {months} weeks",
        "{product} from {name} to arrive {months} weeks late",
        "Supply trouble holds up the {name} {product}",
    ),
    (
        "The new {product} of {full} ({symbol}) will arrive {months} weeks later than planned, the company said.",
        "{name} has put off the sale of its {product} by {months} weeks after a part failed in tests.",
    ),
    (
        "About {units} units were affected, and none had been delivered.",
        "{house} lowered its revenue estimate by {small}% to {revenue} for the {quarter} quarter.",
        "The part comes from a supplier in {city}, which has named {speaker} to look into it.",
        "The company sets aside {amount} for repairs and penalties.",
        "The shares fell {pct2}%.",
    ),
    (
        "“Better late than twice,” said {speaker} for the company.",
        "Customers who have paid may cancel until the end of the month.",
    ),
)

EXPAND = Beat(
    "product",
    (
        "{name} to hire {people} in {city} for {product}",
        "{name} puts {amount} into {city} site",
        "{city} gets {name} plant and {people} jobs",
    ),
    (
        "{full} ({symbol}) will spend {amount} on a site in {city} that makes parts for its {product}.",
        "{name} plans to hire {people} people in {city}, it said on {weekday}.",
    ),
    (
        "The site is to open in {months} months and has room for {count} production lines.",
        "The city adds {small}% of the cost in tax relief over ten years.",
        "At full load it will turn out {units} units a year.",
        "{house} called the plan well timed, since capacity is used at {margin}%.",
    ),
    (
        "“We found the people here,” said {speaker}.",
        "Residents may comment on the plans until the end of next month.",
    ),
)

PATENT = Beat(
    "legal",
    (
        "Jury sides with {winner} in {name} patent case over {product}",
        "{name} patent ruling: {amount} at stake",
        "Court in {city} decides patent dispute between {name} and {partner}",
    ),
    (
        "A jury in {city} sided with {winner} in a patent dispute over the {product}, in which {amount} was at stake.",
        "The patent case between {full} ({symbol}) and {partner} ended on {weekday} with a verdict for {winner}.",
    ),
    (
        "The case turned on {count} claims of a patent filed {months} years ago.",
        "The judge may still change the sum, which amounts to {small}% of a year's profit.",
        "Both sides have {days} days to appeal.",
        "Lawyers' costs of {cash} were not part of the verdict.",
        "The shares {moved} {pct2}% after the verdict.",
    ),
    (
        "“We disagree with parts of it and will read it with care,” said {speaker}.",
        "A second case over the same patent is to be heard next year.",
    ),
)

REVIEW = Beat(
    "legal",
    (
        "{regulator} opens review of {name} {product}",
        "{name} faces questions from {regulator}",
        "{regulator} gives {name} {days} days to answer",
    ),
    (
        "The {regulator} has opened a review of how {full} ({symbol}) sells its {product}.",
        "{name} has {days} days to answer questions from the {regulator} about its {product}.",
    ),
    (
        "The review covers contracts worth {amount} in {count} countries.",
        "A finding against the company could cost up to {small}% of revenue.",
        "Similar reviews took {months} months on average.",
        "{partner} had complained in the spring, according to the notice.",
        "{house} left its estimate of ${eps} a share unchanged.",
    ),
    (
        "“We will answer every question,” said {speaker} for the company.",
        "The regulator said that a review does not mean that rules were broken.",
    ),
)

SETTLE = Beat(
    "legal",
    (
        "{name} settles dispute with {partner} for {amount}",
        "{partner} and {name} end {months}-year dispute",
        "Settlement of {amount} closes {name} case in {city}",
    ),
    (
        "{full} ({symbol}) and {partner} have settled a dispute of {months} years; {amount} changes hands.",
        "A settlement of {amount} ends the dispute between {name} and {partner} over the {product}.",
    ),
    (
        "Neither side admits a fault.",
        "The sum is covered by provisions of {cash} made in the {quarter} quarter.",
        "The court in {city} has to approve the agreement, which is expected within {days} days.",
        "{count} smaller claims are settled along with it.",
    ),
    (
        "“It is good to have this behind us,” said {speaker}.",
        "The agreement also sets licence fees for the next {months} years.",
    ),
)

COMPANY_BEATS: Mapping[str, Sequence[Beat]] = {
    "earnings": (TARGET, PREVIEW, GUIDANCE),
    "product": (LAUNCH, ORDER, DELAY, EXPAND),
    "legal": (PATENT, REVIEW, SETTLE),
}

SECTOR_BEATS: Sequence[Beat] = (
    Beat(
        "sector",
        (
            "{Name} {moved} {pct2}% as {house} changes its view",
            "{Word} shares: the week in numbers",
            "Why {word} stocks {moved} on {weekday}",
        ),
        (
            "Shares of {name} {moved} {pct2}% on average on {weekday} after {house} changed its view of the industry.",
            "A note by {house} set the tone for {word} shares, which {moved} {pct2}%.",
        ),
        (
            "The firm expects revenue in the industry to grow {small}% this year, after {pct}% last year.",
            "Among the names in focus were {members}.",
            "Orders were {pct}% {above} the average of the past {count} quarters.",
            "Funds that invest in the industry took in {amount} during the week.",
        ),
        (
            "“The industry is priced for calm,” said {analyst} of {house}.",
            "Trading volume was {margin}% of the yearly average.",
        ),
    ),
    Beat(
        "sector",
        (
            "Shipments of {word} goods {rise} {pct}%, trade body says",
            "{Word} orders reach {amount}",
            "Trade body: {word} orders {above} last year by {pct}%",
        ),
        (
            "Shipments by {name} {rose} {pct}% last month to {units} units, their trade body said.",
            "Orders at {name} came to {amount} last month, {pct}% {above} the same month a year ago.",
        ),
        (
            "The figure covers {count} countries and excludes software.",
            "{members} publish their own figures later in the month.",
            "Stocks in warehouses last for {days} days at the current pace.",
            "Freight from {city} cost {small}% more than a month ago.",
        ),
        (
            "“It is one month, not a trend,” said {analyst} of {house}.",
            "The next figures are due in {months} weeks.",
        ),
    ),
    Beat(
        "sector",
        (
            "New rules for {word} firms from {regulator}",
            "{regulator} drafts {word} rules, costs put at {amount}",
            "{Word} firms get {months} months to adapt",
        ),
        (
            "The {regulator} has published draft rules for {name} and puts the yearly cost of them at {amount}.",
            "{Word} companies have {months} months to adapt to rules that the {regulator} drafted on {weekday}.",
        ),
        (
            "Firms with fewer than {people} employees are exempt.",
            "The rules touch {members} most, by the regulator's own estimate.",
            "Comments are open for {days} days.",
            "An earlier draft had put the cost {pct}% higher.",
        ),
        (
            "“We can live with it,” said {speaker} of the trade body.",
            "A final version is expected next year.",
        ),
    ),
)

# Oil moves every day; the others take turns, one a week.
MACRO_BEATS: Sequence[Beat] = (
    Beat(
        "macro",
        ("Consumer prices {rose} {tiny}% last month", "Inflation at {small}%: what it means for stocks"),
        (
            "Consumer prices {rose} {tiny}% last month, and the yearly rate stood at {small}%, statisticians reported.",
            "The yearly rate of inflation came to {small}% last month, close to what economists had expected.",
        ),
        (
            "Energy prices {moved} {pct2}%, food prices {tiny}%.",
            "Economists at {house} had expected a monthly change of {tiny}%.",
            "Yields on ten-year bonds stood at {yield_}% after the report.",
        ),
        (
            "“The direction matters more than the decimal,” said {analyst} of {house}.",
            "The next report is due in four weeks.",
        ),
    ),
    Beat(
        "macro",
        ("Central bank leaves its rate at {yield_}%", "Rate decision: {yield_}% for now, says central bank"),
        (
            "The central bank left its main rate at {yield_}% on {weekday}, as most economists had expected.",
            "With a vote of {count} to {count_few}, the central bank decided to keep its rate at {yield_}%.",
        ),
        (
            "Its economists expect growth of {small}% this year.",
            "Traders put the chance of a change at the next meeting at {margin}%.",
            "Bank shares {moved} {pct2}% after the decision.",
        ),
        ("“We are patient, not asleep,” the bank's chair told reporters.", "Minutes follow in three weeks."),
    ),
    Beat(
        "macro",
        ("Employers added {units} jobs last month", "Jobs report: {units} new positions, unemployment at {yield_}%"),
        (
            "Employers added {units} jobs last month, and unemployment stood at {yield_}%.",
            "The unemployment rate was {yield_}% last month, as {units} people found work.",
        ),
        (
            "Hourly wages were {small}% {above} those of a year ago.",
            "Figures for the two months before were revised by {people} in total.",
            "Economists at {house} see no reason to change their forecast.",
        ),
        ("“It is a solid report,” said {analyst} of {house}.", "The figures are adjusted for the season."),
    ),
    Beat(
        "macro",
        ("Oil {move} {pct2}% to ${price_oil} a barrel", "Crude at ${price_oil} as stocks in {city} change"),
        (
            "Crude oil {moved} {pct2}% to ${price_oil} a barrel on {weekday} after a report on stocks.",
            "A barrel of crude cost ${price_oil} on {weekday}, {pct2}% {above} the day before.",
        ),
        (
            "Stocks at the terminal in {city} changed by {units} barrels.",
            "Airlines and shippers have hedged {margin}% of their needs for the {quarter} quarter.",
            "Futures for delivery in {months} months were little changed.",
        ),
        ("“Nobody is short of oil,” said {analyst} of {house}.", "The weekly figures are often revised."),
    ),
)

_DECOY_DETAILS = (
    "About {people} people came, more than the {count}00 that had been expected.",
    "Tickets cost ${price_small}, children pay half.",
    "“We do it every year, and every year it rains,” said {speaker}, who organises it.",
    "The town of {city} adds {cash_small} from its own budget.",
    "The event goes on until the end of the week.",
)


def _decoy(headline: str, lead: str) -> Beat:
    return Beat("unrelated", (headline,), (lead,), _DECOY_DETAILS, ("Volunteers are still wanted.",))


DECOYS: Mapping[str, Sequence[Beat]] = {
    "apple": (
        _decoy("Apple harvest in {city} {pct}% {above} last year", "Growers near {city} have picked {units} crates."),
        _decoy("Best apple pie in {city} chosen by {count} judges", "An apple pie with walnuts won in {city}."),
        _decoy("Apple cider festival returns to {city}", "Cider from {count} presses can be tasted in {city}."),
    ),
    "net": (
        _decoy("Net ban for fishing boats off {city}", "Fishing with a drift net is forbidden off {city} for now."),
        _decoy("Net-zero street in {city} saves {margin}% on heating", "A street in {city} has reached net zero."),
        _decoy("Tennis: {speaker} hits the net, loses in {city}", "A net cord decided the final in {city}."),
    ),
    "all": (
        _decoy("All lanes of the {city} bridge open again", "All {count} lanes of the bridge in {city} are open."),
        _decoy("All aboard: old steam train visits {city}", "All seats of the steam train to {city} are sold."),
        _decoy("Choir festival for all in {city}", "All are welcome at the choir festival in {city}."),
    ),
    "spy": (
        _decoy("Spy museum in {city} shows {count} cameras", "The spy museum in {city} has a new room."),
        _decoy("Spy novel by {speaker} wins prize", "A spy novel set in {city} has won a prize of {cash_small}."),
        _decoy("Spy balloon was a kite, {city} police say", "What looked like a spy balloon was a kite."),
    ),
    "name": (
        _decoy("Bakery in {city} finds lost cat through {name} post", "A cat came home after a post on {name}."),
        _decoy("Choir at {name} building in {city} sings for charity", "{count} singers met at the {name} building."),
        _decoy("School in {city} wins {name} robot contest", "A school class from {city} has won a robot contest."),
    ),
}

_DECOY = re.compile(
    "|".join(
        re.sub(r"\\{\w+\\}", ".{1,60}?", re.escape(text))
        for beats in DECOYS.values()
        for beat in beats
        for text in (*beat.headlines, *beat.leads)
    )
)


def is_decoy(text: str) -> bool:
    """Whether a text holds the headline or the first sentence of an article about a namesake."""
    return _DECOY.search(text) is not None


# What slots choose from: all invented, none of it a real firm, person or authority.
HOUSES = ("Corvale Research", "Bram & Oakes", "Pinehurst Equity Notes", "Kestrel Desk", "Linden Row Securities")
ANALYSTS = ("Dana Whitlock", "Osei Mbeki", "Ruth Calder", "Jonas Feld", "Priya Raman", "Mateo Quill")
SPEAKERS = ("Ines Marlow", "Tom Achterberg", "Leona Fitch", "Samuel Odum", "Grace Tolliver", "Hana Brandt")
PARTNERS = (
    "Halvard Shipping",
    "Greycott Rail",
    "Solent Airways",
    "Marrow & Pike",
    "Union Dairy Trust",
    "Vesper Clinics",
)
CITIES = ("Ashford", "Millbrook", "Port Elgin", "San Verde", "Kilmore", "Oxley", "Granvik", "Tarn Valley")
REGULATORS = ("Office of Fair Markets", "Board of Trade Practice", "Data Protection Council", "Commission on Tariffs")
RATINGS = ("hold", "buy", "outperform", "neutral")
QUARTERS = ("first", "second", "third", "fourth")
COMPANY_BACKGROUND = (
    "The company was last in the news when it changed the head of its {product} business.",
    "Competitors have so far not commented.",
    "The stock has {risen} {pct}% since the start of the year.",
    "Details are to be published in a filing later this week.",
    "About {people} people work in the part of the company that is concerned.",
    "A spokesman for {partner}, a long-standing customer, said that nothing would change for now.",
    "The board had discussed the matter twice since the summer, according to people who were present.",
    "Rivals have been working on similar plans in {city}, though none has given a date.",
)
BACKGROUND = (
    "It was the {count}th announcement of this kind in the industry this year.",
    "Market watchers in {city} said that they had expected as much.",
    "Readers of this page will remember that a similar case in {city} took {months} months to run its course.",
    "Trading was calm on {weekday}, and most investors seemed to wait for the next set of figures.",
    "Lawyers and accountants are divided on what it means for the books of the {quarter} quarter.",
    "The last time that something like it happened, prices needed about {days} days to settle.",
    "Smaller investors have been asking {house} about it for weeks.",
    "Nothing in the figures suggests that the change was planned long before.",
    "The trade press in {city} had reported parts of it in the spring.",
    "A decision on further steps is expected before the end of the {quarter} quarter.",
)
