"""Signals: what they have to say, and that they come to an end once."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from trading.domain.signals import (
    NEXT,
    SignalDraft,
    SignalKind,
    SignalNotActive,
    SignalRefused,
    SignalStatus,
    moved,
    status_at,
)

AT = datetime(2024, 5, 6, tzinfo=UTC)
HOUR = timedelta(hours=1)


def draft(**fields):
    return SignalDraft(**{"at": AT, "kind": SignalKind.ENTER_LONG, "source": "scanner"} | fields)


class TestDraft:
    def test_may_have_no_end(self):
        draft().check()
        draft(expires_at=AT + HOUR, strength=Decimal("0.4")).check()

    @pytest.mark.parametrize(
        ("fields", "field", "code"),
        [
            ({"at": AT.replace(tzinfo=None)}, "at", "naive"),
            ({"expires_at": AT.replace(tzinfo=None)}, "expires_at", "naive"),
            ({"expires_at": AT}, "expires_at", "before_start"),
            ({"strength": Decimal("1.1")}, "strength", "not_a_share"),
            ({"strength": Decimal("NaN")}, "strength", "not_a_share"),
            ({"strength": Decimal("0.0000001")}, "strength", "too_precise"),
            ({"source": ""}, "source", "required"),
            ({"source": "a\x07"}, "source", "invalid"),
            ({"data": {"x": object()}}, "data", "invalid"),
        ],
    )
    def test_is_refused_by_field(self, fields, field, code):
        with pytest.raises(SignalRefused) as refused:
            draft(**fields).check()
        assert [(problem.field, problem.code) for problem in refused.value.problems] == [(field, code)]


class TestStatus:
    @pytest.mark.parametrize("status", SignalStatus)
    @pytest.mark.parametrize("target", SignalStatus)
    def test_moves_by_the_table_alone(self, status, target):
        if target in NEXT.get(status, ()):
            assert moved(status, target) is target
        else:
            with pytest.raises(SignalNotActive) as refused:
                moved(status, target)
            assert refused.value.codes == {"signal_not_active"}

    def test_is_over_when_its_time_has_come(self):
        assert status_at(SignalStatus.ACTIVE, AT, AT - HOUR) is SignalStatus.ACTIVE
        assert status_at(SignalStatus.ACTIVE, AT, AT) is SignalStatus.EXPIRED
        assert status_at(SignalStatus.ACTIVE, None, AT) is SignalStatus.ACTIVE
        assert status_at(SignalStatus.TAKEN, AT, AT + HOUR) is SignalStatus.TAKEN
