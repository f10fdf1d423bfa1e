"""The book of one account: what it holds, lot by lot, and what each posting changes in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from accounts.domain.ledger import TRANSFERS, EntryKind
from portfolio.domain import wash
from portfolio.domain.choices import lots_named
from portfolio.domain.daybook import Day, Flow
from portfolio.domain.entries import Entry, Listing
from portfolio.domain.exact import EXACT, ZERO, money, share, spread
from portfolio.domain.holding import Holding
from portfolio.domain.lots import Choice, Closure, Lot, Method, Rules
from portfolio.domain.numbers import number_in
from portfolio.domain.pricing import NOTHING, Hand, Market, Points, Split, in_currencies

PURCHASES = frozenset({EntryKind.BUY, EntryKind.SHORT})  # what may replace units sold at a loss
NO_RULES = Rules()
__all__ = ["NO_RULES", "Book", "Holding", "Parked", "Tally", "rate_on"]


@dataclass(slots=True)
class Tally:
    """Income, fees and taxes of the account itself, in one currency."""

    income: Decimal = ZERO
    fees: Decimal = ZERO
    taxes: Decimal = ZERO


class Parked(NamedTuple):
    """A lot on its way from one instrument to another, with the cash that came for it; in the currency it was held in."""

    lot: Lot
    instrument: str
    currency: str
    cash: Decimal = ZERO


@dataclass(slots=True)
class Book:
    """Holdings, balances and lists that entries are posted to one after another, and what the postings left to report."""

    base: str
    method: Method
    listings: Mapping[str, Listing]
    market: Market
    named: Mapping[str, str] = field(default_factory=dict)  # instruments that entries name by their key
    rules: Rules = NO_RULES
    closed: int = 0  # closures that earlier runs left
    # the state
    holdings: dict[str, Holding] = field(default_factory=dict)
    cash: dict[str, Decimal] = field(default_factory=dict)
    owed: dict[str, tuple[str, Decimal]] = field(default_factory=dict)
    tallies: dict[str, Tally] = field(default_factory=dict)
    parked: dict[str, list[Parked]] = field(default_factory=dict)  # what merged, or options came to, by group
    waiting: dict[str, list[Entry]] = field(default_factory=dict)  # what comes in a merger before anything went, by group
    losses: dict[str, list[wash.Loss]] = field(default_factory=dict)  # that a purchase would yet undo
    hands: dict[str, list[Hand]] = field(default_factory=dict)
    splits: dict[str, list[Split]] = field(default_factory=dict)
    gaps: dict[str, int] = field(default_factory=dict)  # what had no price or rate when it was needed, since which day
    awaited: set[str] = field(default_factory=set)  # series that may yet say more about a day that was looked up
    # the report
    days: dict[int, Day] = field(default_factory=dict)
    closures: list[Closure] = field(default_factory=list)
    amended: dict[int, Decimal] = field(default_factory=dict)  # disallowed losses of closures of earlier runs
    touched: set[str] = field(default_factory=set)
    # where it is open
    today: int = 0
    page: Day = field(default_factory=Day)

    def __post_init__(self) -> None:
        """Read closes quoted in a small coin in its currency."""
        self.market = in_currencies(self.market, self.listings)

    def turn_to(self, day: int) -> Day:
        """Open the book at the page of a day."""
        if day != self.today:
            self.today = day
            self.page = self.days.setdefault(day, Day())
        return self.page

    def holding(self, instrument: str) -> Holding:
        """Return what is held of an instrument, a fresh page if nothing ever was."""
        self.touched.add(instrument)
        holding = self.holdings.get(instrument)
        if holding is None:
            holding = self.holdings[instrument] = Holding(instrument, self.listings[instrument])
        return holding

    def moved(self, holding: Holding) -> None:
        """Note on the page of the day how much is held now."""
        if holding.since is None:
            holding.since = self.today
        self.page.units[holding.key] = holding.quantity

    def into(self, currency: str, entry: Entry, amount: Decimal) -> Decimal:
        """Return an amount of an entry in another currency; nothing, and a note of the gap, where no rate is known."""
        if entry.currency == currency or not amount:
            return amount
        rate = rate_on(entry) if currency == self.base else None
        if rate is None:
            points = self.market.rates.get((entry.currency, currency), NOTHING)
            rate = points.value_at(self.today)
            self._await(f"{entry.currency}/{currency}", points)
        if rate is None:
            self.gaps.setdefault(f"{entry.currency}/{currency}", self.today)
            return ZERO
        return money(EXACT.multiply(amount, rate))

    def price_of(self, holding: Holding) -> Decimal | None:
        """Return the price of an instrument on the day at hand, or none."""
        closes = self.market.closes.get(holding.key, NOTHING)
        self._await(holding.key, closes)
        moves = closes.with_moves(self.hands.get(holding.key, ()), self.splits.get(holding.key, ()))
        price = moves.value_at(self.today)
        if price is None:
            self.gaps.setdefault(holding.key, self.today)
        return price

    def trade(self, entry: Entry, holding: Holding, cash: Decimal, *, missing: bool = False) -> None:
        """Post units bought or sold for cash: those of the other sign are closed first, the rest opens a lot.

        `cash` is in the instrument's currency, signed. `missing`: what can't be closed should have been held.
        """
        quantity, held = entry.quantity, holding.quantity
        if held and (held > 0) is not (quantity > 0):
            closing = min(abs(quantity), abs(held))
            brought = share(cash, closing, abs(quantity))
            self.close(entry, holding, closing, brought)
            cash -= brought
            quantity += closing if quantity < 0 else -closing
        if quantity:
            bought = entry.kind in PURCHASES
            holding.open(
                Lot(entry.occurred_at, entry.sequence, quantity, -cash, quantity, missing, None if bought or missing else 0)
            )
            if bought and holding.key in self.losses:
                self.put_off(holding, wash.after_purchase(self.losses[holding.key], holding, entry.sequence, self.today))
        self.moved(holding)

    def close(self, entry: Entry, holding: Holding, quantity: Decimal, cash: Decimal) -> None:
        """Close units against their lots: each part gets its share of the cash, and leaves a closure behind."""
        parts = holding.take(quantity, self.method, self.named_by(entry))
        shares = spread(cash, [part.quantity for part in parts])
        first = len(self.closures)
        key, closed_at, closing, days = holding.key, entry.occurred_at, entry.sequence, self.rules.long_term_days
        for (lot, units_, cost), brought in zip(parts, shares, strict=True):
            paid, received = (cost, brought) if units_ > 0 else (-brought, -cost)
            self.closures.append(
                Closure(
                    *(key, lot.opened_at, closed_at, lot.sequence, closing, units_, paid, received),
                    *(lot.missing, lot.tacked or 0, days),
                )
            )
            holding.realized += brought - cost
        if self.rules.wash_sales:
            losses = wash.losses_in(self.closures[first:], self.closed + first + 1)
            if losses:
                self.put_off(holding, wash.after_sale(self.losses.get(holding.key, ()), holding, losses, self.today))

    def arrive(self, entry: Entry, holding: Holding, lot: Lot) -> None:
        """Open a lot that comes with its date and cost; as far as units of the other sign are held, it closes those."""
        if lot.quantity * holding.quantity < 0:
            closing = min(abs(lot.quantity), abs(holding.quantity))
            paid = share(lot.cost, closing, abs(lot.quantity))
            self.close(entry, holding, closing, -paid)
            left = lot.quantity - closing.copy_sign(lot.quantity)
            lot = lot._replace(quantity=left, cost=lot.cost - paid, opened=left)
        if lot.quantity:
            holding.open(lot)

    def settle(self, entry: Entry, holding: Holding, lot: Lot, paid: Decimal, received: Decimal) -> None:
        """Leave a closure of no units behind: what cash without any going made of a lot."""
        self.closures.append(
            Closure(
                *(holding.key, lot.opened_at, entry.occurred_at, lot.sequence, entry.sequence, ZERO, paid, received),
                *(lot.missing, lot.tacked or 0, self.rules.long_term_days),
            )
        )
        holding.realized += received - paid

    def put_off(self, holding: Holding, losses: Sequence[wash.Loss]) -> None:
        """Note how much of losses does not count by now, and remember those that a later purchase would undo."""
        for loss in losses:
            index = loss.number - self.closed - 1
            if index >= 0:
                self.closures[index] = self.closures[index]._replace(disallowed=loss.disallowed)
            elif loss.disallowed:
                self.amended[loss.number] = loss.disallowed
        left = [loss for loss in losses if loss.quantity]
        if left:
            self.losses[holding.key] = left
        else:
            self.losses.pop(holding.key, None)

    def lower_cost(self, entry: Entry, holding: Holding, amount: Decimal) -> None:
        """Take an amount out of the cost, the same from each unit; what a lot's cost can't bear is a gain."""
        for index, own in enumerate(spread(amount, [lot.quantity for lot in holding.lots])):
            lot = holding.lots[index]
            borne = min(own, max(lot.cost, ZERO))
            holding.lots[index] = lot._replace(cost=lot.cost - borne)
            holding.cost -= borne
            if own != borne:
                self.settle(entry, holding, lot, ZERO, own - borne)

    def named_by(self, entry: Entry) -> Sequence[Choice]:
        """Return the lots that an entry names to be closed, if the method lets it choose.

        A transfer takes the lots it names by any method: those are the ones that arrive elsewhere.
        """
        chooses = self.method is Method.SPECIFIC or entry.kind == EntryKind.TRANSFER_OUT
        return lots_named(entry) if chooses else ()

    def flow(self, entry: Entry, amount: Decimal) -> None:
        """Note money that came from outside, or went there."""
        self.page.flows.append(Flow(entry.currency, amount, rate_on(entry), transfer_of(entry)))

    def tally(self, currency: str) -> Tally:
        """Return what the account itself earned and paid in a currency."""
        if currency not in self.tallies:
            self.tallies[currency] = Tally()
        return self.tallies[currency]

    def level(self) -> None:
        """Write the average cost into the lots that were touched, if that is the method."""
        if self.method is Method.AVERAGE:
            for instrument in self.touched:
                self.holdings[instrument].level()

    def _await(self, series: str, points: Points) -> None:
        """Remember a series that does not reach the day at hand: what it says of it later changes what followed."""
        if not len(points.days) or points.days[-1] < self.today:
            self.awaited.add(series)


def transfer_of(entry: Entry) -> str | None:
    """Return the group of a transfer, by which its other leg is known; none of any other entry."""
    return entry.group if entry.kind in TRANSFERS else None


def rate_on(entry: Entry) -> Decimal | None:
    """Return the rate recorded on an entry: units of the account's currency for one unit of the entry's."""
    return number_in(entry.data, "fx_rate")
