"""Decisions, signals, sessions and strategies: whose they are, and what of them stays."""

import pytest
from django.db import DatabaseError, IntegrityError, connections, transaction

from accounts.models.tenancy import acting_as
from tests.factories import make_account, make_instrument, make_user
from tests.trading.factories import AT, make_change, make_decision, make_session, make_signal, make_strategy
from trading.models import Decision, DecisionChange, Session, Strategy


@pytest.fixture
def decision(account):
    return make_decision(account, make_instrument())


class TestHistory:
    @pytest.mark.parametrize("alias", ["default", "system", "owner"])
    @pytest.mark.parametrize("change", ["update trading_decisionchange set reason = 'x'", "delete from trading_decisionchange"])
    def test_is_never_changed_while_the_decision_is_there(self, account, decision, alias, change):
        made = make_change(decision)
        with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
            cursor.execute("select set_config('app.user_id', %s, true)", [str(account.owner_id)])
            with pytest.raises(DatabaseError), transaction.atomic(using=alias):
                cursor.execute(f"{change} where id = %s", [made.pk])

    def test_goes_with_the_decision(self, account, decision):
        make_change(decision)
        make_change(decision)
        with acting_as(account.owner_id):
            decision.delete()
            assert not DecisionChange.objects.filter(account=account).exists()

    def test_is_of_the_same_account(self, decision):
        other = make_account(owner=decision.account.owner)
        with pytest.raises(IntegrityError, match="decisionchange_decision_of_the_account"):
            _change_in(other, decision)


def _change_in(account, decision):
    with acting_as(account.owner_id):
        DecisionChange.objects.create(account=account, decision=decision, at=AT, actor=account.owner, changes={})


class TestDecision:
    @pytest.mark.parametrize(
        ("fields", "name"),
        [
            ({"confidence": "1.1"}, "decision_confidence_is_a_share"),
            ({"choice": "WAIT"}, "decision_choice_is_known"),
            ({"price": "0"}, "decision_price_is_positive"),
            ({"verdict": "RIGHT"}, "decision_verdict_has_a_time"),
            ({"verdict": "MAYBE", "judged_at": AT}, "decision_verdict_has_a_time"),
        ],
    )
    def test_keeps_to_its_rules(self, account, fields, name):
        with pytest.raises(IntegrityError, match=name):
            make_decision(account, make_instrument(), **fields)

    def test_is_brought_in_once(self, account):
        fields = {"source": "decision files", "external_id": "a"}
        make_decision(account, make_instrument(), **fields)
        with pytest.raises(IntegrityError, match="decision_brought_in_once"):
            make_decision(account, make_instrument(), **fields)
        assert make_decision(make_account(owner=account.owner), make_instrument(), **fields)

    @pytest.mark.parametrize("column", ["session", "signal"])
    def test_hangs_on_rows_of_its_own_account(self, account, column):
        foreign, instrument = make_account(owner=account.owner), make_instrument()
        made = make_session(foreign) if column == "session" else make_signal(foreign, instrument)
        with pytest.raises(IntegrityError, match=f"decision_{column}_of_the_account"):
            make_decision(account, instrument, **{column: made})

    def test_is_not_the_viewers_to_write(self, account, decision, bob):
        with acting_as(bob.pk):
            assert Decision.objects.filter(pk=decision.pk).update(reasoning="x") == 0
            assert Decision.objects.filter(pk=decision.pk).delete()[0] == 0


class TestSignal:
    def test_is_seen_once(self, account):
        instrument = make_instrument()
        make_signal(account, instrument, source="scanner")
        with pytest.raises(IntegrityError, match="signal_seen_once"):
            make_signal(account, instrument, source="scanner")
        assert make_signal(account, instrument, source="scanner", kind="EXIT_LONG")

    @pytest.mark.parametrize(
        ("fields", "name"),
        [
            ({"strength": "-0.1"}, "signal_strength_is_a_share"),
            ({"kind": "SHOUT"}, "signal_kind_is_known"),
            ({"status": "GONE"}, "signal_status_is_known"),
            ({"expires_at": AT}, "signal_ends_after_it_begins"),
        ],
    )
    def test_keeps_to_its_rules(self, account, fields, name):
        with pytest.raises(IntegrityError, match=name):
            make_signal(account, make_instrument(), **fields)


class TestSession:
    @pytest.mark.parametrize(
        ("fields", "name"),
        [
            ({"execution_mode": "DEMO"}, "session_mode_is_known"),
            ({"config_hash": "x"}, "session_hash_is_hex"),
            ({"ended_at": AT.replace(year=2020)}, "session_ends_after_it_starts"),
            ({"automatic": True}, "automatic_by_a_strategy"),
        ],
    )
    def test_keeps_to_its_rules(self, account, fields, name):
        with pytest.raises(IntegrityError, match=name):
            make_session(account, **fields)

    def test_runs_until_it_ends(self, account):
        running = make_session(account)
        make_session(account, ended_at=AT)
        with acting_as(account.owner_id):
            assert list(Session.objects.running()) == [running]

    def test_runs_no_strategy_that_its_trader_may_not_see(self, account, charlie):
        hidden = make_strategy(charlie)
        with pytest.raises(DatabaseError, match="row-level security"):
            make_session(account, strategy=hidden)


class TestStrategy:
    def test_is_its_users_own_until_it_runs_in_an_account(self, account, bob, charlie):
        strategy = make_strategy(account.owner)
        assert [self.seen_by(user, strategy) for user in (account.owner, bob, charlie)] == [True, False, False]
        make_session(account, strategy=strategy)
        assert [self.seen_by(user, strategy) for user in (account.owner, bob, charlie)] == [True, True, False]

    def test_is_its_users_own_to_change(self, account, bob):
        strategy = make_strategy(account.owner)
        make_session(account, strategy=strategy)
        with acting_as(bob.pk):
            assert Strategy.objects.filter(pk=strategy.pk).update(name="Bob's") == 0

    def test_has_a_name_that_its_user_uses_once(self, alice):
        make_strategy(alice, name="Cross")
        with pytest.raises(IntegrityError, match="strategy_once_per_user"):
            make_strategy(alice, name="Cross")
        assert make_strategy(make_user(), name="Cross")

    def seen_by(self, user, strategy):
        with acting_as(user.pk):
            shown = Strategy.objects.filter(pk=strategy.pk)
            assert shown.exists() == shown.visible_to(user).exists()
            return shown.exists()
