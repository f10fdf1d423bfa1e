"""Positions, closures, days and returns say why, to those who may see them."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.urls import reverse

from accounts.models.tenancy import acting_as
from accounts.services.policies import create_policy
from portfolio.models import Alert, Closure, Lot, Performance, Position, Snapshot
from portfolio.services.projections import catch_up
from tests.admin.world import looks
from tests.factories import make_account, make_instrument, post
from tests.portfolio.market import bars

NOW = datetime(2025, 1, 1, tzinfo=UTC)
MODELS = (Position, Lot, Closure, Snapshot, Performance)


@pytest.fixture
def account(alice):
    account, stock = make_account(owner=alice), make_instrument()
    bars(stock, {"2024-01-02": 10, "2024-01-03": 11, "2024-01-04": "12.5", "2024-01-05": 12})
    post(account, "DEPOSIT", cash="1000", occurred_at=datetime(2024, 1, 1, 15, tzinfo=UTC))
    post(account, "BUY", instrument=stock, quantity="10", price="10", occurred_at=datetime(2024, 1, 2, 15, tzinfo=UTC))
    post(account, "SELL", instrument=stock, quantity="-4", price="11", occurred_at=datetime(2024, 1, 3, 15, tzinfo=UTC))
    catch_up(account_id=account.pk, at=NOW)
    return account


def page(client, model, account):
    row = model.objects.using("system").filter(account=account).last()
    return client.get(reverse(f"admin:portfolio_{model._meta.model_name}_why", args=[row.pk]))


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (Position, ["quantity * market_price * multiplier", "sum(entries.cost_change)", ">72<", "close"]),
        (Lot, ["sum(entries.cost_change)", ">60<"]),
        (Closure, ["proceeds - cost", "lot_cost * quantity / lot_quantity", ">4<"]),
        (Snapshot, ["cash + positions_value - owed", "sum(holdings.value_in_base)"]),
        (Performance, ["index_end / index_start - 1", "sum(days.net_flow)", "xirr is the yearly rate"]),
    ],
)
def test_shows_the_steps_and_what_they_rest_on(alice, account, model, said):
    answer = page(looks(alice), model, account)
    assert answer.status_code == 200
    text = answer.content.decode()
    assert all(words in text for words in said), [words for words in said if words not in text]


@pytest.mark.parametrize("model", MODELS)
def test_is_offered_on_the_page_of_the_record(alice, account, model):
    row = model.objects.using("system").filter(account=account).last()
    name = f"admin:portfolio_{model._meta.model_name}"
    answer = looks(alice).get(reverse(f"{name}_change", args=[row.pk]))
    assert reverse(f"{name}_why", args=[row.pk]) in answer.content.decode()


@pytest.mark.parametrize("model", MODELS)
def test_strangers_find_nothing(charlie, account, model):
    assert page(looks(charlie), model, account).status_code == 404


def test_is_brought_up_to_date_first(alice, account):
    position = Position.objects.using("system").get(account=account)
    post(account, "BUY", instrument=position.instrument, quantity="1", price="12", occurred_at=datetime(2024, 1, 5, tzinfo=UTC))
    assert ">84<" in page(looks(alice), Position, account).content.decode()


@pytest.mark.parametrize(
    ("subject", "said"),
    [("trades", ["wins / total_trades", "gain_in_currency * rate"]), ("policy:POSITION", ["abs(amount) / total_value", "close"])],
)
def test_an_alert_says_why(alice, account, subject, said):
    with acting_as(alice.pk):
        create_policy(account=account, kind="POSITION", threshold=Decimal("0.01"), at=NOW)
    Alert.objects.using("system").create(account_id=account.pk, subject=subject, since=NOW, message="Too much.")
    text = page(looks(alice), Alert, account).content.decode()
    assert all(words in text for words in said), [words for words in said if words not in text]
    change = looks(alice).get(
        reverse("admin:portfolio_alert_change", args=[Alert.objects.using("system").get(account=account).pk])
    )
    assert "/why/" in change.content.decode()


def test_targets_and_bounds_say_why(alice, account):
    stock = Position.objects.using("system").select_related("instrument").get(account=account).instrument
    with acting_as(alice.pk):
        create_policy(account=account, kind="CASH", threshold=Decimal("0.9"), at=NOW)
    body = {"name": "Mine", "targets": [{"instrument": stock.key, "weight": "0.5"}]}
    client = looks(alice)
    assert client.post(f"/api/v1/accounts/{account.pk}/targets/", body, content_type="application/json").status_code == 201
    shown = client.get(reverse("admin:targets"), {"account": account.pk}).content.decode()
    assert "why=drift" in shown
    assert "why=bounds" in shown
    for why, said in (("drift", "sum(standings.size) / 2 / total_value"), ("bounds", "max(amount, 0) / total_value")):
        text = client.get(reverse("admin:targets"), {"account": account.pk, "why": why}).content.decode()
        assert said in text
        assert ">72<" in text  # six shares at the last close
