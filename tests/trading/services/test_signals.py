"""Signals are recorded once, and come to one end."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError

from accounts.models.tenancy import acting_as
from tests.factories import make_instrument
from tests.trading.factories import AT, make_session, make_signal
from trading.domain.signals import SignalDraft, SignalKind, SignalStatus
from trading.services.refusals import NotAsThingsStand
from trading.services.sessions import SessionEnded
from trading.services.signals import record_signal, settle_signal

NOW = datetime(2024, 5, 7, tzinfo=UTC)
DRAFT = SignalDraft(at=AT, kind=SignalKind.ENTER_LONG, source="scanner", strength=Decimal("0.5"), data={"rsi": 30})


@pytest.fixture(autouse=True)
def owner(account):
    """Act as the account's owner."""
    with acting_as(account.owner_id):
        yield account.owner


class TestRecord:
    def test_is_done_once(self, account):
        instrument = make_instrument()
        made, new = record_signal(account=account, instrument=instrument, draft=DRAFT, now=NOW)
        again, anew = record_signal(account=account, instrument=instrument, draft=DRAFT, now=NOW + timedelta(1))
        assert (new, anew, again.pk, again.created_at) == (True, False, made.pk, NOW)
        assert (made.strength, made.status, made.data) == (Decimal("0.5"), "ACTIVE", {"rsi": 30})

    def test_of_one_whose_time_is_over_says_so(self, account):
        draft = SignalDraft(at=AT, kind=SignalKind.WATCH, source="scanner", expires_at=AT + timedelta(hours=1))
        made, _ = record_signal(account=account, instrument=make_instrument(), draft=draft, now=NOW)
        assert (made.status, made.settled_at) == ("EXPIRED", NOW)

    def test_is_refused_by_field_and_in_a_session_that_ended(self, account):
        instrument, ended = make_instrument(), make_session(account, ended_at=AT)
        wrong = SignalDraft(at=AT, kind=SignalKind.WATCH, source="")
        with pytest.raises(ValidationError) as refused:
            record_signal(account=account, instrument=instrument, draft=wrong, now=NOW)
        assert list(refused.value.error_dict) == ["source"]
        with pytest.raises(SessionEnded):
            record_signal(account=account, instrument=instrument, draft=DRAFT, now=NOW, session=ended)


class TestEnd:
    def test_comes_once(self, account):
        signal = make_signal(account, make_instrument())
        assert settle_signal(signal=signal, status=SignalStatus.DISMISSED, at=NOW).settled_at == NOW
        with pytest.raises(NotAsThingsStand):
            settle_signal(signal=signal, status=SignalStatus.TAKEN, at=NOW)

    def test_comes_by_itself_when_the_time_is_over(self, account):
        over = make_signal(account, make_instrument(), expires_at=NOW)
        with pytest.raises(NotAsThingsStand):
            settle_signal(signal=over, status=SignalStatus.TAKEN, at=NOW)
