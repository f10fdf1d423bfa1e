"""Orders on paper: what becomes of them follows from the records of the account and the prices that the house has."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.db import OperationalError

from accounts.models import LedgerEntry
from accounts.models.tenancy import acting_as
from marketdata.models import Bar, CorporateAction
from tests.factories import make_account, make_instrument, make_quotes, make_user, post, quiet_day
from tests.trading.factories import make_order
from tests.trading.services.test_sending import NOW, Clock, asked_to_cancel, kinds, look, posted, seen, sent
from trading.adapters.base import BrokerAway, BrokerOrder
from trading.domain.drafts import Replacement
from trading.domain.fills import Fill as Filled
from trading.domain.orders import Event, EventKind, OrderStatus
from trading.models import Door, Fill, OrderEvent
from trading.selectors.paper import RecordedMarket, Records
from trading.selectors.risk import standing_of
from trading.services.answers import take_down
from trading.services.connections import open_broker
from trading.services.looking import look_at
from trading.services.order_rows import Cause, record_events
from trading.services.orders import Ordering, replace_order
from trading.services.sending import send_orders
from trading.services.syncing import Watched
from trading.tasks import look_at_brokers, sync_accounts


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


def test_by_amount_a_bond_costs_what_was_asked_for(account):
    noon = datetime.combine(quiet_day("quotes"), datetime.min.time(), UTC) + timedelta(hours=12)
    bond, clock = make_instrument(exchange="XTST", asset_class="BOND", multiplier=Decimal("0.01")), Clock(noon)
    make_quotes(bond, [(noon + timedelta(seconds=30), "79", "80"), (noon + timedelta(seconds=40), "79", "80")])
    order = make_order(account, bond, notional=Decimal(200))  # two hundred units are quoted at a time
    sent(account, clock)
    clock.now = noon + timedelta(seconds=35)
    look(account, clock, "paper")
    with acting_as(account.owner_id):
        left = standing_of(account, at=clock()).reserves.opening[bond.pk]
    clock.later(timedelta(seconds=10))
    look(account, clock, "paper")
    with acting_as(account.owner_id):
        entries = LedgerEntry.objects.filter(account=account, source="fill").order_by("sequence")
        spent = list(entries.values_list("quantity", "cash"))
    assert (left, spent, seen(order).status) == (40, [(200, -160), (50, -40)], "FILLED")


@pytest.mark.parametrize(("kind", "status"), [("FX", "FILLED"), ("FUND", "FILLED"), ("EQUITY", "ACCEPTED")])
def test_a_bar_of_what_tells_no_volume_fills_all_of_an_order(account, kind, status):
    noon = datetime.combine(quiet_day("quotes"), datetime.min.time(), UTC) + timedelta(hours=12)
    one, clock = make_instrument(exchange="XTST", asset_class=kind), Clock(noon)
    prices = dict.fromkeys(("open", "low", "high", "close"), Decimal(100))
    fields = {"instrument": one, "timeframe": "1m", "volume": 0, "recorded_at": noon}
    Bar.objects.create(timestamp=noon + timedelta(minutes=1), **fields, **prices)
    order = make_order(account, one)
    sent(account, clock)
    clock.later(timedelta(minutes=5))
    look(account, clock, "paper")
    assert seen(order).status == status


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


class Stumbling:
    """A paper broker that cannot be asked about one order."""

    local, pairs = True, False

    def __init__(self, broker, client_order_id):
        self.broker, self.client_order_id = broker, client_order_id

    def find(self, client_order_id):
        if client_order_id == self.client_order_id:
            raise OperationalError("canceling statement due to lock timeout")
        return self.broker.find(client_order_id)


def test_one_that_cannot_be_looked_at_holds_none_of_the_others_up(account):
    stock, clock = make_instrument(exchange="XNYS"), Clock(NOW)
    first, *orders = [make_order(account, stock, type="LIMIT", limit_price="5") for _ in range(3)]
    sent(account, clock)
    clock.later(timedelta(days=1))

    def opener(*asked):
        return Stumbling(open_broker(*asked), first.client_order_id)

    with pytest.raises(OperationalError):
        look_at(account=account, broker="paper", clock=clock, since=NOW, opener=opener)
    assert [seen(order).status for order in (first, *orders)] == ["ACCEPTED", "EXPIRED", "EXPIRED"]


def test_an_account_that_cannot_be_looked_at_holds_none_of_the_others_up(account):
    order, clock = make_order(account, make_instrument(exchange="XNYS"), type="LIMIT", limit_price="5"), Clock(NOW)
    sent(account, clock)
    gone = [str(uuid4()), str(account.owner_id), "paper"]
    sync_accounts(accounts=[gone, [str(account.pk), str(account.owner_id), "paper"]])
    assert seen(order).status == "EXPIRED"


def test_looks_at_one_broker_neither_wait_for_another_nor_pile_up(monkeypatch):
    rows = [Watched(uuid4(), uuid4(), broker) for broker in ("paper", "alpaca", "paper")]
    sent = []
    monkeypatch.setattr("trading.tasks.syncing.watched", lambda: rows)
    monkeypatch.setattr(sync_accounts, "apply_async", lambda *_, **options: sent.append(options))
    monkeypatch.setattr(sync_accounts, "delay", lambda **kwargs: sent.append({"kwargs": kwargs}))
    look_at_brokers()
    asked = [{broker for *_, broker in one["kwargs"]["accounts"]} for one in sent]
    assert (asked, all("expires" in one for one in sent)) == ([{"alpaca"}, {"paper"}], True)


@pytest.mark.parametrize("late", [False, True], ids=["often", "late"])
def test_one_that_stands_ends_where_its_instrument_is_split(account, late):
    stock, clock = make_instrument(exchange="XNYS"), Clock(NOW)
    CorporateAction.objects.create(
        instrument=stock, kind="SPLIT", ex_date=date(2024, 5, 8), ratio=Decimal(10), source="test", recorded_at=NOW
    )
    fields = {"instrument": stock, "timeframe": "1d", "volume": 100, "recorded_at": NOW}
    for day, price in ((7, 100), (8, 10)):
        prices = dict.fromkeys(("open", "low", "high", "close"), Decimal(price))
        Bar.objects.create(timestamp=datetime(2024, 5, day, tzinfo=UTC), **fields, **prices)
    stands = make_order(account, stock, side="SELL", effect="CLOSE", type="STOP", stop_price="90", time_in_force="GTC")
    for_the_day = make_order(account, stock, type="LIMIT", limit_price="50")
    sent(account, clock)
    for day in (9,) if late else (7, 8, 9):
        clock.now = datetime(2024, 5, day, 13, tzinfo=UTC)
        look(account, clock, "paper")
    assert (seen(stands).status, seen(for_the_day).status, posted(account)) == ("CANCELED", "EXPIRED", (0, 0))
    assert seen(stands).ended_at == datetime(2024, 5, 8, 8, tzinfo=UTC)
    assert "split" in told(stands, "CANCELED")[0][0]


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


@pytest.mark.parametrize("role", ["", "TAKE_PROFIT"], ids=["alone", "exit"])
def test_what_was_filled_is_taken_off_a_replacement_once_however_often_it_is_tried(account, role):
    stock, clock = make_instrument(exchange="CRYPTO", asset_class="CRYPTO"), Clock(NOW)
    post(account, "DEPOSIT", cash="10000000", occurred_at=datetime(2020, 1, 2, tzinfo=UTC))
    said = {"time_in_force": "GTC", "type": "LIMIT", "limit_price": "5", "broker": "away", "broker_order_id": "b", "role": role}
    old = make_order(account, stock, status="NEW", sending="SETTLED", **said)
    with acting_as(account.owner_id):
        by = Ordering(actor=account.owner, door=Door.API, at=clock())
        new = replace_order(order=seen(old), change=Replacement(limit_price=Decimal(6)), by=by)
        fills = (Filled("one", Decimal(3), Decimal(5), NOW),)
        answer = BrokerOrder(
            client_order_id=old.client_order_id, broker_order_id="b", status=OrderStatus.PARTIALLY_FILLED, at=NOW,
            filled_quantity=Decimal(3), fills=fills,
        )  # fmt: skip
        take_down(account=account, order_id=old.pk, answer=answer, now=NOW)
    for _ in range(3):
        clock.later()
        send_orders(clock=clock, account_id=account.pk, opener=lambda *_asked: Away())
    assert (seen(new).quantity, seen(new).status, seen(old).pending_replace) == (7, "NEW", True)


class Away:
    """A broker that nobody reaches."""

    local = pairs = False

    def replace(self, ticket, broker_order_id):
        raise BrokerAway("Nobody is there.")


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


@pytest.mark.parametrize("barred", [False, True], ids=["quotes", "bars"])
@pytest.mark.parametrize(
    "asked",
    [
        {"type": "TRAILING_STOP", "trail_price": "20"},
        {"type": "TRAILING_STOP", "trail_percent": "20", "side": "SELL", "effect": "CLOSE"},
        {"type": "STOP", "stop_price": "120"},
        {"type": "LIMIT", "limit_price": "80"},
        {"type": "LIMIT", "limit_price": "120", "side": "SELL", "effect": "CLOSE"},
    ],
    ids=["trailing", "trailing-percent", "stop", "limit", "sell"],
)
def test_an_order_that_stands_is_not_shown_what_cannot_move_it(account, asked, barred):
    noon = datetime.combine(quiet_day("quotes"), datetime.min.time(), UTC) + timedelta(hours=12)
    stock, clock = make_instrument(exchange="CRYPTO", asset_class="CRYPTO"), Clock(noon)
    minutes = [noon + timedelta(minutes=number) for number in range(1, 31)]
    if barred:
        fields = {"instrument": stock, "timeframe": "1m", "volume": 100, "recorded_at": noon}
        prices = dict(zip(("open", "low", "high", "close"), map(Decimal, (100, 99, 101, 100)), strict=True))
        Bar.objects.bulk_create(Bar(timestamp=begins, **fields, **prices) for begins in minutes)
    else:
        make_quotes(stock, [(at, "100", "101") for at in minutes])
    order = make_order(account, stock, time_in_force="GTC", **asked)
    sent(account, clock)
    clock.now = noon + timedelta(minutes=5)
    look(account, clock, "paper")
    clock.now = noon + timedelta(minutes=40)
    with acting_as(account.owner_id):
        (known,) = Records(account).known([order.client_order_id])
    assert len(RecordedMarket().looks(known, known.since - timedelta(minutes=1), clock())) <= 2
    look(account, clock, "paper")
    assert seen(order).status == "ACCEPTED"
