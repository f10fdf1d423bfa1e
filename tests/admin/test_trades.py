"""Owners set bounds for the last closed trades on a page, too."""

from accounts.models import TradeThresholds
from accounts.models.tenancy import acting_as
from tests.admin.world import looks, to
from tests.factories import make_account, make_user

FIELDS = {"window": "10", "min_win_rate": "0.4", "max_consecutive_losses": "3"}


def bounds(account, person) -> TradeThresholds | None:
    with acting_as(person.pk):
        return TradeThresholds.objects.filter(account=account).first()


def test_an_owner_sets_and_changes_bounds():
    alice = make_user("alice")
    account = make_account(owner=alice)
    client = looks(alice)
    client.post(to(TradeThresholds, "add"), {"account": account.pk, **FIELDS})
    found = bounds(account, alice)
    assert (found.window, str(found.min_win_rate), found.max_consecutive_losses) == (10, "0.400000", 3)
    client.post(to(TradeThresholds, "change", found.pk), {"window": "20", "min_profit_factor": "1.5"})
    found = bounds(account, alice)
    assert (found.window, found.min_win_rate, str(found.min_profit_factor)) == (20, None, "1.500000")


def test_a_bound_that_makes_no_sense_is_refused_at_its_field():
    alice = make_user("alice")
    account = make_account(owner=alice)
    page = looks(alice).post(to(TradeThresholds, "add"), {"account": account.pk, **FIELDS, "min_win_rate": "2"})
    assert b"Give a share from 0 to 1" in page.content
    assert bounds(account, alice) is None


def test_a_stranger_sets_none():
    alice, charlie = make_user("alice"), make_user("charlie")
    account = make_account(owner=alice)
    looks(charlie).post(to(TradeThresholds, "add"), {"account": account.pk, **FIELDS})
    assert bounds(account, alice) is None
