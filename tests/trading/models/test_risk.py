"""Limits, breaches, pauses and halts: who may write them, and that none is rewritten."""

import pytest
from django.db import DatabaseError, IntegrityError, connections, transaction

from accounts.domain.roles import Role
from accounts.models.tenancy import acting_as
from tests.factories import make_instrument, make_user, share
from tests.trading.factories import AT, make_pause, make_risk_event, stored
from trading.domain.risk import DEFAULTS
from trading.models import RestrictedInstrument, RiskLimits, TradingHalt, TradingPause


@pytest.fixture
def tom(account):
    """Return Tom, who trades in Alice's account."""
    return share(account, make_user("tom"), Role.TRADER)


class TestLimits:
    def test_of_a_new_account_are_those_of_the_house(self, account):
        made = stored(RiskLimits, account, updated_at=AT)
        assert made.as_limits() == DEFAULTS
        with acting_as(account.owner_id):
            assert RiskLimits.objects.get(account=account).as_limits() == DEFAULTS

    def test_name_what_may_not_be_opened(self, account):
        instrument = make_instrument()
        stored(RestrictedInstrument, account, instrument=instrument, created_at=AT)
        with pytest.raises(IntegrityError, match="restricted_once"):
            stored(RestrictedInstrument, account, instrument=instrument, created_at=AT)
        assert RiskLimits(account=account).as_limits([instrument.pk]).restricted == {instrument.pk}

    def test_are_not_negative(self, account):
        with pytest.raises(IntegrityError, match="risk_max_daily_loss_share_is_not_negative"):
            stored(RiskLimits, account, updated_at=AT, max_daily_loss_share="-0.1")

    def test_are_the_owners_to_change(self, account, tom):
        stored(RiskLimits, account, updated_at=AT)
        with acting_as(tom.pk):
            assert RiskLimits.objects.filter(account=account).update(allow_short=True) == 0
        with pytest.raises(DatabaseError), acting_as(tom.pk):
            RestrictedInstrument.objects.create(account=account, instrument=make_instrument(), created_at=AT)


class TestEvents:
    @pytest.mark.parametrize("alias", ["default", "system", "owner"])
    def test_are_never_changed(self, account, alias):
        event = make_risk_event(account)
        with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
            cursor.execute("select set_config('app.user_id', %s, true)", [str(account.owner_id)])
            for change in ("update trading_riskevent set detail = 'x'", "delete from trading_riskevent"):
                with pytest.raises(DatabaseError), transaction.atomic(using=alias):
                    cursor.execute(f"{change} where id = %s", [event.pk])


class TestPause:
    def test_is_one_at_a_time(self, account):
        make_pause(account, resumed_at=AT, resumed_by=account.owner)
        make_pause(account)
        with pytest.raises(IntegrityError, match="one_pause_at_a_time"):
            make_pause(account)

    def test_is_begun_by_whoever_trades_and_ended_by_an_owner_alone(self, account, tom):
        with acting_as(tom.pk):
            pause = TradingPause.objects.create(account=account, reason="Enough.", started_at=AT, started_by=tom)
            assert TradingPause.objects.filter(pk=pause.pk).update(resumed_at=AT, resumed_by=tom) == 0
        with acting_as(account.owner_id):
            resumed = {"resumed_at": AT, "resumed_by": account.owner, "note": "It was a test."}
            assert TradingPause.objects.filter(pk=pause.pk).update(**resumed) == 1

    def test_is_not_begun_by_who_only_looks(self, account, bob):
        with pytest.raises(DatabaseError), acting_as(bob.pk):
            TradingPause.objects.create(account=account, reason="Enough.", started_at=AT)

    def test_is_resumed_by_somebody(self, account):
        with pytest.raises(IntegrityError, match="pause_resumed_by_somebody"):
            make_pause(account, resumed_at=AT)

    @pytest.mark.parametrize("change", [{"reason": "Nothing."}, {"started_at": AT.replace(year=2025)}])
    def test_is_not_rewritten(self, account, change):
        pause = make_pause(account)
        with pytest.raises(DatabaseError, match="not rewritten"), acting_as(account.owner_id):
            TradingPause.objects.filter(pk=pause.pk).update(**change)

    def test_is_ended_once(self, account):
        pause = make_pause(account, resumed_at=AT, resumed_by=account.owner)
        with pytest.raises(DatabaseError, match="ended once"), acting_as(account.owner_id):
            TradingPause.objects.filter(pk=pause.pk).update(resumed_at=None, resumed_by=None)


class TestHalt:
    def test_is_known_to_all_and_begun_by_the_system_alone(self, alice):
        halts = TradingHalt.objects.using("system")
        halts.filter(ended_at__isnull=True).update(ended_at=AT.replace(year=2030), ended_by="test")
        with pytest.raises(DatabaseError), acting_as(alice.pk):
            TradingHalt.objects.create(reason="Me.", started_at=AT)
        halt = halts.create(reason="The exchange is on fire.", started_at=AT, started_by="operator")
        with acting_as(alice.pk):
            assert TradingHalt.objects.get(ended_at__isnull=True) == halt
        with pytest.raises(IntegrityError, match="one_halt_at_a_time"):
            halts.create(reason="Again.", started_at=AT)
        with pytest.raises(DatabaseError, match="not rewritten"):
            halts.filter(pk=halt.pk).update(reason="Nothing.")
        assert halts.filter(pk=halt.pk).update(ended_at=AT, ended_by="operator") == 1
        with pytest.raises(DatabaseError, match="ended once"):
            halts.filter(pk=halt.pk).update(ended_at=None)
