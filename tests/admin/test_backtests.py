"""The page of a backtest: curves and figures of one that is done, and a way to cancel one that is not."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models.tenancy import acting_as
from tests.admin.test_records import dialog
from tests.factories import make_bars, make_instrument
from trading.models import BacktestRun
from trading.services.backtests import perform_backtest, request_backtest

NOW = datetime(2024, 5, 7, tzinfo=UTC)


@pytest.fixture
def run(account):
    """Return a backtest that waits for a worker."""
    instrument = make_instrument()
    make_bars(instrument, [(date(2020, 1, 1) + timedelta(days=n), str(100 + abs(n % 120 - 60))) for n in range(300)])
    asked = {"strategy_kind": "sma_cross", "instruments": [instrument], "start": date(2020, 3, 1), "end": date(2020, 10, 1)}
    with acting_as(account.owner_id):
        return request_backtest(account=account, actor=account.owner, at=NOW, cash="10000", **asked)


@pytest.fixture
def browser(account):
    """Return the owner's browser."""
    client = Client()
    client.force_login(account.owner)
    return client


def page(run):
    """Return the address of its page."""
    return reverse("admin:trading_backtestrun_change", args=[run.pk])


def test_shows_curves_and_figures_of_one_that_is_done(run, browser):
    perform_backtest(run_id=run.pk, clock=lambda: NOW)
    shown = browser.get(page(run)).content.decode()
    for text in ('aria-label="Equity"', 'aria-label="Drawdown"', "Deepest fall", "Sharpe"):
        assert text in shown


def test_of_one_that_waits_has_no_figures_and_is_canceled(run, browser, account):
    shown = browser.get(page(run)).content.decode()
    assert 'aria-label="Equity"' not in shown
    address = reverse("admin:trading_backtestrun_cancel", args=[run.pk])
    assert address in shown
    assert browser.get(address).status_code == 200  # asks; nothing is done yet
    with acting_as(account.owner_id):
        assert BacktestRun.objects.get(pk=run.pk).status == "QUEUED"
    assert dialog(browser, run, "cancel").status_code == 302
    with acting_as(account.owner_id):
        assert BacktestRun.objects.get(pk=run.pk).status == "CANCELED"
    assert dialog(browser, run, "cancel").status_code == 403
