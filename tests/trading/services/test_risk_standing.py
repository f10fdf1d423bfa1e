"""How risk sees an account: limits at their edges in any currency, what has no close yet, and what an owner resumed after."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from threading import Thread

import pytest
from django.db import connections

from accounts.models.tenancy import acting_as
from marketdata.models import FxRate
from tests.factories import day, make_account, make_bars, make_instrument, make_quotes, make_user, post
from tests.portfolio.market import fresh_currencies
from tests.trading.factories import make_fill, make_order, stored
from trading.domain.drafts import OrderDraft
from trading.domain.orders import OrderType, Side
from trading.models import Door, RiskEvent, RiskLimits
from trading.services.orders import Ordering, RiskBreached, place_order
from trading.services.pauses import resume_trading
from trading.services.risk import watch
from trading.services.standing import standing_now

NOW = datetime(2020, 1, 7, 15, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def instrument():
    """Return an instrument that costs ten dollars."""
    made = make_instrument()
    make_bars(made, [("2020-01-02", "10"), ("2020-01-06", "10")])
    return made


@pytest.fixture
def account():
    """Return an account with ten thousand dollars."""
    made = make_account(owner=make_user())
    post(made, "DEPOSIT", cash="10000", occurred_at=day("2020-01-02"))
    return made


def act(account, work):
    with acting_as(account.owner_id):
        return work()


def look(account, at=NOW):
    """Look at an account by the clock; return which limits it has run into."""
    return [event.type for event in act(account, lambda: watch(account=account, at=at))]


def resume(account, at=NOW):
    act(account, lambda: resume_trading(account=account, actor=account.owner, at=at))


def exposure(account, at=NOW, instrument=None):
    return act(account, lambda: standing_now(account=account, at=at, instrument=instrument)).exposure


def broken(account, instrument, *, kind=OrderType.MARKET, **numbers):
    """Place an order, and return which limits it broke; what breaks none stands."""
    by = Ordering(actor=account.owner, door=Door.API, at=NOW)
    asked = OrderDraft(side=Side.BUY, type=kind, **{name: Decimal(number) for name, number in numbers.items()})
    with acting_as(account.owner_id):
        try:
            place_order(account=account, instrument=instrument, draft=asked, by=by)
        except RiskBreached as refusal:
            return {error.code for errors in refusal.error_dict.values() for error in errors}
    return set()


class TestEdges:
    """Ten thousand dollars, at ten dollars a unit: a quarter is 250 units."""

    @pytest.mark.parametrize(
        ("limits", "kept", "beyond", "rule"),
        [
            ({}, "250", "250.01", "position_share"),
            ({"max_position_share": None, "max_order_quantity": "300"}, "300", "300.000001", "order_quantity"),
            ({"max_position_share": None, "max_order_value": "4000"}, "400", "400.001", "order_value"),
            ({"max_position_share": None}, "1000", "1000.001", "buying_power"),
            ({"max_position_share": "0.000001"}, "0.001", "0.0011", "position_share"),
        ],
    )
    def test_what_is_at_a_limit_keeps_it_and_a_little_more_does_not(self, account, instrument, limits, kept, beyond, rule):
        stored(RiskLimits, account, updated_at=NOW, **limits)
        assert broken(account, instrument, quantity=beyond) == {rule}
        assert broken(account, instrument, quantity=kept) == set()

    def test_an_order_for_an_amount_of_money_is_for_so_many_units(self, account, instrument):
        stored(RiskLimits, account, updated_at=NOW, max_order_quantity="100")
        assert broken(account, instrument, notional="1000.01") == {"order_quantity"}
        assert broken(account, instrument, notional="1000") == set()

    def test_what_is_left_of_an_order_counts_beside_what_it_has_filled(self, account, instrument):
        order = make_order(account, instrument, quantity=Decimal(100), type="LIMIT", limit_price=Decimal(9))
        make_fill(order, "40", "9", at=day("2020-01-06"))  # 400 are held, 540 are to come: 1,560 of 10,040 / 4 are left
        assert exposure(account, instrument=instrument).equity == 10_040
        assert broken(account, instrument, quantity="157.1") == {"position_share"}
        assert broken(account, instrument, quantity="157") == set()

    def test_pence_and_foreign_money_are_counted_in_the_accounts(self):
        base, unpriced = fresh_currencies(2)
        account = make_account(owner=make_user(), base_currency=base)
        post(account, "DEPOSIT", cash="1000", currency=base, occurred_at=day("2020-01-02"))
        FxRate.objects.get_or_create(
            base="ZAR", quote=base, date=date(2020, 1, 6), defaults={"rate": "0.125", "recorded_at": NOW}
        )
        share = make_instrument(currency="ZAC")
        make_bars(share, [("2020-01-06", "4000")])  # forty rand, five of the account's: a quarter is 50 units
        assert broken(account, share, quantity="50.001") == {"position_share"}
        assert broken(account, share, quantity="30") == set()
        assert broken(account, share, quantity="20.001") == {"position_share"}
        assert broken(account, share, quantity="20") == set()
        odd = make_instrument(currency=unpriced)  # nobody says what it is worth
        make_bars(odd, [("2020-01-06", "1")])
        assert broken(account, odd, quantity="1") == {"unknown_value"}


class TestWithoutAClose:
    @pytest.mark.parametrize("quoted", [True, False])
    def test_a_position_counts_at_what_is_quoted_or_at_what_it_cost(self, account, quoted):
        fresh = make_instrument()
        post(account, "BUY", instrument=fresh, quantity="200", price="10", occurred_at=NOW - MINUTE)
        if quoted:
            make_quotes(fresh, [(NOW, "10", "10")])
        seen = exposure(account, instrument=fresh)
        assert (seen.equity, seen.day_gain, seen.positions[fresh.pk]) == (10_000, 0, 2_000)
        assert look(account) == []
        if quoted:
            assert broken(account, fresh, quantity="51") == {"position_share"}
        assert broken(account, fresh, quantity="50.001", kind=OrderType.LIMIT, limit_price="10") == {"position_share"}
        assert broken(account, fresh, quantity="50", kind=OrderType.LIMIT, limit_price="10") == set()

    def test_it_is_taken_along_by_quotes_and_pauses_at_a_loss(self, account):
        fresh = make_instrument()
        post(account, "BUY", instrument=fresh, quantity="200", price="10", occurred_at=NOW - MINUTE)
        make_quotes(fresh, [(NOW, "8.50", "8.50")])
        assert (exposure(account).day_gain, look(account)) == (-300, [])
        make_quotes(fresh, [(NOW + MINUTE, "8.49", "8.49")])
        assert look(account, NOW + MINUTE) == ["DAILY_LOSS"]

    def test_it_is_no_loss_on_the_days_after_nor_a_fall(self, account, instrument):
        fresh = make_instrument()
        post(account, "BUY", instrument=fresh, quantity="200", price="10", occurred_at=day("2020-01-03"))
        post(account, "BUY", instrument=instrument, quantity="1", price="10", occurred_at=NOW)
        seen = exposure(account)
        assert (seen.equity, seen.day_gain, seen.drawdown) == (10_000, 0, 0)


def test_a_fall_on_the_first_day_is_one_from_what_was_paid_in():
    account, fresh = make_account(owner=make_user()), make_instrument()
    make_bars(fresh, [("2020-01-06", "6")])
    post(account, "DEPOSIT", cash="10000", occurred_at=day("2020-01-06"))
    post(account, "BUY", instrument=fresh, quantity="600", price="10", occurred_at=day("2020-01-06") + MINUTE)
    assert exposure(account).drawdown == Decimal("-0.24")
    assert "DRAWDOWN" in look(account)


class TestLosingStreak:
    def test_an_order_that_closes_in_parts_is_one_trade(self, account, instrument):
        post(account, "BUY", instrument=instrument, quantity="60", price="10", occurred_at=day("2020-01-03"))
        order = make_order(account, instrument, side="SELL", effect="CLOSE", quantity=Decimal(60))
        for n in range(6):
            make_fill(order, "10", "9", at=day("2020-01-06") + n * MINUTE)
        assert exposure(account).losing_streak == 1
        assert look(account) == []

    def test_of_six_in_a_row_is_beyond_five(self, account, instrument):
        post(account, "BUY", instrument=instrument, quantity="60", price="10", occurred_at=day("2020-01-03"))
        for n in range(6):
            assert look(account) == []
            order = make_order(account, instrument, side="SELL", effect="CLOSE", quantity=Decimal(10))
            make_fill(order, "10", "9", at=day("2020-01-06") + n * MINUTE)
        assert (exposure(account).losing_streak, look(account)) == (6, ["LOSING_STREAK"])

    def test_a_trade_that_wins_over_all_its_parts_ends_it(self, account, instrument):
        post(account, "BUY", instrument=instrument, quantity="60", price="10", occurred_at=day("2020-01-03"))
        for n, prices in enumerate([("9",), ("12", "9.50"), ("9",)]):
            order = make_order(account, instrument, side="SELL", effect="CLOSE", quantity=Decimal(20))
            for part, price in enumerate(prices):
                make_fill(order, "10", price, at=day("2020-01-06") + (2 * n + part) * MINUTE)
        assert exposure(account).losing_streak == 1


class TestDaysLoss:
    def test_is_a_part_of_what_the_day_began_with_whatever_was_paid_out(self, account, instrument):
        post(account, "BUY", instrument=instrument, quantity="200", price="10", occurred_at=day("2020-01-03"))
        post(account, "WITHDRAWAL", cash="-7500", occurred_at=NOW - MINUTE)
        make_quotes(instrument, [(NOW, "8.50", "8.50")])  # 300 of 10,000
        assert exposure(account).day_gain_share == Decimal("-0.03")
        assert look(account) == []
        make_quotes(instrument, [(NOW + MINUTE, "8.49", "8.49")])
        assert look(account, NOW + MINUTE) == ["DAILY_LOSS"]


class TestResuming:
    @pytest.fixture
    def held(self, account, instrument):
        """Let the account hold a half of what it is worth."""
        post(account, "BUY", instrument=instrument, quantity="500", price="10", occurred_at=day("2020-01-03"))
        return instrument

    def falls(self, held, price, at=NOW):
        make_quotes(held, [(at, price, price)])

    def test_counts_from_what_was_lost_when_it_was_resumed_not_when_it_was_paused(self, account, held):
        self.falls(held, "9")
        assert look(account) == ["DAILY_LOSS"]
        self.falls(held, "8", NOW + MINUTE)
        resume(account, NOW + MINUTE)
        assert (exposure(account, NOW + MINUTE).day_gain, look(account, NOW + MINUTE)) == (0, [])
        self.falls(held, "7.46", NOW + 2 * MINUTE)  # 270 of 9,000
        assert look(account, NOW + 2 * MINUTE) == []
        self.falls(held, "7.45", NOW + 3 * MINUTE)
        assert look(account, NOW + 3 * MINUTE) == ["DAILY_LOSS"]

    def test_counts_anew_each_time(self, account, held):
        stored(RiskLimits, account, updated_at=NOW, max_drawdown_share=None)
        for n, price in enumerate(["9", "8", "7", "6"]):
            at = NOW + n * MINUTE
            self.falls(held, price, at)
            assert look(account, at) == ["DAILY_LOSS"]
            resume(account, at)
            assert look(account, at) == []

    def test_lets_a_fall_count_from_there(self, account, held):
        stored(RiskLimits, account, updated_at=NOW, max_daily_loss_share=None)
        post(account, "FEE", cash="-1", occurred_at=NOW - MINUTE)  # the day has a snapshot
        self.falls(held, "5")
        assert look(account) == ["DRAWDOWN"]
        resume(account)
        assert (exposure(account).drawdown, look(account)) == (0, [])
        self.falls(held, "2.01", NOW + MINUTE)
        assert look(account, NOW + MINUTE) == []
        self.falls(held, "1.99", NOW + 2 * MINUTE)
        assert look(account, NOW + 2 * MINUTE) == ["DRAWDOWN"]

    def test_of_an_account_that_nothing_happened_in_changes_nothing(self):
        empty = make_account(owner=make_user())
        make_bars(make_instrument(), [("2020-01-06", "10")])
        assert look(empty) == []


def test_two_who_look_at_once_leave_one_event(account, instrument):
    post(account, "BUY", instrument=instrument, quantity="500", price="10", occurred_at=day("2020-01-03"))
    make_quotes(instrument, [(NOW, "8", "8")])
    act(account, lambda: standing_now(account=account, at=NOW))

    def work():
        try:
            look(account)
        finally:
            connections.close_all()

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert act(account, lambda: RiskEvent.objects.filter(account=account).count()) == 1


class TestWhatWasKnownThen:
    """Whoever orders, or replays, at a time knows no price of later."""

    def price(self, account, instrument, at=NOW):
        found = act(account, lambda: standing_now(account=account, at=at, instrument=instrument)).price
        return None if found is None else (found.bid, found.ask)

    def test_a_later_close_is_not_looked_at(self, account, instrument):
        make_bars(instrument, [("2020-01-08", "99")])
        assert self.price(account, instrument) == (10, 10)
        assert self.price(account, instrument, NOW + timedelta(days=2)) == (99, 99)

    def test_a_later_quote_is_not_looked_at(self, account, instrument):
        make_quotes(instrument, [(NOW + timedelta(hours=1), "50", "51")])
        assert self.price(account, instrument) == (10, 10)
        assert self.price(account, instrument, NOW + timedelta(hours=1)) == (50, 51)

    def test_a_source_whose_clock_is_ahead_by_seconds_is(self, account, instrument):
        make_quotes(instrument, [(NOW + timedelta(seconds=20), "50", "51")])
        assert self.price(account, instrument) == (50, 51)

    def test_a_position_moves_with_what_was_known(self, account, instrument):
        post(account, "BUY", instrument=instrument, quantity="100", price="10", cash="-1000", occurred_at=day("2020-01-03"))
        before = exposure(account).equity
        make_quotes(instrument, [(NOW + timedelta(hours=1), "20", "20")])
        assert exposure(account).equity == before
        assert exposure(account, NOW + timedelta(hours=1)).equity == before + 1000
