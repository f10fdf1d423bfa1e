"""The page of a backtest: curves and figures of one that is done, and a way to cancel one that is not."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models.tenancy import acting_as
from tests.admin.test_records import dialog
from tests.factories import make_bars, make_instrument
from trading.models import BacktestRun
from trading.services.backtests import perform_backtest, request_backtest, runs_of

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


class TestSweep:
    """Its page tells its runs apart, and any runs are laid side by side."""

    @pytest.fixture
    def sweep(self, account):
        instrument = make_instrument()
        make_bars(instrument, [(date(2020, 1, 1) + timedelta(days=n), str(100 + abs(n % 120 - 60))) for n in range(300)])
        asked = {"strategy_kind": "sma_cross", "instruments": [instrument], "start": date(2020, 3, 1), "end": date(2020, 10, 1)}
        asked |= {"kind": "SWEEP", "parameters": {"fast": [5, 10], "slow": 20}, "name": "Which?"}
        with acting_as(account.owner_id):
            made = request_backtest(account=account, actor=account.owner, at=NOW, cash="10000", **asked)
        for run_id in runs_of(run_id=made.pk):
            perform_backtest(run_id=run_id, clock=lambda: NOW)
        return made

    def parts(self, sweep):
        with acting_as(sweep.account.owner_id):
            return list(BacktestRun.objects.filter(parent=sweep).order_by("number"))

    def test_shows_its_runs_and_which_is_the_best(self, sweep, browser):
        shown = browser.get(page(sweep)).content.decode()
        for run in self.parts(sweep):
            assert page(run) in shown
        assert shown.count("<strong>best</strong>") == 1
        assert "fast 10, slow 20" in shown
        assert "{&#x27;" not in shown

    def test_its_runs_are_in_the_list_when_they_are_asked_for(self, sweep, browser):
        address = reverse("admin:trading_backtestrun_changelist")
        assert "Which?" in browser.get(address).content.decode()
        assert page(self.parts(sweep)[0]) not in browser.get(address).content.decode()
        for wanted in ("1", "only"):
            assert page(self.parts(sweep)[0]) in browser.get(address, {"parts": wanted}).content.decode()

    def test_runs_are_laid_side_by_side_for_members_alone(self, sweep, browser, charlie):
        address = reverse("admin:trading_backtestrun_compare")
        first, second = self.parts(sweep)
        asked = {"run": [str(first.pk), str(second.pk), "x", str(sweep.pk)]}
        shown = browser.get(address, asked).content.decode()
        assert 'id="compared"' in shown
        assert shown.count('<th scope="col" class="right"><a') == 2
        other = Client()
        other.force_login(charlie)
        assert 'id="compared"' not in other.get(address, asked).content.decode()
        assert 'id="compared"' not in browser.get(address).content.decode()
