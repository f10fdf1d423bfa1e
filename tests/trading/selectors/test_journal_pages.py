"""A page of the journal has the trades that the whole of it has there, and derives those alone."""

import random
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models.tenancy import acting_as
from marketdata.models import CorporateAction
from tests.factories import make_account, make_instrument
from tests.trading.factories import AT, make_decision, make_fill, make_order, make_session, make_strategy, stored
from trading.models import TradeTag
from trading.selectors.journal import Asked
from trading.selectors.journal_pages import JournalPages, journal_of, trade_of, trades_moved_by, trades_of

DAY = timedelta(days=1)


@pytest.fixture
def desk(account):
    """Make a history that closes in parts, by exits of their own, across a split, and both ways."""
    chance, plain, cut = random.Random(7), make_instrument(), make_instrument()
    split = {"kind": "SPLIT", "ratio": Decimal("0.3"), "ex_date": (AT + 6 * DAY).date(), "recorded_at": AT}
    CorporateAction.objects.create(instrument=cut, **split)
    session = make_session(account, strategy=make_strategy(account.owner, entry_type="usual"))
    for hour in range(18):
        at, side = AT + hour * DAY / 2, "BUY" if hour % 4 else "SELL"
        instrument = chance.choice([plain, cut])
        about = {"decision": make_decision(account, instrument, entry_type="flag")} if hour % 3 == 0 else {}
        about |= {"session": session} if hour % 2 == 0 else {}
        order = make_order(account, instrument, side=side, created_at=at, order_class="OTO", role="ENTRY", **about)
        make_fill(order, "6", str(chance.randint(90, 110)), at=at)
        make_fill(order, "4", str(chance.randint(90, 110)), at=at + timedelta(minutes=5), fee=Decimal("0.07"))
        if hour % 6 == 0:
            stored(TradeTag, account, order=order, tag="a+", created_at=AT)
        if hour % 5 == 0:
            continue
        parent = {"parent": order, "role": "STOP_LOSS", "order_class": "OTO"} if hour % 3 == 1 else {}
        other = {"BUY": "SELL", "SELL": "BUY"}[side]
        closing = make_order(account, instrument, side=other, effect="CLOSE", quantity=Decimal(9), created_at=at, **parent)
        make_fill(closing, "9", str(chance.randint(90, 110)), at=at + DAY * chance.random(), fee=Decimal("0.1"))
    return account, plain, session


def told(trades):
    return [(one.order, one.facts, one.sized.splits, one.trip) for one in trades]


def paged(account, asked, *, descending, limit=4):
    pages, key, found = JournalPages(account, asked), None, []
    while page := pages.after(key, descending=descending, limit=limit):
        found += page
        key = pages.key_of(page[-1])
        pages = JournalPages(account, asked)
    return found


def test_pages_have_what_the_whole_has(desk):
    account, plain, session = desk
    asked = [
        Asked(),
        Asked(instrument=plain.pk),
        Asked(session=session.pk),
        Asked(strategy=session.strategy_id),
        Asked(side="SELL"),
        Asked(entry_type="flag"),
        Asked(entry_type="usual"),
        Asked(tag="a+"),
        *(Asked(outcome=outcome) for outcome in ("open", "win", "loss", "breakeven")),
        Asked(opened_from=AT + DAY, opened_before=AT + 5 * DAY),
        Asked(closed_from=AT + DAY, closed_before=AT + 5 * DAY),
        Asked(instrument=plain.pk, outcome="loss", opened_from=AT + DAY),
    ]
    with acting_as(account.owner_id):
        for one in asked:
            whole = told(journal_of(account, one).trades)
            assert told(paged(account, one, descending=False)) == whole, one
            assert told(paged(account, one, descending=True)) == whole[::-1], one
        assert len(journal_of(account).trades) == 18


def test_trades_of_orders_are_those_of_the_journal(desk):
    account, *_ = desk
    with acting_as(account.owner_id):
        trades = journal_of(account).trades
        orders = list(account.orders.order_by("pk"))
        assert told(sorted(trades_of(orders).values(), key=lambda one: one.key)) == told(trades)
        assert told([trade_of(orders[0])]) == told(one for one in trades if one.order == orders[0].pk)
        closing = [order for order in orders if order.effect == "CLOSE"][:2]
        ids = {order.pk for order in closing}
        moved = [one for one in trades if any(exit.order in ids for exit in one.trip.exits)]
        assert told(trades_moved_by(account, closing)) == told(moved)
        assert trade_of(closing[0]) is None


def test_a_page_asks_once_for_all_fills_and_once_for_the_orders_of_its_own_trades_alone(desk):
    account, *_ = desk
    with acting_as(account.owner_id), CaptureQueriesContext(connection) as asked:
        JournalPages(account, Asked()).after(None, descending=True, limit=1)
    questions = [one["sql"] for one in asked]
    assert sum("trading_fill" in one for one in questions) == 1
    [orders] = [one for one in questions if '"trading_decision"."stop_loss"' in one]
    assert orders.count("::uuid") == 1


def test_without_fills_there_is_none(charlie):
    account = make_account(owner=charlie)
    with acting_as(charlie.pk):
        assert JournalPages(account, Asked()).after(None, descending=True, limit=5) == []
        assert trades_of([]) == {}
        assert trade_of(make_order(account, make_instrument())) is None
        assert trades_moved_by(account, []) == []
