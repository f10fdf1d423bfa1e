"""The exits of a position on paper: one of them alone closes it, whichever its price touched first, however late one looks."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from marketdata.models import Bar
from tests.factories import make_account, make_instrument, make_quotes, make_user, quiet_day
from tests.trading.factories import make_order
from tests.trading.services.test_sending import Clock, look, seen, sent


@pytest.fixture
def account():
    return make_account(owner=make_user())


@pytest.fixture
def noon():
    return datetime.combine(quiet_day("quotes"), datetime.min.time(), UTC) + timedelta(hours=12)


class Group:
    """A bracket of units bought at 100, to be sold at 110 or at 90; both exits are at work."""

    def __init__(self, account, noon, quantity=100, begin=lambda stock, noon: make_quotes(stock, [(noon, "99", "100")])):
        self.account, self.clock = account, Clock(noon)
        self.stock = make_instrument(exchange="CRYPTO", asset_class="CRYPTO")
        made = {"order_class": "BRACKET", "time_in_force": "GTC", "quantity": Decimal(quantity), "created_at": noon}
        exits = {"side": "SELL", "effect": "CLOSE", "sending": "HELD"} | made
        self.entry = make_order(account, self.stock, role="ENTRY", **made)
        exits |= {"parent": self.entry}
        self.profit = make_order(account, self.stock, type="LIMIT", limit_price="110", role="TAKE_PROFIT", **exits)
        self.loss = make_order(account, self.stock, type="STOP", stop_price="90", role="STOP_LOSS", **exits)
        self.on()
        begin(self.stock, noon)
        self.on(timedelta(minutes=3))
        self.on()
        assert self.statuses == ["FILLED", "ACCEPTED", "ACCEPTED"]

    def on(self, by=timedelta(seconds=1)):
        """Let time go by, and those who send and look do so."""
        self.clock.later(by)
        look(self.account, self.clock, "paper")
        sent(self.account, self.clock)

    @property
    def statuses(self):
        return [seen(one).status for one in (self.entry, self.profit, self.loss)]

    @property
    def closed(self):
        return [seen(one).filled_quantity for one in (self.profit, self.loss)]


def quoted(stock, noon, *rows):
    make_quotes(stock, [(noon + timedelta(minutes=after), bid, ask) for after, bid, ask in rows])


def barred(stock, begins, *prices):
    first, high, low, last = map(Decimal, prices)
    fields = {"open": first, "high": high, "low": low, "close": last, "volume": Decimal(1000), "recorded_at": begins}
    Bar.objects.create(instrument=stock, timeframe="1m", timestamp=begins, **fields)


UP, DOWN = ("111", "112"), ("89", "90")


@pytest.mark.parametrize(("first", "then", "closed"), [(UP, DOWN, [100, 0]), (DOWN, UP, [0, 100])], ids=["up", "down"])
def test_who_looks_late_finds_one_exit_filled(account, noon, first, then, closed):
    group = Group(account, noon)
    quoted(group.stock, noon, (5, *first), (6, *then))
    group.on(timedelta(minutes=5))
    group.on()
    assert (group.closed, set(group.statuses)) == (closed, {"FILLED", "CANCELED"})


def test_who_looks_late_finds_the_rest_left_to_the_other_exit(account, noon):
    group = Group(account, noon, quantity=150)
    quoted(group.stock, noon, (5, *UP), (6, *DOWN), (7, *UP), (8, "88", "89"))
    for _ in range(4):
        group.on(timedelta(minutes=10))
    assert (group.closed, group.statuses) == ([100, 50], ["FILLED", "CANCELED", "FILLED"])


def test_within_a_bar_the_stop_counts(account, noon):
    group = Group(account, noon, begin=lambda stock, noon: barred(stock, noon + timedelta(minutes=1), 100, 100, 100, 100))
    barred(group.stock, noon + timedelta(minutes=5), 100, 112, 89, 100)
    group.on(timedelta(minutes=10))
    group.on()
    assert (group.closed, group.statuses) == ([0, 100], ["FILLED", "CANCELED", "FILLED"])
