"""The trade journal of an account: derived from its fills whenever it is asked for, and stored nowhere.

A trade is known by the order that opened it. Its figures come from fills, its reasons from the decision, its configuration from
the session; whoever finds one of them wrong corrects it there. What people add (tags, notes, pictures) are rows of their own.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from accounts.models import Account
from marketdata.selectors.actions import splits
from portfolio.domain.exact import EXACT
from trading.domain.journal import Sized, factor_after
from trading.domain.orders import PositionEffect, Side
from trading.domain.round_trips import Execution, RoundTrip, round_trips
from trading.models import Fill, Order, TradeTag

COLUMNS = (
    *("order_id", "order__instrument_id", "order__side", "order__effect", "at", "quantity", "price", "fee"),
    *("order__instrument__multiplier", "order__parent_id", "order__session_id", "order__session__strategy_id"),
    *("order__decision_id", "order__decision__entry_type", "order__session__strategy__entry_type", "order__decision__stop_loss"),
)


Splits = Mapping[UUID, Sequence[tuple[date, Decimal]]]


class Facts(NamedTuple):
    """What of a trade's order can be asked for."""

    instrument: UUID
    side: str
    session: UUID | None
    strategy: UUID | None
    decision: UUID | None
    entry_type: str
    stop_loss: Decimal | None


@dataclass(frozen=True, slots=True)
class Found:
    """A round trip with the facts of its order."""

    order: UUID
    sized: Sized
    facts: Facts

    @property
    def trip(self) -> RoundTrip:
        """The round trip, in today's units."""
        return self.sized.trip

    @property
    def key(self) -> tuple[datetime, UUID]:
        """Where it stands in the journal."""
        return self.trip.opened_at, self.order


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which trades are asked for; what is none keeps all."""

    instrument: UUID | None = None
    instruments: Collection[UUID] | None = None
    session: UUID | None = None
    strategy: UUID | None = None
    decision: UUID | None = None
    entry_type: str | None = None
    tag: str | None = None
    outcome: str | None = None
    side: str | None = None
    opened_from: datetime | None = None
    opened_before: datetime | None = None
    closed_from: datetime | None = None
    closed_before: datetime | None = None


def _key(found: Found) -> tuple[datetime, UUID]:
    return found.key


EVERYTHING = Asked()
EQUAL = ("instrument", "session", "strategy", "decision", "entry_type", "side")


@dataclass(frozen=True, slots=True)
class Journal:
    """Trades in the order of their opening, read page by page beyond a key."""

    trades: Sequence[Found] = field(default_factory=tuple)

    def after(self, key: Sequence[Any] | None, *, descending: bool, limit: int) -> list[Found]:
        """Return up to so many trades beyond a key, or from the start."""
        if key is not None:
            place = (datetime.fromisoformat(key[0]), UUID(key[1]))
        if descending:
            end = len(self.trades) if key is None else bisect_left(self.trades, place, key=_key)
            return list(self.trades[max(0, end - limit) : end][::-1])
        start = 0 if key is None else bisect_right(self.trades, place, key=_key)
        return list(self.trades[start : start + limit])

    def key_of(self, row: Any) -> list[Any]:
        """Return where a trade stands, as JSON can hold it: one that was told in detail knows it, too."""
        opened_at, order = row.key
        return [opened_at.isoformat(), str(order)]


def journal_of(account: Account, asked: Asked = EVERYTHING) -> Journal:
    """Return the trades of an account that are asked for, the first opened first."""
    among = asked.instruments if asked.instrument is None else [asked.instrument]
    found = _found([account.pk], among)
    tagged = None
    if asked.tag is not None:
        tagged = set(TradeTag.objects.filter(account=account, tag=asked.tag).values_list("order_id", flat=True))
    kept = [one for one in found if (tagged is None or one.order in tagged) and _is_asked(one, asked)]
    return Journal(sorted(kept, key=_key))


def trades_of(orders: Iterable[Order]) -> dict[UUID, Found]:
    """Return the trades that orders opened, by order, in two questions for orders of however many accounts."""
    rows = list(orders)
    wanted = {order.pk for order in rows}
    found = _found({order.account_id for order in rows}, {order.instrument_id for order in rows}) if rows else []
    return {one.order: one for one in found if one.order in wanted}


def trade_of(order: Order) -> Found | None:
    """Return the trade that an order opened; none if it opened none, or was not filled."""
    return trades_of([order]).get(order.pk)


def _found(accounts: Collection[UUID], instruments: Collection[UUID] | None) -> list[Found]:
    """Return all round trips of accounts, or those in some instruments."""
    rows = Fill.objects.filter(account__in=accounts)
    if instruments is not None:
        rows = rows.filter(order__instrument__in=instruments)
    by_account: dict[UUID, list[Sequence[Any]]] = {}
    for account, *row in rows.order_by("at", "pk").values_list("account_id", *COLUMNS):
        by_account.setdefault(account, []).append(row)
    known = splits_of({row[1] for fills in by_account.values() for row in fills})
    return [one for fills in by_account.values() for one in derived(fills, known)]


def derived(fills: Iterable[Sequence[Any]], known: Splits) -> list[Found]:
    """Return the round trips of fills, each with the columns of `COLUMNS`, which come in the order in which they happened."""
    facts: dict[UUID, Facts] = {}
    made: list[Execution] = []
    for row in fills:
        order, on, side, effect, at, quantity, price, fee, multiplier, parent, *about = row
        facts.setdefault(order, _facts(on, side, about))
        if on in known:
            factor = factor_after(at, known[on])
            quantity, price = EXACT.multiply(quantity, factor), EXACT.divide(price, factor)
        made.append(Execution(order, on, Side(side), PositionEffect(effect), at, quantity, price, fee, multiplier, parent))
    found = []
    for trip in round_trips(made).trips:
        of: Any = trip.order
        found.append(Found(of, Sized(trip, known.get(facts[of].instrument, ())), facts[of]))
    return found


def splits_of(instruments: Collection[UUID]) -> Splits:
    """Return the splits (ex-date, ratio) of instruments; who had none is left out."""
    found = splits(instrument_ids=instruments) if instruments else {}
    return {one: [(split.ex_date, split.ratio) for split in known] for one, known in found.items()}


def _facts(instrument: UUID, side: str, about: Sequence[Any]) -> Facts:
    """Return what of an order can be asked for; its decision says more than its strategy does."""
    session, strategy, decision, decided, usual, stop = about
    return Facts(instrument, side, session, strategy, decision, decided or usual or "", stop)


def _is_asked(found: Found, asked: Asked) -> bool:
    """Say whether a trade is one of those asked for."""
    facts, trip = found.facts, found.trip
    if any((wanted := getattr(asked, name)) is not None and getattr(facts, name) != wanted for name in EQUAL):
        return False
    if asked.outcome is not None and trip.outcome.value != asked.outcome:
        return False
    return _within(trip.opened_at, asked.opened_from, asked.opened_before) and _within(
        trip.closed_at, asked.closed_from, asked.closed_before
    )


def _within(at: datetime | None, start: datetime | None, end: datetime | None) -> bool:
    """Say whether a time is in [start, end); what has not happened is in no span that has an end or a start."""
    if start is None and end is None:
        return True
    return at is not None and (start is None or at >= start) and (end is None or at < end)


def grouped(rows: Iterable[Any], name: str = "order_id") -> dict[UUID, list[Any]]:
    """Return rows by what a column of theirs names."""
    found: dict[UUID, list[Any]] = defaultdict(list)
    for row in rows:
        found[getattr(row, name)].append(row)
    return found
