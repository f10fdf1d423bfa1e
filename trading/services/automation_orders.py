"""What an automatic session does about a bar: first what is in the way goes, then it leaves, then it enters.

All of it happens in the transaction that notes the bar as seen, under the account's trading lock, and through the one service
that places orders. What waits for other orders is gone on with when they have ended; each order has the evaluation's id in its
own, so it could not be placed a second time, either.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.core.exceptions import ValidationError

from accounts.domain.roles import Role
from accounts.models import Account, Membership
from marketdata.domain.instruments import AssetClass
from marketdata.models import Bar, Instrument
from portfolio.domain.exact import EXACT, ONE, ZERO, plain
from trading.domain.automation import CENT, NEVER, Automation, in_steps, in_ticks
from trading.domain.backtest import Sizing
from trading.domain.bar_times import fresh_until, known_from
from trading.domain.decisions import DecisionDraft
from trading.domain.drafts import OrderDraft, Replacement, StopLoss, TakeProfit
from trading.domain.following import Change, Outcome, change, choice_of, said, side_of, sign, signal_of
from trading.domain.orders import OrderClass, OrderType, PositionEffect, Sending, Side, TimeInForce
from trading.domain.signals import SignalDraft
from trading.models import Door, Evaluation, Order, Session
from trading.selectors.sessions import held_in, open_orders_of
from trading.services.decisions import record_decision
from trading.services.orders import Ordering, cancel_order, place_order, replace_order
from trading.services.refusals import NotAsThingsStand
from trading.services.risk import refuse_stopped
from trading.services.signals import record_signal
from trading.services.sizing import STEPS, size_of
from trading.services.standing import standing_now

SOURCE = "strategy"
ALONE = frozenset({AssetClass.CRYPTO, AssetClass.OPTION})  # traded by simple orders: their stops are watched bar by bar
IN, OUT, STOP = "in", "out", "stop"


@dataclass(frozen=True, slots=True)
class Desk:
    """Where a session trades an instrument, and when; the account's trading is held."""

    session: Session
    account: Account
    instrument: Instrument
    automation: Automation
    at: datetime
    on_step: Callable[[str], None] = lambda _step: None

    @property
    def tick(self) -> Decimal:
        """The smallest step of its prices."""
        return self.instrument.tick_size or CENT

    def by(self, row: Evaluation) -> Ordering:
        """Return who orders, and what for."""
        return Ordering(
            actor=self.session.actor, door=Door.STRATEGY, at=self.at, session=self.session, decision=row.decision
        )  # fmt: skip


def act(desk: Desk, row: Evaluation, bar: Bar | None = None) -> None:
    """Do what is to be done about a bar, and say in its row what came of it; with the bar, it is decided on first."""
    held = _held(desk)
    wish = change(target=row.target, before=row.before, held=held)
    if bar is not None and _touched(desk, row, bar, held):
        wish = Change(ZERO)
    orders = open_orders_of(desk.session, desk.instrument)
    stray = [one for one in orders if one.effect == PositionEffect.OPEN and Side(one.side).sign != sign(row.target)]
    if bar is not None and not (wish.is_nothing and not stray):
        _decide(desk, row, bar, wish, held or _pending(stray))
        desk.on_step("decided")
    try:
        refuse_changed(desk)
        if wish.is_nothing and not stray:
            _say(row, Outcome.NOTHING, _why_nothing(row, held, orders))
            _guard(desk, row, held, orders)
        elif _gone(desk, row, stray):
            _carry_out(desk, row, wish, held)
    except NotAsThingsStand as refusal:
        stopped = refusal.code in {"trading_paused", "trading_halted", "session_changed"}
        _say(row, Outcome.STOPPED if stopped else Outcome.REFUSED, _told(refusal))
    except ValidationError as refusal:
        _say(row, Outcome.REFUSED, _told(refusal))


def refuse_changed(desk: Desk) -> None:
    """Refuse to trade where the account is not what it was when the session began, or the one who began it may not any more.

    :raises NotAsThingsStand: saying what to do
    """
    session, account = desk.session, desk.account
    detail = ""
    if session.execution_mode != account.execution_mode:
        detail = f"The session began on {session.execution_mode}, and the account is {account.execution_mode} now; begin another."
    rows = Membership.objects.filter(account=account, user=session.actor_id, accepted_at__isnull=False, role__gte=Role.TRADER)
    if not detail and not rows.exists():
        detail = f"{session.actor} began the session and may not trade in the account any more; end it, and begin another."
    if detail:
        raise NotAsThingsStand(detail, "session_changed")


def _carry_out(desk: Desk, row: Evaluation, wish: Change, held: Decimal) -> None:
    """Leave, and enter, as far as that can be done now; exits that wait for their price are in the way of leaving."""
    if wish.leaves:
        refuse_stopped(account=desk.account, closing=True)
        exits = [one for one in open_orders_of(desk.session, desk.instrument) if one.effect == PositionEffect.CLOSE]
        if any(one.type == OrderType.MARKET for one in exits):
            _say(row, Outcome.WAITING, "The order to get out is under way.")
        elif _gone(desk, row, exits):
            _leave(desk, row, wish, held)
    elif wish.entered:
        _enter(desk, row, wish.entered)
    else:
        _say(row, Outcome.NOTHING, "The order to get in was canceled before it was filled.")


def _gone(desk: Desk, row: Evaluation, orders: Sequence[Order]) -> bool:
    """Cancel orders that are in the way, and say whether they are gone; if their broker has to be asked, the row waits."""
    for order in orders:
        order.refresh_from_db()  # it may have gone with another of its group
        if order.is_open:
            cancel_order(order=order, by=desk.by(row))
    left = Order.objects.open().filter(account=desk.account, pk__in=[order.pk for order in orders]).count()
    if left:
        _say(row, Outcome.WAITING, f"{left} of its orders are being canceled first.")
    return not left


def _guard(desk: Desk, row: Evaluation, held: Decimal, orders: Sequence[Order]) -> None:
    """Let the stop order of a position that goes on follow its stop; put one there where none is any more."""
    if not held or row.stop is None or desk.instrument.asset_class in ALONE:
        return
    stop, exits = in_ticks(row.stop, desk.tick), [one for one in orders if one.effect == PositionEffect.CLOSE]
    stops = [one for one in exits if one.type == OrderType.STOP and one.sending == Sending.SETTLED and one.stop_price != stop]
    if exits and not stops:
        return
    refuse_stopped(account=desk.account, closing=True)
    if stops:
        replace_order(order=stops[0], change=Replacement(stop_price=stop), by=desk.by(row))
    else:
        draft = OrderDraft(
            side=Side.SELL if held > 0 else Side.BUY,
            type=OrderType.STOP,
            quantity=abs(held),
            stop_price=stop,
            time_in_force=TimeInForce.GTC,
            client_order_id=f"{row.pk}-{STOP}",
        )
        place_order(account=desk.account, instrument=desk.instrument, draft=draft, by=desk.by(row))
    _say(row, Outcome.NOTHING, f"The plan is as it was; the stop is set to {plain(stop)}.")


def _leave(desk: Desk, row: Evaluation, wish: Change, held: Decimal) -> None:
    """Sell what is held, or buy back what is short, or a part of it."""
    client_order_id = f"{row.pk}-{OUT}"
    before = Order.objects.filter(account=desk.account, client_order_id=client_order_id).first()
    if before is not None:
        _say(row, Outcome.REFUSED, f"The order to get out is {before.status}; it is tried again after the next bar.")
        return
    quantity = abs(held)
    if wish.left:
        quantity = in_steps(EXACT.multiply(quantity, ONE - wish.left), _step(desk.instrument))
    if quantity <= 0:
        _say(row, Outcome.NOTHING, "The part to be left is less than one unit.")
        return
    draft = OrderDraft(
        side=Side.SELL if held > 0 else Side.BUY,
        quantity=quantity,
        time_in_force=_time(desk.instrument, legs=False),
        client_order_id=client_order_id,
    )
    place_order(account=desk.account, instrument=desk.instrument, draft=draft, by=desk.by(row))
    if wish.entered:
        _say(row, Outcome.WAITING, "The position is closed first; the other way is entered when that is done.")
    else:
        _say(row, Outcome.ORDERED, f"{draft.side} {plain(quantity)} to get out.")


def _enter(desk: Desk, row: Evaluation, share: Decimal) -> None:
    """Buy, or sell short, a share of a full position, with its stop and target hanging on it."""
    if desk.at >= fresh_until(desk.automation.timeframe, desk.instrument.exchange, row.bar):
        _say(row, Outcome.MISSED, "It is too late to get in on this bar; it stays out until the plan wants something else.")
        return
    refuse_stopped(account=desk.account)
    side = side_of(share)
    draft, limited_by = _sized(desk, row, side, abs(share))
    if draft is None:
        _say(row, Outcome.REFUSED, f"Not even one unit fits: {limited_by}.")
        return
    place_order(account=desk.account, instrument=desk.instrument, draft=draft, by=desk.by(row))
    _say(row, Outcome.ORDERED, f"{side} {plain(draft.quantity or ZERO)} to get in; the size goes by {limited_by}.")


def _sized(desk: Desk, row: Evaluation, side: Side, share: Decimal) -> tuple[OrderDraft | None, str]:
    """Return the order that enters, by the position size calculator and the account's limits; none if nothing fits, and why."""
    automation, instrument = desk.automation, desk.instrument
    market = standing_now(account=desk.account, at=desk.at, instrument=instrument).price
    price, stop = max(row.close, market.to(side)) if market is not None else row.close, row.stop
    sized = size_of(
        account=desk.account,
        instrument=instrument,
        side=side,
        stop=stop or (NEVER if side is Side.BUY else price * 2),  # without a stop, all of the price is at risk
        at=desk.at,
        entry=price,
        risk_share=automation.amount if automation.sizing is Sizing.RISK else ONE,
    )
    found, request = sized.size, sized.request
    asked = automation.asked(equity=request.equity, unit=EXACT.multiply(EXACT.multiply(price, request.multiplier), request.rate))
    quantity, limited_by = found.quantity, found.capped_by.value
    if asked is not None and asked <= quantity:
        quantity, limited_by = asked, automation.sizing.value
    quantity = in_steps(EXACT.multiply(quantity, share), _step(instrument))
    if quantity <= 0:
        return None, limited_by
    legs = instrument.asset_class not in ALONE
    target = automation.target_at(row.close, side, desk.tick)
    loss = StopLoss(stop) if stop is not None and legs else None
    profit = TakeProfit(target) if target is not None and legs else None
    classes = {0: OrderClass.SIMPLE, 1: OrderClass.OTO, 2: OrderClass.BRACKET}
    draft = OrderDraft(
        side=side,
        quantity=quantity,
        time_in_force=_time(instrument, legs=bool(loss or profit)),
        order_class=classes[bool(loss) + bool(profit)],
        stop_loss=loss,
        take_profit=profit,
        client_order_id=f"{row.pk}-{IN}",
    )
    return draft, limited_by


def _decide(desk: Desk, row: Evaluation, bar: Bar, wish: Change, held: Decimal) -> None:
    """Record what was seen and what is decided on it."""
    session, strategy = desk.session, desk.automation.strategy
    known = known_from(desk.automation.timeframe, desk.instrument.exchange, bar.timestamp)
    said_of_bar = {name: _text(getattr(bar, name)) for name in ("open", "high", "low", "close", "volume")}
    facts = {
        "strategy": strategy.name,
        "parameters": dict(desk.automation.parameters),
        "timeframe": desk.automation.timeframe.value,
        "bar": {"timestamp": bar.timestamp.isoformat(), **said_of_bar},
        "target": plain(row.target),
        "before": plain(row.before),
        "held": plain(held),
    }
    goal = None
    if wish.entered:
        side = side_of(wish.entered)
        row.stop = desk.automation.stop_at(row.close, side, row.stop, desk.tick)
        goal = desk.automation.target_at(row.close, side, desk.tick)
    draft = SignalDraft(
        at=known, kind=signal_of(wish, held), source=f"{strategy.name}/{session.pk}", strength=abs(row.target or ONE), data=facts
    )
    row.signal, _ = record_signal(
        account=desk.account, instrument=desk.instrument, draft=draft, now=desk.at, session=session
    )  # fmt: skip
    reasoning = (
        f"{strategy.name} wants to be {said(row.target)} after the bar of {bar.timestamp:%Y-%m-%d %H:%M} UTC, which closed at "
        f"{plain(row.close)}; before, it wanted to be {said(row.before)}."
    )
    row.decision = record_decision(
        account=desk.account,
        instrument=desk.instrument,
        draft=DecisionDraft(
            at=known,
            choice=choice_of(wish, held),
            confidence=abs(row.target or ONE),
            reasoning=reasoning,
            entry_type=strategy.entry_type,
            indicators=strategy.indicators,
            price=row.close,
            stop_loss=row.stop if wish.entered else None,
            target=goal,
            metadata=facts,
        ),
        actor=session.actor,
        now=desk.at,
        session=session,
        signal=row.signal,
        source=SOURCE,
        external_id=f"{session.pk}:{desk.instrument.pk}:{bar.timestamp.isoformat()}",
    )


def _held(desk: Desk) -> Decimal:
    """Return what the session holds, as far as the account does: somebody may have sold it by hand."""
    own = held_in(desk.session, at=desk.at).get(desk.instrument.pk, ZERO)
    if not own:
        return ZERO
    held = standing_now(account=desk.account, at=desk.at, instrument=desk.instrument).held
    return min(abs(own), abs(held)) * sign(own) if sign(held) == sign(own) else ZERO


def _pending(orders: Sequence[Order]) -> Decimal:
    """Return which way orders would get in."""
    return Decimal(Side(orders[0].side).sign) if orders else ZERO


def _touched(desk: Desk, row: Evaluation, bar: Bar, held: Decimal) -> bool:
    """Say whether a bar touched the stop of a position that has no stop order, as its instrument takes none."""
    if not held or row.stop is None or desk.instrument.asset_class not in ALONE or sign(held) != sign(row.before):
        return False
    return bar.low <= row.stop if held > 0 else bar.high >= row.stop


def _why_nothing(row: Evaluation, held: Decimal, orders: Sequence[Order]) -> str:
    """Return why nothing is to be done."""
    if not row.target or held or orders:
        return f"The plan is to be {said(row.target)}, and that is as it was."
    return f"The plan is to be {said(row.target)}; what it got into ended or was missed, and it waits for another plan."


def _step(instrument: Instrument) -> Decimal:
    """Return the smallest part of an instrument that is ordered."""
    return STEPS.get(AssetClass(instrument.asset_class), ONE)


def _time(instrument: Instrument, *, legs: bool) -> TimeInForce:
    """Return how long an order stands: with a stop on it until that is no longer needed."""
    always = legs or AssetClass(instrument.asset_class) is AssetClass.CRYPTO
    return TimeInForce.GTC if always else TimeInForce.DAY


def _say(row: Evaluation, outcome: Outcome, detail: str) -> None:
    """Let a row say what came of its bar."""
    row.outcome, row.detail = outcome.value, detail


def _told(refusal: ValidationError) -> str:
    """Return a refusal in one line."""
    return " ".join(refusal.messages)


def _text(number: Decimal | None) -> str | None:
    """Return a number as JSON carries it."""
    return None if number is None else plain(number)
