"""Accounts that trade are held against their limits after fills and by the clock, and what is stopped does not leave."""

from datetime import timedelta

from accounts.models.tenancy import acting_as
from tests.factories import make_quotes
from tests.trading.services.automation_desk import Market
from trading import tasks
from trading.models import Order, RiskEvent, TradingPause
from trading.services import fills, watching
from trading.services.pauses import pause_trading
from trading.services.sending import LEASE, send_orders

FLAT = ["10", "10", "10", "10"]


def pair(market):
    """Return the account with its owner, as it is watched."""
    return (market.account.pk, market.account.owner_id)


def in_a_position(**more) -> Market:
    """Return a market in which the account holds a fifth of itself."""
    market = Market(FLAT, rules={"sizing": "EQUITY", "amount": "0.2"}, **more)
    market.day("11")
    market.day("11.1")
    return market


def test_who_trades_is_watched_and_who_is_paused_is_not():
    market = Market(FLAT)
    assert pair(market) in watching.trading_accounts(at=market.now)
    with acting_as(market.account.owner_id):
        pause_trading(account=market.account, reason="Enough.", at=market.now)
    assert pair(market) not in watching.trading_accounts(at=market.now)


def test_a_loss_pauses_without_anybody_ordering():
    market = in_a_position()
    assert watching.watch_many(accounts=[pair(market)], clock=market.clock) == 0
    make_quotes(market.stock, [(market.now, "7.9", "8")])
    assert watching.watch_many(accounts=[pair(market)], clock=market.clock) == 1
    assert [event.type for event in market.rows(RiskEvent)] == ["DAILY_LOSS"]
    assert len(market.rows(TradingPause)) == 1
    assert watching.watch_many(accounts=[pair(market)], clock=market.clock) == 0


def test_an_account_that_fails_does_not_hold_up_the_others(monkeypatch):
    one, other = Market(FLAT), Market(FLAT)
    seen = []

    def watch(*, account, at):
        seen.append(account.pk)
        if account.pk == one.account.pk:
            raise RuntimeError("broken")
        return [1]

    monkeypatch.setattr(watching, "watch", watch)
    assert watching.watch_many(accounts=[pair(one), pair(other)], clock=one.clock) == 1
    assert seen == [one.account.pk, other.account.pk]


def test_fills_have_the_account_looked_at(monkeypatch):
    market, woken = Market(FLAT), []
    monkeypatch.setattr(fills, "ring", lambda accounts, *, hint: woken.append(hint))
    market.day("11")
    assert woken == []
    market.day("12")
    assert woken == [watching.to_watch(*pair(market))]


def test_the_tasks_look_at_who_trades(monkeypatch):
    market, sent = Market(FLAT), []
    monkeypatch.setattr(tasks.watch_accounts, "apply_async", lambda **said: sent.append(said["kwargs"]["accounts"]))
    tasks.watch_risk()
    mine = [str(one) for one in pair(market)]
    assert mine in [one for chunk in sent for one in chunk]
    tasks.watch_accounts(accounts=[mine])


def test_what_opens_a_position_does_not_leave_while_the_account_is_paused_and_what_closes_one_does():
    market = in_a_position()
    market.bar("8")
    market.evaluate()  # orders to get out
    with acting_as(market.account.owner_id):
        pause_trading(account=market.account, reason="Enough.", at=market.now)
    closing = market.rows(Order)[-1]
    assert (closing.effect, closing.sending) == ("CLOSE", "PENDING")
    send_orders(clock=market.clock, account_id=market.account.pk)
    assert market.rows(Order)[-1].status == "ACCEPTED"

    other = Market([*FLAT, "11"])
    other.evaluate()
    with acting_as(other.account.owner_id):
        pause_trading(account=other.account, reason="Enough.", at=other.now)
    for _ in range(2):
        send_orders(clock=other.clock, account_id=other.account.pk)
        other.now += LEASE + timedelta(seconds=1)
    assert [(order.status, order.sending) for order in other.rows(Order)] == [("NEW", "PENDING")]
