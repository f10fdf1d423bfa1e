"""The second line: what the database shows to each, whatever a query forgot."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from django.apps import apps
from django.db import DatabaseError, connection, connections, transaction
from psycopg import sql

from accounts.models import Account, Membership, Watchlist
from accounts.models.tenancy import AnotherPerson, acting_as
from accounts.services.watchlists import create_watchlist
from config.checks import tenant_tables
from tests.access.world import World
from tests.factories import make_account, post

NOW = datetime(2024, 5, 6, tzinfo=UTC)
TABLES = sorted(tenant_tables())
# whose row it is, where the table does not say so in account_id or user_id
OWNER_OF = {
    "accounts_account": ("id", None),
    "accounts_accountimport": ("", "user_id"),  # what it became, if anything, is an account like any other
    "accounts_watchlist_instruments": (None, "(select w.user_id from accounts_watchlist w where w.id = watchlist_id)"),
}


@pytest.fixture(scope="module")
def worlds() -> tuple[World, World]:
    """Return two people's worlds, with a row in every table."""
    return World(derived=True), World(derived=True)


def query(statement: str, *values: object, alias: str = "default") -> list[tuple]:
    with connections[alias].cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall()


def owned(table: str, alias: str, world: World) -> int:
    """Count the rows of a table that belong to a world's account or people."""
    account, user = OWNER_OF.get(table, (None, None))
    columns = {
        field.column
        for model in apps.get_models(include_auto_created=True)
        if model._meta.db_table == table
        for field in model._meta.local_fields
    }
    if account is None and "account_id" in columns:
        account = "account_id"
    user = user or ("user_id" if "user_id" in columns else None)
    condition = f"{account} = '{world.account.pk}'" if account else f"{user} = '{world.alice.pk}'"
    return query(f"select count(*) from {table} where {condition}", alias=alias)[0][0]


class TestEveryTable:
    def test_the_walk_finds_them(self):
        assert {
            "accounts_account",
            "accounts_ledgerentry",
            "accounts_membership",
            "accounts_apitoken",
            "portfolio_snapshot",
        } <= set(TABLES)
        assert len(TABLES) >= 18

    @pytest.mark.parametrize("table", TABLES)
    def test_without_anybody_it_shows_no_row(self, worlds, table):
        assert owned(table, "owner", worlds[0]) > 0, "the world lacks a row here, so the test would prove nothing"
        assert query(f"select count(*) from {table}") == [(0,)]

    @pytest.mark.parametrize("table", TABLES)
    def test_with_somebody_it_shows_their_rows_alone(self, worlds, table):
        mine, theirs = worlds
        with acting_as(mine.alice.pk):
            assert owned(table, "default", mine) == owned(table, "owner", mine) > 0
            assert owned(table, "default", theirs) == 0
        with acting_as(theirs.charlie.pk):
            assert owned(table, "default", mine) == 0

    @pytest.mark.parametrize("table", TABLES)
    def test_nobody_changes_or_deletes_a_foreign_row(self, worlds, table):
        mine = worlds[0]
        before = query(f"select md5(string_agg(t::text, '' order by t::text)) from {table} t", alias="owner")
        with acting_as(mine.charlie.pk):
            for change in (f"delete from {table}", f"update {table} set {column_of(table)} = {column_of(table)}"):
                try:
                    with transaction.atomic(), connection.cursor() as cursor:
                        cursor.execute(change)
                        touched = cursor.rowcount
                        connection.set_rollback(True)
                except DatabaseError:
                    touched = 0
                assert touched == 0
        assert query(f"select md5(string_agg(t::text, '' order by t::text)) from {table} t", alias="owner") == before

    @pytest.mark.parametrize("table", TABLES)
    def test_nobody_truncates_it_or_takes_its_guard_away(self, table):
        for change in ("TRUNCATE {}", "ALTER TABLE {} DISABLE ROW LEVEL SECURITY", "DROP TABLE {}", "DROP POLICY app_read ON {}"):
            for alias in ("default", "system"):
                with pytest.raises(DatabaseError), connections[alias].cursor() as cursor:
                    cursor.execute(sql.SQL(change).format(sql.Identifier(table)))


def column_of(table: str) -> str:
    return (
        "id"
        if "id" in {row[0] for row in query("select column_name from information_schema.columns where table_name = %s", table)}
        else "account_id"
    )


class TestWhoActs:
    def test_the_setting_ends_with_its_transaction(self, alice):
        with acting_as(alice.pk):
            assert query("select current_setting('app.user_id')") == [(str(alice.pk),)]
        assert query("select coalesce(current_setting('app.user_id', true), '')") == [("",)]

    def test_the_setting_ends_with_a_failed_transaction(self, alice):
        with pytest.raises(ZeroDivisionError), acting_as(alice.pk):
            _ = 1 / 0
        assert query("select coalesce(current_setting('app.user_id', true), '')") == [("",)]

    def test_the_setting_ends_within_a_longer_transaction(self, alice, account):
        with transaction.atomic():
            with acting_as(alice.pk):
                assert Account.objects.count() == 1
            assert Account.objects.count() == 0

    def test_nobody_becomes_somebody_else_in_one_transaction(self, alice, bob):
        with acting_as(alice.pk), acting_as(alice.pk):
            with pytest.raises(AnotherPerson), acting_as(bob.pk):
                pass
            assert Account.objects.count() == 1

    def test_a_limit_to_accounts_holds_for_every_query(self, alice, account):
        other = make_account(owner=alice)
        for limit, seen in (
            ([account.pk], {account.pk}),
            ([other.pk, uuid4()], {other.pk}),
            ([], set()),
            (None, {account.pk, other.pk}),
        ):
            with acting_as(alice.pk, accounts=limit):
                assert set(Account.objects.values_list("pk", flat=True)) == seen

    def test_a_name_that_is_no_id_is_refused(self):
        with pytest.raises(DatabaseError):
            query("select set_config('app.user_id', 'x', true), (select app_user())")


class TestForeignRows:
    def test_a_row_cannot_be_given_to_another(self, alice, bob):
        with acting_as(alice.pk):
            mine = create_watchlist(user=alice, name="Mine", instruments=[], at=NOW)
            with pytest.raises(DatabaseError), transaction.atomic():
                Watchlist.objects.filter(pk=mine.pk).update(user=bob)

    def test_an_account_cannot_be_claimed_by_a_stranger(self, account, charlie):
        with acting_as(charlie.pk):
            for role in (10, 30):
                with pytest.raises(DatabaseError), transaction.atomic():
                    Membership.objects.create(
                        account_id=account.pk, user=charlie, email="c@example.com", role=role, invited_at=NOW, accepted_at=NOW
                    )

    def test_a_member_is_moved_to_no_other_account(self, alice, charlie, account):
        theirs = Account.objects.using("owner").get(owner=charlie)
        with acting_as(alice.pk), pytest.raises(DatabaseError):
            Membership.objects.filter(account=account).update(account=theirs)

    def test_an_invited_person_sees_the_invitation_and_not_the_account(self, account, charlie):
        with acting_as(account.owner_id):
            Membership.objects.create(account=account, email=charlie.email, role=20, invited_at=NOW)
        with acting_as(charlie.pk):
            assert Membership.objects.filter(account=account).count() == 1
            assert not Account.objects.filter(pk=account.pk).exists()
            assert Membership.objects.filter(account=account).update(role=30) == 0


class TestTheLedger:
    @pytest.mark.parametrize("alias", ["default", "system", "owner"])
    @pytest.mark.parametrize("change", ["update {} set notes = 'x'", "delete from {}", "truncate {}"])
    def test_nobody_changes_it_the_owner_of_the_tables_included(self, alice, account, alias, change):
        post(account, "DEPOSIT", cash="1")
        with transaction.atomic(using=alias):
            query("select set_config('app.user_id', %s, true)", str(alice.pk), alias=alias)
            with pytest.raises(DatabaseError), transaction.atomic(using=alias):
                query(change.format("accounts_ledgerentry"), alias=alias)

    @pytest.mark.parametrize("alias", ["default", "system", "owner"])
    def test_nobody_writes_past_its_one_writer(self, alice, account, alias):
        entry = post(account, "DEPOSIT", cash="1")
        with transaction.atomic(using=alias):
            query("select set_config('app.user_id', %s, true)", str(alice.pk), alias=alias)
            with pytest.raises(DatabaseError), transaction.atomic(using=alias):
                query("insert into accounts_ledgerentry select * from accounts_ledgerentry where id = %s", entry.pk, alias=alias)

    def test_nobody_posts_as_another(self, alice, account, bob):
        with pytest.raises(DatabaseError):
            post(account, "DEPOSIT", cash="1", actor=bob)
        with pytest.raises(DatabaseError), acting_as(bob.pk):
            query("select * from ledger_append(%s, %s, '[]', false)", account.pk, alice.pk)
