"""Lots move to another account, and others are chosen for a sale, from their pages."""

from datetime import UTC, datetime

import pytest

from accounts.domain.roles import Role
from accounts.models import LedgerEntry
from marketdata.models import CorporateAction
from portfolio.models import Closure, Lot, Position
from portfolio.services.projections import catch_up
from tests.admin.world import looks, to
from tests.factories import make_account, make_instrument, post, share

NOW = datetime(2025, 1, 1, tzinfo=UTC)


@pytest.fixture
def account(alice):
    account = make_account(owner=alice, cost_basis_method="SPECIFIC")
    stock = make_instrument()
    for day, price in ((2, 10), (3, 20)):
        at = datetime(2024, 1, day, 15, tzinfo=UTC)
        post(account, "BUY", instrument=stock, quantity="10", price=price, occurred_at=at)
    post(account, "SELL", instrument=stock, quantity="-4", price="30", occurred_at=datetime(2024, 2, 1, tzinfo=UTC))
    catch_up(account_id=account.pk, at=NOW)
    return account


def send(client, row, asked, **form):
    page = to(type(row), "change", row.pk).replace("/change/", f"/{asked}/")
    return client.post(page, {"_form_submitted": "True"} | form, headers={"HX-Request": "true"})


def lots(account):
    catch_up(account_id=account.pk, at=NOW)
    rows = Lot.objects.using("system").filter(account=account).order_by("opened_at")
    return [(row.opened_at.day, row.remaining, row.cost) for row in rows]


class TestTransfer:
    def test_moves_the_lot_with_its_date_and_cost(self, alice, account):
        target = make_account(owner=alice, name="Second")
        second = Lot.objects.using("system").get(account=account, number=2)
        answer = send(looks(alice), second, "transfer", to=str(target.pk), quantity="3")
        assert "HX-Redirect" in answer, answer.content
        assert lots(target) == [(3, 3, 60)]
        assert lots(account) == [(2, 6, 60), (3, 7, 140)]

    def test_says_why_not(self, alice, account):
        target = make_account(owner=alice)
        lot = Lot.objects.using("system").get(account=account, number=1)
        assert b"16 were held at that time" in send(looks(alice), lot, "transfer", to=str(target.pk), quantity="17").content
        assert b"6 were held of the lot" in send(looks(alice), lot, "transfer", to=str(target.pk), quantity="7").content
        assert b"same one" in send(looks(alice), lot, "transfer", to=str(account.pk)).content

    def test_offers_the_accounts_somebody_trades_in(self, alice, charlie, account):
        foreign = make_account(owner=charlie)
        lot = Lot.objects.using("system").get(account=account, number=1)
        answer = send(looks(alice), lot, "transfer", to=str(foreign.pk))
        assert b"Select a valid choice" in answer.content

    def test_is_not_for_who_only_looks(self, account, bob, charlie):
        lot = Lot.objects.using("system").get(account=account, number=1)
        for person in (bob, charlie):
            assert send(looks(person), lot, "transfer", to=str(account.pk)).status_code == 403


class TestChoosing:
    def test_closes_the_lots_that_are_named(self, alice, account):
        closure = Closure.objects.using("system").get(account=account)
        answer = send(looks(alice), closure, "choose_lots", lots="#2: 4")
        assert "HX-Redirect" in answer, answer.content
        assert lots(account) == [(2, 10, 100), (3, 6, 120)]
        assert LedgerEntry.objects.using("system").filter(account=account, kind="NOTE").count() == 1

    @pytest.mark.parametrize(
        ("written", "said"), [("all", b"numbers of entries"), ("9", b"No lot of entry #9"), ("", b"required")]
    )
    def test_says_why_not(self, alice, account, written, said):
        closure = Closure.objects.using("system").get(account=account)
        assert said in send(looks(alice), closure, "choose_lots", lots=written).content

    def test_is_for_who_trades(self, account, bob, charlie):
        closure = Closure.objects.using("system").get(account=account)
        assert send(looks(bob), closure, "choose_lots", lots="2").status_code == 403
        share(account, charlie, Role.TRADER)
        assert "HX-Redirect" in send(looks(charlie), closure, "choose_lots", lots="2")


class TestCorporateActions:
    @pytest.fixture
    def position(self, account):
        return Position.objects.using("system").select_related("instrument").get(account=account)

    @pytest.fixture
    def split(self, position):
        return CorporateAction.objects.create(
            instrument=position.instrument, kind="SPLIT", ex_date="2024-06-03", ratio="0.1", recorded_at=NOW
        )

    def test_are_posted_from_the_position(self, alice, account, position, split):
        answer = send(looks(alice), position, "post_action", action=str(split.pk), cash_in_lieu="12")
        assert "HX-Redirect" in answer, answer.content
        catch_up(account_id=account.pk, at=NOW)
        assert Position.objects.using("system").get(account=account).quantity == 1
        assert b"Select a valid choice" in send(looks(alice), position, "post_action", action=str(split.pk)).content

    def test_are_dismissed(self, alice, account, position, split):
        answer = send(looks(alice), position, "post_action", action=str(split.pk), dismiss="on")
        assert "HX-Redirect" in answer, answer.content
        assert LedgerEntry.objects.using("system").filter(account=account, kind="NOTE").count() == 1

    def test_are_not_for_who_only_looks(self, position, split, bob):
        assert send(looks(bob), position, "post_action", action=str(split.pk)).status_code == 403
