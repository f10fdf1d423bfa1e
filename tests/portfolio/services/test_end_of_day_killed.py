"""Killed in the middle of the end of a day and run again: the same rows as if nothing had happened."""

import signal
import subprocess
import sys
import time
from random import Random

import pytest
from django.db import connections, transaction

from portfolio.models import Snapshot
from portfolio.selectors.market import SYSTEM
from portfolio.services.end_of_day import advance
from portfolio.services.rebuilding import rebuild
from tests.architecture.tree import ROOT
from tests.factories import make_instrument
from tests.portfolio.services.test_end_of_day import DAYS, NOW, day, priced, traded

COMMAND = [sys.executable, "-m", "tests.portfolio.services.end_of_day_process"]
# A row that the other process has to wait for, since it may be committed.
SAME_DAY = """
    INSERT INTO portfolio_snapshot (account_id, date, total_value, cash, positions_value, buying_power, net_flow, day_gain,
                                    total_gain, twr_index, priced)
    SELECT account_id, %s, 0, 0, 0, 0, 0, 0, 0, 1, true FROM portfolio_snapshot WHERE account_id = %s AND date = %s
"""
WAITING = """
    SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'
                   AND transactionid = pg_current_xact_id()::xid)
"""


def reached(account) -> str:
    return max(Snapshot.objects.using(SYSTEM).filter(account=account).values_list("date", flat=True)).isoformat()


def killed_at(accounts, number: int) -> None:
    """Start a process that takes accounts on, and kill it while it writes the day of one of them."""
    told = [connections[SYSTEM].settings_dict["NAME"], *(str(account.pk) for account in accounts)]
    with transaction.atomic(using=SYSTEM), connections[SYSTEM].cursor() as cursor:
        cursor.execute(SAME_DAY, [day(3), accounts[number].pk, day(0)])
        with subprocess.Popen([*COMMAND, *told], cwd=ROOT, stderr=subprocess.PIPE) as process:
            waiting = False
            for _ in range(600):
                cursor.execute(WAITING)
                waiting = bool(cursor.fetchone()[0])
                if waiting or process.poll() is not None:
                    break
                time.sleep(0.1)
            process.send_signal(signal.SIGKILL)
            errors = process.communicate()[1]
        transaction.set_rollback(True, using=SYSTEM)
        assert waiting, errors.decode()


@pytest.mark.slow
def test_a_second_run_ends_where_an_undisturbed_one_would(alice):
    chance = Random(9)
    shares = [make_instrument() for _ in range(3)]
    priced(shares, range(-DAYS, 1), chance)
    accounts = [traded(alice, shares, chance) for _ in range(4)]
    priced(shares, [3], chance)
    killed_at(accounts, 2)
    assert [reached(account) for account in accounts] == [day(3), day(3), day(0), day(0)]
    assert not Snapshot.objects.using(SYSTEM).filter(account__in=accounts[2:], date__gt=day(0)).exists()
    # the killed one's locks go when the server notices; whoever finds them leaves the account for the next run
    left = [None]
    for _ in range(100):
        left = advance(account_ids=[account.pk for account in accounts], chunk=1)
        if not left:
            break
        time.sleep(0.1)
    assert left == []
    assert [reached(account) for account in accounts] == [day(3)] * 4
    assert list(rebuild(account_ids=[account.pk for account in accounts], at=NOW)) == []
