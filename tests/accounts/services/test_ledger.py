"""What is written to the ledger stays, is written once, and is taken back rather than changed."""

from dataclasses import replace
from decimal import Decimal

import pytest
from django.db import transaction

from accounts.domain.ledger import EntryRefused
from accounts.models import Account, LedgerEntry
from accounts.models.tenancy import acting_as
from accounts.selectors.ledger import cash_balance, entries_at, entries_known_at
from accounts.services import ledger
from accounts.services.accounts import AccountClosed
from marketdata.models import FollowedInstrument
from tests.factories import LONG_AGO, draft, make_instrument


@pytest.fixture
def instrument():
    return make_instrument()


@pytest.fixture
def buy(instrument):
    return draft("BUY", instrument=instrument, quantity=10, price="12.5", fee=1, source="broker", external_id="42")


@pytest.fixture(autouse=True)
def _as_alice(alice):
    with acting_as(alice.pk):
        yield


class TestPost:
    def test_the_first_entry_is_number_one_and_the_next_is_chained_to_it(self, account, alice, buy):
        deposit = ledger.post_entry(account=account, draft=draft("DEPOSIT", cash=500), actor=alice)
        bought = ledger.post_entry(account=account, draft=buy, actor=alice)
        assert (deposit.sequence, bought.sequence) == (1, 2)
        assert bought.previous_hash == deposit.hash
        assert bought.cash == Decimal("-126")

    def test_the_same_id_with_the_same_figures_is_one_entry(self, account, alice, buy):
        first = ledger.post_entry(account=account, draft=buy, actor=alice)
        again = ledger.post_entry(account=account, draft=replace(buy, notes="sent twice"), actor=alice)
        assert again.pk == first.pk
        assert LedgerEntry.objects.filter(account=account).count() == 1

    def test_the_same_id_with_other_figures_is_refused_by_name_and_says_what_differs(self, account, alice, buy, instrument):
        ledger.post_entry(account=account, draft=buy, actor=alice)
        other = draft("BUY", instrument=instrument, quantity=11, price="12.5", fee=1, source="broker", external_id="42")
        with pytest.raises(ledger.ConflictingEntry, match="another quantity, cash"):
            ledger.post_entry(account=account, draft=other, actor=alice)
        assert LedgerEntry.objects.get(account=account).quantity == 10

    def test_an_instrument_that_is_posted_is_followed(self, account, alice, buy, instrument):
        ledger.post_entry(account=account, draft=buy, actor=alice)
        assert FollowedInstrument.objects.filter(instrument=instrument).exists()

    def test_a_closed_account_takes_nothing(self, account, alice, buy):
        Account.objects.filter(pk=account.pk).update(closed_on=account.opened_on)
        with pytest.raises(AccountClosed), transaction.atomic():
            ledger.post_entry(account=account, draft=buy, actor=alice)


class TestPostMany:
    def test_all_or_none(self, account, alice, buy, instrument):
        ledger.post_entry(account=account, draft=buy, actor=alice)
        other = draft("BUY", instrument=instrument, quantity=11, price="12.5", source="broker", external_id="42")
        done = ledger.post_entries(account=account, drafts=[draft("DEPOSIT", cash=1), other], actor=alice)
        assert [one.outcome for one in done] == ["skipped", "conflicting"]
        assert LedgerEntry.objects.filter(account=account).count() == 1

    def test_the_good_ones_where_that_is_asked_for(self, account, alice, buy, instrument):
        ledger.post_entry(account=account, draft=buy, actor=alice)
        other = draft("BUY", instrument=instrument, quantity=11, price="12.5", source="broker", external_id="42")
        drafts = [draft("DEPOSIT", cash=1), other]
        done = ledger.post_entries(account=account, drafts=drafts, actor=alice, partial=True)
        assert [(one.outcome, one.sequence) for one in done] == [("created", 2), ("conflicting", 1)]

    def test_an_id_twice_in_one_batch_is_one_entry(self, account, alice, buy):
        done = ledger.post_entries(account=account, drafts=[buy, replace(buy, notes="again")], actor=alice)
        assert [(one.outcome, one.sequence) for one in done] == [("created", 1), ("known", 1)]

    def test_an_id_twice_with_other_figures_is_refused(self, account, alice, buy, instrument):
        other = draft("BUY", instrument=instrument, quantity=11, price="12.5", source="broker", external_id="42")
        done = ledger.post_entries(account=account, drafts=[buy, other], actor=alice, partial=True)
        assert [one.outcome for one in done] == ["created", "conflicting"]

    def test_a_draft_against_the_rules_of_its_kind_names_the_field(self, account, alice, buy):
        with pytest.raises(EntryRefused, match="quantity"):
            ledger.post_entries(account=account, drafts=[replace(buy, quantity=Decimal(-1))], actor=alice)


class TestReverse:
    def test_the_mirror_image_cancels_at_the_time_of_the_happening(self, account, alice, buy):
        bought = ledger.post_entry(account=account, draft=buy, actor=alice)
        back = ledger.reverse_entry(entry=bought, actor=alice, reason="TYPO")
        assert (back.quantity, back.cash, back.fee) == (-bought.quantity, -bought.cash, -bought.fee)
        assert (back.reverses_id, back.occurred_at, back.reason_primary) == (bought.pk, bought.occurred_at, "TYPO")
        assert cash_balance(account=account, at=LONG_AGO) == {"USD": Decimal(0)}

    def test_twice_is_refused(self, account, alice, buy):
        bought = ledger.post_entry(account=account, draft=buy, actor=alice)
        back = ledger.reverse_entry(entry=bought, actor=alice)
        with pytest.raises(ledger.AlreadyReversed):
            ledger.reverse_entry(entry=bought, actor=alice)
        with pytest.raises(ledger.NotReversible):
            ledger.reverse_entry(entry=back, actor=alice)

    def test_a_correction_is_a_reversal_and_a_new_entry_linked(self, account, alice, buy):
        bought = ledger.post_entry(account=account, draft=buy, actor=alice)
        right = replace(buy, quantity=Decimal(12), cash=Decimal(-151), external_id="42b")
        back, replacement = ledger.correct_entry(entry=bought, draft=right, actor=alice, reason="TYPO")
        assert (back.reverses_id, replacement.corrects_id, replacement.reason_primary) == (bought.pk, bought.pk, "TYPO")
        assert entries_at(account=account, sequence=1).get().pk == bought.pk
        assert entries_known_at(account=account, at=bought.recorded_at).get().pk == bought.pk
