"""What there is to tell of trades: their records, how far the price went for and against them, and what people added."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection

from accounts.models import Account
from marketdata.domain.bars import Timeframe
from trading.domain.journal import EXIT_WORDS, Background, Sized, planned_in, record_of
from trading.domain.legs import LegRole
from trading.domain.round_trips import Excursion, PriceBar, RoundTrip, excursion
from trading.domain.trade_records import TradeRecord
from trading.models import Attachment, Decision, Order, Session, TradeNote, TradeTag
from trading.selectors.journal import Found, Journal, grouped

AT_ONCE = 500  # trades that are told together
# The extremes of all bars that lie wholly within each trade, of whatever length: what is stored adjusted for a split that came
# later, or belongs to the time after one, is in other units, and left out.
EXTREMES = """
    SELECT wanted.number, max(bar.high), min(bar.low)
    FROM unnest(%(numbers)s::int[], %(instruments)s::uuid[], %(starts)s::timestamptz[], %(ends)s::timestamptz[])
         AS wanted (number, instrument, start, stop)
    CROSS JOIN unnest(%(timeframes)s::text[], %(lengths)s::interval[]) AS lasting (timeframe, length)
    CROSS JOIN LATERAL (
        SELECT high, low FROM marketdata_bar AS kept
        WHERE kept.instrument_id = wanted.instrument AND kept.timeframe = lasting.timeframe
              AND kept.timestamp >= wanted.start AND kept.timestamp <= wanted.stop - lasting.length
              AND NOT EXISTS (
                  SELECT FROM marketdata_corporateaction AS split
                  WHERE split.instrument_id = wanted.instrument AND split.kind IN ('SPLIT', 'STOCK_DIVIDEND')
                        AND (split.ex_date > (kept.timestamp AT TIME ZONE 'UTC')::date AND split.ex_date <= kept.adjusted_through
                             OR split.ex_date > (wanted.start AT TIME ZONE 'UTC')::date
                                AND split.ex_date <= (kept.timestamp AT TIME ZONE 'UTC')::date)
              )
    ) AS bar
    GROUP BY wanted.number
"""


@dataclass(frozen=True, slots=True)
class Trade:
    """A trade with all that is known of it."""

    found: Found
    order: Order
    record: TradeRecord
    direction: str
    quantity_closed: Decimal
    exit_price: Decimal | None
    stop_loss: Decimal | None
    r_multiple: Decimal | None
    excursion: Excursion
    tags: Sequence[str]
    notes: Sequence[TradeNote]
    attachments: Sequence[Attachment]

    @property
    def key(self) -> tuple[datetime, UUID]:
        """Where it stands in the journal."""
        return self.found.key

    @property
    def id(self) -> UUID:
        """The order that opened it, by which it is known."""
        return self.found.order


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows that trades rest on, read once for all of them."""

    orders: Mapping[UUID, Order]
    legs: Mapping[UUID, Sequence[Order]]
    tags: Mapping[UUID, Sequence[TradeTag]]
    notes: Mapping[UUID, Sequence[TradeNote]]
    attachments: Mapping[UUID, Sequence[Attachment]]


def told(account: Account, found: Sequence[Found], *, at: datetime) -> list[Trade]:
    """Return what there is to tell of trades, in a number of questions that does not grow with them; `at` is now."""
    rows, reached = _rows(account, found), _extremes(found, at)
    return [_trade(account, one, rows, reached.get(number), at) for number, one in enumerate(found)]


def records_of(account: Account, journal: Journal) -> Iterator[TradeRecord]:
    """Yield the records of trades in their order, some at a time."""
    for first in range(0, len(journal.trades), AT_ONCE):
        some = journal.trades[first : first + AT_ONCE]
        rows = _rows(account, some)
        for one in some:
            yield record_of(one.sized, _background(account, one, rows))


def record_told(account: Account, found: Found) -> TradeRecord:
    """Return the record of one trade."""
    return record_of(found.sized, _background(account, found, _rows(account, [found])))


def stop_of(found: Found, legs: Sequence[Order]) -> Decimal | None:
    """Return the stop of a trade: the one that was decided on, else the one its order was placed with."""
    return found.facts.stop_loss if found.facts.stop_loss is not None else _leg(legs, LegRole.STOP_LOSS, "stop_price")


def _rows(account: Account, found: Sequence[Found]) -> _Rows:
    """Return the rows that trades rest on."""
    opened = [one.order for one in found]
    needed: set[Any] = {*opened, *(exit.order for one in found for exit in one.trip.exits)}
    rows = Order.objects.filter(account=account, pk__in=needed)
    notes = TradeNote.objects.filter(account=account, order__in=opened).select_related("author").order_by("created_at", "pk")
    pictures = Attachment.objects.filter(account=account, order__in=opened).select_related("author").order_by("created_at", "pk")
    return _Rows(
        {order.pk: order for order in rows.select_related("instrument", "session__strategy", "decision")},
        grouped(Order.objects.filter(account=account, parent__in=opened).order_by("created_at", "pk"), "parent_id"),
        grouped(TradeTag.objects.filter(account=account, order__in=opened).order_by("tag")),
        grouped(notes),
        grouped(pictures),
    )


def _trade(account: Account, found: Found, rows: _Rows, reached: tuple[Decimal, Decimal] | None, at: datetime) -> Trade:
    """Return what there is to tell of one trade."""
    sized, key = found.sized, found.order
    about = _background(account, found, rows)
    return Trade(
        found=found,
        order=rows.orders[key],
        record=record_of(sized, about),
        direction=found.trip.direction.value,
        quantity_closed=sized.closed_quantity,
        exit_price=sized.exit_price,
        stop_loss=about.stop_loss,
        r_multiple=sized.r_multiple(about.stop_loss),
        excursion=_excursion(sized, reached, at),
        tags=[row.tag for row in rows.tags.get(key, ())],
        notes=rows.notes.get(key, ()),
        attachments=rows.attachments.get(key, ()),
    )


def _background(account: Account, found: Found, rows: _Rows) -> Background:
    """Return what is known of a trade besides its fills."""
    order, legs = rows.orders[found.order], rows.legs.get(found.order, ())
    decision, session = order.decision, order.session
    strategy = session.strategy if session else None
    target = decision.target if decision and decision.target is not None else _leg(legs, LegRole.TAKE_PROFIT, "limit_price")
    indicators = (decision.indicators if decision else None) or (strategy.indicators if strategy else None) or ()
    return Background(
        order_id=order.client_order_id,
        symbol=order.instrument.symbol,
        action=order.side,
        execution_mode=session.execution_mode if session else account.execution_mode,
        account_id=str(account.pk),
        strategy_name=strategy.name if strategy else "",
        entry_type=found.facts.entry_type,
        stop_loss=stop_of(found, legs),
        target=target,
        reasoning=decision.reasoning if decision else "",
        indicators=tuple(indicators),
        planned=planned_in(decision.metadata) if decision else None,
        reference_price=order.reference_price,
        exit_reasoning=_exit_reasoning(found.trip, rows.orders, decision),
        session_id=_name_of(session),
        bot_version=session.code_version if session else "",
        config_hash=session.config_hash if session else "",
    )


def _name_of(session: Session | None) -> str:
    """Return how files call a session: one that a file brought in keeps its name."""
    if session is None:
        return ""
    return session.external_id.partition("#")[0] or str(session.pk)


def _exit_reasoning(trip: RoundTrip, orders: Mapping[UUID, Order], entry: Decision | None) -> str:
    """Return why a trade was closed: the reasons of the decisions that closed it, else what the order was there for."""
    said: dict[str, None] = {}
    for one in trip.exits:
        key: Any = one.order
        order = orders.get(key)
        if order is None:
            continue
        decision = order.decision
        own = decision.reasoning if decision is not None and (entry is None or decision.pk != entry.pk) else ""
        said[own or EXIT_WORDS.get(order.role, "")] = None
    return "\n".join(filter(None, said))


def _leg(legs: Sequence[Order], role: LegRole, price: str) -> Decimal | None:
    """Return the price of the first order of a role that hangs on an entry."""
    found: Decimal | None = next((getattr(leg, price) for leg in legs if leg.role == role.value), None)
    return found


def _excursion(sized: Sized, reached: tuple[Decimal, Decimal] | None, at: datetime) -> Excursion:
    """Return how far the price went against a trade and for it; `reached` is in the units of its opening."""
    trip = sized.trip
    end = max(trip.closed_at or at, trip.opened_at)
    bars = []
    if reached is not None:
        high, low = (price / sized.factor for price in reached)
        bars = [PriceBar(trip.opened_at, end, high, low)]
    return excursion(trip, bars, until=end)


def _extremes(found: Sequence[Found], at: datetime) -> dict[int, tuple[Decimal, Decimal]]:
    """Return the highest and lowest price of each trade by its place, where bars lie within it."""
    if not found:
        return {}
    frames = list(Timeframe)
    asked: dict[str, Any] = {
        "numbers": list(range(len(found))),
        "instruments": [one.facts.instrument for one in found],
        "starts": [one.trip.opened_at for one in found],
        "ends": [one.trip.closed_at or at for one in found],
        "timeframes": [frame.value for frame in frames],
        "lengths": [frame.duration for frame in frames],
    }
    with connection.cursor() as cursor:
        cursor.execute(EXTREMES, asked)
        return {number: (high, low) for number, high, low in cursor.fetchall()}


def days_of(journal: Journal) -> list[date]:
    """Return the days (UTC) on which trades were opened."""
    return sorted({one.trip.opened_at.date() for one in journal.trades})
