"""A position is closed whose open orders the broker is still asked to cancel: the order that closes it waits for the answers."""

from datetime import timedelta
from decimal import Decimal

import pytest

from accounts.models.tenancy import acting_as
from tests.factories import make_account, make_bars, make_instrument, make_user, post
from tests.trading.adapters.alpaca_standin import KEY, SECRET, AlpacaStandIn, status
from tests.trading.adapters.test_alpaca import serving
from tests.trading.factories import make_fill, make_order, move_order
from tests.trading.services.test_sending import NOW, Clock, kinds, look, seen, sent
from trading.domain.drafts import OrderDraft
from trading.domain.orders import Event, EventKind, Side, TimeInForce
from trading.models import Door, OrderEvent
from trading.services.closing import close_after_cancels
from trading.services.connections import connect_broker
from trading.services.orders import Ordering, cancel_order
from trading.services.refusals import NotAsThingsStand

SELLING = {"side": "SELL", "effect": "CLOSE", "time_in_force": "GTC", "type": "LIMIT", "limit_price": "200"}


@pytest.fixture
def account():
    made = make_account(owner=make_user())
    post(made, "DEPOSIT", cash="10000", occurred_at=NOW - timedelta(days=3))
    return made


@pytest.fixture
def coin(account):
    """Return what the account holds ten of."""
    made = make_instrument(exchange="CRYPTO", asset_class="CRYPTO")
    make_bars(made, [(f"{NOW - timedelta(days=2):%Y-%m-%d}", "10")])
    post(account, "BUY", instrument=made, quantity="10", price="10", occurred_at=NOW - timedelta(days=2))
    return made


@pytest.fixture
def ending(account, coin):
    """Return an order to sell six, which the broker has and is asked to cancel."""
    order = make_order(account, coin, quantity=6, sending="SETTLED", broker_order_id="theirs", **SELLING)
    return move_order(order, Event(EventKind.ACCEPTED), Event(EventKind.CANCEL_REQUESTED))


@pytest.fixture
def closing(account, coin, ending):
    """Return the order that closes all ten."""
    with acting_as(account.owner_id):
        by = Ordering(actor=account.owner, door=Door.API, at=NOW)
        draft = OrderDraft(side=Side.SELL, quantity=Decimal(10), time_in_force=TimeInForce.GTC)
        [made] = close_after_cancels(account=account, instrument=coin, draft=draft, by=by)
    return made


def test_waits_and_says_for_what(closing, ending, account):
    clock = Clock()
    sent(account, clock)  # it, and the one that is to be canceled
    assert (seen(closing).sending, kinds(closing)) == ("PENDING", ["CREATED", "PUT_OFF"])
    with acting_as(account.owner_id):
        told = OrderEvent.objects.get(order=closing, kind="PUT_OFF")
    assert told.data == {"behind": [str(ending.pk)]}
    assert told.detail == "It leaves when the open orders for the instrument are canceled, for what is left of the position then."
    assert seen(closing).claimed_at < clock.now - timedelta(seconds=8)  # it is looked at again soon
    assert seen(ending).status == "CANCELED"
    clock.later(timedelta(seconds=1))
    sent(account, clock)
    assert (seen(closing).status, seen(closing).quantity) == ("ACCEPTED", 10)


def test_is_for_what_is_left_after_a_fill_on_the_way(closing, ending, account):
    make_fill(ending, "4", "200", at=NOW)
    move_order(ending, Event(EventKind.CANCELED))
    sent(account, Clock())
    assert kinds(closing) == ["CREATED", "PUT_OFF", "RESIZED", "SENT", "ACCEPTED"]
    assert (seen(closing).quantity, seen(closing).status) == (6, "ACCEPTED")


def test_is_for_what_an_order_leaves_whose_broker_refused_to_cancel_it(closing, ending, account):
    move_order(ending, Event(EventKind.CANCEL_REFUSED))
    sent(account, Clock())
    assert (seen(closing).quantity, seen(closing).status) == (4, "ACCEPTED")


def test_ends_where_nothing_is_left(closing, ending, account, coin):
    move_order(ending, Event(EventKind.CANCELED))
    post(account, "SELL", instrument=coin, quantity="-10", price="10", occurred_at=NOW - timedelta(minutes=1))
    sent(account, Clock())
    assert kinds(closing) == ["CREATED", "PUT_OFF", "CANCELED"]


def test_is_canceled_like_any_other(closing, account):
    with acting_as(account.owner_id):
        cancel_order(order=closing, by=Ordering(actor=account.owner, door=Door.API, at=NOW))
    assert seen(closing).status == "CANCELED"


def test_speaks_for_the_whole_position_meanwhile(closing, account, coin):
    with acting_as(account.owner_id):
        by = Ordering(actor=account.owner, door=Door.API, at=NOW)
        draft = OrderDraft(side=Side.SELL, quantity=Decimal(1), time_in_force=TimeInForce.GTC)
        with pytest.raises(NotAsThingsStand, match="Cancel or replace one of them"):
            close_after_cancels(account=account, instrument=coin, draft=draft, by=by)


class TestAtAlpaca:
    @pytest.fixture
    def server(self, settings):
        with serving(AlpacaStandIn()) as made:
            settings.PROVIDER_HOSTS = ["127.0.0.1"]
            settings.BROKERS = {"alpaca": {"paper_url": made.url, "live_url": made.url}}
            yield made

    def test_leaves_once_the_broker_says_that_the_other_is_canceled(self, account, server):
        apple, clock = make_instrument(exchange="XNAS"), Clock()
        make_bars(apple, [(f"{NOW - timedelta(days=3):%Y-%m-%d}", "10")])
        post(account, "BUY", instrument=apple, quantity="10", price="10", occurred_at=NOW - timedelta(days=2))
        with acting_as(account.owner_id):
            connect_broker(account=account, broker="alpaca", now=NOW - timedelta(days=1), key=KEY, secret=SECRET)
        low = make_order(account, apple, quantity=6, broker="alpaca", **SELLING)
        sent(account, clock)
        with acting_as(account.owner_id):
            by = Ordering(actor=account.owner, door=Door.API, at=clock())
            cancel_order(order=low, by=by)
            draft = OrderDraft(side=Side.SELL, quantity=Decimal(10))
            [closing] = close_after_cancels(account=account, instrument=apple, draft=draft, by=by)
        server.always = status(503, {"message": "come back later"})
        sent(account, clock)
        assert (seen(low).pending_cancel, seen(closing).sending) == (True, "PENDING")
        server.always = None
        for _ in range(3):
            clock.later()
            sent(account, clock)
            look(account, clock)
        assert [verb for verb, *_ in server.seen if verb != "GET"] == ["POST", "DELETE", "DELETE", "POST"]
        assert (seen(low).status, seen(closing).status, seen(closing).quantity) == ("CANCELED", "ACCEPTED", 10)
