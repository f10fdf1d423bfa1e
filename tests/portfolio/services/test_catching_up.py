"""Catching up reads no more than it has to, starts over when it has to, and does its work once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import uuid4

import pytest
from django.db import ProgrammingError, connection, connections
from django.test.utils import CaptureQueriesContext

from accounts.models import Account
from accounts.models.tenancy import acting_as
from accounts.services.ledger import reverse_entry
from portfolio.models import Closure, Lot, Performance, Position, Projection, Snapshot
from portfolio.selectors.figures import FiguresBeyondLimits
from portfolio.selectors.lagging import lagging_accounts
from portfolio.services.projections import catch_up, catch_up_many
from portfolio.services.rebuilding import rebuild
from tests.factories import make_account, make_instrument, post
from tests.portfolio.market import bars, fresh_currencies, rates, sql

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TABLES = (Projection, Position, Lot, Closure, Snapshot, Performance)


def at(day: str) -> datetime:
    return datetime.fromisoformat(f"{day}T15:00").replace(tzinfo=UTC)


def snapshots(account):
    found = Snapshot.objects.using("system").filter(account=account).order_by("date")
    return {one.date.isoformat(): one for one in found}


@pytest.fixture
def share(account):
    """Return an instrument of which Alice bought ten at 100, with prices of three days."""
    share = make_instrument()
    bars(share, {"2024-01-02": 100, "2024-01-03": 110, "2024-01-04": 120})
    post(account, "DEPOSIT", cash="5000", occurred_at=at("2024-01-02"))
    post(account, "BUY", instrument=share, quantity="10", price="100", fee="1", occurred_at=at("2024-01-02"))
    return share


@pytest.fixture
def beyond_limits(alice):
    """Return an account whose units no column can hold."""
    account, share = make_account(owner=alice), make_instrument()
    post(account, "TRANSFER_IN", instrument=share, quantity="999999999999", data={"cost": "1"}, occurred_at=at("2024-01-02"))
    for n in range(9):
        post(account, "SPLIT", instrument=share, data={"ratio": "1000000:1"}, occurred_at=at(f"2024-01-1{n}"))
    return account


def started_over(account) -> bool:
    """Catch up and say whether the account was derived from nothing: then its rows are new ones."""
    first = sql("SELECT min(id) FROM portfolio_snapshot WHERE account_id = %s", account.pk)
    catch_up(account_id=account.pk, at=NOW)
    return first != sql("SELECT min(id) FROM portfolio_snapshot WHERE account_id = %s", account.pk)


class TestCatchUp:
    def test_writes_positions_lots_snapshots_and_returns(self, account, share):
        projection = catch_up(account_id=account.pk, at=NOW)
        position = Position.objects.using("system").get(account=account)
        assert (position.quantity, position.cost_basis, position.market_value) == (10, 1001, 1200)
        assert Lot.objects.using("system").get(account=account).remaining == 10
        values = {day: one.total_value for day, one in snapshots(account).items()}
        assert values == {"2024-01-02": 4999, "2024-01-03": 5099, "2024-01-04": 5199}
        performance = Performance.objects.using("system").get(account=account)
        assert (performance.gain, performance.twr) == (199, Decimal("0.0398"))
        assert (projection.valued_until, projection.caught_up_at) == (date(2024, 1, 4), NOW)

    def test_of_nothing_new_costs_one_query(self, account, share):
        catch_up(account_id=account.pk, at=NOW)
        with CaptureQueriesContext(connections["system"]) as queries:
            catch_up(account_id=account.pk, at=NOW)
        assert len(queries) == 1

    def test_goes_on_where_it_stopped(self, account, share):
        catch_up(account_id=account.pk, at=NOW)
        post(account, "SELL", instrument=share, quantity="-4", price="125", occurred_at=at("2024-01-05"))
        assert not started_over(account)
        assert Position.objects.using("system").get(account=account).realized_gain == Decimal("500") - Decimal("400.4")
        assert list(snapshots(account))[-1] == "2024-01-05"

    def test_values_new_days_from_where_it_stopped(self, account, share):
        catch_up(account_id=account.pk, at=NOW)
        bars(share, {"2024-01-05": 130})
        assert not started_over(account)
        assert snapshots(account)["2024-01-05"].total_value == 5299

    def test_values_again_what_was_carried_forward(self, account, share):
        post(account, "DEPOSIT", cash="1", occurred_at=at("2024-01-06"))
        catch_up(account_id=account.pk, at=NOW)
        assert snapshots(account)["2024-01-05"].positions_value == 1200
        bars(share, {"2024-01-05": 90})
        assert not started_over(account)
        assert [snapshots(account)[f"2024-01-0{n}"].positions_value for n in (4, 5, 6)] == [1200, 900, 900]

    @pytest.mark.parametrize("day", ["2024-01-02", "2023-12-30"])
    def test_starts_over_when_something_happened_before(self, account, share, day):
        catch_up(account_id=account.pk, at=NOW)
        post(account, "DEPOSIT", cash="7", occurred_at=at(day).replace(hour=9))
        assert started_over(account)
        assert next(iter(snapshots(account))) == day

    def test_starts_over_when_something_is_taken_back(self, account, share, alice):
        catch_up(account_id=account.pk, at=NOW)
        wrong = post(account, "DEPOSIT", cash="7", occurred_at=at("2024-01-04"))
        catch_up(account_id=account.pk, at=NOW)
        with acting_as(alice.pk):
            reverse_entry(entry=wrong, actor=alice)
        assert started_over(account)
        assert snapshots(account)["2024-01-04"].total_value == 5199

    def test_starts_over_when_a_past_price_changes(self, account, share):
        catch_up(account_id=account.pk, at=NOW)
        bars(share, {"2024-01-03": 111}, correct=True)
        assert started_over(account)
        assert snapshots(account)["2024-01-03"].positions_value == 1110

    def test_starts_over_when_the_method_changes(self, account, share, alice):
        post(account, "BUY", instrument=share, quantity="10", price="120", occurred_at=at("2024-01-03"))
        post(account, "SELL", instrument=share, quantity="-10", price="120", occurred_at=at("2024-01-04"))
        catch_up(account_id=account.pk, at=NOW)
        before = Position.objects.using("system").get(account=account).realized_gain
        with acting_as(alice.pk):
            Account.objects.filter(pk=account.pk).update(cost_basis_method="AVERAGE")
        assert started_over(account)
        after = Position.objects.using("system").get(account=account).realized_gain
        assert (before, after) == (Decimal(199), Decimal("99.5"))

    def test_starts_over_when_an_awaited_price_comes(self, account):
        share = make_instrument()
        bars(share, {"2024-01-02": 100})
        post(account, "TRANSFER_IN", instrument=share, quantity="10", occurred_at=at("2024-01-04"))
        catch_up(account_id=account.pk, at=NOW)
        assert Position.objects.using("system").get(account=account).cost_basis == 1000
        bars(share, {"2024-01-04": 150})
        assert started_over(account)
        assert Position.objects.using("system").get(account=account).cost_basis == 1500

    def test_follows_rates_as_it_follows_prices(self, alice):
        base, foreign = fresh_currencies(2)
        account = make_account(owner=alice, base_currency=base)
        post(account, "DEPOSIT", cash="100", currency=foreign, occurred_at=at("2024-01-02"))
        assert catch_up(account_id=account.pk, at=NOW).missing == {f"{foreign}/{base}": ["2024-01-02", None]}
        rates(foreign, base, {"2024-01-02": "1.5"})
        assert catch_up(account_id=account.pk, at=NOW).missing == {}
        assert snapshots(account)["2024-01-02"].total_value == 150
        rates(foreign, base, {"2024-01-03": "1.6"})
        catch_up(account_id=account.pk, at=NOW)
        assert snapshots(account)["2024-01-03"].total_value == 160
        assert list(rebuild(account_ids=[account.pk], at=NOW)) == []

    def test_a_note_changes_nothing(self, account, share):
        catch_up(account_id=account.pk, at=NOW)
        post(account, "NOTE", notes="lunch with the broker", occurred_at=at("2020-01-01"))
        assert not started_over(account)
        assert catch_up(account_id=account.pk, at=NOW).current

    def test_an_account_without_entries_has_a_projection_and_nothing_else(self, account):
        projection = catch_up(account_id=account.pk, at=NOW)
        assert (projection.read_up_to, projection.valued_until) == (0, None)
        assert catch_up(account_id=account.pk, at=NOW).current
        assert not Snapshot.objects.using("system").filter(account=account).exists()

    def test_there_is_nothing_to_do_for_nobody(self):
        with pytest.raises(Account.DoesNotExist):
            catch_up(account_id=uuid4(), at=NOW)

    def test_four_at_once_do_the_work_once(self, account, share):
        def work(_number: int) -> date | None:
            try:
                return catch_up(account_id=account.pk, at=NOW).valued_until
            finally:
                connections["system"].close()
                connections["default"].close()

        with ThreadPoolExecutor(4) as pool:
            assert set(pool.map(work, range(4))) == {date(2024, 1, 4)}
        assert len(snapshots(account)) == 3

    def test_figures_beyond_all_limits_are_refused_by_name(self, beyond_limits):
        with pytest.raises(FiguresBeyondLimits) as refusal:
            catch_up(account_id=beyond_limits.pk, at=NOW)
        assert refusal.value.code == "figures_beyond_limits"


class TestCatchUpMany:
    def test_one_that_fails_stops_no_other(self, account, share, beyond_limits):
        failed = catch_up_many(account_ids=[beyond_limits.pk, uuid4(), account.pk], at=NOW)
        assert {account_id: type(error) for account_id, error in failed.items()} == {beyond_limits.pk: FiguresBeyondLimits}
        assert len(snapshots(account)) == 3
        assert not Projection.objects.using("system").filter(account=beyond_limits).exists()


class TestLagging:
    def test_names_the_accounts_that_are_behind(self, account, share, alice):
        idle = make_account(owner=alice)
        assert account.pk in lagging_accounts()
        assert idle.pk not in lagging_accounts()
        catch_up(account_id=account.pk, at=NOW)
        assert account.pk not in lagging_accounts()
        bars(share, {"2024-01-08": 130})
        assert account.pk in lagging_accounts()
        catch_up(account_id=account.pk, at=NOW)
        post(account, "DEPOSIT", cash="1", occurred_at=at("2024-01-09"))
        assert account.pk in lagging_accounts()


class TestTenancy:
    @pytest.mark.parametrize("model", TABLES)
    def test_a_stranger_sees_no_row(self, account, share, bob, charlie, model):
        post(account, "SELL", instrument=share, quantity="-1", price="1", occurred_at=at("2024-01-04"))
        catch_up(account_id=account.pk, at=NOW)
        seen = {}
        for person in (bob, charlie):
            with acting_as(person.pk):
                seen[person] = model.objects.filter(account=account).count()
        assert seen[bob] > 0
        assert seen[charlie] == 0
        assert model.objects.filter(account=account).count() == 0

    @pytest.mark.parametrize("model", TABLES)
    @pytest.mark.parametrize("statement", ["UPDATE {} SET account_id = account_id", "DELETE FROM {}", "TRUNCATE {}"])
    def test_only_the_system_role_writes(self, alice, model, statement):
        table = connection.ops.quote_name(model._meta.db_table)
        with pytest.raises(ProgrammingError, match="permission denied"), acting_as(alice.pk), connection.cursor() as cursor:
            cursor.execute(statement.format(table))
