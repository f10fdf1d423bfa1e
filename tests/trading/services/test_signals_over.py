"""Signals whose time is over are told as such, whether anybody asks for them or not."""

from datetime import UTC, datetime, timedelta

from accounts.models.tenancy import acting_as
from tests.factories import make_instrument
from tests.trading.factories import make_signal
from trading.models import Signal
from trading.services.signals import expire_signals
from trading.tasks import expire_signals as task

NOW = datetime(2024, 5, 7, tzinfo=UTC)


def standing(account) -> dict:
    """Return how the account's signals stand, and since when, by what saw them."""
    with acting_as(account.owner_id):
        return {row.source: (row.status, row.settled_at) for row in Signal.objects.filter(account=account)}


def test_the_clock_ends_those_that_are_active_and_over(account):
    stock = make_instrument()
    make_signal(account, stock, source="over", expires_at=NOW)
    make_signal(account, stock, source="later", expires_at=NOW + timedelta(hours=1))
    make_signal(account, stock, source="endless")
    make_signal(account, stock, source="taken", status="TAKEN", settled_at=NOW - timedelta(hours=1), expires_at=NOW)
    expire_signals(at=NOW)
    before = standing(account)
    assert before["over"] == ("EXPIRED", NOW)
    assert [before[name][0] for name in ("later", "endless", "taken")] == ["ACTIVE", "ACTIVE", "TAKEN"]
    task()
    after = standing(account)
    assert [after[name][0] for name in ("over", "later", "endless")] == ["EXPIRED", "EXPIRED", "ACTIVE"]
    assert after["over"] == before["over"]
