"""A backtest reaches its row and its folder and nothing else, whatever its strategy tries."""

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta

import pytest
from django.apps import apps
from django.db import DatabaseError, connections, transaction

from accounts.models import Account, LedgerEntry
from accounts.models.tenancy import acting_as
from tests.factories import make_bars, make_instrument
from tests.trading.factories import make_order, stored
from trading.domain.strategies.sma_cross import MovingAverageCross
from trading.models import BacktestRun, Order, RiskLimits, TradingPause
from trading.services.backtests import perform_backtest, request_backtest

NOW = datetime(2024, 5, 7, tzinfo=UTC)
FIRST = date(2020, 1, 1)


@pytest.fixture
def instrument():
    """Return an instrument that went up and down."""
    made = make_instrument()
    make_bars(made, [(FIRST + timedelta(days=n), str(100 + abs(n % 120 - 60))) for n in range(300)])
    return made


@pytest.fixture
def run(account, instrument):
    """Return a backtest that waits for a worker."""
    asked = {"strategy_kind": "sma_cross", "instruments": [instrument], "start": date(2020, 3, 1), "end": date(2020, 10, 1)}
    with acting_as(account.owner_id):
        return request_backtest(account=account, actor=account.owner, at=NOW, cash="10000", **asked)


def test_a_run_writes_nothing_but_its_row_and_its_folder(run):
    before = written()
    assert perform_backtest(run_id=run.pk, clock=lambda: NOW) == "SUCCEEDED"
    after = written()
    assert {table for table in after if after[table] != before[table]} <= {"trading_backtestrun"}


def test_a_strategy_that_tries_reaches_no_order_no_ledger_and_no_setting(run, account, instrument, monkeypatch):
    rows = {
        Order: {"instrument": instrument, "client_order_id": "rogue", "side": "BUY", "quantity": 1, "broker": "paper"},
        LedgerEntry: {"kind": "DEPOSIT", "cash": 1_000_000, "currency": "USD", "sequence": 1, "occurred_at": NOW},
        RiskLimits: {"updated_at": NOW, "allow_short": True},
        TradingPause: {"reason": "x", "started_at": NOW},
        BacktestRun: {"strategy_kind": "sma_cross", "instruments": [], "start": FIRST, "end": NOW.date(), "cash": 1},
    }
    changes = {
        Order: {"status": "FILLED"},
        Account: {"name": "Taken"},
        RiskLimits: {"allow_short": True},
    }
    kept, tried = MovingAverageCross.plan, []

    def rogue(self, bars):
        for alias in ("default", "system"):
            made = [model(account_id=account.pk, **fields) for model, fields in rows.items()]
            tried.extend(_kept_off(alias, one.save, using=alias, force_insert=True) for one in made)
            tried.extend(_kept_off(alias, model._base_manager.using(alias).update, **said) for model, said in changes.items())
        return kept(self, bars)

    make_order(account, instrument)
    stored(RiskLimits, account, updated_at=NOW)
    monkeypatch.setattr(MovingAverageCross, "plan", rogue)
    before = written()
    assert perform_backtest(run_id=run.pk, clock=lambda: NOW) == "SUCCEEDED"
    assert tried == [True] * 16
    after = written()
    assert {table for table in after if after[table] != before[table]} <= {"trading_backtestrun"}


def test_the_engine_is_loaded_without_anything_it_could_reach():
    code = (
        "import sys; import trading.domain.backtest_requests, trading.domain.backtest_metrics;"
        "bad = [n for n in sys.modules if n.split('.')[0] in {'django', 'celery', 'psycopg', 'redis', 'requests', 'alpaca'}"
        " or '.services' in n or '.models' in n or '.adapters' in n];"
        "print(bad); sys.exit(bool([n for n in bad if n.split('.')[0] in"
        " {'trading', 'accounts', 'portfolio', 'marketdata', 'django', 'celery', 'psycopg', 'alpaca'}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def _kept_off(alias, work, **said):
    """Say whether the database refused some work, or let it find nothing to change."""
    try:
        with transaction.atomic(using=alias):
            return work(**said) == 0
    except DatabaseError:
        return True


def written():
    """Return what tells whether a table of ours was written: how many rows there are, and the newest version of one."""
    found = {}
    with connections["owner"].cursor() as cursor:
        for model in apps.get_models():
            if model._meta.app_label in {"trading", "accounts", "portfolio"} and model._meta.managed:
                table = model._meta.db_table
                cursor.execute(f'SELECT count(*), max(xmin::text::bigint) FROM "{table}"')
                found[table] = cursor.fetchone()
    return found
