"""The pages of targets: written as lines of text, looked at with bars, and proposals that post nothing."""

import re
from datetime import UTC, datetime

import pytest

from accounts.domain.roles import Role
from accounts.models import Account, Classification, LedgerEntry, Policy, Target, TargetAllocation, Taxonomy
from accounts.models.tenancy import acting_as
from tests.admin.world import looks, to
from tests.factories import make_account, make_instrument, make_user, post, share
from tests.portfolio.market import bars

PAGE = "/admin/targets/"


def at(day: str) -> datetime:
    return datetime.fromisoformat(f"{day}T15:00").replace(tzinfo=UTC)


@pytest.fixture
def client(alice, account):
    return looks(alice)


@pytest.fixture
def one(account):
    """Return an instrument of which 60 are held at 10, with as much cash as makes 1000."""
    one = make_instrument(name="One & Only")
    bars(one, {"2024-01-02": 8, "2024-01-03": 10})
    post(account, "DEPOSIT", cash="880", occurred_at=at("2024-01-01"))
    post(account, "BUY", instrument=one, quantity="60", price="8", occurred_at=at("2024-01-02"))
    return one


def write(client, account, lines: str, **fields):
    body = {"account": account.pk, "name": "Mine", "basis": "INSTRUMENT", "in_force": "on", "lines": lines} | fields
    return client.post(to(TargetAllocation, "add"), body)


def weights(alice, account) -> list[tuple[str, str]]:
    with acting_as(alice.pk):
        rows = Target.objects.filter(account=account).select_related("instrument").order_by("pk")
        return [(row.instrument.key if row.instrument else row.category, f"{row.weight.normalize():f}") for row in rows]


def errors(answer) -> str:
    assert answer.status_code == 200
    return str(answer.context["adminform"].form.errors)


class TestAllocations:
    def test_are_written_as_lines_and_shown_so(self, client, account, alice, one):
        assert write(client, account, f"{one.key} 25 %\n\n{make_instrument().key} 0.5\n").status_code == 302
        assert [weight for _, weight in weights(alice, account)] == ["0.25", "0.5"]
        with acting_as(alice.pk):
            made = TargetAllocation.objects.get(account=account)
        assert f"{one.key} 25 %" in client.get(to(TargetAllocation, "change", made.pk)).content.decode()

    def test_are_changed_as_a_whole(self, client, account, alice, one):
        write(client, account, f"{one.key} 25%")
        with acting_as(alice.pk):
            made = TargetAllocation.objects.get(account=account)
        body = {"name": "Other", "basis": "ASSET_CLASS", "in_force": "on", "lines": "EQUITY 60 %\nBOND 40 %"}
        assert client.post(to(TargetAllocation, "change", made.pk), body).status_code == 302
        assert weights(alice, account) == [("EQUITY", "0.6"), ("BOND", "0.4")]

    @pytest.mark.parametrize(
        ("lines", "said"),
        [
            ("EQUITY 60 %\nBOND 50 %", "0.1 more than 1"),
            ("SHARES 60 %", "Target 1: There is no such class"),
            ("EQUITY", "Line 1: write what, and its weight"),
            ("EQUITY 0.6\nEQUITY 0.1", "Target 2: EQUITY has a target already"),
        ],
    )
    def test_that_cannot_stand_are_refused_beside_the_lines(self, client, account, alice, lines, said):
        assert said in errors(write(client, account, lines, basis="ASSET_CLASS"))
        assert weights(alice, account) == []

    def test_name_the_line_whose_instrument_is_unknown(self, client, account):
        assert "Line 1:" in errors(write(client, account, "NOSUCHTHING:XNOW 5 %"))

    def test_are_thrown_away(self, client, account, alice, one):
        write(client, account, f"{one.key} 25%")
        with acting_as(alice.pk):
            made = TargetAllocation.objects.get(account=account)
        assert client.post(to(TargetAllocation, "delete", made.pk), {"post": "yes"}).status_code == 302
        assert weights(alice, account) == []

    def test_are_read_by_viewers(self, client, account, bob, one):
        write(client, account, f"{one.key} 25%")
        with acting_as(bob.pk):
            made = TargetAllocation.objects.get(account=account)
        assert f"{one.key} 25.00%" in looks(bob).get(to(TargetAllocation, "change", made.pk)).content.decode()


class TestTaxonomies:
    def test_are_made_and_filled(self, client, account, alice, one):
        client.post(to(Taxonomy, "add"), {"account": account.pk, "name": "Regions"})
        with acting_as(alice.pk):
            made = Taxonomy.objects.get(account=account)
        body = {"taxonomy": made.pk, "instrument": one.pk, "category": "Europe", "weight": "0.7"}
        assert client.post(to(Classification, "add"), body).status_code == 302
        assert "1.4" in errors(client.post(to(Classification, "add"), body | {"category": "Asia"}))
        assert write(client, account, "Europe 50 %", basis="TAXONOMY", taxonomy=made.pk).status_code == 302
        assert client.get(to(Taxonomy, "delete", made.pk)).status_code == 403
        page = client.get(PAGE, {"account": account.pk}).content.decode()
        assert "Europe" in page
        assert "Unclassified" in page

    def test_of_another_account_are_not_taken(self, client, account, alice):
        theirs = make_account(owner=alice)
        with acting_as(alice.pk):
            made = Taxonomy.objects.create(account=theirs, name="x", created_at=at("2024-01-02"))
        assert "no such taxonomy" in errors(write(client, account, "Europe 50 %", basis="TAXONOMY", taxonomy=made.pk))


class TestBounds:
    def test_are_set_changed_and_shown(self, client, account, alice, one):
        body = {"account": account.pk, "kind": "CASH", "threshold": "0.3", "enabled": "on"}
        assert client.post(to(Policy, "add"), body).status_code == 302
        assert "policy of that kind" in errors(client.post(to(Policy, "add"), body))
        page = client.get(PAGE, {"account": account.pk}).content.decode()
        assert "The uninvested cash: 40 %, at most 30 %." in page
        assert "broken" in page
        with acting_as(alice.pk):
            made = Policy.objects.get(account=account)
        assert client.post(to(Policy, "change", made.pk), {"threshold": "0.5", "enabled": "on"}).status_code == 302
        assert "broken" not in client.get(PAGE, {"account": account.pk}).content.decode()


class TestThePage:
    def test_shows_bars_of_actual_and_marks_of_target_weights(self, client, account, one):
        write(client, account, f"{one.key} 30 %")
        page = client.get(PAGE, {"account": account.pk}).content.decode()
        assert re.search(r'<strong id="drift">30.00%</strong>', page)
        assert 'width="85.71"' in page  # 60 of 70, the largest weight
        assert 'x1="42.86"' in page
        assert "+30.00%" in page

    def test_proposes_and_posts_nothing(self, client, account, alice, one):
        with acting_as(alice.pk):
            Account.objects.filter(pk=account.pk).update(cost_basis_method="SPECIFIC")
        write(client, account, f"{one.key} 30 %")
        asked = {"account": account.pk, "rebalance": "1", "whole_shares": "on", "tax_aware": "on", "minimum_trade": "5"}
        page = client.get(PAGE, asked).content.decode()
        assert re.search(rf"<td>Sell</td><td>{one.key}</td><td class=\"right\">30</td>", page)
        assert "30 of 2024-01-02: +60.00, long" in page
        with acting_as(alice.pk):
            assert LedgerEntry.objects.filter(account=account).count() == 2

    def test_says_why_nothing_can_be_proposed(self, client, account, one):
        nameless = make_instrument()
        write(client, account, f"{nameless.key} 30 %")
        page = client.get(PAGE, {"account": account.pk, "rebalance": "1"}).content.decode()
        assert f"No price or rate is known of {nameless.key}" in page
        page = client.get(PAGE, {"account": account.pk, "rebalance": "1", "minimum_trade": "-1"}).content.decode()
        assert "greater than or equal to 0" in page

    def test_is_one_for_every_member_and_nobody_else(self, client, account, bob, charlie, one):
        share(account, make_user("tom"), Role.TRADER)
        write(client, account, f"{one.key} 30 %", name="Secret plan")
        assert "Secret plan" in looks(bob).get(PAGE, {"account": account.pk}).content.decode()
        assert "Change the targets" not in looks(bob).get(PAGE, {"account": account.pk}).content.decode()
        assert "Secret plan" not in looks(charlie).get(PAGE, {"account": account.pk}).content.decode()

    def test_opens_where_there_is_nothing_yet(self, client, account, charlie):
        assert "No targets yet" in client.get(PAGE, {"account": account.pk}).content.decode()
        assert looks(charlie).get(PAGE).status_code == 200

    def test_offers_the_other_allocations(self, client, account, one):
        write(client, account, f"{one.key} 30 %")
        write(client, account, f"{one.key} 60 %", name="Spare")
        page = client.get(PAGE, {"account": account.pk}).content.decode()
        assert "Spare (in force)" in page
        assert '<strong id="drift">0.00%</strong>' in page
