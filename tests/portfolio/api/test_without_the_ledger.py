"""The performance of any period comes from the stored daily values: no entry of the ledger is read for it."""

from datetime import UTC, datetime

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from portfolio.services.projections import catch_up
from tests.clients import browser
from tests.factories import make_account, make_instrument, post
from tests.portfolio.market import bars

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PERIODS = [
    {},
    {"start": "2024-01-04"},
    {"end": "2024-01-08"},
    {"start": "2024-01-03", "end": "2024-01-09", "risk_free": "0.02"},
]


def at(day: str) -> datetime:
    return datetime.fromisoformat(f"{day}T15:00").replace(tzinfo=UTC)


@pytest.fixture
def account(alice):
    """Return an account that is up to date."""
    account, share = make_account(owner=alice), make_instrument()
    bars(share, {f"2024-01-{n:02}": 100 + n * (-1) ** n for n in range(2, 11)})
    post(account, "DEPOSIT", cash="5000", occurred_at=at("2024-01-02"))
    post(account, "BUY", instrument=share, quantity="10", price="100", fee="1", occurred_at=at("2024-01-03"))
    post(account, "SELL", instrument=share, quantity="-3", price="109", occurred_at=at("2024-01-08"))
    catch_up(account_id=account.pk, at=NOW)
    return account


@pytest.mark.parametrize("period", PERIODS)
@pytest.mark.parametrize("route", ["performance", "rolling", "snapshots", "summary"])
def test_reads_no_entry(account, alice, route, period):
    asked = {"window": "5"} if route == "rolling" else period if route == "performance" else {}
    with CaptureQueriesContext(connections["default"]) as site, CaptureQueriesContext(connections["system"]) as system:
        answer = browser(alice).get(f"/api/v1/accounts/{account.pk}/{route}/", asked)
    assert answer.status_code == 200, answer.content
    statements = [query["sql"] for query in [*site.captured_queries, *system.captured_queries]]
    assert any("portfolio_snapshot" in one for one in statements)
    assert not any("accounts_ledgerentry" in one for one in statements)
