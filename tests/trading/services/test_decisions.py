"""Decisions are written down, changed with a history, judged, and cleaned up without what orders rest on."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError

from accounts.models.tenancy import acting_as
from accounts.services.accounts import AccountClosed, close_account
from tests.factories import make_account, make_instrument
from tests.trading.factories import AT, make_change, make_decision, make_order, make_session, make_signal
from trading.domain.decisions import DecisionDraft
from trading.domain.outcomes import Choice
from trading.models import Decision, DecisionChange
from trading.selectors.decision_archives import archived
from trading.services.decisions import (
    DecisionInUse,
    DecisionKnown,
    change_decision,
    clean_up_decisions,
    delete_decision,
    judge_decision,
    record_decision,
)
from trading.services.refusals import NotAsThingsStand
from trading.services.sessions import SessionEnded

NOW = datetime(2024, 5, 7, tzinfo=UTC)
DRAFT = DecisionDraft(at=AT, choice=Choice.BUY, confidence=Decimal("0.8"), indicators=("RSI",), metadata={"model": "m"})


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    """Keep archives in a folder of the test's own."""
    settings.ATTACHMENTS = tmp_path
    return tmp_path


@pytest.fixture
def owner(account):
    """Act as the account's owner."""
    with acting_as(account.owner_id):
        yield account.owner


@pytest.fixture
def record(account, owner):
    """Return a way to write a decision down."""
    instrument = make_instrument()
    return lambda **fields: record_decision(
        **{"account": account, "instrument": instrument, "draft": DRAFT, "actor": owner, "now": NOW} | fields
    )


class TestRecord:
    def test_keeps_what_was_said(self, record):
        made = Decision.objects.get(pk=record().pk)
        assert (made.choice, made.confidence, made.indicators, made.metadata) == ("BUY", Decimal("0.8"), ["RSI"], {"model": "m"})
        assert (made.at, made.created_at, made.source, made.verdict) == (AT, NOW, "manual", "")

    def test_takes_the_signal_it_came_of_and_takes_it_once(self, account, record):
        signal = make_signal(account, make_instrument())
        made = record(signal=signal)
        assert (made.signal.status, made.signal.settled_at) == ("TAKEN", NOW)
        with pytest.raises(NotAsThingsStand) as refused:
            record(signal=signal)
        assert refused.value.code == "signal_not_active"

    def test_takes_no_signal_whose_time_is_over(self, account, record):
        with pytest.raises(NotAsThingsStand):
            record(signal=make_signal(account, make_instrument(), expires_at=NOW))

    def test_of_one_source_and_id_is_written_down_once(self, record):
        record(source="files", external_id="a")
        with pytest.raises(DecisionKnown):
            record(source="files", external_id="a")
        assert record(source="files", external_id="b")

    def test_names_the_field_that_is_wrong(self, record):
        with pytest.raises(ValidationError) as refused:
            record(draft=DecisionDraft(at=AT, choice=Choice.BUY, confidence=Decimal(2)))
        assert list(refused.value.error_dict) == ["confidence"]

    def test_is_made_in_a_session_that_runs_and_an_account_that_is_open(self, account, owner, record):
        with pytest.raises(SessionEnded):
            record(session=make_session(account, ended_at=AT))
        closed = close_account(account=account, at=NOW)
        with pytest.raises(AccountClosed):
            record(account=closed)


class TestChange:
    def test_keeps_what_it_was_who_changed_it_and_why(self, owner, record):
        made = record()
        changed = {"confidence": Decimal("0.9"), "choice": Choice.SELL, "indicators": ["RSI", "EMA"], "reasoning": ""}
        after = change_decision(decision=made, changed=changed, actor=owner, at=NOW, reason="It fell.")
        assert (after.confidence, after.choice, after.updated_at) == (Decimal("0.9"), "SELL", NOW)
        change = DecisionChange.objects.get(decision=made)
        assert change.changes == {
            "choice": ["BUY", "SELL"],
            "confidence": ["0.8", "0.9"],
            "indicators": [["RSI"], ["RSI", "EMA"]],
        }
        assert (change.actor, change.reason, change.at) == (owner, "It fell.", NOW)

    def test_that_changes_nothing_leaves_no_trace(self, owner, record):
        made = record()
        change_decision(decision=made, changed={"confidence": Decimal("0.800")}, actor=owner, at=NOW + timedelta(1))
        assert not DecisionChange.objects.filter(decision=made).exists()
        assert Decision.objects.get(pk=made.pk).updated_at == NOW

    def test_that_cannot_stand_changes_nothing(self, owner, record):
        made = record()
        with pytest.raises(ValidationError):
            change_decision(decision=made, changed={"price": Decimal(-1)}, actor=owner, at=NOW)
        assert not DecisionChange.objects.filter(decision=made).exists()


class TestJudge:
    def test_says_whether_it_was_right(self, record):
        made = record(draft=DecisionDraft(at=AT, choice=Choice.BUY, confidence=Decimal(1), price=Decimal(100)))
        judged = Decision.objects.get(pk=judge_decision(decision=made, price=Decimal(110), at=NOW).pk)
        assert (judged.verdict, judged.move, judged.judged_price, judged.judged_at) == ("RIGHT", Decimal("0.1"), 110, NOW)

    def test_needs_to_know_what_it_cost(self, record):
        with pytest.raises(ValidationError) as refused:
            judge_decision(decision=record(), price=Decimal(110), at=NOW)
        assert "price" in refused.value.error_dict


class TestCleanUp:
    def test_takes_what_is_old_with_its_history_and_leaves_what_orders_came_of(self, account, owner):
        instrument = make_instrument()
        old = make_decision(account, instrument, at=AT - timedelta(days=40))
        make_change(old)
        ordered = make_decision(account, instrument, at=AT - timedelta(days=40))
        make_order(account, instrument, decision=ordered)
        fresh = make_decision(account, instrument, at=AT)
        assert clean_up_decisions(account=account, before=AT, at=NOW) == 1
        assert set(Decision.objects.filter(account=account)) == {ordered, fresh}
        assert clean_up_decisions(account=account, before=AT, at=NOW) == 0

    def test_of_one_decision_is_refused_while_an_order_came_of_it(self, account, owner, record):
        made = record()
        make_order(account, made.instrument, decision=made)
        with pytest.raises(DecisionInUse):
            delete_decision(decision=made, at=NOW)
        delete_decision(decision=record(), at=NOW)

    def test_puts_what_goes_into_the_archive_with_its_history(self, account, owner, folder):
        instrument = make_instrument()
        gone, later = make_decision(account, instrument), make_decision(account, instrument, at=AT + timedelta(hours=1))
        make_change(gone)
        clean_up_decisions(account=account, before=AT + timedelta(minutes=1), at=NOW)
        delete_decision(decision=later, at=NOW + timedelta(1))
        kept = {name: json.loads(held) for name, held in archived(account)}
        assert [held["id"] for held in kept.values()] == [str(gone.pk), str(later.pk)]
        assert kept[f"2024-05-06_{gone.pk}.json"]["history"][0]["changes"] == {"confidence": ["0.8", "0.9"]}
        assert {path.parent for path in folder.rglob("*.zip")} == {folder / str(account.pk) / "decisions"}

    def test_that_can_not_be_archived_loses_nothing(self, account, owner, settings, folder):
        (folder / "file").write_text("in the way")
        settings.ATTACHMENTS = folder / "file"
        made = make_decision(account, make_instrument())
        with pytest.raises(OSError, match="file"):
            clean_up_decisions(account=account, before=NOW, at=NOW)
        assert Decision.objects.filter(pk=made.pk).exists()

    def test_touches_no_other_account(self, account, owner):
        other = make_account(owner=owner)
        kept = make_decision(other, make_instrument())
        assert clean_up_decisions(account=account, before=NOW, at=NOW) == 0
        assert Decision.objects.filter(pk=kept.pk).exists()
