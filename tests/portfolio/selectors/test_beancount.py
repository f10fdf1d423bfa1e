"""The file for beancount, checked by beancount itself where it is installed (benchmarks/peers/portfolio.py says how)."""

import subprocess
import sys
from collections import defaultdict
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from accounts.models import Account
from accounts.models.tenancy import acting_as
from portfolio.selectors.beancount import beancount_file
from portfolio.selectors.books import ledger_of
from tests.factories import make_account, make_instrument, make_user, post
from tests.portfolio.market import fresh_currencies
from tests.portfolio.rich import Rich
from tests.portfolio.worlds import Fortnights, at, far, strange

D = Decimal
PEERS = str(Path(settings.VAR) / "peers")
NEAR = D("1e-5")


@pytest.fixture(scope="module")
def beancount() -> Any:
    """Return beancount's loader, from where the benchmarks put it."""
    if PEERS not in sys.path:
        sys.path.append(PEERS)
    try:
        return import_module("beancount.loader")
    except ImportError:
        pytest.skip("beancount is not installed; benchmarks/peers/portfolio.py says how it is")


@pytest.fixture(scope="module")
def fortnights() -> Fortnights:
    return Fortnights()


@pytest.fixture(scope="module")
def rich() -> Rich:
    return Rich()


def written(account: Account) -> str:
    with acting_as(account.owner_id):
        return "".join(beancount_file(account))


def check(beancount: Any, account: Account) -> list[Any]:
    """Hold beancount's lots, gains and cash to ours, and return its transactions."""
    entries, errors, _ = beancount.load_string(written(account))
    assert errors == []
    transactions = [entry for entry in entries if hasattr(entry, "postings")]
    with acting_as(account.owner_id):
        book = ledger_of(account).book()
    theirs, cash, held = defaultdict(Decimal), defaultdict(Decimal), defaultdict(Decimal)
    for transaction in transactions:
        for leg in transaction.postings:
            if leg.account == "Income:Gains":
                theirs[leg.units.currency] -= leg.units.number
            elif leg.account == "Assets:Cash":
                cash[leg.units.currency] += leg.units.number
            elif leg.account == "Assets:Holdings":
                held[leg.cost.currency] += leg.units.number * leg.cost.number
    ours, costs = defaultdict(Decimal), defaultdict(Decimal)
    for closure in book.closures:
        ours[book.holdings[closure.instrument].currency] += closure.gain
    for holding in book.holdings.values():
        costs[holding.currency] += holding.cost
    alike(theirs, ours)
    alike(cash, book.cash)
    alike(held, costs)
    return transactions


def alike(theirs: dict[str, Decimal], ours: dict[str, Decimal]) -> None:
    for currency in {*theirs, *ours}:
        assert abs(theirs.get(currency, D(0)) - ours.get(currency, D(0))) < NEAR, currency


def won_by_lots(transactions: list[Any]) -> Decimal:
    """Return what sales brought beyond the cost of the lots that beancount chose for them; no gain that we state is looked at."""
    total = D(0)
    for one in transactions:
        if one.narration == "Sell":
            total += sum((leg.units.number for leg in one.postings if leg.account == "Assets:Cash"), D(0))
            total += sum((leg.units.number * leg.cost.number for leg in one.postings if leg.cost), D(0))
    return total


@pytest.mark.parametrize("method", ["FIFO", "LIFO", "HIFO", "AVERAGE"])
def test_beancount_agrees_by_every_method(beancount, fortnights, method):
    check(beancount, fortnights.busy(method))


def test_beancount_agrees_on_an_account_to_which_everything_happened(beancount, rich):
    check(beancount, rich.account)


def test_beancount_agrees_on_strange_and_far_accounts(beancount):
    owner = make_user("alice")
    for account in (strange(owner), *far(owner, *fresh_currencies(2))):
        check(beancount, account)


def test_beancount_chooses_the_lots_of_fifo_itself(beancount):
    account, one = make_account(owner=make_user("alice")), make_instrument(name='Quo"ted \\ Inc.')
    post(account, "DEPOSIT", cash="10000", occurred_at=at("2024-01-02"))
    for day, quantity, price in (("03", "10", "100"), ("04", "7", "103.33"), ("05", "5", "99.5")):
        post(account, "BUY", instrument=one, quantity=quantity, price=price, fee="1.11", occurred_at=at(f"2024-01-{day}"))
    for day, quantity, price in (("08", "-3", "110"), ("09", "-12", "111.17"), ("10", "-5", "90")):
        post(account, "SELL", instrument=one, quantity=quantity, price=price, fee="0.7", occurred_at=at(f"2024-01-{day}"))
    told = written(account)
    assert told.count(" {USD}\n") == 3
    assert told.count('{USD, "') == 0
    with acting_as(account.owner_id):
        closures = ledger_of(account).book().closures
    assert abs(won_by_lots(check(beancount, account)) - sum(closure.gain for closure in closures)) < NEAR


def test_beans_are_checked(beancount, rich, tmp_path):
    file = tmp_path / "rich.beancount"
    file.write_text(written(rich.account))
    program = "import sys; sys.path.append(sys.argv.pop(1)); from beancount.scripts.check import main; main()"
    done = subprocess.run([sys.executable, "-c", program, PEERS, str(file)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_an_account_in_which_nothing_happened_is_a_file(beancount):
    account = make_account(owner=make_user("alice"), name='A "name"\nof two lines')
    entries, errors, _ = beancount.load_string(written(account))
    assert errors == []
    assert {type(entry).__name__ for entry in entries} == {"Open"}
