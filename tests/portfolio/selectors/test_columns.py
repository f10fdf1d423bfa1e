"""Columns of a ledger say what its tables say; periods are measured from daily values, without the ledger."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models.tenancy import acting_as
from portfolio.domain.daily import analyze, as_amount
from portfolio.domain.performance import as_ratio, exact_ratio
from portfolio.domain.swift import by_fifo
from portfolio.models import Closure, Performance, Snapshot
from portfolio.selectors.columns import columns_of, holdings_and_closes
from portfolio.selectors.figures import KeptFigures
from portfolio.selectors.market import SYSTEM
from portfolio.services.projections import catch_up
from tests.factories import make_instrument, post
from tests.portfolio.market import bars

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FIRST = date(2024, 1, 1)


def at(offset: int, hour: int = 15) -> datetime:
    return datetime.combine(FIRST + timedelta(days=offset), datetime.min.time(), UTC) + timedelta(hours=hour)


@pytest.fixture
def share(account):
    """Return an instrument with forty closes, which was bought twice and sold twice."""
    share = make_instrument()
    bars(share, {(FIRST + timedelta(days=n)).isoformat(): 100 + (n * 7) % 11 for n in range(40) if n % 7 < 5})
    post(account, "DEPOSIT", cash="9000", occurred_at=at(0, 8))
    post(account, "BUY", instrument=share, quantity="10", price="100", fee="1", occurred_at=at(0))
    post(account, "BUY", instrument=share, quantity="7.5", price="103.17", fee="1", occurred_at=at(5))
    post(account, "DIVIDEND", instrument=share, cash="12.34", occurred_at=at(9))
    post(account, "SELL", instrument=share, quantity="-12.25", price="107", fee="1", occurred_at=at(20))
    post(account, "WITHDRAWAL", cash="-500", occurred_at=at(25))
    post(account, "SELL", instrument=share, quantity="-1", price="99", occurred_at=at(33))
    return share


class TestHoldingsAndCloses:
    def test_analyzes_to_what_the_tables_say(self, account, share):
        catch_up(account_id=account.pk, at=NOW)
        loaded = holdings_and_closes(account, using=SYSTEM)
        assert loaded is not None
        found = analyze(*loaded, periods=252)
        values = list(
            Snapshot.objects.using(SYSTEM).filter(account=account).order_by("date").values_list("total_value", flat=True)
        )
        assert [as_amount(number, found.total.places) for number in found.total.digits] == values
        kept = Performance.objects.using(SYSTEM).get(account=account)
        assert (exact_ratio(found.twr), as_ratio(found.xirr)) == (kept.twr, kept.xirr)
        assert (exact_ratio(found.max_drawdown), as_ratio(found.volatility)) == (kept.max_drawdown, kept.volatility)
        matched = by_fifo(loaded[0])
        closures = Closure.objects.using(SYSTEM).filter(account=account).order_by("number")
        order = matched.in_order(loaded[0].columns)
        amounts = zip(matched.cost[order].tolist(), matched.proceeds[order].tolist(), strict=True)
        assert [(as_amount(cost, 10), as_amount(proceeds, 10)) for cost, proceeds in amounts] == [
            (closure.cost, closure.proceeds) for closure in closures
        ]

    @pytest.mark.parametrize(
        ("kind", "fields"),
        [
            ("SPLIT", {"data": {"ratio": "2:1"}}),
            ("SELL", {"quantity": "-100", "price": "1"}),
            ("BUY", {"quantity": "1", "price": "1", "currency": "EUR"}),
        ],
    )
    def test_there_are_none_where_that_is_not_all(self, account, share, kind, fields):
        post(account, kind, instrument=share, occurred_at=at(36), **fields)
        assert holdings_and_closes(account, using=SYSTEM) is None

    def test_there_are_none_without_entries(self, account):
        assert columns_of(account_id=account.pk, using=SYSTEM) is None

    def test_numbers_beyond_machine_integers_are_exact(self, account, share):
        post(account, "BUY", instrument=share, quantity="12345678901.123456789012", price="1", occurred_at=at(37))
        columns = columns_of(account_id=account.pk, using=SYSTEM)
        assert columns is not None
        assert columns.quantity.decimals()[-1] == Decimal("12345678901.123456789012")


class TestPeriods:
    def test_are_measured_without_the_ledger(self, account, share, alice):
        catch_up(account_id=account.pk, at=NOW)
        with acting_as(alice.pk):
            figures = KeptFigures(account)
            with CaptureQueriesContext(connection) as queries:
                found = figures.performance(start=FIRST + timedelta(days=10), end=FIRST + timedelta(days=30))
        assert found is not None
        (query,) = [one["sql"] for one in queries.captured_queries]
        assert "portfolio_snapshot" in query
        assert "ledger" not in query
