"""Pages of derived rows show what is so now, not what was when somebody looked last; where they can't, they say so."""

import re
from datetime import UTC, datetime

import pytest

from accounts.models.tenancy import acting_as
from portfolio.admin import derived
from portfolio.models import Closure, Lot, Performance, Position, Projection, Snapshot
from portfolio.services.projections import catch_up
from tests.admin.world import looks, to
from tests.factories import make_account, make_instrument, make_user, post
from tests.portfolio.market import bars

NOW = datetime(2025, 1, 1, tzinfo=UTC)
DERIVED = (Position, Lot, Closure, Snapshot, Performance, Projection)


def at(day: int) -> datetime:
    return datetime(2024, 1, day, 15, tzinfo=UTC)


@pytest.fixture
def share():
    share = make_instrument()
    bars(share, {"2024-01-02": 10, "2024-01-03": 11})
    return share


@pytest.fixture
def person():
    return make_user("reader")


@pytest.fixture
def account(person, share):
    """An account that was read on the third of January; since, a share was sold, and prices are new."""
    account = holding(person, share, name="Main")
    go_on(account, share)
    return account


def holding(owner, share, **fields):
    account = make_account(owner=owner, **fields)
    post(account, "BUY", instrument=share, quantity="10", price="10", occurred_at=at(2))
    post(account, "SELL", instrument=share, quantity="-1", price="11", occurred_at=at(3))
    catch_up(account_id=account.pk, at=NOW)
    return account


def go_on(account, share):
    post(account, "SELL", instrument=share, quantity="-2", price="11", occurred_at=at(4))
    bars(share, {"2024-01-05": 20})


def text(answer) -> str:
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def row_of(account, model):
    return model.objects.using("system").filter(account=account).order_by("-pk").first()


def is_behind(account) -> bool:
    return str(Projection.objects.using("system").get(pk=account.pk).valued_until) != "2024-01-05"


class TestLists:
    @pytest.mark.parametrize("model", DERIVED)
    @pytest.mark.parametrize("filtered", [True, False])
    def test_are_caught_up_first(self, person, account, model, filtered):
        query = {"account__id__exact": account.pk} if filtered else {}
        told = text(looks(person).get(to(model, "changelist"), query))
        assert not is_behind(account)
        expected = {Position: "140.00 USD", Lot: "7", Closure: "2024-01-04", Snapshot: "2024-01-05", Performance: "+73.00"}
        assert expected.get(model, "2024-01-05") in told
        assert "behind" not in told

    def test_have_the_rows_of_an_account_that_nobody_read(self, person, share):
        account = make_account(owner=person)
        post(account, "BUY", instrument=share, quantity="10", price="10", occurred_at=at(2))
        assert share.symbol in text(looks(person).get(to(Position, "changelist")))

    @pytest.mark.parametrize("model", DERIVED)
    def test_of_many_accounts_say_which_are_behind_by_what(self, person, account, share, model, monkeypatch):
        priced = make_instrument()
        bars(priced, {"2024-01-02": 10, "2024-01-03": 11})
        other = holding(person, priced, name="Other")
        bars(priced, {"2024-01-05": 20})
        monkeypatch.setattr(derived, "MOST", 1)
        page = looks(person).get(to(model, "changelist"))
        told = text(page)
        assert is_behind(account)
        assert "2024-01-03 1 entry behind" in told
        assert "2024-01-03 new prices" in told
        assert f'href="?account__id__exact={other.pk}"' in page.content.decode()
        looks(person).get(to(model, "changelist"), {"account__id__exact": account.pk})
        assert not is_behind(account)
        assert "1 entry behind" not in text(looks(person).get(to(model, "changelist")))

    def test_of_returns_say_which_are_of_days_before(self, person, account, share, monkeypatch):
        holding(person, share, name="Other")
        catch_up(account_id=account.pk, at=NOW)
        post(account, "DEPOSIT", cash="5", occurred_at=at(6))
        catch_up(account_id=account.pk, at=NOW)
        monkeypatch.setattr(derived, "MOST", 1)
        assert "2024-01-06 new days" in text(looks(person).get(to(Performance, "changelist")))
        told = text(looks(person).get(to(Position, "changelist")))
        assert "2024-01-06" in told
        assert "new" not in told.partition("2024-01-06")[2][:20]

    def test_stop_catching_up_when_the_time_is_over(self, person, account, monkeypatch):
        monkeypatch.setattr(derived, "SECONDS", -1.0)
        assert "1 entry behind" in text(looks(person).get(to(Position, "changelist")))

    def test_bring_nobody_elses_accounts_up_to_date(self, account):
        stranger = looks(make_user("stranger"))
        assert stranger.get(to(Position, "changelist"), {"account__id__exact": account.pk}).status_code == 200
        assert is_behind(account)

    @pytest.mark.parametrize("asked", ["x", "", "1'"])
    def test_take_what_is_no_account(self, person, account, asked):
        assert looks(person).get(to(Position, "changelist"), {"account__id__exact": asked}, follow=True).status_code == 200

    def test_say_what_can_not_be_derived(self, person, share, account):
        huge = make_account(owner=person, name="Huge")
        post(huge, "TRANSFER_IN", instrument=share, quantity="999999999999", data={"cost": "1"}, occurred_at=at(2))
        for day in range(10, 19):
            post(huge, "SPLIT", instrument=share, data={"ratio": "1000000:1"}, occurred_at=at(day))
        told = text(looks(person).get(to(Position, "changelist")))
        assert "The figures of Huge could not be brought up to date" in told
        assert not is_behind(account)


class TestPages:
    @pytest.mark.parametrize("model", DERIVED)
    def test_are_caught_up_first(self, person, account, model):
        row = row_of(account, model)
        told = text(looks(person).get(to(model, "change", row.pk), follow=True))
        assert not is_behind(account)
        expected = {Position: "140.00 USD", Lot: "Remaining 7", Closure: "Closed", Performance: "+73.00"}
        assert expected.get(model, "2024-01-0") in told

    @pytest.mark.parametrize("model", [Lot, Snapshot])
    def test_of_rows_that_were_written_again_are_found(self, person, account, share, model):
        row = row_of(account, model)
        post(account, "DEPOSIT", cash="5", occurred_at=at(2))
        answer = looks(person).get(to(model, "change", row.pk))
        with acting_as(person.pk):
            again = row_of(account, model)
            assert answer.status_code == 302 or again.pk == row.pk

    def test_of_strangers_bring_nothing_up_to_date(self, account):
        row = row_of(account, Position)
        assert looks(make_user("stranger")).get(to(Position, "change", row.pk)).status_code == 302
        assert is_behind(account)
