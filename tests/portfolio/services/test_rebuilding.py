"""Derived tables may be emptied at any time; what differs afterwards is named."""

from datetime import UTC, datetime
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from portfolio.models import Position, Snapshot
from portfolio.services.projections import catch_up, forget
from portfolio.services.rebuilding import rebuild
from tests.factories import make_instrument, post
from tests.portfolio.market import bars

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def traded(account):
    """Return an account with a purchase and two days of prices."""
    share = make_instrument()
    bars(share, {"2024-01-02": 100, "2024-01-03": 110})
    when = datetime(2024, 1, 2, 15, tzinfo=UTC)
    post(account, "DEPOSIT", cash="5000", occurred_at=when)
    post(account, "BUY", instrument=share, quantity="10", price="100", occurred_at=when)
    catch_up(account_id=account.pk, at=NOW)
    return account


def command(*arguments: str) -> str:
    out = StringIO()
    call_command("rebuild_portfolio", *arguments, stdout=out)
    return out.getvalue()


class TestRebuild:
    def test_comes_to_the_same_figures(self, traded):
        assert list(rebuild(account_ids=[traded.pk], at=NOW)) == []

    def test_names_a_figure_that_was_tampered_with(self, traded):
        Position.objects.using("system").filter(account=traded).update(cost_basis=999)
        (found,) = rebuild(account_ids=[traded.pk], at=NOW)
        assert (found.table, found.field, found.before, found.after) == (
            "position",
            "cost_basis",
            "999.0000000000",
            "1000.0000000000",
        )
        assert list(rebuild(account_ids=[traded.pk], at=NOW)) == []

    def test_names_a_row_that_was_gone(self, traded):
        Snapshot.objects.using("system").filter(account=traded, date="2024-01-02").delete()
        (found,) = rebuild(account_ids=[traded.pk], at=NOW)
        assert (found.table, found.key, found.field, found.before, found.after) == (
            "snapshot",
            "2024-01-02",
            "row",
            None,
            "there",
        )

    def test_forgetting_leaves_no_row(self, traded):
        forget(account_id=traded.pk)
        assert not Snapshot.objects.using("system").filter(account=traded).exists()


class TestCommand:
    def test_says_that_nothing_differs(self, traded):
        assert command("--account", str(traded.pk), "--check") == "1 accounts rebuilt, 0 figures differ.\n"

    def test_fails_with_check_where_something_differs(self, traded):
        Position.objects.using("system").filter(account=traded).update(income=5)
        out = StringIO()
        with pytest.raises(CommandError, match="Figures differ"):
            call_command("rebuild_portfolio", "--account", str(traded.pk), "--check", stdout=out)
        assert "income: 5.0000000000 -> 0.0000000000" in out.getvalue()

    def test_without_check_it_mends_and_succeeds(self, traded):
        Position.objects.using("system").filter(account=traded).update(income=5)
        assert "1 figures differ" in command("--account", str(traded.pk))
        assert Position.objects.using("system").get(account=traded).income == 0

    def test_shows_the_first_differences_and_counts_the_rest(self, traded):
        share = Position.objects.using("system").get(account=traded).instrument
        bars(share, {f"2024-02-{n:02}": 100 + n for n in range(1, 29)})
        catch_up(account_id=traded.pk, at=NOW)
        Snapshot.objects.using("system").filter(account=traded).update(cash=1)
        assert "... and " in command("--account", str(traded.pk))

    def test_an_unknown_account_is_refused(self):
        with pytest.raises(CommandError, match="There is no account"):
            command("--account", "00000000-0000-7000-8000-000000000000")
