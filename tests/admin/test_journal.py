"""The pages of the journal: trades of many accounts in few questions, and all there is to tell of one."""

from datetime import date, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tests.admin.world import to
from tests.factories import make_account, make_bars, make_instrument, make_user
from tests.trading.factories import AT, Desk, make_decision, make_fill, make_order
from trading.models import Decision, Trade


@pytest.fixture
def owner():
    return make_user()


@pytest.fixture
def browser(owner):
    client = Client()
    client.force_login(owner)
    return client


def questions(browser):
    with CaptureQueriesContext(connection) as queries:
        answer = browser.get(to(Trade, "changelist"))
    assert answer.status_code == 200
    return len(queries), answer.content.decode()


def test_trades_of_many_accounts_are_listed_in_as_few_questions_as_of_one(owner, browser):
    orders, asked = [], []
    for expected in (1, 4):
        while len(orders) < expected:
            order = make_order(make_account(owner=owner), make_instrument())
            make_fill(order)
            orders.append(order)
        count, shown = questions(browser)
        asked.append(count)
        assert all(reverse("admin:trading_trade_change", args=[order.pk]) in shown for order in orders)
    assert asked[0] == asked[1]


def test_of_a_trade_shows_what_is_open_and_what_closed_the_rest(owner, browser):
    account, instrument = make_account(owner=owner), make_instrument()
    order = make_order(account, instrument)
    make_fill(order)
    closing = make_order(account, instrument, side="SELL", effect="CLOSE", quantity=4)
    make_fill(closing, "4", "12", at=AT + timedelta(hours=1))
    make_bars(instrument, [(date(2024, 5, 7), "15")])
    shown = browser.get(to(Trade, "change", order.pk)).content.decode()
    assert "4 at 12" in shown
    assert "+30.00" in shown  # 6 bought at 10


def test_of_a_decision_leads_to_the_trade_and_tells_its_outcome(owner, browser):
    account = make_account(owner=owner)
    desk = Desk(account, make_instrument())
    closing = make_order(account, desk.order.instrument, side="SELL", effect="CLOSE")
    make_fill(closing, price="12", at=AT + timedelta(hours=1))
    shown = browser.get(to(Decision, "change", desk.decision.pk)).content.decode()
    assert f'href="{reverse("admin:trading_trade_change", args=[desk.order.pk])}">Win</a>' in shown
    assert "+20.00" in shown
    alone = make_decision(account, desk.order.instrument)
    assert "Nothing came of it yet" in browser.get(to(Decision, "change", alone.pk)).content.decode()


def test_the_page_of_a_trade_says_in_words_how_it_came_out(owner, browser):
    account, instrument = make_account(owner=owner), make_instrument()
    order = make_order(account, instrument)
    make_fill(order, "10", "10")
    make_fill(make_order(account, instrument, side="SELL", effect="CLOSE"), "10", "9")
    shown = browser.get(to(Trade, "change", order.pk)).content.decode()
    assert "Loss" in shown
    assert "(&#x27;" not in shown
    assert '<th scope="row">net_profit_loss</th>' in shown
