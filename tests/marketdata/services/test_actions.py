"""Corporate actions are stored once, compared, and applied to their instruments on their day."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from marketdata.models import CorporateAction, Instrument, QualityIssue
from marketdata.selectors.instruments import AmbiguousInstrument, UnknownInstrument, find_instrument
from marketdata.services.actions import (
    ActionExists,
    apply_due,
    create_action,
    delete_action,
    store_actions,
    update_action,
)
from marketdata.services.instruments import InstrumentExists, create_instrument
from tests.factories import make_bars, make_instrument, unique_symbol

NOW = datetime(2024, 5, 6, 12, tzinfo=UTC)
LATER = datetime(2025, 5, 6, 12, tzinfo=UTC)


def row(instrument, kind, ex_date="2024-05-01", **figures):
    return {"instrument": getattr(instrument, "key", instrument), "kind": kind, "ex_date": ex_date} | figures


def store(*rows, at=NOW, **more):
    return store_actions(source="test", rows=rows, recorded_at=at, **more)


def told(findings):
    return [(each.index, each.rule, each.field) for each in findings]


def current(instrument):
    return Instrument.objects.get(pk=instrument.pk)


class TestStoring:
    def test_keeps_every_kind(self):
        share, child = make_instrument(), make_instrument()
        report = store(
            row(share, "SPLIT", ratio="4"),
            row(share, "CASH_DIVIDEND", cash="0.24", currency="USD", pay_date="2024-05-10", record_date="2024-05-02"),
            row(share, "STOCK_DIVIDEND", ratio="0.05"),
            row(share, "SPIN_OFF", ratio="0.5", other=child.symbol, cost_fraction="0.2"),
            row(share, "MERGER", cash="12.5", currency="USD", ratio="0.3", other=child.key),
            row(share, "SYMBOL_CHANGE", new_symbol=unique_symbol(), ex_date="2099-01-01"),
            row(share, "DELISTING", ex_date="2025-01-01"),
        )
        assert (report.stored, report.known, report.refused) == (7, 0, [])
        assert told(report.warned) == [(5, "announced_lately", "ex_date")]
        assert CorporateAction.objects.filter(instrument=share).count() == 7

    def test_stores_nothing_twice(self):
        share = make_instrument()
        rows = [row(share, "SPLIT", ratio="4"), row(share, "CASH_DIVIDEND", cash="0.24", currency="USD")]
        assert store(*rows, rows[0]).known == 1
        again = store(*rows)
        assert (again.stored, again.known, again.refused) == (0, 2, [])

    def test_tells_two_of_a_kind_on_one_day_apart_by_their_label(self):
        share = make_instrument()
        usual = row(share, "CASH_DIVIDEND", cash="0.24", currency="USD")
        assert store(usual, usual | {"label": "special", "cash": "3"}).stored == 2

    def test_refuses_other_figures_unless_they_are_a_correction(self):
        share = make_instrument()
        store(row(share, "SPLIT", ratio="4"))
        offered = row(share, "SPLIT", ratio="5")
        assert told(store(offered).refused) == [(0, "conflicting_action", "ratio")]
        assert told(store(row(share, "DELISTING", "2030-01-01"), offered, offered | {"ratio": "6"}).refused) == [
            (1, "conflicting_action", "ratio"),
            (2, "conflicting_action", "ratio"),
        ]
        assert store(offered, correct=True).corrected == 1
        assert CorporateAction.objects.get(instrument=share, kind="SPLIT").ratio == 5

    def test_loses_no_batch_to_one_bad_row(self):
        share = make_instrument()
        report = store(
            "no row",
            row(share, "SPLIT", ratio=4.0),
            row("NOBODY:XTST", "SPLIT", ratio="4"),
            row(share, "SPLIT", ratio="4", cash="1"),
            row(share, "SPIN_OFF", ratio="4", other="NOBODY:XTST"),
            row(share, "TENDER"),
            row(share, "SPLIT", ratio="2"),
            row(["a", "list"], "SPLIT", ratio={"an": "object"}),
            {},
        )
        assert report.stored == 1
        assert told(report.refused)[:7] == [
            (0, "not_a_row", ""),
            (1, "not_a_number", "ratio"),
            (2, "unknown_instrument", "instrument"),
            (3, "not_of_this_kind", "cash"),
            (4, "unknown_instrument", "other"),
            (5, "unknown_action", "kind"),
            (7, "unknown_instrument", "instrument"),
        ]

    def test_notes_what_was_wrong_with_rows(self):
        share = make_instrument()
        make_bars(share, [("2024-04-30", "10")])
        report = store(
            row(share, "SPLIT", ratio="1000"),
            row(share, "CASH_DIVIDEND", cash="10", currency="USD"),
            row(share, "CASH_DIVIDEND", cash="1", currency="USD", pay_date="2024-04-01", label="odd"),
        )
        assert told(report.refused) == [(2, "paid_not_before_the_ex_date", "pay_date")]
        assert told(report.warned) == [(0, "believable_ratio", "ratio"), (1, "dividend_below_price", "cash")]
        issues = QualityIssue.objects.filter(dataset="corporate_actions", instrument=share)
        assert sorted(issues.values_list("rule", flat=True)) == ["believable_ratio", "dividend_below_price"]

    def test_keeps_pence_as_pounds(self):
        share = make_instrument(currency="GBP")
        store(row(share, "CASH_DIVIDEND", cash="12.5", currency="GBX"))
        paid = CorporateAction.objects.get(instrument=share)
        assert (paid.cash, paid.currency) == (Decimal("0.125"), "GBP")
        tiny = row(share, "CASH_DIVIDEND", cash="0.0000000001", currency="GBX", label="tiny")
        assert told(store(tiny).refused) == [(0, "number_too_precise", "cash")]

    def test_is_held_to_by_the_database(self):
        share = make_instrument()
        with pytest.raises(IntegrityError, match="split_and_share_payments_have_a_ratio"), transaction.atomic():
            CorporateAction.objects.create(kind="SPLIT", instrument=share, ex_date="2024-01-01", recorded_at=NOW)


class TestRenaming:
    def test_happens_at_once_where_the_day_has_come_and_the_old_symbol_still_finds_it(self):
        share, old, new = make_instrument(), unique_symbol(), unique_symbol()
        Instrument.objects.filter(pk=share.pk).update(symbol=old)
        change = row(f"{old}:XTST", "SYMBOL_CHANGE", new_symbol=new)
        assert store(change).stored == 1
        assert current(share).symbol == new
        assert find_instrument(f"{old}:XTST") == find_instrument(old) == find_instrument(new) == share
        assert CorporateAction.objects.get(instrument=share).old_symbol == old
        with pytest.raises(UnknownInstrument):
            find_instrument(f"{old}:XNAS")
        for again in (store(change), store(change | {"old_symbol": old})):  # the old name means the same instrument as before
            assert (again.stored, again.known) == (0, 1)

    def test_waits_for_its_day(self):
        share, new = make_instrument(), unique_symbol()
        store(row(share, "SYMBOL_CHANGE", "2024-06-01", new_symbol=new))
        apply_due(at=NOW)
        assert current(share).symbol == share.symbol
        (applied,) = [each for each in apply_due(at=LATER) if each.instrument_id == share.pk]
        assert (current(share).symbol, applied.old_symbol, applied.applied_at) == (new, share.symbol, LATER)
        assert [each for each in apply_due(at=LATER) if each.instrument_id == share.pk] == []

    def test_follows_a_chain_in_its_order_however_it_arrives(self):
        share, middle, last = make_instrument(), unique_symbol(), unique_symbol()
        report = store(
            row(share, "SYMBOL_CHANGE", "2024-03-01", new_symbol=last),
            row(share, "SYMBOL_CHANGE", "2020-03-01", new_symbol=middle),
        )
        assert report.stored == 2
        assert current(share).symbol == last
        assert find_instrument(share.symbol) == find_instrument(middle) == share

    def test_leaves_alone_what_has_the_new_symbol_already(self):
        share, before = make_instrument(), unique_symbol()
        report = store(
            row(share, "SYMBOL_CHANGE", "2024-03-01", new_symbol=share.symbol, old_symbol=before),
            row(share, "SYMBOL_CHANGE", "2020-03-01", new_symbol=before),
        )
        assert report.stored == 2
        assert current(share).symbol == share.symbol
        assert find_instrument(before) == share
        assert [each for each in apply_due(at=LATER) if each.instrument_id == share.pk] == []

    def test_is_refused_where_the_symbol_is_taken(self):
        share, other = make_instrument(), make_instrument()
        report = store(row(share, "SYMBOL_CHANGE", new_symbol=other.symbol))
        assert told(report.refused) == [(0, "symbol_is_taken", "new_symbol")]
        assert not CorporateAction.objects.filter(instrument=share).exists()
        report = store(row(share, "SYMBOL_CHANGE", new_symbol=unique_symbol(), old_symbol=other.symbol))
        assert told(report.refused) == [(0, "not_its_symbol", "old_symbol")]

    def test_that_is_in_the_way_waits_and_is_logged(self, caplog):
        share, taken = make_instrument(), unique_symbol()
        store(row(share, "SYMBOL_CHANGE", "2024-06-01", new_symbol=taken))
        create_instrument(fields={"symbol": taken, "exchange": "XTST", "asset_class": "EQUITY", "currency": "USD"})
        apply_due(at=LATER)
        assert current(share).symbol == share.symbol
        assert "could not be applied" in caplog.text
        CorporateAction.objects.filter(instrument=share).delete()

    def test_gives_way_to_another_instrument_that_took_the_old_symbol(self):
        share = make_instrument()
        store(row(share, "SYMBOL_CHANGE", new_symbol=unique_symbol()))
        assert find_instrument(share.symbol) == share
        heir = make_instrument(symbol=share.symbol)
        assert find_instrument(share.symbol) == heir

    def test_asks_which_one_where_several_had_the_symbol(self):
        first, second = make_instrument(), make_instrument()
        symbol = unique_symbol()
        for share in (first, second):
            Instrument.objects.filter(pk=share.pk).update(symbol=symbol)
            store(row(symbol, "SYMBOL_CHANGE", new_symbol=share.symbol))
        with pytest.raises(AmbiguousInstrument, match=first.key):
            find_instrument(symbol)


class TestDelisting:
    def test_makes_the_instrument_inactive_on_its_day(self):
        share = make_instrument()
        store(row(share, "DELISTING", "2024-05-07"))
        apply_due(at=NOW)
        assert current(share).active
        apply_due(at=datetime(2024, 5, 7, tzinfo=UTC))
        assert not current(share).active

    def test_does_not_undo_what_an_operator_did_since(self):
        share = make_instrument()
        store(row(share, "DELISTING"))
        Instrument.objects.filter(pk=share.pk).update(active=True)
        apply_due(at=LATER)
        assert current(share).active


class TestByHand:
    def make(self, kind="DELISTING", **fields):
        share = fields.pop("instrument", None) or make_instrument()
        fields = {"instrument": share, "kind": kind, "ex_date": date(2024, 5, 1)} | fields
        return create_action(fields=fields, source="admin", recorded_at=NOW)

    def test_is_refused_by_field(self):
        with pytest.raises(ValidationError) as refusal:
            self.make("SPLIT", cash=Decimal(1))
        assert set(refusal.value.message_dict) == {"ratio", "cash"}

    def test_is_written_once(self):
        action = self.make("SPLIT", ratio=Decimal(2))
        with pytest.raises(ActionExists):
            self.make("SPLIT", ratio=Decimal(3), instrument=action.instrument)

    def test_is_changed_and_applied_anew(self):
        first, second = unique_symbol(), unique_symbol()
        action = self.make("SYMBOL_CHANGE", new_symbol=first)
        old = action.old_symbol
        changed = update_action(action=action, changes={"new_symbol": second}, recorded_at=NOW)
        assert (changed.instrument.symbol, changed.old_symbol) == (second, old)
        waiting = update_action(action=changed, changes={"ex_date": date(2099, 1, 1)}, recorded_at=NOW)
        assert (waiting.instrument.symbol, waiting.old_symbol, waiting.applied_at) == (old, "", None)

    def test_is_not_changed_into_another_that_is_there(self):
        action = self.make("SPLIT", ratio=Decimal(2))
        other = self.make("SPLIT", ratio=Decimal(2), label="other", instrument=action.instrument)
        with pytest.raises(ActionExists):
            update_action(action=other, changes={"label": ""}, recorded_at=NOW)
        assert update_action(action=other, changes={}, recorded_at=NOW) == other

    def test_takes_its_effect_along_when_it_is_deleted(self):
        action = self.make()
        assert not current(action.instrument).active
        delete_action(action=action)
        assert current(action.instrument).active
        renamed = self.make("SYMBOL_CHANGE", new_symbol=unique_symbol())
        delete_action(action=renamed)
        assert current(renamed.instrument).symbol == renamed.old_symbol

    def test_is_not_deleted_while_another_instrument_has_the_old_symbol(self):
        action = self.make("SYMBOL_CHANGE", new_symbol=unique_symbol())
        make_instrument(symbol=action.old_symbol)
        with pytest.raises(InstrumentExists):
            delete_action(action=action)
