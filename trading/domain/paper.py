"""Trading on paper: what becomes of an order while the market goes on, from prices that were known at the time alone.

Every step follows from the order, its state and the prices after it: whoever computes it again from there comes to the same
steps with the same ids. Chance, where a model asks for some, is drawn from the seed and the id of the execution.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, Decimal
from uuid import UUID

from portfolio.domain.exact import EXACT, ONE, ZERO, money, plain
from trading.domain.drafts import AT_ONCE, OrderDraft
from trading.domain.fills import Fill
from trading.domain.hours import Hours
from trading.domain.orders import Event, EventKind, OrderState, OrderType, Side, TimeInForce, apply
from trading.domain.trailing import best, is_touched

UNIT = Decimal("1e-9")
POINTS = Decimal(10_000)
SPLIT = "The instrument was split, and the order is for units and prices of before; place it again in those of now."
STOPS = frozenset({OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP})


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What was to be known of a market at `at`: a quote of that instant, or a bar that began at `begins` and was over at `at`."""

    at: datetime
    begins: datetime
    bid: Decimal
    ask: Decimal
    bid_size: Decimal | None = None
    ask_size: Decimal | None = None
    low: Decimal | None = None
    high: Decimal | None = None
    last: Decimal | None = None

    @classmethod
    def quote(
        cls, at: datetime, bid: Decimal, ask: Decimal, bid_size: Decimal | None = None, ask_size: Decimal | None = None
    ) -> Look:
        """Return what a quote says."""
        return cls(at=at, begins=at, bid=bid, ask=ask, bid_size=bid_size or None, ask_size=ask_size or None)

    @classmethod
    def bar(
        cls,
        begins: datetime,
        at: datetime,
        first: Decimal,
        low: Decimal,
        high: Decimal,
        volume: Decimal | None = None,
        last: Decimal | None = None,
    ) -> Look:
        """Return what a bar says: its first price is what a market order gets, low and high are what others touch."""
        sizes = {"bid_size": volume, "ask_size": volume}
        return cls(at=at, begins=begins, bid=first, ask=first, low=low, high=high, last=last, **sizes)

    def opening(self) -> Look:
        """Return its first price alone: there is one in an auction, and nobody gets what was touched after it."""
        return replace(self, low=None, high=None)

    def closing(self, at: datetime) -> Look:
        """Return its last price alone, as that of the auction at `at`."""
        bid, ask = (self.bid, self.ask) if self.last is None else (self.last, self.last)
        return replace(self, at=at, begins=at, bid=bid, ask=ask, low=None, high=None)

    def price(self, side: Side) -> Decimal:
        """Return what an order to buy or sell at the market gets."""
        return self.ask if side is Side.BUY else self.bid

    def size(self, side: Side) -> Decimal | None:
        """Return how much there is for that, if it is known."""
        return self.ask_size if side is Side.BUY else self.bid_size

    def best(self, side: Side) -> Decimal:
        """Return the lowest price to buy at, or the highest to sell at."""
        return self._or(self.low if side is Side.BUY else self.high, side)

    def worst(self, side: Side) -> Decimal:
        """Return the highest price to buy at, or the lowest to sell at: what sets stops off."""
        return self._or(self.high if side is Side.BUY else self.low, side)

    def _or(self, edge: Decimal | None, side: Side) -> Decimal:
        return self.price(side) if edge is None else edge


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """How a paper market treats orders: slippage in basis points, a part of it left to chance, size, and what a trade costs."""

    slippage_points: Decimal = ZERO
    chance: Decimal = ZERO
    participation: Decimal = ONE
    fee_per_order: Decimal = ZERO
    fee_per_unit: Decimal = ZERO
    fee_share: Decimal = ZERO
    least_fee: Decimal = ZERO
    seed: int = 0
    fresh: timedelta = timedelta(seconds=60)
    grace: timedelta = timedelta(seconds=5)

    def slipped(self, side: Side, price: Decimal, name: str) -> Decimal:
        """Return a price after slippage, which is always against whoever trades."""
        if not self.slippage_points:
            return price
        share = EXACT.subtract(ONE, EXACT.multiply(self.chance, self._drawn(name)))
        part = EXACT.multiply(EXACT.divide(self.slippage_points, POINTS), share)
        return money(EXACT.multiply(price, EXACT.add(ONE, side.sign * part)))

    def fee(self, quantity: Decimal, price: Decimal, *, first: bool) -> Decimal:
        """Return what a fill costs, `price` being that of a whole unit; what an order costs comes with the first."""
        value = EXACT.multiply(quantity, price)
        parts = EXACT.add(EXACT.multiply(quantity, self.fee_per_unit), EXACT.multiply(value, self.fee_share))
        return money(EXACT.add(max(parts, self.least_fee), self.fee_per_order if first else ZERO))

    def _drawn(self, name: str) -> Decimal:
        """Return a number from 0 up to 1 that follows from the seed and a name."""
        digest = hashlib.sha256(f"{self.seed}:{name}".encode()).digest()
        return Decimal(int.from_bytes(digest[:4])) / Decimal(2**32)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperOrder:
    """An order that the paper market has accepted, as far as it has come; `since` is when something last happened to it.

    `parts`: it may be filled by parts of a unit, as crypto is. One unit costs its price times `multiplier`.
    `split_at`: from when on its quantity and prices are in units of before.
    """

    order_id: UUID
    draft: OrderDraft
    state: OrderState
    accepted_at: datetime
    since: datetime
    fills: int = 0
    tick_size: Decimal | None = None
    parts: bool = False
    multiplier: Decimal = ONE
    split_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """What happens to an order, and when."""

    at: datetime
    event: Event
    detail: str = ""


def work(order: PaperOrder, looks: Iterable[Look], sessions: Sequence[Hours], model: Model, *, now: datetime) -> list[Step]:
    """Return what happens to an order until now; `looks` are in the order of time, sessions too."""
    return list(_Worker(order, sessions, model, now).steps(list(looks)))


def execution_id(order_id: UUID, number: int) -> str:
    """Return the id of an order's fill, the first being 1."""
    return f"paper-{order_id}-{number}"


class _Worker:
    """One order on its way through the looks."""

    def __init__(self, order: PaperOrder, sessions: Sequence[Hours], model: Model, now: datetime) -> None:
        self.order, self.model = order, model
        self.split = order.split_at if order.split_at is not None and order.split_at <= now else None
        self.now = self.split or now
        self.draft, self.state, self.fills, self.since = order.draft, order.state, order.fills, order.since
        self.sessions = [each for each in sessions if self._end_of(each) > order.accepted_at]
        self.mark: Step | None = None

    def steps(self, looks: Sequence[Look]) -> Iterator[Step]:
        """Yield what happens, until nothing more can."""
        known = self._known(looks)
        if self.draft.time_in_force is TimeInForce.OPG:
            yield from self._opening(known)
        elif self.draft.time_in_force is TimeInForce.CLS:
            # a bar that was under way when it was accepted tells its last price later
            under_way = [look for look in looks if look.last is not None and look.begins <= self.since < look.at <= self.now]
            yield from self._closing([*under_way, *known])
        else:
            yield from self._going_on(known)
        if self.split is not None and self.state.is_open:
            yield self._happens(Event(EventKind.CANCELED), self.split, SPLIT)

    def _known(self, looks: Iterable[Look]) -> list[Look]:
        """Return the looks that are known by now, and not spent; a fresh quote from before counts as one of the beginning."""
        fresh = self.order.accepted_at - self.model.fresh
        begun = self.fills or self.state.triggered or self.state.high_water_mark is not None
        untouched = self.since == self.order.accepted_at and not begun
        earlier: Look | None = None
        later: list[Look] = []
        for look in looks:
            if look.at > self.now:
                break
            begins_then = look.begins == self.since and (untouched or look.low is not None)  # a bar that was seen began before
            if look.begins > self.since or begins_then:
                later.append(look)
            elif look.low is None and fresh <= look.at <= self.order.accepted_at:
                earlier = look
        if earlier is not None and untouched:
            later.insert(0, replace(earlier, at=self.since, begins=self.since))
        return later

    def _going_on(self, looks: Sequence[Look]) -> Iterator[Step]:
        """Yield the steps of an order that stands, for the day or longer, or is to be filled at once."""
        end = self._end()
        at_once, over = self.draft.time_in_force in AT_ONCE, self.order.accepted_at + self.model.fresh
        looked: datetime | None = None
        for look in looks:
            if not self.state.is_open or (end is not None and look.at > end) or (at_once and look.at > over):
                break
            if not self._trades(look):
                continue
            yield from self._look(look)
            looked = look.at
            if at_once:
                break
        yield from self._told_mark()
        if not self.state.is_open:
            return
        if at_once and (looked or self.now > over):
            yield self._happens(Event(EventKind.CANCELED), looked or over, "Not filled at once.")
        elif end is not None and self.now >= end + self.model.grace:
            yield self._happens(Event(EventKind.EXPIRED), end, "The day is over.")

    def _opening(self, looks: Sequence[Look]) -> Iterator[Step]:
        """Yield the steps of an order for the opening auction: the first price of the next session."""
        session = next((each for each in self.sessions if each.open_at >= self.order.accepted_at), None)
        if session is None:
            return
        for look in looks:
            if session.covers(look.begins, look.at, extended=False):
                yield from self._look(look.opening())
                if self.state.is_open:
                    yield self._happens(Event(EventKind.CANCELED), look.at, "Not filled in the opening auction.")
                return
        if self.now >= session.close_at + self.model.grace:
            yield self._happens(Event(EventKind.EXPIRED), session.close_at, "There was no opening price.")

    def _closing(self, looks: Sequence[Look]) -> Iterator[Step]:
        """Yield the steps of an order for the closing auction: the last price of the session."""
        session = next(iter(self.sessions), None)
        if session is None or self.now < session.close_at + self.model.grace:
            return
        last = next((look for look in reversed(looks) if session.covers(look.begins, look.at, extended=False)), None)
        if last is not None:
            yield from self._look(last.closing(session.close_at))
        if self.state.is_open:
            yield self._happens(Event(EventKind.EXPIRED), session.close_at, "Not filled in the closing auction.")

    def _look(self, look: Look) -> Iterator[Step]:
        """Yield what one look at the market does to the order."""
        price: Decimal | None = None
        if self.draft.type in STOPS and not self.state.triggered:
            price = self._stopped(look)
            if price is None:
                return
            yield from self._told_mark()
            yield self._happens(Event(EventKind.TRIGGERED), look.at, f"The stop was touched at {plain(price)}.")
        price = self._price(look, price)
        if price is not None:
            yield from self._fill(look, price)

    def _stopped(self, look: Look) -> Decimal | None:
        """Return the price at which the order's stop is set off, if it is; a trailing one follows what was known before."""
        side, stop = self.draft.side, self.draft.stop_price
        if self.draft.type is OrderType.TRAILING_STOP:
            trail = self.draft.trail
            if trail is None:
                return None
            mark = best(side, self.state.high_water_mark, look.price(side))
            stop = trail.stop(side, mark)
            if not is_touched(side, stop, look.worst(side)):
                self._trail(best(side, mark, look.best(side)) if look.low is not None else mark, look.at)
                return None
        if stop is None or not is_touched(side, stop, look.worst(side)):
            return None
        return look.price(side) if is_touched(side, stop, look.price(side)) else stop  # beyond it from the start, or on the way

    def _trail(self, mark: Decimal, at: datetime) -> None:
        """Remember how far the price has gone; it is told once, at the end."""
        if mark != self.state.high_water_mark:
            event = Event(EventKind.TRAILED, mark=mark)
            self.state, self.mark = apply(self.state, event), Step(at, event)

    def _told_mark(self) -> Iterator[Step]:
        if self.mark is not None:
            yield self.mark
            self.mark = None

    def _price(self, look: Look, stopped: Decimal | None) -> Decimal | None:
        """Return the price before slippage at which the order trades, or None if it does not."""
        side, limit = self.draft.side, self.draft.limit_price
        first = look.price(side)
        if limit is None:
            return first if stopped is None else stopped
        if is_touched(side.opposite, limit, first) and (stopped is None or stopped == first):
            return first
        if stopped is not None or look.low is None:
            return None  # within a bar nobody knows what came first
        return limit if is_touched(side.opposite, limit, look.best(side)) else None

    def _fill(self, look: Look, price: Decimal) -> Iterator[Step]:
        """Yield a fill of as much as there is."""
        name = execution_id(self.order.order_id, self.fills + 1)
        price = self._slipped(price, name)
        quantity, complete = self._quantity(look, price)
        if quantity <= 0:
            return
        fee = self.model.fee(quantity, EXACT.multiply(price, self.order.multiplier), first=self.fills == 0)
        fill = Fill(name, quantity, price, look.at, fee)
        self.fills += 1
        yield self._happens(Event(EventKind.FILLED, fill=fill, complete=complete), look.at)

    def _slipped(self, price: Decimal, name: str) -> Decimal:
        """Return the price after slippage, on the instrument's grid and no worse than the limit."""
        side, limit, tick = self.draft.side, self.draft.limit_price, self.order.tick_size
        slipped = self.model.slipped(side, price, name)
        if tick is not None and slipped != price:
            way = ROUND_CEILING if side is Side.BUY else ROUND_FLOOR
            slipped = (slipped / tick).to_integral_value(way) * tick
        if slipped <= 0:
            return price
        if limit is None:
            return slipped
        return min(slipped, limit) if side is Side.BUY else max(slipped, limit)

    def _quantity(self, look: Look, price: Decimal) -> tuple[Decimal, bool]:
        """Return how much is filled, and whether that is all of an order by amount."""
        remaining, complete = self.state.remaining, False
        if remaining is None:
            spent = EXACT.multiply(self.state.filled.value, self.order.multiplier)
            left = EXACT.subtract(self.draft.notional or ZERO, spent)
            remaining, complete = (
                EXACT.divide(left, EXACT.multiply(price, self.order.multiplier)).quantize(UNIT, ROUND_DOWN),
                True,
            )
        size = look.size(self.draft.side)
        if size is None or (there := EXACT.multiply(size, self.model.participation)) >= remaining:
            return remaining, complete
        if self.draft.time_in_force is TimeInForce.FOK:
            return ZERO, False
        return there.quantize(UNIT if self.draft.is_fractional or self.order.parts else ONE, ROUND_DOWN), False

    def _trades(self, look: Look) -> bool:
        """Say whether the market that the order is for was open for a look."""
        extended = self.draft.extended_hours
        return any(session.covers(look.begins, look.at, extended=extended) for session in self.sessions)

    def _end_of(self, session: Hours) -> datetime:
        return session.end(extended=self.draft.extended_hours)

    def _end(self) -> datetime | None:
        """Return when the order ends by itself."""
        if self.draft.time_in_force is not TimeInForce.DAY:
            return None
        return next((self._end_of(session) for session in self.sessions), None)

    def _happens(self, event: Event, at: datetime, detail: str = "") -> Step:
        """Let the order stand as after an event."""
        self.state, self.since = apply(self.state, event), at
        return Step(at, event, detail)
