"""The table of entries: added to by one function, changed by nobody, as cheap to post to as it looks."""

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import psycopg
import pytest
from django.db import DatabaseError, connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from accounts.domain.roles import Role
from accounts.models import LedgerEntry, Link, Membership
from accounts.models.ledger import as_row
from accounts.models.tenancy import acting_as
from accounts.services.ledger import post_entry
from tests.accounts.ledgers import chain_of, head_of, superuser
from tests.factories import LONG_AGO, draft, make_account, make_instrument, make_user, post, share

CHANGES = {
    "update an entry": "update accounts_ledgerentry set notes = 'x' where id = '{entry}'",
    "update an entry to itself": "update accounts_ledgerentry set id = id where id = '{entry}'",
    "delete an entry": "delete from accounts_ledgerentry where id = '{entry}'",
    "insert an entry": "insert into accounts_ledgerentry select (jsonb_populate_record(e, jsonb_build_object('id', '{new}', "
    "'sequence', e.sequence + 1))).* from accounts_ledgerentry e where id = '{entry}'",
    "truncate": "truncate accounts_ledgerentry cascade",
    "move the head back": "update accounts_ledgerhead set sequence = 0, hash = '' where account_id = '{account}'",
    "move the head on": "update accounts_ledgerhead set sequence = sequence + 1 where account_id = '{account}'",
    "remove the head": "delete from accounts_ledgerhead where account_id = '{account}'",
    "insert a head": "insert into accounts_ledgerhead (account_id, sequence, hash) values ('{other}', 0, '')",
    "truncate the heads": "truncate accounts_ledgerhead cascade",
}


@pytest.fixture
def entry(account):
    return post(account, "DEPOSIT", cash=1000)


def statement_for(change, account, entry):
    other = make_account(owner=make_user())
    return CHANGES[change].format(entry=entry.pk, account=account.pk, new=uuid4(), other=other.pk)


def run_as(user_id, statement, alias):
    """Run a statement that touches a row, for a person, as one of the roles."""
    with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
        cursor.execute("select set_config('app.user_id', %s, true)", [str(user_id)])
        cursor.execute(statement)
        if not cursor.rowcount:
            raise DatabaseError("no row was shown to it")


class TestNobodyChangesIt:
    @pytest.mark.parametrize("change", CHANGES)
    @pytest.mark.parametrize("alias", ["default", "system", "owner"])
    def test_not_the_app_nor_the_jobs_nor_the_owner(self, account, entry, alias, change):
        statement = statement_for(change, account, entry)
        with pytest.raises(DatabaseError):
            run_as(account.owner_id, statement, alias)
        assert [(one.pk, one.notes) for one in chain_of(account)] == [(entry.pk, "")]
        assert head_of(account).hash == entry.hash

    @pytest.mark.parametrize("change", CHANGES)
    @pytest.mark.parametrize("mode", ["origin", "replica"])
    def test_not_the_superuser_in_whatever_mode(self, account, entry, mode, change):
        statement = statement_for(change, account, entry)
        with superuser() as connection:
            connection.execute(f"set session_replication_role = {mode}")
            with pytest.raises(psycopg.errors.RestrictViolation):
                connection.execute(statement)
        assert [one.pk for one in chain_of(account)] == [entry.pk]

    @pytest.mark.parametrize("method", ["save", "delete", "bulk_update", "bulk_create", "update"])
    def test_not_the_orm(self, account, entry, method):
        entry.notes = "x"
        do = {
            "save": entry.save,
            "delete": entry.delete,
            "bulk_update": lambda: LedgerEntry.objects.bulk_update([entry], ["notes"]),
            "bulk_create": lambda: LedgerEntry.objects.bulk_create([LedgerEntry(account=account, kind="NOTE", sequence=2)]),
            "update": lambda: LedgerEntry.objects.filter(pk=entry.pk).update(notes="x"),
        }
        with acting_as(account.owner_id), pytest.raises(DatabaseError), transaction.atomic():
            do[method]()
        assert chain_of(account)[0].notes == ""

    def test_who_has_written_in_a_ledger_is_not_removed(self, account):
        trader = share(account, make_user(), Role.TRADER)
        post(account, "DEPOSIT", cash=1, actor=trader)
        Membership.objects.using("owner").filter(user=trader).delete()
        with pytest.raises(DatabaseError, match="has written in a ledger"), connections["owner"].cursor() as cursor:
            cursor.execute("delete from accounts_user where id = %s", [trader.pk])


class TestTheWriter:
    def test_a_post_by_itself_is_one_round_trip(self, account, alice):
        instrument = make_instrument()
        post(account, "DEPOSIT", cash=1000)
        bought = draft("BUY", instrument=instrument, quantity=1, price=10)
        post_entry(account=account, draft=bought, actor=alice)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            post_entry(account=account, draft=bought, actor=alice)
        assert len(queries) == 1

    def test_what_is_returned_is_what_is_stored(self, account, alice):
        full = draft(
            "BUY",
            instrument=make_instrument(),
            quantity="3.000000000001",
            price="1.5",
            fee="0.25",
            tax="0.0000000001",
            data={"venue": "XTST", "list": [1, 2.5, None, True], "deep": {"é": "ü"}},
            reason_primary="GROWTH",
            reason_explanation="Because it\nmust.",
            notes="Straße, 株, \"quotes\", 'single', back\\slash, {braces}, %s",
            tags=("a", "b, c", 'd "e"', "{f}"),
            source="broker",
            external_id="ü-1",
            group=uuid4(),
        )
        made = post_entry(account=account, draft=full, actor=alice)
        (stored,) = chain_of(account)
        columns = [field.attname for field in LedgerEntry._meta.concrete_fields]
        assert {name: getattr(made, name) for name in columns} == {
            name: bytes(value) if isinstance(value := getattr(stored, name), memoryview) else value for name in columns
        }

    def test_only_who_may_trade_may_post(self, account, bob, charlie):
        for person in (bob, charlie):
            with pytest.raises(DatabaseError, match="only a trader or an owner"):
                post_entry(account=account, draft=draft("DEPOSIT", cash=1), actor=person)
        assert chain_of(account) == []

    def test_nobody_posts_in_another_s_name(self, account, alice, charlie):
        with acting_as(charlie.pk), pytest.raises(DatabaseError, match="acts for another user"), transaction.atomic():
            post_entry(account=account, draft=draft("DEPOSIT", cash=1), actor=alice)

    def test_a_token_for_other_accounts_does_not_reach(self, account, alice):
        other = make_account(owner=alice)
        with pytest.raises(DatabaseError, match="only a trader"), acting_as(alice.pk, accounts=[other.pk]):
            post_entry(account=account, draft=draft("DEPOSIT", cash=1), actor=alice)

    def test_a_draft_cannot_choose_its_place_its_account_or_its_actor(self, account, alice, charlie):
        row = json.loads(as_row(draft("DEPOSIT", cash=5)))
        row |= {
            "account_id": str(uuid4()),
            "actor_id": str(charlie.pk),
            "sequence": 99,
            "hash": "\\x00",
            "recorded_at": str(LONG_AGO),
        }
        with connection.cursor() as cursor:
            cursor.execute("select ledger_append(%s, %s, %s)", [account.pk, alice.pk, json.dumps([row])])
        (made,) = chain_of(account)
        assert (made.sequence, made.account_id, made.actor_id) == (1, account.pk, alice.pk)
        assert made.recorded_at > LONG_AGO + timedelta(days=1)
        assert head_of(account).hash == made.hash

    def test_a_reversal_needs_an_entry_of_the_same_account(self, account, alice, charlie):
        foreign = post(make_account(owner=charlie), "DEPOSIT", cash=5)
        mirror = replace(draft("DEPOSIT", cash=5), cash=Decimal(-5))
        for link in (Link(reverses=foreign.pk), Link(corrects=foreign.pk), Link(reverses=uuid4())):
            done = LedgerEntry.objects.append(account_id=account.pk, actor_id=alice.pk, drafts=[mirror], links=[link])
            assert [one.outcome for one in done] == ["unknown"]
        assert chain_of(account) == []

    def test_the_database_holds_one_reversal_an_entry(self, account, alice, entry):
        mirror = replace(draft("DEPOSIT", cash=1000), cash=Decimal(-1000))
        links = [Link(reverses=entry.pk)] * 2
        with pytest.raises(DatabaseError, match="entry_reversed_once"):
            LedgerEntry.objects.append(account_id=account.pk, actor_id=alice.pk, drafts=[mirror] * 2, links=links)
        assert len(chain_of(account)) == 1

    def test_time_never_runs_back_along_the_ledger(self, account):
        for _ in range(5):
            post(account, "DEPOSIT", cash=1)
        times = [one.recorded_at for one in chain_of(account)]
        assert times == sorted(times)
        assert head_of(account).recorded_at == times[-1]
