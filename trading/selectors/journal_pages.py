"""The trades of a journal: all of them, a page, or those of some orders; only those that are asked for are derived.

What closes what follows from all fills of an account, but of those little is needed: it is read as one text, and matched.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Q, QuerySet

from accounts.models import Account
from portfolio.domain.collecting import collector_paused
from portfolio.domain.exact import EXACT
from trading.domain.journal import factor_after
from trading.domain.matching import Matches, Move, match
from trading.domain.orders import PositionEffect, Side
from trading.domain.outcomes import TradeOutcome
from trading.domain.round_trips import Execution, trips_of
from trading.models import Order, TradeTag
from trading.selectors.journal import EVERYTHING, Asked, Found, Journal, Splits, found_of, is_asked, splits_of, within

MOVES = """
    SELECT fill.account_id, string_agg(
               concat_ws(' ', fill.order_id, placed.instrument_id, placed.side, placed.effect, fill.quantity, fill.price,
                         fill.fee, (extract(epoch FROM fill.at) * 1000000)::bigint, placed.parent_id),
               E'\\n' ORDER BY fill.at, fill.id)
    FROM trading_fill AS fill
    JOIN trading_order AS placed ON placed.account_id = fill.account_id AND placed.id = fill.order_id
    WHERE fill.account_id = ANY (%(accounts)s::uuid[])
          AND (%(instruments)s::uuid[] IS NULL OR placed.instrument_id = ANY (%(instruments)s::uuid[]))
    GROUP BY fill.account_id
"""
ORDER, INSTRUMENT, SIDE, EFFECT, QUANTITY, PRICE, FEE, AT, PARENT = range(9)  # of a line; who hangs on no order has no parent
OPEN, BUY = PositionEffect.OPEN.value, Side.BUY.value
SIDES, EFFECTS = {one.value: one for one in Side}, {one.value: one for one in PositionEffect}
ABOUT = (
    *("pk", "instrument__multiplier", "session_id", "session__strategy_id", "decision_id"),
    *("decision__entry_type", "session__strategy__entry_type", "decision__stop_loss"),
)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
Key = tuple[int, str]  # microseconds since 1970, and the order: their order is that of times and ids


@dataclass(frozen=True, slots=True)
class Moves:
    """The fills of an account in the order in which they happened, as far as it takes to match them."""

    lines: Sequence[Sequence[str]]
    moves: Sequence[Move]
    matches: Matches
    splits: Splits
    instruments: Mapping[str, UUID]

    def opened_at(self, order: str) -> int:
        """Return when a trade was opened, in microseconds since 1970."""
        return int(self.lines[self.matches.opened[order].entries[0]][AT])

    def closed_at(self, order: str) -> datetime | None:
        """Return when a trade was closed; none while some of it is open."""
        trade = self.matches.opened[order]
        return None if trade.remaining else EPOCH + int(self.lines[trade.exits[-1][0]][AT]) * MICROSECOND

    def moved_by(self, orders: Collection[str]) -> list[str]:
        """Return the trades that orders opened or closed."""
        return [
            str(one.order)
            for one in self.matches.opened.values()
            if one.order in orders or any(self.lines[place][ORDER] in orders for place, _ in one.exits)
        ]

    def trades(self, orders: Sequence[str], about: Mapping[str, Sequence[Any]]) -> list[Found]:
        """Return the trades that some orders opened; `about` has what is in `ABOUT` of each order."""
        wanted = [self.matches.opened[order] for order in orders]
        done: dict[int, Execution] = {}
        for order, one in zip(orders, wanted, strict=True):
            key, multiplier, *_ = about[order]
            done |= {place: self._execution(place, key, multiplier) for place in one.entries}
            for place, _ in one.exits:
                if place not in done:
                    done[place] = self._execution(place, UUID(self.lines[place][ORDER]), multiplier)
        trips = trips_of(wanted, self.matches, done)
        return [found_of(trip, about[order][2:], self.splits) for order, trip in zip(orders, trips, strict=True)]

    def _execution(self, place: int, order: UUID, multiplier: Decimal) -> Execution:
        """Return a fill as round trips are derived from it, in today's units."""
        line, quantity = self.lines[place], self.moves[place].quantity
        at, price, instrument = EPOCH + int(line[AT]) * MICROSECOND, Decimal(line[PRICE]), self.instruments[line[INSTRUMENT]]
        if instrument in self.splits:
            price = EXACT.divide(price, factor_after(at, self.splits[instrument]))
        side, effect, fee = SIDES[line[SIDE]], EFFECTS[line[EFFECT]], Decimal(line[FEE])
        return Execution(order, instrument, side, effect, at, quantity, price, fee, multiplier)


@dataclass(frozen=True)
class JournalPages:
    """The trades of an account that are asked for in the order of their opening, read page by page beyond a key."""

    account: Account
    asked: Asked

    def all(self) -> list[Found]:
        """Return all of them, the first opened first."""
        orders = [order for _, order in self._keys]
        opening = Order.objects.filter(account=self.account, effect=OPEN, filled_quantity__gt=0)
        found = self._moves.trades(orders, _about(opening)) if orders else []
        return [one for one in found if is_asked(one, self.asked)]

    def after(self, key: Sequence[Any] | None, *, descending: bool, limit: int) -> list[Found]:
        """Return up to so many trades beyond a key, or from the start."""
        keys = self._keys
        if key is not None:
            place: Key = ((datetime.fromisoformat(key[0]) - EPOCH) // MICROSECOND, str(UUID(key[1])))
            keys = keys[: bisect_left(keys, place)] if descending else keys[bisect_right(keys, place) :]
        if descending:
            keys = keys[::-1]
        found: list[Found] = []
        start, some = 0, limit
        while start < len(keys) and len(found) < limit:  # more at a time, the fewer of them are asked for
            made = _derived([(self._moves, [order for _, order in keys[start : start + some]])])
            found += [one for one in made if is_asked(one, self.asked)]
            start, some = start + some, some * 2
        return found[:limit]

    def key_of(self, row: Any) -> list[Any]:
        """Return where a trade stands, as JSON can hold it: one that was told in detail knows it, too."""
        opened_at, order = row.key
        return [opened_at.isoformat(), str(order)]

    @cached_property
    def _moves(self) -> Moves:
        among = None if self.asked.instrument is None else [self.asked.instrument]
        return _moves([self.account.pk], among).get(self.account.pk) or Moves([], [], match([]), {}, {})

    @cached_property
    def _keys(self) -> list[Key]:
        """Where the trades stand that may be asked for, in order; what only their figures say is looked at page by page."""
        moves, asked, among = self._moves, self.asked, _orders_asked(self.account, self.asked)
        orders: Iterable[Any] = moves.matches.opened
        if among is not None:
            orders = [order for order in orders if order in among]
        if asked.outcome is not None:
            is_open = asked.outcome == TradeOutcome.OPEN
            orders = [order for order in orders if bool(moves.matches.opened[order].remaining) == is_open]
        if asked.closed_from is not None or asked.closed_before is not None:
            orders = [order for order in orders if within(moves.closed_at(order), asked.closed_from, asked.closed_before)]
        keys = sorted((moves.opened_at(order), order) for order in orders)
        start, end = (
            place if at is None else bisect_left(keys, ((at - EPOCH) // MICROSECOND, ""))
            for at, place in ((asked.opened_from, 0), (asked.opened_before, len(keys)))
        )
        return keys[start:end]


def journal_of(account: Account, asked: Asked = EVERYTHING) -> Journal:
    """Return the trades of an account that are asked for, the first opened first."""
    with collector_paused():
        return Journal(JournalPages(account, asked).all())


def trades_of(orders: Iterable[Order]) -> dict[UUID, Found]:
    """Return the trades that orders opened, by order, in a few questions for orders of however many accounts."""
    rows = list(orders)
    if not rows:
        return {}
    known = _moves({order.account_id for order in rows}, {order.instrument_id for order in rows})
    asked = [
        (moves, [key for order in rows if order.account_id == account and (key := str(order.pk)) in moves.matches.opened])
        for account, moves in known.items()
    ]
    return {one.order: one for one in _derived(asked)}


def trade_of(order: Order) -> Found | None:
    """Return the trade that an order opened; none if it opened none, or was not filled."""
    return trades_of([order]).get(order.pk)


def trades_moved_by(account: Account, orders: Collection[Order]) -> list[Found]:
    """Return the trades that orders of an account opened or closed, the first opened first."""
    moves = _moves([account.pk], {order.instrument_id for order in orders}).get(account.pk)
    if moves is None:
        return []
    moved = moves.moved_by({str(order.pk) for order in orders})
    return sorted(_derived([(moves, moved)]), key=lambda one: one.key)


def _derived(asked: Sequence[tuple[Moves, Sequence[str]]]) -> list[Found]:
    """Return some trades of accounts, all in one question."""
    wanted = [order for _, orders in asked for order in orders]
    about = _about(Order.objects.filter(pk__in=wanted)) if wanted else {}
    return [one for moves, orders in asked for one in moves.trades(orders, about)]


def _about(orders: QuerySet[Order]) -> dict[str, Sequence[Any]]:
    """Return what is in `ABOUT` of orders, by their keys."""
    return {str(row[0]): row for row in orders.values_list(*ABOUT)}


def _moves(accounts: Collection[UUID], instruments: Collection[UUID] | None) -> dict[UUID, Moves]:
    """Return the fills of accounts, or those in some instruments, matched."""
    asked = {"accounts": list(accounts), "instruments": None if instruments is None else list(instruments)}
    with connection.cursor() as cursor, collector_paused():
        cursor.execute(MOVES, asked)
        read = {account: [line.split(" ") for line in text.split("\n")] for account, text in cursor.fetchall()}
    traded = {one: UUID(one) for one in {line[INSTRUMENT] for lines in read.values() for line in lines}}
    splits = splits_of(set(traded.values()))
    factors = {str(one): known for one, known in splits.items()}
    found = {}
    for account, lines in read.items():
        moves = [_move(line, factors) for line in lines]
        found[account] = Moves(lines, moves, match(moves), splits, traded)
    return found


def _move(line: Sequence[str], factors: dict[str, Any]) -> Move:
    """Return a fill as it is matched, in today's units."""
    opens, quantity = line[EFFECT] == OPEN, Decimal(line[QUANTITY])
    if factors and line[INSTRUMENT] in factors:
        quantity = EXACT.multiply(quantity, factor_after(EPOCH + int(line[AT]) * MICROSECOND, factors[line[INSTRUMENT]]))
    book = line[INSTRUMENT], (line[SIDE] == BUY) == opens
    return Move(line[ORDER], book, opens, quantity, line[PARENT] if len(line) > PARENT else None)


def _orders_asked(account: Account, asked: Asked) -> set[str] | None:
    """Return the orders whose trades may be asked for, by what is known of the orders; none if that leaves out none."""
    same = {"session": asked.session, "session__strategy": asked.strategy, "decision": asked.decision, "side": asked.side}
    wanted = Q(**{name: value for name, value in same.items() if value is not None})
    if asked.entry_type is not None:
        usual = Q(decision=None) | Q(decision__entry_type="")
        wanted &= Q(decision__entry_type=asked.entry_type) | usual & Q(session__strategy__entry_type=asked.entry_type)
    if asked.tag is not None:
        wanted &= Q(pk__in=TradeTag.objects.filter(account=account, tag=asked.tag).values("order_id"))
    if not wanted:
        return None
    rows = Order.objects.filter(wanted, account=account, effect=OPEN, filled_quantity__gt=0)
    return set(map(str, rows.values_list("pk", flat=True)))
