"""The trade journal of an account: derived from its fills whenever it is asked for, and stored nowhere.

A trade is known by the order that opened it. Its figures come from fills, its reasons from the decision, its configuration from
the session; whoever finds one of them wrong corrects it there. What people add (tags, notes, pictures) are rows of their own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from marketdata.selectors.actions import splits
from portfolio.domain.exact import EXACT
from trading.domain.journal import Sized, factor_after
from trading.domain.orders import PositionEffect, Side
from trading.domain.round_trips import Direction, Execution, RoundTrip, round_trips

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


EVERYTHING = Asked()
EQUAL = ("instrument", "session", "strategy", "decision", "entry_type", "side")


@dataclass(frozen=True, slots=True)
class Journal:
    """Trades in the order of their opening."""

    trades: Sequence[Found] = field(default_factory=tuple)


def derived(fills: Iterable[Sequence[Any]], known: Splits) -> list[Found]:
    """Return the round trips of fills, each with the columns of `COLUMNS`, which come in the order in which they happened."""
    rows = list(fills)
    facts: dict[Any, Sequence[Any]] = {}
    for row in rows:
        facts.setdefault(row[0], row[-6:])
    return [found_of(trip, facts[trip.order], known) for trip in round_trips([_execution(row, known) for row in rows]).trips]


def found_of(trip: RoundTrip, about: Sequence[Any], known: Splits) -> Found:
    """Return a round trip with what can be asked for of it; its decision says more than its strategy does.

    `about` has the session, the strategy and the decision of its order, the entry types of the decision and of the strategy, and
    the stop that was decided on.
    """
    session, strategy, decision, decided, usual, stop = about
    instrument: Any = trip.instrument
    order: Any = trip.order
    side = Side.BUY if trip.direction is Direction.LONG else Side.SELL
    facts = Facts(instrument, side.value, session, strategy, decision, decided or usual or "", stop)
    return Found(order, Sized(trip, known.get(instrument, ())), facts)


def _execution(row: Sequence[Any], known: Splits) -> Execution:
    """Return a fill as round trips are derived from it, in today's units."""
    order, on, side, effect, at, quantity, price, fee, multiplier, parent, *_ = row
    if on in known:
        factor = factor_after(at, known[on])
        quantity, price = EXACT.multiply(quantity, factor), EXACT.divide(price, factor)
    return Execution(order, on, Side(side), PositionEffect(effect), at, quantity, price, fee, multiplier, parent)


def splits_of(instruments: Collection[UUID]) -> Splits:
    """Return the splits (ex-date, ratio) of instruments; who had none is left out."""
    found = splits(instrument_ids=instruments) if instruments else {}
    return {one: [(split.ex_date, split.ratio) for split in known] for one, known in found.items()}


def is_asked(found: Found, asked: Asked) -> bool:
    """Say whether a trade is one of those asked for."""
    if asked is EVERYTHING:
        return True
    facts, trip = found.facts, found.trip
    if any((wanted := getattr(asked, name)) is not None and getattr(facts, name) != wanted for name in EQUAL):
        return False
    if asked.outcome is not None and trip.outcome.value != asked.outcome:
        return False
    return within(trip.opened_at, asked.opened_from, asked.opened_before) and within(
        trip.closed_at, asked.closed_from, asked.closed_before
    )


def within(at: datetime | None, start: datetime | None, end: datetime | None) -> bool:
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
