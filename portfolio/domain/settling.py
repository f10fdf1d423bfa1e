"""What moved before its currency had a rate, or its instrument a price, counts on the first day on which it has one.

So nothing unknown counts as nothing, and a deposit is no gain on the day on which its worth is learned. Until then no day is
complete.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date

from portfolio.domain.daybook import Day, Transfer
from portfolio.domain.exact import ZERO
from portfolio.domain.pricing import NOTHING, Points
from portfolio.domain.valuation import CHARGES, Quoted, Valuation

NEVER = date.max.toordinal() + 1
PageOf = Callable[[int, str], Day | None]


@dataclass(slots=True)
class Settled:
    """What was put off: what it lacked, by the first day; and between which days flows were not counted yet.

    `waiting`: some still lack it on the last day. `put_off`: something counts on a later day than its own.
    """

    missing: dict[str, int] = field(default_factory=dict)
    spans: list[tuple[int, int]] = field(default_factory=list)
    waiting: bool = False
    put_off: bool = False

    def mark(self, valuation: Valuation) -> None:
        """Make the days incomplete on which a flow was not counted yet."""
        for start, end in self.spans:
            valuation.gaps[max(start - valuation.first, 0) : max(end - valuation.first, 0)] = True


def settle(pages: dict[int, Day], quoted: Quoted, last: int, *, first: int = 0) -> Settled:
    """Move what cannot be valued on its day to the page of the first day on which it can, if that is not after the last.

    Pages from before the `first` day are left as they are.
    """
    found, begins = Settled(), Begins(quoted)
    for day in sorted(pages):
        page = pages[day]
        if day < first or not (page.flows or page.items or page.transfers or page.turned or page.paid):
            continue

        def page_of(due: int, name: str, day: int = day) -> Day | None:
            """Return the page on which something counts that lacks what is named, none if it is never known."""
            found.missing.setdefault(name, day)
            found.waiting = found.waiting or due > last
            if due > last:
                return None
            found.put_off = True
            return pages.setdefault(due, Day())

        for due in [*_put_off_flows(page, begins, day, page_of), *_put_off_units(page, begins, day, page_of)]:
            found.spans.append((day, min(due, last + 1)))
        _put_off_items(page, begins, day, page_of)
        _put_off_paid(page, begins, day, page_of)
    return found


class Begins:
    """The first days on which rates and prices are known."""

    def __init__(self, quoted: Quoted) -> None:
        self.quoted = quoted
        self.rates: dict[str, int] = {quoted.base: 0}

    def rate(self, currency: str) -> int:
        """Return the first day with a rate of a currency."""
        found = self.rates.get(currency)
        if found is None:
            found = self.rates[currency] = _first(self.quoted.rates.get(currency, NOTHING))
        return found

    def transfer(self, move: Transfer) -> int:
        """Return the first day on which units that moved are worth something: by their price, or as the entry states."""
        priced = _first(self.quoted.prices.get(move.instrument, NOTHING))
        worth = max(priced, self.rate(self.quoted.listings[move.instrument].currency))
        return worth if move.amount is None else min(worth, self.rate(move.currency))

    def name(self, currency: str) -> str:
        """Return the pair that is asked for."""
        return f"{currency}/{self.quoted.base}"


def _first(points: Points) -> int:
    """Return the first day on which something is known."""
    return int(points.days[0]) if len(points.days) else NEVER


def _put_off_flows(page: Day, begins: Begins, day: int, page_of: PageOf) -> list[int]:
    """Put off money that came or went in a currency without a rate, and return the days until which."""
    dues, flows, page.flows = [], page.flows, []
    for flow in flows:
        due = begins.rate(flow.currency)
        if due <= day:
            page.flows.append(flow)
            continue
        later = page_of(due, begins.name(flow.currency))
        if flow.rate is None:
            dues.append(due)
            (page if later is None else later).flows.append(flow)
        else:  # it counts at its own rate; what that is beside the day's is learned later
            page.flows.append(flow)
            if later is not None:
                later.turn(flow.currency, flow.amount)
    return dues


def _put_off_units(page: Day, begins: Begins, day: int, page_of: PageOf) -> list[int]:
    """Put off units that came or went and are worth nothing known, and return the days until which those are flows."""
    dues, transfers, page.transfers = [], page.transfers, []
    for move in transfers:
        due = begins.transfer(move)
        later = page if due <= day else page_of(due, move.instrument)
        (page if later is None else later).transfers.append(move)
        if due > day and move.external:
            dues.append(due)
    return dues


def _put_off_paid(page: Day, begins: Begins, day: int, page_of: PageOf) -> None:
    """Put off what was paid for instruments, and came of them, in currencies without a rate."""
    for instrument, amount in list(page.paid.items()):
        currency = begins.quoted.listings[instrument].currency
        due = begins.rate(currency)
        later = None if due <= day else page_of(due, begins.name(currency))
        if later is not None:
            later.paid[instrument] = later.paid.get(instrument, ZERO) + amount
            del page.paid[instrument]


def _put_off_items(page: Day, begins: Begins, day: int, page_of: PageOf) -> None:
    """Put off what was earned, charged and exchanged in currencies without a rate."""
    for item, amount in list(page.items.items()):
        due = begins.rate(item.currency)
        later = None if due <= day else page_of(due, begins.name(item.currency))
        if later is not None and item.rate is None:
            later.items[item] = later.items.get(item, ZERO) + page.items.pop(item)
        elif later is not None:
            later.turn(item.currency, -amount if item.cause in CHARGES else amount)
    lacking = {begins.rate(currency): currency for currency in page.turned if begins.rate(currency) > day}
    if lacking:
        due = max(lacking)
        later = page_of(due, begins.name(lacking[due]))
        if later is not None:
            for currency, amount in page.turned.items():
                later.turn(currency, amount)
            page.turned = {}
