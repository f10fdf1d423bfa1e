"""Trading is stopped by limits, by members and by those who run the site; owners let it go on."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import ProgrammingError

from accounts.domain.roles import Role
from accounts.models import Notification
from accounts.models.tenancy import acting_as
from tests.factories import day, make_account, make_bars, make_instrument, make_quotes, make_user, post, share
from tests.trading.factories import make_fill, make_order, make_pause
from trading.domain.drafts import OrderDraft
from trading.domain.orders import Side
from trading.models import Door, Order, RiskEvent, TradingPause
from trading.services.orders import Ordering, RiskBreached, place_order
from trading.services.pauses import NotHalted, NotPaused, end_halt, pause_trading, resume_trading
from trading.services.refusals import NotAsThingsStand
from trading.services.risk import refuse_stopped, watch
from trading.services.sending import send_orders
from trading.services.standing import standing_now

NOW = datetime(2020, 1, 7, 15, tzinfo=UTC)


@pytest.fixture
def held():
    made = make_instrument()
    make_bars(made, [("2020-01-02", "10"), ("2020-01-06", "10")])
    return made


@pytest.fixture
def account(alice, held):
    """Return an account that holds two thousand dollars' worth, and has eight thousand in cash."""
    made = make_account(owner=alice)
    post(made, "DEPOSIT", cash="10000", occurred_at=day("2020-01-02"))
    post(made, "BUY", instrument=held, quantity="200", price="10", occurred_at=day("2020-01-03"))
    return made


def act(user, work):
    with acting_as(user.pk):
        return work()


class TestBreaker:
    def test_stands_while_nothing_happens(self, account, alice):
        assert act(alice, lambda: watch(account=account, at=NOW)) == []

    def test_pauses_when_the_market_falls_before_any_close(self, account, alice, held):
        make_quotes(held, [(NOW, "7.99", "8.01")])
        (event,) = act(alice, lambda: watch(account=account, at=NOW))
        assert (event.type, event.action_taken, event.severity) == ("DAILY_LOSS", "PAUSE", "CRITICAL")
        assert (event.value, event.day_gain) == (Decimal("0.04"), Decimal("-400"))
        assert act(alice, lambda: watch(account=account, at=NOW)) == []  # once
        bob = Notification.objects
        assert [one.title for one in act(alice, lambda: list(bob.filter(user=alice)))] == ["Main: trading is paused"]

    def test_pauses_after_a_fall_from_the_highest_value(self, account, alice, held):
        make_bars(held, [("2020-01-03", "30"), ("2020-01-04", "30"), ("2020-01-05", "30"), ("2020-01-07", "10")])
        later = NOW + timedelta(days=1)
        standing = act(alice, lambda: standing_now(account=account, at=later))
        assert standing.exposure.drawdown is not None
        assert standing.exposure.drawdown < Decimal("-0.2")
        events = act(alice, lambda: watch(account=account, at=later))
        assert "DRAWDOWN" in {event.type for event in events}

    def test_pauses_after_too_many_losses_in_a_row_and_counts_anew_when_resumed(self, account, alice):
        for n in range(6):
            loser = make_instrument()
            at = day("2020-01-03") + timedelta(hours=n)
            post(account, "BUY", instrument=loser, quantity="1", price="10", occurred_at=at)
            post(account, "SELL", instrument=loser, quantity="-1", price="9", occurred_at=at + timedelta(minutes=1))
        (event,) = act(alice, lambda: watch(account=account, at=NOW))
        assert (event.type, event.consecutive_losses) == ("LOSING_STREAK", 6)
        act(alice, lambda: resume_trading(account=account, actor=alice, at=NOW))
        assert act(alice, lambda: watch(account=account, at=NOW)) == []

    @pytest.mark.parametrize(("broker", "streak"), [("paper", 6), ("import", 0)])
    def test_counts_no_trades_that_a_file_of_old_ones_brought(self, account, alice, broker, streak):
        for n in range(6):
            loser, at = make_instrument(), day("2020-01-03") + timedelta(hours=n)
            make_fill(make_order(account, loser, broker=broker), price="10", at=at)
            make_fill(make_order(account, loser, broker=broker, side="SELL", effect="CLOSE"), price="9", at=at)
        standing = act(alice, lambda: standing_now(account=account, at=NOW))
        assert standing.exposure.losing_streak == streak

    def test_lets_the_day_go_on_from_where_an_owner_resumed_it(self, account, alice, held):
        make_quotes(held, [(NOW, "8", "8")])
        act(alice, lambda: watch(account=account, at=NOW))
        act(alice, lambda: resume_trading(account=account, actor=alice, at=NOW))
        assert act(alice, lambda: watch(account=account, at=NOW)) == []
        make_quotes(held, [(NOW + timedelta(minutes=1), "6", "6")])
        assert [one.type for one in act(alice, lambda: watch(account=account, at=NOW + timedelta(minutes=1)))] == ["DAILY_LOSS"]


class TestPausing:
    def test_is_done_by_traders_once_and_undone_by_owners_alone(self, account, alice):
        tom = share(account, make_user("tom"), Role.TRADER)
        pause, new = act(tom, lambda: pause_trading(account=account, reason="Odd.", actor=tom, at=NOW))
        assert new
        assert act(tom, lambda: pause_trading(account=account, reason="Odder.", actor=tom, at=NOW)) == (pause, False)
        with pytest.raises((NotPaused, ProgrammingError)):
            act(tom, lambda: resume_trading(account=account, actor=tom, at=NOW))
        assert act(alice, lambda: TradingPause.objects.get(pk=pause.pk)).resumed_at is None
        assert act(alice, lambda: resume_trading(account=account, actor=alice, at=NOW)).resumed_by == alice

    def test_keeps_what_waits_from_being_sent(self, account, alice):
        make_pause(account)
        with pytest.raises(NotAsThingsStand) as refused:
            act(alice, lambda: refuse_stopped(account=account))
        assert refused.value.code == "trading_paused"
        act(alice, lambda: refuse_stopped(account=account, closing=True))


class TestHalting:
    @pytest.fixture(autouse=True)
    def over(self):
        """Let trading go on afterwards, whatever happens: it is stopped for all tests."""
        yield
        with suppress(NotHalted):
            end_halt(at=datetime.now(UTC))

    def test_stops_everything_and_cancels_what_is_open(self, account, alice, held):
        order = make_order(account, held, type="LIMIT", limit_price="9")
        out = StringIO()
        call_command("halt_trading", "The data is wrong.", "--cancel", "--by", "ops", stdout=out)
        assert "All trading is stopped." in out.getvalue()
        assert act(alice, lambda: Order.objects.get(pk=order.pk)).status == "CANCELED"
        by = Ordering(actor=alice, door=Door.API, at=NOW)
        refusal = None
        with acting_as(alice.pk):
            try:
                place_order(account=account, instrument=held, draft=OrderDraft(side=Side.SELL, quantity=Decimal(1)), by=by)
            except RiskBreached as told:
                refusal = told
        assert refusal is not None
        assert refusal.code == "trading_halted"
        assert act(alice, lambda: RiskEvent.objects.get(account=account)).type == "TRADING_HALTED"
        with pytest.raises(CommandError, match="already"):
            call_command("halt_trading", "Again.", stdout=out)
        call_command("halt_trading", "--end", stdout=out)
        act(alice, lambda: refuse_stopped(account=account))

    def test_keeps_orders_back_and_those_of_a_day_that_is_over_expire(self, account, alice):
        stock = make_instrument(exchange="XNYS")
        kinds = [("MARKET", "DAY"), ("LIMIT", "GTC"), ("MARKET", "OPG"), ("MARKET", "IOC")]
        prices = {"LIMIT": "9", "MARKET": None}
        orders = [
            make_order(account, stock, type=type, time_in_force=time, limit_price=prices[type], created_at=NOW)
            for type, time in kinds
        ]

        def stands(at):
            send_orders(clock=lambda: at, account_id=account.pk)
            with acting_as(alice.pk):
                return [Order.objects.get(pk=order.pk).status for order in orders]

        out = StringIO()
        call_command("halt_trading", "The data is wrong.", stdout=out)
        assert "stand, and brokers may fill them still" in out.getvalue()
        assert stands(NOW + timedelta(minutes=1)) == ["NEW"] * 4
        assert stands(datetime(2020, 1, 7, 21, tzinfo=UTC)) == ["EXPIRED", "NEW", "NEW", "EXPIRED"]
        call_command("halt_trading", "--end", stdout=StringIO())
        assert stands(datetime(2020, 1, 8, 14, 31, tzinfo=UTC)) == ["EXPIRED", "ACCEPTED", "EXPIRED", "EXPIRED"]

    def test_wants_a_reason_and_something_to_end(self):
        with pytest.raises(CommandError, match="Say why"):
            call_command("halt_trading")
        with pytest.raises(CommandError, match="not stopped"):
            call_command("halt_trading", "--end")
