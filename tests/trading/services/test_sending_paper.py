"""Orders on paper: what becomes of them follows from the records of the account and the prices that the house has."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from accounts.models.tenancy import acting_as
from tests.factories import make_account, make_instrument, make_quotes, make_user, post, quiet_day
from tests.trading.factories import make_order
from tests.trading.services.test_sending import NOW, Clock, asked_to_cancel, kinds, look, posted, seen, sent
from trading.domain.drafts import Replacement
from trading.domain.orders import Event, EventKind
from trading.models import Door, Fill, OrderEvent
from trading.services.answers import take_down
from trading.services.connections import open_broker
from trading.services.order_rows import Cause, record_events
from trading.services.orders import Ordering, replace_order


@pytest.fixture
def account():
    return make_account(owner=make_user())


def test_an_order_is_filled_by_recorded_quotes(account):
    day = quiet_day("quotes")
    noon = datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=12)
    stock, clock = make_instrument(exchange="CRYPTO", asset_class="CRYPTO"), Clock(noon)
    make_quotes(stock, [(noon + timedelta(seconds=30), "99", "100"), (noon + timedelta(seconds=90), "90", "91")])
    order = make_order(account, stock, time_in_force="GTC")
    limit = make_order(account, stock, time_in_force="GTC", type="LIMIT", limit_price="95")
    sent(account, clock)
    assert (seen(order).status, look(account, clock, "paper")) == ("ACCEPTED", 0)
    clock.later(timedelta(seconds=40))
    assert (look(account, clock, "paper"), look(account, clock, "paper")) == (1, 0)
    assert (seen(order).status, seen(order).average_price, seen(limit).status) == ("FILLED", 100, "ACCEPTED")
    clock.later(timedelta(seconds=60))
    assert (look(account, clock, "paper"), seen(limit).average_price) == (1, 91)
    assert posted(account) == (2, 2)


def test_where_hours_are_not_known_it_trades_at_weekends_too(account):
    day = quiet_day("quotes")
    saturday = datetime.combine(day + timedelta(days=(5 - day.weekday()) % 7), datetime.min.time(), UTC)
    stock, clock = make_instrument(exchange="XTST"), Clock(saturday + timedelta(hours=12))
    make_quotes(stock, [(clock() - timedelta(seconds=5), "99", "100")])
    order = make_order(account, stock, type="MARKET")
    low = make_order(account, stock, type="LIMIT", limit_price="5", time_in_force="DAY")
    sent(account, clock)
    clock.later(timedelta(seconds=10))
    look(account, clock, "paper")
    assert (seen(order).status, seen(order).average_price, seen(low).status) == ("FILLED", 100, "ACCEPTED")
    clock.later(timedelta(days=1))
    look(account, clock, "paper")
    assert seen(low).status == "EXPIRED"


def test_a_canceled_order_keeps_what_was_filled_before(account):
    day = quiet_day("quotes")
    noon = datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=12)
    stock, clock = make_instrument(exchange="CRYPTO", asset_class="CRYPTO"), Clock(noon)
    make_quotes(stock, [(noon + timedelta(seconds=30), "99", "100")])
    order = make_order(account, stock, time_in_force="GTC", quantity=Decimal(500))
    sent(account, clock)
    clock.later(timedelta(seconds=40))
    asked_to_cancel(order)
    sent(account, clock)
    assert (seen(order).status, seen(order).filled_quantity, posted(account)) == ("CANCELED", 200, (1, 1))


def test_for_the_day_it_expires(account):
    stock, clock = make_instrument(exchange="XNYS"), Clock(NOW)
    order = make_order(account, stock, type="LIMIT", limit_price="5")
    sent(account, clock)
    clock.later(timedelta(days=1))
    look(account, clock, "paper")
    assert (seen(order).status, seen(order).ended_at) == ("EXPIRED", datetime(2024, 5, 6, 20, tzinfo=UTC))


def test_one_that_is_replaced_keeps_its_fills(account):
    stock, clock = make_instrument(exchange="CRYPTO", asset_class="CRYPTO"), Clock(NOW)
    old = make_order(account, stock, time_in_force="GTC", type="LIMIT", limit_price="5")
    sent(account, clock)
    with acting_as(account.owner_id):
        record_events(order=old, events=[Event(EventKind.REPLACE_REQUESTED)], cause=Cause(door=Door.API, at=NOW, now=NOW))
    new = make_order(account, stock, time_in_force="GTC", type="LIMIT", limit_price="6", replaces=seen(old))
    sent(account, clock)
    assert (seen(old).status, seen(new).status) == ("REPLACED", "ACCEPTED")


def test_what_is_filled_before_it_is_replaced_is_not_bought_twice(account):
    noon = datetime.combine(quiet_day("quotes"), datetime.min.time(), UTC) + timedelta(hours=12)
    stock, clock = make_instrument(exchange="CRYPTO", asset_class="CRYPTO"), Clock(noon)
    post(account, "DEPOSIT", cash="10000000", occurred_at=datetime(2020, 1, 2, tzinfo=UTC))
    make_quotes(stock, [(noon + timedelta(seconds=30), "89", "90")])  # a hundred of them
    old = make_order(account, stock, time_in_force="GTC", type="LIMIT", limit_price="90", quantity=Decimal(300))
    sent(account, clock)
    clock.now = noon + timedelta(seconds=40)
    with acting_as(account.owner_id):
        by = Ordering(actor=account.owner, door=Door.API, at=clock())
        new = replace_order(order=seen(old), change=Replacement(limit_price=Decimal(91)), by=by)
    assert new.quantity == 300
    sent(account, clock)
    filled = seen(old).filled_quantity
    assert (filled > 0, seen(old).status, seen(new).quantity + filled) == (True, "REPLACED", 300)
    assert "RESIZED" in kinds(new)


def test_a_better_price_that_is_no_longer_quoted_is_not_had(account):
    noon = datetime.combine(quiet_day("quotes"), datetime.min.time(), UTC) + timedelta(hours=12)
    stock, clock = make_instrument(exchange="CRYPTO", asset_class="CRYPTO"), Clock(noon)
    make_quotes(stock, [(noon - timedelta(seconds=50), "90", "91"), (noon - timedelta(seconds=5), "99", "100")])
    order = make_order(account, stock, time_in_force="GTC", type="LIMIT", limit_price="95")
    sent(account, clock)
    assert (look(account, clock, "paper"), seen(order).status) == (0, "ACCEPTED")


def test_a_stop_is_set_off_and_takes_the_market_after_it(account):
    noon = datetime.combine(quiet_day("quotes"), datetime.min.time(), UTC) + timedelta(hours=12)
    stock, clock = make_instrument(exchange="CRYPTO", asset_class="CRYPTO"), Clock(noon)
    rows = [(30, "98", "99"), (40, "104", "105"), (50, "100", "101")]
    make_quotes(stock, [(noon + timedelta(seconds=number), bid, ask) for number, bid, ask in rows])
    order = make_order(account, stock, time_in_force="GTC", type="STOP", stop_price="104", quantity=Decimal(300))
    sent(account, clock)
    clock.later(timedelta(seconds=60))
    assert [look(account, clock, "paper") for _ in range(2)] == [2, 0]
    assert (seen(order).status, seen(order).filled_value) == ("FILLED", 200 * 105 + 100 * 101)
    assert told(order, "TRIGGERED") == [("The stop was touched at 105.", {})]
    assert [(data["quantity"], data["price"]) for _, data in told(order, "FILLED")] == [("200", "105"), ("100", "101")]


def test_a_trailing_stop_says_how_far_it_followed_and_what_set_it_off(account):
    noon = datetime.combine(quiet_day("quotes"), datetime.min.time(), UTC) + timedelta(hours=12)
    stock, clock = make_instrument(exchange="CRYPTO", asset_class="CRYPTO"), Clock(noon)
    rows = [(30, "99", "100"), (40, "90", "91"), (50, "96", "97")]
    make_quotes(stock, [(noon + timedelta(seconds=number), bid, ask) for number, bid, ask in rows])
    order = make_order(account, stock, time_in_force="GTC", type="TRAILING_STOP", trail_price="4")
    sent(account, clock)
    for later in (45, 10):
        clock.later(timedelta(seconds=later))
        look(account, clock, "paper")
    assert (seen(order).status, seen(order).average_price) == ("FILLED", 97)
    assert told(order, "TRAILED", "TRIGGERED") == [("", {"mark": "91"}), ("The stop was touched at 97.", {})]


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"type": "LIMIT", "limit_price": "103"},
        {"type": "STOP", "stop_price": "104"},
        {"type": "STOP_LIMIT", "stop_price": "104", "limit_price": "104.2"},
        {"type": "TRAILING_STOP", "trail_price": "2"},
        {"time_in_force": "IOC"},
        {"time_in_force": "FOK", "quantity": Decimal(90)},
    ],
    ids=lambda asked: "-".join(map(str, asked.values())) or "MARKET",
)
def test_who_looks_late_sees_what_was_seen_on_the_way(account, asked):
    """Orders for 250 units, a hundred of which are quoted at a time: looked at after each quote, and once after the day."""
    midnight = datetime.combine(quiet_day("quotes"), datetime.min.time(), UTC)
    stock, noon = make_instrument(exchange="CRYPTO", asset_class="CRYPTO"), midnight + timedelta(hours=12)
    rows = [(30, "101", "102"), (60, "104", "105"), (90, "102", "103"), (120, "103", "104"), (150, "99", "100")]
    make_quotes(stock, [(noon + timedelta(seconds=number), bid, ask) for number, bid, ask in rows])
    often, late = (make_order(account, stock, **{"quantity": Decimal(250)} | asked) for _ in range(2))
    clock, fills = Clock(noon), {}
    sent(account, clock)
    for number in (45, 75, 105, 135, 165):
        clock.now = noon + timedelta(seconds=number)
        look_at_one(often, clock)
    clock.now = midnight + timedelta(days=1, seconds=10)
    for order in (often, late):
        look_at_one(order, clock)
        with acting_as(account.owner_id):
            fills[order] = list(Fill.objects.filter(order=order).order_by("at").values_list("at", "quantity", "price"))
    assert fills[often] == fills[late]
    assert seen(often).status == seen(late).status
    assert seen(often).status == "FILLED" or (seen(often).ended_at - seen(late).ended_at) < timedelta(seconds=1)


def told(order, *kinds):
    """Return why events of some kinds happened to an order, and what is known of them."""
    with acting_as(order.account.owner_id):
        rows = OrderEvent.objects.filter(order=order, kind__in=kinds).order_by("sequence")
        return list(rows.values_list("detail", "data"))


def look_at_one(order, clock):
    """Ask the paper broker how one order stands, and take it down."""
    with acting_as(order.account.owner_id):
        broker = open_broker(order.account, "paper", clock)
        answer = broker.find(order.client_order_id)
        take_down(account=order.account, order_id=order.pk, answer=answer, now=clock())
