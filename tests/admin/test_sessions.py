"""The pages of sessions: one that trades by itself is begun, seen at work, and ended."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models.tenancy import acting_as
from tests.admin.test_records import dialog
from tests.trading.services.automation_desk import Market
from trading.models import Session


@pytest.fixture
def market():
    return Market(["10", "10", "10", "10"])


@pytest.fixture
def browser(market):
    client = Client()
    client.force_login(market.account.owner)
    return client


def test_one_that_trades_by_itself_is_begun_and_ended(market, browser):
    given = {"account": market.account.pk, "strategy": market.strategy.pk, "name": "By itself", "automatic": "on"}
    address = reverse("admin:trading_session_add")
    refused = browser.post(address, given)
    assert refused.status_code == 200
    assert "instruments that it is to trade" in refused.content.decode()
    done = browser.post(address, given | {"instruments": market.stock.key, "timeframe": "1d", "risk": "0.02", "stop_loss": "0.1"})
    assert done.status_code == 302, done.content
    with acting_as(market.account.owner_id):
        made = Session.objects.get(account=market.account, name="By itself")
    rules = made.configuration["rules"]
    assert (rules["amount"], rules["stop_loss"], made.automatic) == ("0.02", "0.1", True)
    assert dialog(browser, made, "end").status_code == 302
    with acting_as(market.account.owner_id):
        assert Session.objects.get(pk=made.pk).ended_at is not None
    assert dialog(browser, made, "end").status_code == 403


def test_shows_what_it_did_last_and_why_it_does_nothing(market, browser):
    market.day("11")
    shown = browser.get(reverse("admin:trading_session_change", args=[market.session.pk])).content.decode()
    for text in ("STRATEGIES is off", "it wants to be long", "Ordered"):
        assert text in shown
    rows = browser.get(reverse("admin:trading_evaluation_changelist")).content.decode()
    assert market.stock.symbol in rows
