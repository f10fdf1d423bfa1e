"""Trade records brought in: each becomes what it is derived from - a session, a decision, orders and fills with their entries.

No table keeps the records themselves. An order id is used once in an account: the same trade again is known, the same id with
other figures is refused by name, and one that was open is closed by a record that says how. Records are taken some hundred at a
time: what is known of their trades is read once, and what is new is stored together.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Q
from uuid_utils.compat import uuid7

from accounts.domain.ledger import CLOCK_SKEW
from marketdata.models import Instrument
from portfolio.domain.exact import EXACT, ONE, ZERO
from trading.domain.decisions import DecisionDraft
from trading.domain.fills import Fill as Filled
from trading.domain.journal import PLANNED, as_said, factor_after, for_files, is_closed
from trading.domain.orders import PositionEffect, Sending, Side
from trading.domain.outcomes import Choice
from trading.domain.trade_imports import CENT, LONGEST_ID, Ending, check_figures, ending_of, exit_of, fees_of, unlike
from trading.domain.trade_records import TradeRecord, read_line
from trading.models import Decision, Door, Fill, Order
from trading.selectors.journal import COLUMNS, Found, Splits, derived, splits_of
from trading.selectors.journal_details import Behind, behind
from trading.services.decisions import drafted
from trading.services.file_runs import PieceRefused, Run
from trading.services.past_orders import BROKER, post_past
from trading.services.trade_sessions import PastSessions

SOURCE = "trades.jsonl"


@dataclass(frozen=True, slots=True)
class Said:
    """A record with the instrument that it means."""

    record: TradeRecord
    instrument: Instrument


@dataclass(slots=True)
class TradeRun(Run[Said]):
    """A run over trade records; `most` is the largest quantity that is taken.

    What is kept between `prepare` and `write`: the orders that records name, the fills from which their trades follow (of one
    trade, or, where something was closed that was ordered for no trade in particular, of all that was traded of an instrument),
    those trades, and what is new.
    """

    most: Decimal | None = None
    sessions: PastSessions = field(init=False)
    splits: dict[UUID, Any] = field(default_factory=dict)
    mixed: dict[UUID, bool] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    fills: dict[UUID, list[Sequence[Any]]] = field(default_factory=dict)
    trades: dict[UUID, dict[UUID, Found]] = field(default_factory=dict)
    behind: Behind = field(default_factory=lambda: Behind({}, {}))
    decisions: list[Decision] = field(default_factory=list)
    fresh: dict[UUID, Sequence[Filled]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Know no session yet."""
        self.sessions = PastSessions(self.account, self.actor, self.at)

    def read(self, text: str) -> Said:
        """Return what a line says, if its figures agree with one another."""
        record = read_line(text)
        record.check(most=self.most)
        self.check_time("timestamp", record.timestamp)
        self.check_time("exit_timestamp", record.exit_timestamp)
        if len(record.order_id) > LONGEST_ID:
            raise PieceRefused("invalid", f"order_id: at most {LONGEST_ID} characters are taken.")
        if record.execution_mode != self.account.execution_mode:
            detail = f"execution_mode: the account trades {self.account.execution_mode}; bring the file into one that does not."
            raise PieceRefused("other_mode", detail)
        instrument = self.instrument(record.symbol)
        check_figures(record, instrument.multiplier)
        return Said(replace(as_said(record), config_hash=record.config_hash.lower()), instrument)

    def prepare(self, items: Sequence[Said]) -> None:
        """Read what is known of the trades that records name."""
        self.forget()
        self._look_at({said.instrument.pk for said in items})
        named = {said.record.order_id for said in items}
        named |= {exit_of(said.record).client_order_id(said.record.order_id) for said in items}
        rows = Order.objects.filter(account=self.account, client_order_id__in=named).select_related("instrument")
        self.orders = {order.client_order_id: order for order in rows}
        known = [order for order in self.orders.values() if order.effect == PositionEffect.OPEN]
        if not known:
            return
        whole = {order.instrument_id for order in known if self.mixed[order.instrument_id]}
        alone = [order.pk for order in known if order.instrument_id not in whole]
        ids = {*alone, *Order.objects.filter(account=self.account, parent__in=alone).values_list("pk", flat=True)}
        fills = Fill.objects.filter(Q(order__instrument__in=whole) | Q(order__in=ids), account=self.account)
        for row in fills.order_by("at", "pk").values_list(*COLUMNS):
            self._happened(row)
        self.behind = behind(self.account, [one for order in known if (one := self._found(order)) is not None])

    def keep(self, item: Said) -> bool:
        """Bring in what a record says that is not known yet."""
        record, order = item.record, self.orders.get(item.record.order_id)
        if order is None:
            self._open(record, item.instrument)
            return True
        if order.instrument_id != item.instrument.pk:
            raise PieceRefused("conflicting_trade", f"symbol: the order {record.order_id} is one in {order.instrument.key}.")
        return self._again(order, record)

    def write(self) -> None:
        """Store what is new."""
        Decision.objects.bulk_create(self.decisions)
        orders = [order for order in self.orders.values() if order.pk in self.fresh]
        post_past(account=self.account, orders=orders, fills=self.fresh, actor=self.actor, now=self.at)
        self._forget_rows()
        self.sessions.settle()

    def forget(self) -> None:
        """Know nothing any more of records that were kept."""
        self._forget_rows()
        self.sessions.forget()

    def finish(self) -> None:
        """End the sessions of the past with the last that happened in them."""
        self.sessions.finish()

    def _forget_rows(self) -> None:
        self.orders, self.fills, self.trades, self.behind = {}, {}, {}, Behind({}, {})
        self.decisions, self.fresh = [], {}

    def _look_at(self, instruments: set[UUID]) -> None:
        """Learn of instruments which splits they had, and whether something was closed that was ordered for no trade."""
        new = instruments - self.mixed.keys()
        if not new:
            return
        known: Splits = splits_of(new)
        self.splits |= {one: known.get(one, ()) for one in new}
        loose = Order.objects.filter(account=self.account, instrument__in=new, effect=PositionEffect.CLOSE.value)
        found = set(loose.filter(parent=None, filled_quantity__gt=0).values_list("instrument_id", flat=True))
        self.mixed |= {one: one in found for one in new}

    def _happened(self, row: Sequence[Any]) -> None:
        """Remember a fill, with the columns of the journal, among those that its trade follows from."""
        order, instrument, *_ = row
        parent = row[COLUMNS.index("order__parent_id")]
        key = instrument if self.mixed[instrument] else parent or order
        self.fills.setdefault(key, []).append(row)
        self.trades.pop(key, None)

    def _found(self, order: Order) -> Found | None:
        """Return the trade that an order opened."""
        key = order.instrument_id if self.mixed[order.instrument_id] else order.pk
        if key not in self.trades:
            rows = sorted(self.fills.get(key, []), key=lambda row: row[COLUMNS.index("at")])
            splits = {order.instrument_id: self.splits[order.instrument_id]}
            self.trades[key] = {one.order: one for one in derived(rows, splits)}
        return self.trades[key].get(order.pk)

    def _open(self, record: TradeRecord, instrument: Instrument) -> None:
        """Keep a trade that is not known."""
        fee, splits, sign = fees_of(record), self.splits[instrument.pk], Side(record.action).sign
        ending = ending_of(record, instrument.multiplier, paid=fee, splits=splits) if is_closed(record.outcome) else None
        if ending is not None:
            self._check_end(record, ending)
        expected = None if record.slippage is None else EXACT.subtract(record.price, record.slippage * sign)
        if expected is not None and expected <= 0:
            raise PieceRefused("contradicts", "slippage: the price that was expected would be zero or below.")
        decision = self._decision(record, instrument)
        order = self._order(record.order_id, Side(record.action), record.quantity, record.timestamp, instrument)
        order.reference_price = expected
        order.session = self.sessions.of(record)
        self.sessions.happened(order.session, record.timestamp)
        self._add(order, decision, ((record.quantity, record.price),), fee)
        if ending is not None:
            self._close(order, ending)

    def _again(self, order: Order, record: TradeRecord) -> bool:
        """Look at a record whose order id is known: the same, or how the trade was closed.

        :raises PieceRefused: if it says something else
        """
        found = self._found(order)
        if found is None:
            raise PieceRefused("conflicting_trade", f"order_id: the order {record.order_id} opened no trade.")
        order = self.behind.orders.get(order.pk, order)
        if record.action != order.side:
            return self._exit(order, found, record)
        known = self.behind.record(self.account, found)
        if differs := unlike(known, record):
            said, there = (getattr(for_files(one), differs[0]) for one in (record, known))
            detail = f"The trade {record.order_id} is known with another {', '.join(differs)} ({there}, not {said})."
            raise PieceRefused("conflicting_trade", detail)
        if not is_closed(record.outcome) or is_closed(known.outcome):
            return False
        trip = found.trip
        ending = ending_of(
            record,
            order.instrument.multiplier,
            paid=trip.paid,
            closed=found.sized.closed_quantity,
            made=trip.gross,
            splits=self.splits[order.instrument_id],
        )
        self._check_end(record, ending)
        rest = ending.reasoning.removeprefix(self.behind.exit_reasoning(found)).strip()
        self._close(order, replace(ending, reasoning=rest))
        return True

    def _exit(self, order: Order, found: Found, record: TradeRecord) -> bool:
        """Close a trade, or a part of it, by the record of the order that did."""
        ending, trip = exit_of(record), found.trip
        [(quantity, price)] = ending.parts
        if ending.client_order_id(order.client_order_id) in self.orders:
            return False
        if any((one.at, one.quantity, one.price) == (ending.at, quantity, price) for one in found.sized.parts):
            return False
        factor = factor_after(ending.at, self.splits[order.instrument_id])
        if EXACT.multiply(quantity, factor) > trip.remaining:
            left = EXACT.divide(trip.remaining, factor)
            raise PieceRefused("contradicts", f"quantity: only {left.normalize():f} of the trade are open.")
        if ending.at < trip.opened_at:
            raise PieceRefused("contradicts", "timestamp: the trade was opened later.")
        moved = EXACT.subtract(price, EXACT.multiply(trip.entry_price, factor))
        made = EXACT.multiply(moved, quantity * trip.multiplier) * trip.direction.sign
        if record.profit_loss is not None and abs(EXACT.subtract(record.profit_loss, made)) > CENT:
            raise PieceRefused("contradicts", f"profit_loss: the prices come to {made.normalize():f}.")
        self._close(order, ending)
        return True

    def _check_end(self, record: TradeRecord, ending: Ending) -> None:
        """Refuse an end that cannot be.

        :raises PieceRefused: if it lies before the beginning or in the future
        """
        if ending.at < record.timestamp:
            raise PieceRefused("contradicts", "exit_timestamp: the trade would have ended before it began.")
        if ending.at > self.at + CLOCK_SKEW:
            raise PieceRefused("future_time", "exit_timestamp: the time lies in the future.")

    def _close(self, opening: Order, ending: Ending) -> None:
        """Keep what closed a trade."""
        side, name = Side(opening.side).opposite, ending.client_order_id(opening.client_order_id)
        decision = None
        if ending.reasoning:
            draft = DecisionDraft(at=ending.at, choice=Choice(side.value), confidence=ONE, reasoning=ending.reasoning)
            decision = self._drafted(draft, opening.instrument, name)
        order = self._order(name, side, ending.quantity, ending.at, opening.instrument)
        order.effect, order.parent, order.session = PositionEffect.CLOSE.value, opening, opening.session
        self._add(order, decision, ending.parts, ending.fee)
        self.sessions.happened(opening.session, ending.at)

    def _order(self, name: str, side: Side, quantity: Decimal, at: datetime, instrument: Instrument) -> Order:
        """Return the row of an order of the past: nobody sends it any more."""
        return Order(
            id=uuid7(),
            account=self.account,
            client_order_id=name,
            instrument=instrument,
            side=side.value,
            quantity=quantity,
            door=Door.IMPORT,
            actor=self.actor,
            created_at=at,
            updated_at=self.at,
            broker=BROKER,
            sending=Sending.SETTLED.value,
        )

    def _add(self, order: Order, decision: Decision | None, parts: Sequence[tuple[Decimal, Decimal]], fee: Decimal) -> None:
        """Have an order stored with its decision and what was filled of it."""
        if decision is not None:
            decision.session = order.session
            order.decision = decision
            self.decisions.append(decision)
        digest = hashlib.sha256(order.client_order_id.encode()).hexdigest()[:32]
        filled = [
            Filled(f"{BROKER}:{digest}:{number}", quantity, price, order.created_at, ZERO if number else fee)
            for number, (quantity, price) in enumerate(parts)
        ]
        for one in filled:
            one.check()
        self.orders[order.client_order_id], self.fresh[order.pk] = order, filled
        self.behind.orders[order.pk] = order
        strategy = order.session.strategy if order.session is not None else None
        of_order = (order.pk, order.instrument_id, order.side, order.effect)
        about = (order.instrument.multiplier, order.parent_id, order.session_id, strategy.pk if strategy else None)
        decided = (decision.pk, decision.entry_type, decision.stop_loss) if decision is not None else (None, None, None)
        usual = strategy.entry_type if strategy else None
        for one in filled:
            figures = (one.at, one.quantity, one.price, one.fee)
            self._happened((*of_order, *figures, *about, decided[0], decided[1], usual, decided[2]))

    def _decision(self, record: TradeRecord, instrument: Instrument) -> Decision | None:
        """Return why a trade was taken, where the record says anything of it."""
        planned = record.risk_reward_ratio
        prices = {"stop_loss": record.stop_loss, "target": record.target}
        said = (record.decision_reasoning, record.entry_type, record.indicators_used, planned, *prices.values())
        if not any(said):
            return None
        for name, price in prices.items():
            if price is not None and price <= 0:
                raise PieceRefused("invalid", f"{name}: a price is above zero.")
        draft = DecisionDraft(
            at=record.timestamp,
            choice=Choice(record.action),
            confidence=ONE,
            reasoning=record.decision_reasoning,
            entry_type=record.entry_type,
            indicators=record.indicators_used,
            price=record.price,
            metadata={} if planned is None else {PLANNED: f"{planned:f}"},
            **prices,
        )
        return self._drafted(draft, instrument, record.order_id)

    def _drafted(self, draft: DecisionDraft, instrument: Instrument, name: str) -> Decision:
        """Return the row of a decision."""
        return drafted(
            draft=draft,
            now=self.at,
            account=self.account,
            instrument=instrument,
            actor=self.actor,
            source=SOURCE,
            external_id=name,
        )
