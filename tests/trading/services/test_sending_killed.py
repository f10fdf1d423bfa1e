"""Killed at whichever step, and gone on with: every order is at the broker once, and every fill in the ledger once."""

import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from tests.architecture.tree import ROOT
from tests.factories import make_instrument
from tests.trading.services.test_sending import account, look, placed, posted, seen, sent, server  # noqa: F401
from trading.services.sending import LEASE

SENDING = ("claimed", "marked", "sent", "recording", "recorded")
LOOKING = ("looked", "taking", "taken")
NOW = datetime(2024, 5, 6, 15, tzinfo=UTC)


def kill_at(step, account, server, now):  # noqa: F811
    """Start a process that sends and looks, and let it die after the step."""
    command = [sys.executable, "-m", "tests.trading.services.sending_process"]
    told = [connection.settings_dict["NAME"], server.url, str(account.pk), now.isoformat(), step]
    died = subprocess.run([*command, *told], check=False, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert died.returncode == -signal.SIGKILL, died.stderr


def gone_on(account, now):  # noqa: F811
    """Send and look as those who come after do, until nothing is left to do."""
    for _ in range(3):
        now += LEASE + timedelta(seconds=1)
        sent(account, lambda now=now: now)
        look(account, Frozen(now))


class Frozen:
    """A clock that stands."""

    def __init__(self, now):
        self.now = now

    def __call__(self):
        return self.now


@pytest.mark.slow
@pytest.mark.parametrize(
    "steps", [*((step,) for step in (*SENDING, *LOOKING)), ("marked", "sent", "recording", "taking")], ids="-".join
)
def test_a_killed_process_loses_nothing_and_does_nothing_twice(account, server, steps):  # noqa: F811
    stock, now = make_instrument(exchange="XNAS"), NOW
    orders = [placed(account, stock), placed(account, stock)]
    server.market(stock.symbol, 99, 100, 6)
    for step in steps:
        now += LEASE + timedelta(seconds=1)
        kill_at(step, account, server, now)
    gone_on(account, now)
    server.market(stock.symbol, 99, 101)
    gone_on(account, now + timedelta(minutes=1))
    assert [(seen(order).status, seen(order).filled_quantity, seen(order).sending) for order in orders] == [
        ("FILLED", 10, "SETTLED")
    ] * 2
    assert sorted(order["client_order_id"] for order in server.orders.values()) == sorted(
        order.client_order_id for order in orders
    )
    assert posted(account) == (4, 4)
    assert len(server.fills) == 4
