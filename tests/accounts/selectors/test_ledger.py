"""Whoever tampers with a ledger is found out, and the first bad entry named; what was believed on a day can be told."""

from datetime import timedelta
from decimal import Decimal

import pytest

from accounts.models.tenancy import acting_as
from accounts.selectors.ledger import cash_balance, entries_at, entries_known_at, ledger_faults, verified_ledgers
from accounts.services import ledger
from tests.accounts.ledgers import chain_of, tampered
from tests.factories import LONG_AGO, draft, make_account, make_instrument, post

FORGE = "update accounts_ledgerentry e set hash = sha256(e.previous_hash || ledger_canonical(e))"
# each with the entry that is named, of a ledger of six
TAMPERINGS = {
    "edit a quantity": ("update accounts_ledgerentry set quantity = quantity + 1 where id = '{3}'", 3),
    "edit the last place of a price": ("update accounts_ledgerentry set price = price + 0.0000000001 where id = '{3}'", 3),
    "edit a note": ("update accounts_ledgerentry set notes = 'never said' where id = '{2}'", 2),
    "edit a tag": ("update accounts_ledgerentry set tags = '{{x}}' where id = '{2}'", 2),
    "edit data": ("update accounts_ledgerentry set data = '{{\"a\": 1}}' where id = '{4}'", 4),
    "change a kind": ("update accounts_ledgerentry set kind = 'TRANSFER_IN' where id = '{1}'", 1),
    "change a time": ("update accounts_ledgerentry set occurred_at = occurred_at + interval '1 us' where id = '{5}'", 5),
    "change when it was learned": (
        "update accounts_ledgerentry set recorded_at = recorded_at - interval '1 day' where id = '{5}'",
        5,
    ),
    "change who did it": ("update accounts_ledgerentry set actor_id = gen_random_uuid() where id = '{5}'", 5),
    "change an id": ("update accounts_ledgerentry set external_id = 'other' where id = '{1}'", 1),
    "give an entry another hash": ("update accounts_ledgerentry set hash = sha256('x') where id = '{4}'", 4),
    "edit a note and forge its hash": (
        f"update accounts_ledgerentry set notes = 'x' where id = '{{3}}';{FORGE} where e.id = '{{3}}'",
        4,
    ),
    "edit the last and forge its hash": (
        f"update accounts_ledgerentry set notes = 'x' where id = '{{6}}';{FORGE} where e.id = '{{6}}'",
        6,
    ),
    "chain it elsewhere": ("update accounts_ledgerentry set previous_hash = sha256('x') where id = '{4}'", 4),
    "delete the first": ("delete from accounts_ledgerentry where id = '{1}'", 2),
    "delete one in the middle": ("delete from accounts_ledgerentry where id = '{3}'", 4),
    "delete the last": ("delete from accounts_ledgerentry where id = '{6}'", 6),
    "delete the last three": ("delete from accounts_ledgerentry where id in ('{4}', '{5}', '{6}')", 4),
    "delete all": ("delete from accounts_ledgerentry where account_id = '{account}'", 1),
    "swap two": (
        "update accounts_ledgerentry set sequence = case sequence when 2 then -3 else -2 end "
        "where account_id = '{account}' and sequence in (2, 3);"
        "update accounts_ledgerentry set sequence = -sequence where account_id = '{account}' and sequence < 0",
        2,
    ),
    "move the head back": (
        "update accounts_ledgerhead set (sequence, hash) = (select sequence, hash from accounts_ledgerentry where id = '{4}') "
        "where account_id = '{account}'",
        5,
    ),
    "move the head on": ("update accounts_ledgerhead set sequence = 7 where account_id = '{account}'", 7),
    "forge the head": ("update accounts_ledgerhead set hash = sha256('x') where account_id = '{account}'", 6),
    "remove the head": ("delete from accounts_ledgerhead where account_id = '{account}'", 1),
    "renumber": (
        "update accounts_ledgerentry set sequence = -sequence - 1 where account_id = '{account}';"
        "update accounts_ledgerentry set sequence = -sequence where account_id = '{account}'",
        2,
    ),
}


@pytest.fixture
def six(account, alice):
    """Return a ledger of six entries, one taken back."""
    instrument = make_instrument()
    post(account, "DEPOSIT", cash=1000, source="bank", external_id="1")
    post(account, "NOTE", notes="Read this.", tags=("a",))
    bought = post(account, "BUY", instrument=instrument, quantity=10, price="12.5", fee=1)
    post(account, "DIVIDEND", instrument=instrument, cash=3, data={"gross": "3"})
    ledger.reverse_entry(entry=bought, actor=alice)
    post(account, "WITHDRAWAL", cash=-100)
    return account


class TestVerification:
    def test_a_ledger_nobody_touched_is_good(self, six):
        assert ledger_faults(account_id=six.pk) == {}
        (state,) = verified_ledgers(account_id=six.pk)
        assert (state.entries, state.fault, state.account_name) == (6, None, six.name)

    @pytest.mark.parametrize("tampering", TAMPERINGS)
    def test_tampering_is_found_and_the_first_bad_entry_named(self, six, tampering):
        statements, first_bad = TAMPERINGS[tampering]
        ids = {str(one.sequence): one.pk for one in chain_of(six)}
        with tampered(six, *(part.format(*["", *ids.values()], account=six.pk) for part in statements.split(";"))):
            (fault,) = ledger_faults(account_id=six.pk).values()
            assert (fault.account_id, fault.sequence) == (six.pk, first_bad)
            assert fault.detail
            assert ledger_faults()[six.pk] == fault
        assert ledger_faults(account_id=six.pk) == {}

    def test_an_entry_moved_to_another_account_is_missed_here_and_found_there(self, six, alice):
        other = make_account(owner=alice)
        post(other, "DEPOSIT", cash=1)
        third = chain_of(six)[2]
        move = f"update accounts_ledgerentry set account_id = '{other.pk}' where id = '{third.pk}'"
        with tampered(six), tampered(other, move):
            assert ledger_faults(account_id=six.pk)[six.pk].sequence == 4
            assert ledger_faults(account_id=other.pk)[other.pk].sequence == 3
        assert not {six.pk, other.pk} & ledger_faults().keys()

    def test_the_session_s_settings_change_nothing(self, six):
        with tampered(six, "set timezone = 'America/New_York'", "set datestyle = 'SQL, DMY'", "set extra_float_digits = 0"):
            assert ledger_faults(account_id=six.pk) == {}


class TestTwoClocks:
    def test_the_ledger_as_it_stood_at_a_sequence(self, six, alice):
        with acting_as(alice.pk):
            assert [one.kind for one in entries_at(account=six, sequence=2)] == ["DEPOSIT", "NOTE"]

    def test_what_was_known_at_a_time(self, six, alice):
        third = chain_of(six)[2]
        with acting_as(alice.pk):
            assert entries_known_at(account=six, at=third.recorded_at).count() == 3
            assert entries_known_at(account=six, at=LONG_AGO).count() == 0

    def test_cash_at_an_instant_goes_by_when_it_happened(self, account, alice):
        post(account, "DEPOSIT", cash=100)
        post(account, "DEPOSIT", cash=7, currency="EUR")
        post(account, "DEPOSIT", cash=1, occurred_at=LONG_AGO + timedelta(days=1))
        with acting_as(alice.pk):
            assert cash_balance(account=account, at=LONG_AGO) == {"EUR": Decimal(7), "USD": Decimal(100)}
            assert cash_balance(account=account, at=LONG_AGO + timedelta(days=1))["USD"] == 101
            assert cash_balance(account=account, at=LONG_AGO - timedelta(days=1)) == {}


def test_a_draft_that_only_notes_something_weighs_nothing(account, alice):
    ledger.post_entry(account=account, draft=draft("NOTE", notes="x"), actor=alice)
    with acting_as(alice.pk):
        assert cash_balance(account=account, at=LONG_AGO) == {"USD": Decimal(0)}
