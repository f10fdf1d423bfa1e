"""What an order is refused for, and in which order: what is wrong with it comes before how things stand, with what to do."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError

from accounts.models import Account
from accounts.models.tenancy import acting_as
from marketdata.models import Bar
from tests.factories import day, make_account, make_bars, make_instrument, post
from tests.portfolio.market import fresh_currencies
from tests.trading.factories import make_session
from tests.trading.services.test_orders import codes, hold, kept
from trading.domain.drafts import OrderDraft
from trading.domain.orders import OrderClass, OrderType, Side, TimeInForce
from trading.models import Door
from trading.services.orders import Ordering, RiskBreached, place_order
from trading.services.refusals import NotAsThingsStand
from trading.services.sessions import SessionEnded, end_session

NOW = datetime(2020, 1, 7, 15, tzinfo=UTC)


@pytest.fixture
def instrument():
    made = make_instrument()
    make_bars(made, [("2020-01-02", "10"), ("2020-01-06", "10")])
    return made


@pytest.fixture
def account(alice) -> Account:
    """Return an account with ten thousand dollars."""
    made = make_account(owner=alice)
    post(made, "DEPOSIT", cash="10000", occurred_at=day("2020-01-02"))
    return made


@pytest.fixture
def by(alice):
    return Ordering(actor=alice, door=Door.API, at=NOW)


@pytest.fixture
def place(alice, account, instrument, by):
    """Return a way to place an order: to buy ten, unless told otherwise."""

    def placed(share=instrument, by=by, **fields):
        draft = OrderDraft(**{"side": Side.BUY, "quantity": Decimal(10)} | fields)
        return kept(alice, lambda: place_order(account=account, instrument=share, draft=draft, by=by))

    return placed


class TestWhatIsWrongComesFirst:
    @pytest.mark.parametrize(
        ("broken", "code"),
        [
            ({"type": OrderType.TRAILING_STOP, "trail_price": Decimal(1), "trail_percent": Decimal(2)}, "one_trail"),
            ({"type": OrderType.LIMIT}, "limit_price_required"),
            ({"quantity": Decimal(-60)}, "not_positive"),
            ({"quantity": Decimal("60.5"), "time_in_force": TimeInForce.GTC}, "fractional_day"),
            ({"order_class": OrderClass.BRACKET}, "two_legs"),
        ],
    )
    def test_before_that_the_position_is_spoken_for(self, place, account, instrument, broken, code):
        hold(account, instrument)
        place(side=Side.SELL, quantity=Decimal(60))
        with pytest.raises(ValidationError) as refused:
            place(**{"side": Side.SELL, "quantity": Decimal(60)} | broken)
        assert not isinstance(refused.value, NotAsThingsStand)
        assert code in codes(refused)
        assert not codes(refused) & {"legs_effect", "fractional_short", "reserved_by_orders"}

    def test_before_that_an_open_order_goes_the_other_way(self, place):
        place()
        with pytest.raises(ValidationError) as refused:
            place(side=Side.SELL, stop_price=Decimal(9))
        assert codes(refused) == {"stop_price_not_taken"}

    def test_before_that_the_session_has_ended(self, place, account, by):
        session = make_session(account)
        with acting_as(account.owner_id):
            by = replace(by, session=end_session(session=session, at=NOW))
        with pytest.raises(SessionEnded):
            place(by=by)
        with pytest.raises(ValidationError) as refused:
            place(by=by, stop_price=Decimal(9))
        assert codes(refused) == {"stop_price_not_taken"}


class TestWhatItIsWorth:
    def test_is_asked_for_where_no_price_is_known(self, place):
        with pytest.raises(RiskBreached) as refused:
            place(make_instrument())
        assert refused.value.code == "unknown_value"
        [error] = refused.value.error_dict["limit_price"]
        assert error.message.startswith("No quote, trade or bar of it is known, so")
        assert error.message.endswith("order with a limit price, or have its prices brought in first.")

    def test_is_as_its_last_minute_closed_where_nothing_else_is_known(self, place):
        instrument = make_instrument()
        for minutes, close in ((5, "19"), (1, "21.5"), (0, "30")):  # the last is not over yet
            prices = dict.fromkeys(("open", "high", "low", "close"), Decimal(close))
            when = NOW - timedelta(minutes=minutes)
            Bar.objects.create(instrument=instrument, timeframe="1m", timestamp=when, volume=100, recorded_at=NOW, **prices)
        [order] = place(instrument)
        assert order.reference_price == Decimal("21.5")

    @pytest.mark.parametrize("limit", [{}, {"type": OrderType.LIMIT, "limit_price": Decimal(5)}])
    def test_is_not_to_be_had_without_a_rate(self, place, limit):
        [odd] = fresh_currencies(1)
        with pytest.raises(RiskBreached) as refused:
            place(make_instrument(currency=odd), **limit)
        [error] = refused.value.error_dict["instrument"]
        assert error.code == "unknown_value"
        expected = f"No rate of {odd} in USD is known, so the order can't be held against the limits; have one"
        assert error.message.startswith(expected)
