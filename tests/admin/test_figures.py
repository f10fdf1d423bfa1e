"""The pages of figures say whose they are and in what money, and where nothing is, what to do."""

import re
from datetime import UTC, datetime

import pytest

from accounts.models import Policy, TargetAllocation
from accounts.models.tenancy import acting_as
from accounts.services.taxonomies import create_taxonomy
from portfolio.models import Alert, Closure, Lot, Performance, Position, Projection, Snapshot
from portfolio.services.projections import catch_up
from tests.admin.world import looks, to
from tests.factories import make_account, make_instrument, post
from tests.portfolio.market import bars

NOW = datetime(2025, 1, 1, tzinfo=UTC)


@pytest.fixture
def share():
    share = make_instrument(currency="GBX", name="In pence")
    bars(share, {"2024-01-02": 1250, "2024-01-03": 1300})
    return share


@pytest.fixture
def account(alice, share):
    account = make_account(owner=alice, name="London", base_currency="GBP")
    for day, kind, quantity, price in (("02", "BUY", "10", "1250"), ("03", "SELL", "-4", "1300")):
        at = datetime.fromisoformat(f"2024-01-{day}T15:00+00:00")
        post(account, kind, instrument=share, quantity=quantity, price=price, currency="GBX", occurred_at=at)
    catch_up(account_id=account.pk, at=NOW)
    return account


def text(answer) -> str:
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def row_of(account, model):
    return model.objects.using("system").filter(account=account).order_by("pk").first()


class TestPence:
    @pytest.mark.parametrize(
        ("model", "amounts"),
        [(Position, ["78.00 GBP", "+3.00"]), (Lot, ["75.00 GBP"]), (Closure, ["50.00", "52.00", "+2.00 GBP"])],
    )
    def test_are_told_in_pounds(self, alice, account, model, amounts):
        pages = [to(model, "changelist"), to(model, "change", row_of(account, model).pk)]
        for page in pages:
            told = text(looks(alice).get(page))
            assert all(amount in told for amount in amounts), told
            assert "GBX" not in told

    def test_are_pounds_on_the_first_page(self, alice, account):
        told = text(looks(alice).get("/admin/", {"account": account.pk}))
        assert "13.00 GBP 78.00" in told
        assert "13.00 GBX" not in told


class TestPages:
    @pytest.mark.parametrize("model", [Position, Lot, Closure])
    def test_are_headed_by_the_instrument(self, alice, account, share, model):
        told = text(looks(alice).get(to(model, "change", row_of(account, model).pk)))
        assert f" {share.key}" in told.partition("Instrument")[0]
        assert str(share.pk) not in told

    @pytest.mark.parametrize("model", [Snapshot, Performance, Projection])
    def test_are_headed_by_the_account(self, alice, account, model):
        told = text(looks(alice).get(to(model, "change", row_of(account, model).pk)))
        assert re.search("London (on|as of|read up to)", told)
        assert str(account.pk) not in told

    def test_tell_what_lacks_a_price_by_name(self, alice):
        account, dark = make_account(owner=alice, name="Dark"), make_instrument()
        post(account, "BUY", instrument=dark, quantity="1", price="10", occurred_at=NOW)
        catch_up(account_id=account.pk, at=NOW)
        assert f"A price or rate {dark.key}" in text(looks(alice).get(to(Projection, "change", account.pk)))

    def test_of_a_taxonomy_lead_to_what_is_in_it(self, alice, account):
        with acting_as(alice.pk):
            taxonomy = create_taxonomy(account=account, name="Regions", at=NOW)
        page = looks(alice).get(to(type(taxonomy), "change", taxonomy.pk)).content.decode()
        assert f"/classification/?taxonomy__id__exact={taxonomy.pk}" in page or f"taxonomy__id={taxonomy.pk}" in page

    @pytest.mark.parametrize(
        ("subject", "about", "page"),
        [("policy:CASH", "Share of uninvested cash", "policy"), ("trades", "The last closed trades", "tradethresholds")],
    )
    def test_of_an_alert_say_what_it_is_about_and_where_it_is_set(self, alice, account, subject, about, page):
        alert = Alert.objects.using("system").create(account_id=account.pk, subject=subject, since=NOW, message="Too much.")
        assert about in text(looks(alice).get(to(Alert, "changelist")))
        shown = looks(alice).get(to(Alert, "change", alert.pk)).content.decode()
        assert f"/admin/accounts/{page}/?account" in shown


class TestShortPeriods:
    """What a few days would come to in a year is shown nowhere."""

    @pytest.mark.parametrize(("last", "yearly"), [("2024-03-03", None), ("2025-01-02", "+20.38%")])
    def test_are_not_carried_on_to_a_year(self, alice, last, yearly):
        account, share = make_account(owner=alice, name="New"), make_instrument()
        post(account, "DEPOSIT", cash="1000", occurred_at=datetime(2024, 1, 1, 15, tzinfo=UTC))
        post(account, "BUY", instrument=share, quantity="10", price="100", occurred_at=datetime(2024, 1, 1, 15, tzinfo=UTC))
        bars(share, {"2024-01-01": 100, last: 120.5})
        catch_up(account_id=account.pk, at=NOW)
        kept = text(looks(alice).get(to(Performance, "change", account.pk), follow=True))
        start = text(looks(alice).get("/admin/", {"account": account.pk}))
        address = f"/api/v1/accounts/{account.pk}/reports/performance/"
        printed = text(looks(alice).get(address, headers={"accept": "text/html"}))
        assert "+20.50%" in kept and "+20.50%" in start and "+20.50%" in printed  # noqa: PT018
        if yearly is None:
            assert "TWR a year –" in kept
            assert "a year, carried on from less" in start
            assert "Time-weighted, a year –" in printed
            assert "is not carried on to one" in printed
        else:
            assert all(yearly in page for page in (kept, start, printed))
            assert "carried on" not in start + printed


class TestEmptyLists:
    @pytest.mark.parametrize("model", [Position, Lot, Closure, Snapshot, Performance])
    def test_of_figures_lead_to_the_ledger(self, alice, model):
        page = looks(alice).get(to(model, "changelist"))
        assert "Nothing here yet" in text(page)
        assert "Open the ledger" in text(page)
        assert "Reset filters" not in text(page)

    def test_of_decisions_say_what_they_are_for(self, alice, account):
        assert "meant to hold" in text(looks(alice).get(to(TargetAllocation, "changelist")))
        assert "Add policy" in text(looks(alice).get(to(Policy, "changelist")))

    def test_that_are_filtered_offer_the_whole(self, alice, account):
        told = text(looks(alice).get(to(Lot, "changelist"), {"account__id__exact": make_account(owner=alice).pk}))
        assert "Nothing matches" in told
        assert "Reset filters" in told
