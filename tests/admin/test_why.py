"""Positions, closures, days and returns say why, to those who may see them."""

from datetime import UTC, datetime

import pytest
from django.urls import reverse

from portfolio.models import Closure, Performance, Position, Snapshot
from portfolio.services.projections import catch_up
from tests.admin.world import looks
from tests.factories import make_account, make_instrument, post
from tests.portfolio.market import bars

NOW = datetime(2025, 1, 1, tzinfo=UTC)
MODELS = (Position, Closure, Snapshot, Performance)


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
