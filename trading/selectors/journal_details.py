"""What there is to tell of trades: their records, how far the price went for and against them, and what people added."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from accounts.models import Account, ExecutionMode
from trading.domain.journal import EXIT_WORDS, Background, Sized, lines_of, planned_in, record_of
from trading.domain.legs import LegRole
from trading.domain.round_trips import Excursion, Exit, PriceBar, excursion
from trading.domain.trade_records import TradeRecord
from trading.models import Attachment, Decision, Order, Session, TradeNote, TradeTag
from trading.selectors.excursions import extremes
from trading.selectors.journal import Found, Journal, grouped
from trading.selectors.marks import Mark, marks
from trading.selectors.risk import PAPER

AT_ONCE = 500  # trades that are told together
OF_RECORDS = (
    *("client_order_id", "side", "reference_price", "broker", "role", "instrument", "session", "decision"),
    *("decision__reasoning", "decision__target", "decision__indicators", "decision__metadata"),
)
Reached = tuple[Decimal, Decimal] | None  # the highest and lowest price, in today's units
Prices = tuple[Reached, Mapping[UUID, Mark], datetime]  # those that a trade reached, the last ones, and what time it is


class Closing(NamedTuple):
    """What closed a trade, or a part of it, in the units of its day; and the decision to do so."""

    order: UUID
    decision: UUID | None
    at: datetime
    quantity: Decimal
    price: Decimal
    fee: Decimal


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
    market_price: Decimal | None
    unrealized: Decimal | None
    exits: Sequence[Closing]
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
class Behind:
    """The orders that trades rest on, and the exits that entries were placed with; read once for all of them."""

    orders: dict[UUID, Order]
    legs: Mapping[UUID, Sequence[Order]]

    def record(self, account: Account, found: Found) -> TradeRecord:
        """Return the record of a trade."""
        return record_of(found.sized, _background(account, found, self))

    def lines(self, account: Account, found: Found) -> list[TradeRecord]:
        """Return the records that files have of a trade."""
        return lines_of(found.sized, _background(account, found, self), self._reasons(found))

    def exit_reasoning(self, found: Found) -> str:
        """Return why a trade was closed, as far as it was."""
        return "\n".join(dict.fromkeys(filter(None, self._reasons(found).values())))

    def _reasons(self, found: Found) -> dict[Any, str]:
        """Return why each order that closed a trade did."""
        entry = self.orders[found.order].decision
        return {key: _said_of(key, self.orders, entry) for key in _closing(found)}


@dataclass(frozen=True, slots=True)
class _Added:
    """What people added to trades, read once for all of them."""

    tags: Mapping[UUID, Sequence[TradeTag]]
    notes: Mapping[UUID, Sequence[TradeNote]]
    attachments: Mapping[UUID, Sequence[Attachment]]


def told(account: Account, found: Sequence[Found], *, at: datetime) -> list[Trade]:
    """Return what there is to tell of trades, in a number of questions that does not grow with them; `at` is now."""
    rows, added, reached = behind(account, found), _added(account, found), extremes(found, at=at)
    last = marks({one.facts.instrument for one in found if one.trip.remaining}, at=at)
    return [_trade(account, one, rows, added, (reached.get(number), last, at)) for number, one in enumerate(found)]


def records_of(account: Account, journal: Journal) -> Iterator[TradeRecord]:
    """Yield the records that files have of trades in their order, some at a time."""
    for first in range(0, len(journal.trades), AT_ONCE):
        some = journal.trades[first : first + AT_ONCE]
        rows = behind(account, some, for_records=True)
        for one in some:
            yield from rows.lines(account, one)


def stop_of(found: Found, legs: Sequence[Order]) -> Decimal | None:
    """Return the stop of a trade: the one that was decided on, else the one its order was placed with."""
    return found.facts.stop_loss if found.facts.stop_loss is not None else _leg(legs, LegRole.STOP_LOSS, "stop_price")


def behind(account: Account, found: Sequence[Found], *, for_records: bool = False) -> Behind:
    """Return the orders that trades rest on, whole or with no more than their records say."""
    opened = [one.order for one in found]
    needed: set[Any] = {*opened, *(key for one in found for key in _closing(one))}
    rows = Order.objects.filter(account=account, pk__in=needed)
    if for_records:  # of many: few columns, and what they have in common read once
        rows = rows.only(*OF_RECORDS).select_related("decision").prefetch_related("instrument", "session__strategy")
    else:
        rows = rows.select_related("instrument", "session__strategy", "decision")
    legs = Order.objects.filter(account=account, parent__in=opened, role__in=[LegRole.STOP_LOSS.value, LegRole.TAKE_PROFIT.value])
    legs = legs.only("parent", "role", "stop_price", "limit_price").order_by("created_at", "pk")
    return Behind({order.pk: order for order in rows}, grouped(legs, "parent_id"))


def _added(account: Account, found: Sequence[Found]) -> _Added:
    """Return what people added to trades."""
    opened = [one.order for one in found]
    notes = TradeNote.objects.filter(account=account, order__in=opened).select_related("author").order_by("created_at", "pk")
    pictures = Attachment.objects.filter(account=account, order__in=opened).select_related("author").order_by("created_at", "pk")
    tags = TradeTag.objects.filter(account=account, order__in=opened).order_by("tag")
    return _Added(grouped(tags), grouped(notes), grouped(pictures))


def _trade(
    account: Account, found: Found, rows: Behind, added: _Added, prices: tuple[Reached, Mapping[UUID, Mark], datetime]
) -> Trade:
    """Return what there is to tell of one trade."""
    sized, key = found.sized, found.order
    about = _background(account, found, rows)
    reached, last, at = prices
    mark = last.get(found.facts.instrument) if found.trip.remaining else None
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
        market_price=None if mark is None else mark.price,
        unrealized=None if mark is None else sized.unrealized(mark.price, at=mark.at),
        exits=[_closed(rows, one) for one in sized.parts],
        tags=[row.tag for row in added.tags.get(key, ())],
        notes=added.notes.get(key, ()),
        attachments=added.attachments.get(key, ()),
    )


def _background(account: Account, found: Found, rows: Behind) -> Background:
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
        execution_mode=_mode_of(order, session, account),
        account_id=str(account.pk),
        strategy_name=strategy.name if strategy else "",
        entry_type=found.facts.entry_type,
        stop_loss=stop_of(found, legs),
        target=target,
        reasoning=decision.reasoning if decision else "",
        indicators=tuple(indicators),
        planned=planned_in(decision.metadata) if decision else None,
        reference_price=order.reference_price,
        exit_reasoning=rows.exit_reasoning(found),
        session_id=_name_of(session),
        bot_version=session.code_version if session else "",
        config_hash=session.config_hash if session else "",
    )


def _name_of(session: Session | None) -> str:
    """Return how files call a session: one that a file brought in keeps its name."""
    if session is None:
        return ""
    return session.external_id.partition("#")[0] or str(session.pk)


def _closed(rows: Behind, part: Exit) -> Closing:
    """Return what closed a part of a trade."""
    key: Any = part.order
    order = rows.orders.get(key)
    return Closing(key, order.decision_id if order is not None else None, part.at, part.quantity, part.price, part.fee)


def _mode_of(order: Order, session: Session | None, account: Account) -> str:
    """Return how a trade was executed: the simulator never trades live, whatever the account has become since."""
    if session is not None:
        return session.execution_mode
    return ExecutionMode.PAPER.value if order.broker == PAPER else account.execution_mode


def _closing(found: Found) -> list[Any]:
    """Return the orders that closed a trade, each once."""
    return list(dict.fromkeys(one.order for one in found.trip.exits))


def _said_of(key: Any, orders: Mapping[UUID, Order], entry: Decision | None) -> str:
    """Return why an order closed: the reason of a decision of its own, else what it was there for."""
    order = orders.get(key)
    if order is None:
        return ""
    decision = order.decision
    own: str = decision.reasoning if decision is not None and (entry is None or decision.pk != entry.pk) else ""
    return own or EXIT_WORDS.get(order.role, "")


def _leg(legs: Sequence[Order], role: LegRole, price: str) -> Decimal | None:
    """Return the price of the first order of a role that hangs on an entry."""
    found: Decimal | None = next((getattr(leg, price) for leg in legs if leg.role == role.value), None)
    return found


def _excursion(sized: Sized, reached: Reached, at: datetime) -> Excursion:
    """Return how far the price went against a trade and for it; `reached` is in today's units."""
    trip = sized.trip
    end = max(trip.closed_at or at, trip.opened_at)
    bars = [] if reached is None else [PriceBar(trip.opened_at, end, *reached)]
    return excursion(trip, bars, until=end)
