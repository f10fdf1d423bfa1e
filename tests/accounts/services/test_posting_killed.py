"""A worker that posts a file is killed with SIGKILL, wherever it is, and a second one ends in the same ledger."""

import signal
import subprocess
import sys
import time
from datetime import timedelta

import pytest
from django.db import connection

from accounts.models import LedgerEntry
from accounts.models.tenancy import acting_as
from accounts.selectors.ledger import ledger_faults
from accounts.services.import_posting import LEASE
from tests.accounts.kept_files import NOW, again, begin, keep, undo, work
from tests.architecture.tree import ROOT
from tests.factories import make_account, make_instrument, make_user, unique_symbol

COMMAND = [sys.executable, "-m", "tests.accounts.services.posting_process"]
NEVER = 1_000
ENTRY = ("sequence", "kind", "occurred_at", "instrument", "quantity", "price", "cash", "fee", "data", "notes", "external_id")
MAPPING = {"columns": {name: name.title() for name in ("date", "kind", "symbol", "quantity", "price", "amount", "notes")}}
LINES, BAD, CHUNK = 250, 25, 100


@pytest.fixture(scope="module")
def content():
    """Return a table of three chunks, with lines that are bad and lines that are alike."""
    symbol = unique_symbol()
    rows = ["Date,Kind,Symbol,Quantity,Price,Amount,Notes"]
    for number in range(LINES):
        kind, price = "gift" if number % 10 == 0 else "buy", number % 7 + 1
        rows.append(f"2024-01-{number % 28 + 1:02},{kind},{symbol},2,{price}.50,-{2 * price + 1},")
    make_instrument(symbol=symbol)
    return "\n".join(rows).encode()


@pytest.fixture(scope="module")
def undisturbed(content):
    """Return the ledger of an account to which the file was posted at one go."""
    account = make_account(owner=make_user("Undisturbed"))
    batch = work(begin(keep(account, content, mapping=MAPPING)))
    assert (batch.status, batch.posted) == ("PARTIAL", LINES - BAD)
    return entries(account), told(batch)


def entries(account):
    """Return the ledger of an account."""
    with acting_as(account.owner_id):
        return list(LedgerEntry.objects.filter(account=account).order_by("sequence").values_list(*ENTRY))


def told(batch):
    """Return what an import says of itself."""
    return (batch.status, batch.lines, batch.posted, batch.known, batch.spans, batch.fates, batch.refused, batch.remarks)


def worker(batch, calls):
    """Start a worker that dies when it asks for the time after so many times."""
    words = [connection.settings_dict["NAME"], str(batch.pk), str(CHUNK), str(calls)]
    return subprocess.Popen([*COMMAND, *words], cwd=ROOT, stderr=subprocess.PIPE)


def second_try(batch):
    """Let a worker go on when the lease of the killed one has ended."""
    return work(batch, clock=lambda: NOW + LEASE + timedelta(seconds=1))


# it asks when it claims, opens, is at the end of each of three chunks before that is committed, finishes and tells
@pytest.mark.parametrize(("calls", "done"), [(2, 0), (4, 180), (6, 225)])
def test_at_any_step_and_tried_again_ends_in_the_same_ledger(account, content, undisturbed, calls, done):
    batch = begin(keep(account, content, mapping=MAPPING))
    with worker(batch, calls) as process:
        errors = process.communicate(timeout=120)[1]
    assert process.returncode == -signal.SIGKILL, errors.decode()
    assert (again(batch).status, len(entries(account))) == ("POSTING", done)
    assert (told(second_try(batch)), entries(account)) == (undisturbed[1], undisturbed[0])
    assert ledger_faults(account_id=account.pk) == {}


def test_from_outside_at_whatever_it_does_ends_in_the_same_ledger_that_can_be_undone(account, content, undisturbed):
    batch = begin(keep(account, content, mapping=MAPPING))
    with worker(batch, NEVER) as process:
        for _ in range(1_200):
            if again(batch).progress or process.poll() is not None:
                break
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        errors = process.communicate()[1]
    assert len(entries(account)) >= 90, errors.decode()
    if again(batch).status == "POSTING":
        second_try(batch)
    assert (told(again(batch)), entries(account)) == (undisturbed[1], undisturbed[0])
    assert sum(last - first + 1 for first, last in undo(batch).undone) == LINES - BAD
    assert ledger_faults(account_id=account.pk) == {}
