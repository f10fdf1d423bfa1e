"""Trading in the demo: an account on paper lives through the last two months of the sample, one day after the other.

The bars of a day are stored when that day is over, so nothing is known before it was, and all that happens goes through the
services that any trader uses: a strategy looks at its bars, orders are held against limits, sent to the paper broker, filled,
and posted. What was done before is found, wherever it ended.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from accounts.domain.ledger import EntryDraft, EntryKind
from accounts.models import Account, AccountKind, User
from accounts.models.tenancy import acting_as
from accounts.services.accounts import open_account
from accounts.services.ledger import post_entry
from marketdata.domain import calendars
from marketdata.domain.bars import Timeframe
from marketdata.selectors.instruments import find_instrument
from marketdata.services.ingest import store_bars
from marketdata.services.providers import listed_bars
from portfolio.services.projections import catch_up
from trading.domain.decisions import DecisionDraft
from trading.domain.drafts import OrderDraft, StopLoss, TakeProfit
from trading.domain.orders import OrderClass, OrderType, Side, TimeInForce
from trading.domain.outcomes import Choice
from trading.models import BacktestRun, Decision, Door, Fill, Order, Session, Strategy, TradeTag
from trading.models.backtests import BacktestKind
from trading.selectors.journal_pages import journal_of
from trading.selectors.risk import PAPER, pause_of
from trading.services.automation import evaluate_account
from trading.services.backtests import perform_backtest, request_backtest, runs_of
from trading.services.decisions import record_decision
from trading.services.journal import note_trade, tag_trade
from trading.services.looking import look_at
from trading.services.orders import Ordering, RiskBreached, cancel_order, place_order
from trading.services.pauses import resume_trading
from trading.services.risk import set_limits, watch
from trading.services.sending import send_orders
from trading.services.sessions import start_session
from trading.services.strategies import create_strategy

NAME = "Swing"
SOURCE = "sample"
FIRST, END = date(2013, 1, 2), date(2013, 3, 2)
BEGIN = datetime.combine(FIRST, time(), UTC)
FOLLOWED = ("GOOG:XNAS", "IBM:XNYS", "MSFT:XNAS")
APPLE = "AAPL:XNAS"
BEFORE_OPEN, AFTER_CLOSE, SOON = timedelta(hours=1), timedelta(minutes=30), timedelta(minutes=1)
LESSON = "One night, one loss beyond the plan. Smaller from now on."
LIMITS = {"max_position_share": Decimal("0.35"), "max_daily_loss_share": Decimal("0.02"), "max_order_quantity": Decimal(1_000)}
BREAKOUT: dict[str, Any] = {"entry": 10, "exit": 5, "atr": 10, "stop": "2"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Idea:
    """What Alice orders on the morning of a day, and why; what is not filled by another day is canceled then."""

    name: str
    day: date
    instrument: str
    reasoning: str
    price: str
    stop: str
    target: str
    confidence: str
    draft: OrderDraft
    until: date | None = None


IDEAS = (
    Idea(
        name="earnings",
        day=date(2013, 1, 23),
        instrument=APPLE,
        reasoning="The figures come tonight. The shops were full, and the price has fallen by a quarter already.",
        price="504.77",
        stop="480",
        target="560",
        confidence="0.6",
        draft=OrderDraft(
            side=Side.BUY,
            quantity=Decimal(35),
            time_in_force=TimeInForce.GTC,
            order_class=OrderClass.OTO,
            stop_loss=StopLoss(Decimal(480)),
        ),
    ),
    Idea(
        name="patience",
        day=date(2013, 2, 4),
        instrument="GOOG:XNAS",
        reasoning="Cheap enough below 700, and not before.",
        price="775.60",
        stop="670",
        target="780",
        confidence="0.5",
        draft=OrderDraft(
            side=Side.BUY,
            type=OrderType.LIMIT,
            quantity=Decimal(15),
            limit_price=Decimal(700),
            time_in_force=TimeInForce.GTC,
        ),
        until=date(2013, 2, 20),
    ),
    Idea(
        name="everything",
        day=date(2013, 2, 6),
        instrument=APPLE,
        reasoning="It has turned. All in.",
        price="457.84",
        stop="442",
        target="500",
        confidence="0.9",
        draft=OrderDraft(side=Side.BUY, quantity=Decimal(100)),
    ),
    Idea(
        name="bounce",
        day=date(2013, 2, 8),
        instrument=APPLE,
        reasoning="Three days up from the low; on a small step back it may go on to the gap.",
        price="468.22",
        stop="455",
        target="484",
        confidence="0.7",
        draft=OrderDraft(
            side=Side.BUY,
            type=OrderType.LIMIT,
            quantity=Decimal(30),
            limit_price=Decimal(470),
            time_in_force=TimeInForce.GTC,
            order_class=OrderClass.BRACKET,
            take_profit=TakeProfit(Decimal(484)),
            stop_loss=StopLoss(Decimal(455)),
        ),
    ),
    Idea(
        name="dip",
        day=date(2013, 2, 28),
        instrument=APPLE,
        reasoning="The low of the year may hold; not a dollar above it.",
        price="444.57",
        stop="405",
        target="470",
        confidence="0.55",
        draft=OrderDraft(
            side=Side.BUY,
            type=OrderType.LIMIT,
            quantity=Decimal(20),
            limit_price=Decimal(420),
            time_in_force=TimeInForce.GTC,
        ),
    ),
)
JOURNAL = {
    "earnings": (
        ("earnings", "gap"),
        "It opened below the stop, so the stop was worth little: a gap asks nobody. No positions over earnings any more.",
    ),
    "bounce": (("gap", "limit"), "Waited for the price, and for the target. More of these."),
}


def trade(*, owner: User, at: datetime) -> Account:
    """Open the account if it is not there, let it live through the days it has not seen, and return it."""
    account, session = _opened(owner, at)
    seen = _seen(session)
    days = [day for day in calendars.sessions("XNYS", FIRST, END) if seen is None or day.day > seen]
    bars = _bars_by_day() if days else {}
    for day in days:
        _live(account, day, bars.get(day.day, ()), at)
    _look_back(account, owner, at)
    _try_out(account, owner, at)
    return account


def told(account: Account) -> str:
    """Say what there is of trading; the owner must be acting."""
    orders, fills = (model.objects.filter(account=account).count() for model in (Order, Fill))
    trades, runs = len(journal_of(account).trades), BacktestRun.objects.filter(account=account, parent__isnull=True).count()
    return f"{account.name}: {orders} orders, {fills} fills, {trades} trades, {runs} backtests"


def _opened(owner: User, at: datetime) -> tuple[Account, Session]:
    """Return the account and its session, with money, limits and a strategy; made together, or found."""
    with acting_as(owner.pk):
        account = Account.objects.filter(owner=owner, name=NAME).first()
        if account is not None:
            return account, Session.objects.get(account=account)
        account = open_account(
            owner=owner, name=NAME, kind=AccountKind.MARGIN, base_currency="USD", opened_on=date(2012, 12, 31), at=at
        )
        begun = datetime.combine(account.opened_on, time(15), UTC)
        money = EntryDraft(
            kind=EntryKind.DEPOSIT,
            occurred_at=begun,
            currency="USD",
            cash=Decimal(60_000),
            reason_primary="TRADING",
            source="demo",
            external_id="swing-0001",
        )
        post_entry(account=account, draft=money, actor=owner)
        set_limits(account=account, changes=LIMITS, at=begun)
        strategy = create_strategy(
            user=owner,
            name="Breakouts",
            kind="breakout",
            parameters=BREAKOUT,
            description="Large technology shares that leave their range of two weeks, with a stop two ranges away.",
            at=begun,
        )
        session = start_session(
            account=account,
            actor=owner,
            at=begun,
            strategy=strategy,
            name="Winter 2013",
            configuration={"instruments": list(FOLLOWED), "timeframe": "1d", "rules": {"sizing": "RISK", "amount": "0.01"}},
            code_version="1.0",
            automatic=True,
        )
    return account, session


def _bars_by_day() -> Mapping[date, list[dict[str, Any]]]:
    """Return what the sample says of each day."""
    found: dict[date, list[dict[str, Any]]] = defaultdict(list)
    end = datetime.combine(END, time(), UTC)
    for listing, row in listed_bars(provider=SOURCE, timeframe=Timeframe.DAY, start=BEGIN, end=end):
        common = {"instrument": find_instrument(listing.key), "timeframe": Timeframe.DAY.value}
        found[date.fromisoformat(row["timestamp"])].append({**row, **common})
    return found


def _seen(session: Session) -> date | None:
    """Return the last day that the session has looked at in all of its instruments."""
    days = [datetime.fromisoformat(text).date() for text in session.evaluated.values()]
    return min(days) if len(days) == len(FOLLOWED) else None


def _live(account: Account, day: calendars.Session, bars: Iterable[Mapping[str, Any]], at: datetime) -> None:
    """Live through a day: order before the open, and after the close see what came of it."""
    morning, evening = day.open_at - BEFORE_OPEN, day.close_at + AFTER_CLOSE
    owner = account.owner
    with acting_as(owner.pk):
        if pause_of(account) is not None:
            resume_trading(account=account, actor=owner, at=morning, note=LESSON)
    for idea in IDEAS:
        if idea.day == day.day:
            _order(account, idea, morning)
        if idea.until == day.day:
            _give_up(account, idea, morning)
    send_orders(clock=lambda: morning, account_id=account.pk)
    store_bars(source=SOURCE, rows=bars, recorded_at=at)
    look_at(account=account, broker=PAPER, clock=lambda: evening, since=morning)
    send_orders(clock=lambda: evening, account_id=account.pk)
    catch_up(account_id=account.pk, at=evening)
    with acting_as(owner.pk):
        watch(account=account, at=evening)
    if "waiting" in evaluate_account(account_id=account.pk, clock=lambda: evening):  # for orders that are in the way
        send_orders(clock=lambda: evening + SOON, account_id=account.pk)
        evaluate_account(account_id=account.pk, clock=lambda: evening + SOON)


def _order(account: Account, idea: Idea, at: datetime) -> None:
    """Decide, and order; what limits forbid is on record then."""
    instrument = find_instrument(idea.instrument)
    with acting_as(account.owner_id):
        if Decision.objects.filter(account=account, source="demo", external_id=idea.name).exists():
            return
        decision = record_decision(
            account=account, instrument=instrument, draft=_decided(idea, at), actor=account.owner, now=at,
            source="demo", external_id=idea.name,
        )  # fmt: skip
        by = Ordering(actor=account.owner, door=Door.ADMIN, at=at, decision=decision)
        with suppress(RiskBreached):
            draft = replace(idea.draft, client_order_id=_named(idea))
            place_order(account=account, instrument=instrument, draft=draft, by=by)


def _decided(idea: Idea, at: datetime) -> DecisionDraft:
    """Return the decision that an idea is."""
    return DecisionDraft(
        at=at,
        choice=Choice.BUY,
        confidence=Decimal(idea.confidence),
        reasoning=idea.reasoning,
        entry_type="discretionary",
        price=Decimal(idea.price),
        stop_loss=Decimal(idea.stop),
        target=Decimal(idea.target),
    )


def _named(idea: Idea) -> str:
    """Return the client order id of an idea."""
    return f"demo-{idea.name}"


def _give_up(account: Account, idea: Idea, at: datetime) -> None:
    """Cancel the order of an idea, if it waits still."""
    with acting_as(account.owner_id):
        order = Order.objects.open().filter(account=account, client_order_id=_named(idea), pending_cancel=False).first()
        if order is not None:
            cancel_order(order=order, by=Ordering(actor=account.owner, door=Door.ADMIN, at=at))


def _look_back(account: Account, owner: User, at: datetime) -> None:
    """Say what was learned of trades."""
    with acting_as(owner.pk):
        for name, (tags, text) in JOURNAL.items():
            order = Order.objects.filter(account=account, client_order_id=f"demo-{name}", filled_quantity__gt=0).first()
            if order is not None and not TradeTag.objects.filter(account=account, order=order).exists():
                tag_trade(order=order, tags=tags, at=at)
                note_trade(order=order, notes=[{"text": text}], actor=owner, at=at)


def _try_out(account: Account, owner: User, at: datetime) -> None:
    """Try the strategy on ten years, and another one with many parameters; what nobody has run yet is run here."""
    with acting_as(owner.pk):
        strategy = Strategy.objects.get(user=owner, name="Breakouts")
        shares = [find_instrument(name) for name in (APPLE, *FOLLOWED)]
        common: dict[str, Any] = {
            "instruments": shares,
            "start": date(2004, 9, 1),
            "end": END,
            "cash": Decimal(60_000),
            "costs": {"per_order": "1", "slippage_rate": "0.0005"},
            "code_version": "1.0",
        }
        asked: dict[str, dict[str, Any]] = {
            "Breakouts over eight years": {"strategy": strategy},
            "Which averages?": {
                "kind": BacktestKind.SWEEP,
                "strategy_kind": "sma_cross",
                "parameters": {"fast": [10, 20, 50], "slow": [100, 200]},
            },
        }
        for name, how in asked.items():
            if not BacktestRun.objects.filter(account=account, name=name).exists():
                request_backtest(account=account, actor=owner, at=at, name=name, **common, **how)
        waiting = [run.pk for run in BacktestRun.objects.filter(account=account, parent__isnull=True)]
    for one in waiting:
        for run_id in runs_of(run_id=one):
            perform_backtest(run_id=run_id, clock=lambda: at)
