"""Trade records brought in: each becomes what it is derived from - a session, a decision, orders and fills with their entries.

No table keeps the records themselves. An order id is used once in an account: the same trade again is known, the same id with
other figures is refused by name, and one that was open is closed by a record that says how.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from uuid_utils.compat import uuid7

from accounts.domain.ledger import CLOCK_SKEW
from marketdata.models import Instrument
from portfolio.domain.exact import EXACT, ONE, ZERO
from trading.domain.decisions import DecisionDraft
from trading.domain.fills import Fill as Filled
from trading.domain.journal import PLANNED, as_said, for_files, is_closed
from trading.domain.orders import EventKind, OrderStatus, PositionEffect, Sending, Side
from trading.domain.outcomes import Choice
from trading.domain.sessions import VERSION, config_hash
from trading.domain.trade_imports import CENT, LONGEST_ID, Ending, check_figures, ending_of, exit_of, fees_of, unlike
from trading.domain.trade_records import TradeRecord, read_line
from trading.models import Decision, Door, Order, OrderEvent, Session, Strategy
from trading.selectors.journal import Asked, Found, journal_of
from trading.selectors.journal_details import record_told
from trading.services.decisions import record_decision
from trading.services.file_runs import PieceRefused, Run
from trading.services.fills import Execution, post_fills

SOURCE = "trades.jsonl"
BROKER = "import"
HEX = frozenset("0123456789abcdef")
HASHES = (32, 64)  # of MD5 and of SHA-256
LONGEST_NAME = 90


@dataclass(slots=True)
class TradeRun(Run):
    """A run over trade records; `most` is the largest quantity that is taken."""

    most: Decimal | None = None
    sessions: dict[UUID, datetime] = field(default_factory=dict)  # the last that happened in each
    trades: dict[UUID, dict[UUID, Found]] = field(default_factory=dict)  # by instrument, until something of it is filled

    def store(self, text: str) -> bool:
        """Bring in what a record says that is not known yet."""
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
        record = replace(as_said(record), config_hash=record.config_hash.lower())
        order = Order.objects.filter(account=self.account, client_order_id=record.order_id).select_related("instrument").first()
        if order is None:
            self._open(record, instrument)
            return True
        if order.instrument_id != instrument.pk:
            raise PieceRefused("conflicting_trade", f"symbol: the order {record.order_id} is one in {order.instrument.key}.")
        return self._again(order, record)

    def finish(self) -> None:
        """End the sessions of the past with the last that happened in them."""
        for session in Session.objects.filter(account=self.account, pk__in=self.sessions.keys()):
            last = max(self.sessions[session.pk], session.ended_at or session.started_at)
            if session.ended_at != last:
                session.ended_at = last
                session.save(update_fields=["ended_at"])

    def _open(self, record: TradeRecord, instrument: Instrument) -> None:
        """Write down a trade that is not known."""
        session = self._session(record)
        fee = fees_of(record)
        ending = ending_of(record, instrument.multiplier, paid=fee) if is_closed(record.outcome) else None
        if ending is not None:
            self._check_end(record, ending)
        decision = self._decision(record, session, instrument)
        slipped = record.slippage
        sign = Side(record.action).sign
        expected = None if slipped is None else EXACT.subtract(record.price, slipped * sign)
        if expected is not None and expected <= 0:
            raise PieceRefused("contradicts", "slippage: the price that was expected would be zero or below.")
        order = self._order(record.order_id, Side(record.action), record.quantity, record.timestamp, instrument)
        order.session, order.decision, order.reference_price = session, decision, expected
        self._fill(order, ((record.quantity, record.price),), record.timestamp, fee)
        if ending is not None:
            self._close(order, ending, session)

    def _again(self, order: Order, record: TradeRecord) -> bool:
        """Look at a record whose order id is known: the same, or how the trade was closed.

        :raises PieceRefused: if it says something else
        """
        if order.instrument_id not in self.trades:
            found_there = journal_of(self.account, Asked(instrument=order.instrument_id)).trades
            self.trades[order.instrument_id] = {one.order: one for one in found_there}
        found = self.trades[order.instrument_id].get(order.pk)
        if found is None:
            raise PieceRefused("conflicting_trade", f"order_id: the order {record.order_id} opened no trade.")
        if record.action != order.side:
            return self._exit(order, found, record)
        known = record_told(self.account, found)
        if differs := unlike(known, record):
            said, there = (getattr(for_files(one), differs[0]) for one in (record, known))
            detail = f"The trade {record.order_id} is known with another {', '.join(differs)} ({there}, not {said})."
            raise PieceRefused("conflicting_trade", detail)
        if not is_closed(record.outcome) or is_closed(known.outcome):
            return False
        if found.trip.exits:
            raise PieceRefused("conflicting_trade", f"The trade {record.order_id} has been closed in part; say how the rest was.")
        ending = ending_of(record, order.instrument.multiplier, paid=found.trip.paid)
        self._check_end(record, ending)
        self._close(order, ending, order.session)
        return True

    def _exit(self, order: Order, found: Found, record: TradeRecord) -> bool:
        """Close a trade, or a part of it, by the record of the order that did."""
        ending = exit_of(record)
        if Order.objects.filter(account=self.account, client_order_id=ending.client_order_id(order.client_order_id)).exists():
            return False
        trip = found.trip
        if ending.quantity > trip.remaining:
            raise PieceRefused("contradicts", f"quantity: only {trip.remaining.normalize():f} of the trade are open.")
        if ending.at < trip.opened_at:
            raise PieceRefused("contradicts", "timestamp: the trade was opened later.")
        price = ending.parts[0][1]
        made = EXACT.multiply(EXACT.subtract(price, trip.entry_price), ending.quantity * trip.multiplier) * trip.direction.sign
        if record.profit_loss is not None and abs(EXACT.subtract(record.profit_loss, made)) > CENT:
            raise PieceRefused("contradicts", f"profit_loss: the prices come to {made.normalize():f}.")
        self._close(order, ending, order.session)
        return True

    def _check_end(self, record: TradeRecord, ending: Ending) -> None:
        """Refuse an end that cannot be.

        :raises PieceRefused: if it lies before the beginning or in the future
        """
        if ending.at < record.timestamp:
            raise PieceRefused("contradicts", "exit_timestamp: the trade would have ended before it began.")
        if ending.at > self.at + CLOCK_SKEW:
            raise PieceRefused("future_time", "exit_timestamp: the time lies in the future.")

    def _close(self, opening: Order, ending: Ending, session: Session | None) -> None:
        """Write down what closed a trade."""
        side, name = Side(opening.side).opposite, ending.client_order_id(opening.client_order_id)
        order = self._order(name, side, ending.quantity, ending.at, opening.instrument)
        order.effect, order.parent, order.session = PositionEffect.CLOSE.value, opening, session
        if ending.reasoning:
            draft = DecisionDraft(at=ending.at, choice=Choice(side.value), confidence=ONE, reasoning=ending.reasoning)
            order.decision = record_decision(
                account=self.account,
                instrument=opening.instrument,
                draft=draft,
                actor=self.actor,
                now=self.at,
                session=session,
                source=SOURCE,
                external_id=name,
                past=True,
            )
        self._fill(order, ending.parts, ending.at, ending.fee)
        self._happened(session, ending.at)

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

    def _fill(self, order: Order, parts: tuple[tuple[Decimal, Decimal], ...], at: datetime, fee: Decimal) -> None:
        """Store an order with its first event, and post what was filled of it."""
        self.trades.pop(order.instrument_id, None)
        order.save(force_insert=True)
        OrderEvent.objects.create(
            account=self.account,
            order=order,
            sequence=1,
            kind=EventKind.CREATED.value,
            status=OrderStatus.NEW.value,
            at=at,
            recorded_at=self.at,
            door=Door.IMPORT,
            actor=self.actor,
        )
        digest = hashlib.sha256(order.client_order_id.encode()).hexdigest()[:32]
        executions = [
            Execution(order.pk, Filled(f"{BROKER}:{digest}:{number}", quantity, price, at, ZERO if number else fee))
            for number, (quantity, price) in enumerate(parts)
        ]
        post_fills(account=self.account, executions=executions, broker=BROKER, actor=self.actor, now=self.at, door=Door.IMPORT)

    def _decision(self, record: TradeRecord, session: Session | None, instrument: Instrument) -> Decision | None:
        """Write down why a trade was taken, where the record says anything of it."""
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
        return record_decision(
            account=self.account,
            instrument=instrument,
            draft=draft,
            actor=self.actor,
            now=self.at,
            session=session,
            source=SOURCE,
            external_id=record.order_id,
            past=True,
        )

    def _session(self, record: TradeRecord) -> Session | None:
        """Return the session of a record, begun where it is not known; sessions of several strategies are told apart by them."""
        name, strategy_name = record.session_id, record.strategy_name
        if not name and not strategy_name:
            return None
        if "#" in name or len(name) > LONGEST_NAME:
            raise PieceRefused("invalid", f"session_id: write up to {LONGEST_NAME} characters, none of them #.")
        if len(strategy_name) > LONGEST_NAME:
            raise PieceRefused("invalid", f"strategy_name: at most {LONGEST_NAME} characters are taken.")
        strategy = self._strategy(strategy_name, record.timestamp) if strategy_name else None
        called = [name, f"{name}#{strategy_name}"] if name else [f"#{strategy_name}"]
        rows = list(Session.objects.filter(account=self.account, external_id__in=called))
        known = next((one for one in rows if one.strategy_id == (strategy.pk if strategy else None)), None)
        if known is None:
            return self._begin(record, strategy, f"{name}#{strategy_name}" if rows or not name else name)
        self._check_session(known, record)
        if record.timestamp < known.started_at:
            known.started_at = record.timestamp
            known.save(update_fields=["started_at"])
        self._happened(known, record.timestamp)
        return known

    def _begin(self, record: TradeRecord, strategy: Strategy | None, external_id: str) -> Session:
        """Write down a session of the past."""
        digest = record.config_hash or config_hash({})
        if len(digest) not in HASHES or not set(digest) <= HEX:
            raise PieceRefused("invalid", "config_hash: write a hash in hexadecimal digits, 32 or 64 of them.")
        if not VERSION.fullmatch(record.bot_version):
            raise PieceRefused("invalid", "bot_version: write up to 100 letters, digits and . + - _ /")
        session = Session.objects.create(
            account=self.account,
            strategy=strategy,
            execution_mode=record.execution_mode,
            code_version=record.bot_version,
            config_hash=digest,
            external_id=external_id,
            actor=self.actor,
            started_at=record.timestamp,
        )
        self._happened(session, record.timestamp)
        return session

    def _check_session(self, session: Session, record: TradeRecord) -> None:
        """Refuse a record that says something else of its session than those before.

        :raises PieceRefused: naming the field
        """
        said = (
            ("bot_version", record.bot_version, session.code_version),
            ("config_hash", record.config_hash, session.config_hash),
        )
        for name, now, before in said:
            if now and now.lower() != before.lower():
                raise PieceRefused("conflicting_session", f"{name}: the session {record.session_id} is known with {before}.")

    def _strategy(self, name: str, at: datetime) -> Strategy:
        """Return a strategy by its name: one that runs in the account, or one of whoever brings the file in."""
        running = Session.objects.filter(account=self.account, strategy__name=name).select_related("strategy").first()
        if running is not None and running.strategy is not None:
            return running.strategy
        made, _ = Strategy.objects.get_or_create(
            user=self.actor, name=name, defaults={"created_at": self.at, "updated_at": max(at, self.at)}
        )
        return made

    def _happened(self, session: Session | None, at: datetime) -> None:
        """Note that something happened in a session of the past."""
        if session is not None and session.external_id:
            self.sessions[session.pk] = max(at, self.sessions.get(session.pk, at))
