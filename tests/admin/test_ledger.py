"""The ledger's pages: entries are posted, taken back and corrected through the service, and never changed."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from accounts.domain.roles import Role
from accounts.models import LedgerEntry
from accounts.models.tenancy import acting_as
from accounts.services.accounts import close_account
from tests.admin.world import HOSTILE, looks, to
from tests.factories import make_account, make_instrument, make_user, post, share

ADD = to(LedgerEntry, "add")
GOOD = {"occurred_at_0": "2024-03-01", "occurred_at_1": "12:00:00"}


def entries(account) -> list[LedgerEntry]:
    with acting_as(account.owner_id):
        return list(LedgerEntry.objects.filter(account=account).order_by("sequence"))


def errors(answer) -> dict[str, list[str]]:
    assert answer.status_code == 200
    return dict(answer.context["adminform"].form.errors)


@pytest.fixture
def client(alice, account):
    return looks(alice)


@pytest.fixture
def buy(account):
    post(account, "DEPOSIT", cash="1000")
    return post(account, "BUY", instrument=make_instrument(), quantity="3", price="10", fee="1")


class TestPosting:
    def test_gives_sizes_the_signs_of_the_kind_and_fills_in_the_cash(self, client, account):
        instrument = make_instrument()
        form = {
            "account": account.pk,
            "kind": "SELL",
            "instrument": instrument.pk,
            "quantity": "3",
            "price": "10.5",
            "fee": "1",
            "tags": "a, b",
        }
        answer = client.post(ADD, GOOD | form)
        (entry,) = entries(account)
        assert answer["Location"] == to(LedgerEntry, "change", entry.pk)
        assert (entry.quantity, entry.price, entry.cash, entry.fee) == (Decimal(-3), Decimal("10.5"), Decimal("30.5"), Decimal(1))
        assert (entry.currency, entry.tags, entry.actor_id) == (instrument.currency, ["a", "b"], account.owner_id)

    def test_takes_the_time_as_that_of_who_writes(self, account):
        with acting_as(account.owner_id):
            type(account.owner).objects.filter(pk=account.owner_id).update(time_zone="America/New_York")
        account.owner.refresh_from_db()
        looks(account.owner).post(ADD, GOOD | {"account": account.pk, "kind": "DEPOSIT", "cash": "5"})
        (entry,) = entries(account)
        assert entry.occurred_at == datetime(2024, 3, 1, 17, tzinfo=UTC)

    @pytest.mark.parametrize("kind", ["WITHDRAWAL", "FEE", "TAX"])
    @pytest.mark.parametrize("cash", ["25", "-25"])
    def test_needs_no_sign_where_cash_can_only_go_out(self, client, account, kind, cash):
        client.post(ADD, GOOD | {"account": account.pk, "kind": kind, "cash": cash})
        assert [entry.cash for entry in entries(account)] == [Decimal(-25)]

    @pytest.mark.parametrize("kind", ["FEE", "TAX"])
    def test_of_what_was_paid_back_goes_in(self, client, account, kind):
        client.post(ADD, GOOD | {"account": account.pk, "kind": kind, "cash": "25", "data": '{"refund": "of May"}'})
        assert [entry.cash for entry in entries(account)] == [Decimal(25)]

    def test_leaves_out_what_the_kind_does_not_take(self, client, account):
        form = {"account": account.pk, "kind": "DEPOSIT", "cash": "5", "price": "3", "quantity": "9", "ratio": "2:1", "fee": "1"}
        client.post(ADD, GOOD | form)
        (entry,) = entries(account)
        assert (entry.price, entry.quantity, entry.fee, entry.data) == (None, 0, 0, {})

    def test_keeps_what_a_kind_states_in_its_data(self, client, account):
        instrument = make_instrument()
        client.post(
            ADD,
            GOOD | {"account": account.pk, "kind": "SPLIT", "instrument": instrument.pk, "ratio": "2:1", "data": '{"x": "y"}'},
        )
        client.post(
            ADD, GOOD | {"account": account.pk, "kind": "DIVIDEND", "instrument": instrument.pk, "gross": "10", "tax": "1.5"}
        )
        split, dividend = entries(account)
        assert split.data == {"ratio": "2:1", "x": "y"}
        assert (dividend.data, dividend.cash) == ({"gross": "10"}, Decimal("8.5"))

    def test_gives_the_first_leg_of_an_exchange_a_group(self, client, account):
        client.post(ADD, GOOD | {"account": account.pk, "kind": "FX", "cash": "-100", "currency": "usd"})
        (first,) = entries(account)
        client.post(ADD, GOOD | {"account": account.pk, "kind": "FX", "cash": "90", "currency": "EUR", "group": str(first.group)})
        assert {(entry.currency, entry.group) for entry in entries(account)} == {("USD", first.group), ("EUR", first.group)}

    def test_tells_what_was_posted_and_leads_there(self, client, account):
        answer = client.post(ADD, GOOD | {"account": account.pk, "kind": "DEPOSIT", "cash": "5"}, follow=True)
        (message,) = answer.context["messages"]
        (entry,) = entries(account)
        assert to(LedgerEntry, "change", entry.pk) in str(message)

    def test_goes_on_with_the_same_account_and_kind(self, client, account):
        answer = client.post(ADD, GOOD | {"account": account.pk, "kind": "DEPOSIT", "cash": "5", "_addanother": ""})
        assert answer["Location"] == f"{ADD}?account={account.pk}&kind=DEPOSIT"

    @pytest.mark.parametrize(
        ("form", "field"),
        [
            ({"kind": "DEPOSIT"}, "cash"),
            ({"kind": "DEPOSIT", "cash": "-5"}, "cash"),
            ({"kind": "BUY", "quantity": "1", "price": "1"}, "instrument"),
            ({"kind": "NOTE"}, "notes"),
            ({"kind": "LIABILITY", "price": "5"}, "name"),
            ({"kind": "DEPOSIT", "cash": "5", "occurred_at_0": "2999-01-01"}, "occurred_at"),
            ({"kind": "DEPOSIT", "cash": "5", "occurred_at_0": "1969-01-01"}, "occurred_at"),
            ({"kind": "DEPOSIT", "cash": "5", "currency": "EURO"}, "currency"),
            ({"kind": "DEPOSIT", "cash": "5", "data": "[1]"}, "data"),
            ({"kind": "DEPOSIT", "cash": "5", "data": "{"}, "data"),
            ({"kind": "DEPOSIT", "cash": "5", "group": "mine"}, "group"),
            ({"kind": "GIFT", "cash": "5"}, "kind"),
            ({"kind": "DEPOSIT", "cash": "5", "account": "018f0000-0000-7000-8000-000000000000"}, "account"),
        ],
    )
    def test_refuses_what_is_wrong_at_its_field(self, client, account, form, field):
        found = errors(client.post(ADD, GOOD | {"account": account.pk} | form))
        assert set(found) == {field}
        assert entries(account) == []

    @pytest.mark.parametrize(
        "number", ["NaN", "Infinity", "1e5", "1_000", "1,000", "\u0661\u0662", "--1", "1" * 16, "0." + "1" * 11, "=1+1"]
    )
    def test_refuses_numbers_that_could_be_misread(self, client, account, number):
        found = errors(client.post(ADD, GOOD | {"account": account.pk, "kind": "DEPOSIT", "cash": number}))
        assert set(found) == {"cash"}

    def test_refuses_an_id_that_is_known_with_other_figures(self, client, account):
        client.post(ADD, GOOD | {"account": account.pk, "kind": "DEPOSIT", "cash": "5", "external_id": "x"})
        found = errors(client.post(ADD, GOOD | {"account": account.pk, "kind": "DEPOSIT", "cash": "6", "external_id": "x"}))
        assert list(found) == ["__all__"]

    def test_refuses_an_account_of_somebody_else_as_if_it_were_none(self, client, charlie):
        theirs = make_account(owner=charlie)
        found = errors(client.post(ADD, GOOD | {"account": theirs.pk, "kind": "DEPOSIT", "cash": "5"}))
        assert found == errors(
            client.post(ADD, GOOD | {"account": "018f0000-0000-7000-8000-000000000000", "kind": "DEPOSIT", "cash": "5"})
        )

    def test_refuses_an_account_that_is_only_looked_at_or_closed(self, account, bob):
        mine = make_account(owner=bob)
        with acting_as(bob.pk):
            close_account(account=mine, at=datetime.now(UTC))
        make_account(owner=bob)
        for other in (account, mine):
            found = errors(looks(bob).post(ADD, GOOD | {"account": other.pk, "kind": "DEPOSIT", "cash": "5"}))
            assert set(found) == {"account"}

    def test_is_not_for_who_only_looks(self, bob):
        assert looks(bob).post(ADD, GOOD).status_code == 403

    def test_shows_hostile_texts_as_texts(self, client, account):
        text = "".join(HOSTILE)
        content = client.post(
            ADD, GOOD | {"account": account.pk, "kind": "DEPOSIT", "cash": text, "notes": text, "tags": text}
        ).content.decode()
        assert not any(hostile in content for hostile in HOSTILE if "<" in hostile)


class TestEntries:
    def test_are_never_changed(self, client, account, buy):
        answer = client.post(to(LedgerEntry, "change", buy.pk), {"notes": "other", "quantity": "5"})
        assert answer.status_code == 403

    def test_are_never_deleted(self, client, account, buy):
        assert client.post(to(LedgerEntry, "delete", buy.pk), {"post": "yes"}).status_code == 403

    def test_show_what_took_them_back(self, client, account, buy):
        client.post(to(LedgerEntry, "change", buy.pk).replace("change", "reverse"), {"_form_submitted": "True", "reason": "typo"})
        mirror = entries(account)[-1]
        for page, other in ((buy, mirror), (mirror, buy)):
            assert to(LedgerEntry, "change", other.pk) in client.get(to(LedgerEntry, "change", page.pk)).content.decode()


class TestReversing:
    def reverse(self, client, entry, **form):
        address = to(LedgerEntry, "change", entry.pk).replace("change", "reverse")
        return client.post(address, {"_form_submitted": "True", "reason": "typo"} | form, headers={"HX-Request": "true"})

    def test_posts_the_mirror_image_with_its_reason(self, client, account, buy):
        answer = self.reverse(client, buy, explanation="wrong day")
        mirror = entries(account)[-1]
        assert answer["HX-Redirect"] == to(LedgerEntry, "change", mirror.pk)
        assert (mirror.reverses_id, mirror.quantity, mirror.cash, mirror.fee) == (buy.pk, -buy.quantity, -buy.cash, -buy.fee)
        assert (mirror.reason_primary, mirror.reason_explanation) == ("typo", "wrong day")

    def test_asks_for_a_reason(self, client, account, buy):
        answer = self.reverse(client, buy, reason="")
        assert b"This field is required." in answer.content
        assert len(entries(account)) == 2

    def test_does_nothing_by_a_mere_link(self, client, account, buy):
        answer = client.get(to(LedgerEntry, "change", buy.pk).replace("change", "reverse"))
        assert answer.status_code == 200
        assert len(entries(account)) == 2

    def test_is_done_once(self, client, account, buy):
        self.reverse(client, buy)
        assert self.reverse(client, buy).status_code == 403
        assert len(entries(account)) == 3

    def test_is_not_for_who_only_looks_nor_for_strangers(self, account, buy, bob, charlie):
        for person in (bob, charlie):
            assert self.reverse(looks(person), buy).status_code == 403
            assert b"Reverse" not in looks(person).get(to(LedgerEntry, "change", buy.pk)).content
        assert len(entries(account)) == 2


class TestCorrecting:
    def test_shows_the_entry_as_it_is(self, client, account, buy):
        answer = client.get(to(LedgerEntry, "change", buy.pk).replace("change", "correct"), follow=True)
        form = answer.context["adminform"].form
        assert (form["quantity"].value(), form["price"].value(), form["fee"].value(), form["kind"].value()) == (
            "3",
            "10",
            "1",
            "BUY",
        )

    def test_takes_back_and_posts_anew(self, client, account, buy):
        form = {
            "kind": "BUY",
            "instrument": buy.instrument_id,
            "quantity": "4",
            "price": "10",
            "fee": "1",
            "reason_primary": "typo",
        }
        when = {"occurred_at_0": "2020-01-02", "occurred_at_1": "15:00:00"}
        answer = client.post(f"{ADD}?corrects={buy.pk}", when | form)
        mirror, new = entries(account)[-2:]
        assert answer["Location"] == to(LedgerEntry, "change", new.pk)
        assert (mirror.reverses_id, new.corrects_id, new.quantity, new.cash) == (buy.pk, buy.pk, Decimal(4), Decimal(-41))
        assert mirror.reason_primary == "typo"

    def test_stays_in_the_account(self, client, alice, account, buy):
        other = make_account(owner=alice)
        form = {"account": other.pk, "kind": "DEPOSIT", "cash": "1"}
        client.post(f"{ADD}?corrects={buy.pk}", GOOD | form)
        assert entries(other) == []

    def test_finds_nothing_for_strangers_and_who_only_looks(self, account, buy, bob, charlie):
        make_account(owner=bob)
        for person in (bob, charlie):
            assert looks(person).get(f"{ADD}?corrects={buy.pk}").status_code == 404
            assert looks(person).get(f"{ADD}?corrects=nonsense").status_code == 404


class TestTheList:
    def test_finds_by_symbol_and_notes(self, client, account, buy):
        post(account, "NOTE", notes="find me")
        for words, number in (("find", 1), (buy.instrument.symbol.lower(), 1), ("nothing of the kind", 0)):
            assert client.get(to(LedgerEntry, "changelist"), {"q": words}).context["cl"].result_count == number

    def test_filters_by_account_kind_instrument_and_day(self, client, alice, account, buy):
        post(make_account(owner=alice), "DEPOSIT", cash="1", occurred_at=datetime.now(UTC) - timedelta(days=1))
        for filters, number in (
            ({"account__id__exact": account.pk}, 2),
            ({"kind__exact": "BUY"}, 1),
            ({"instrument__id__exact": buy.instrument_id}, 1),
            ({"occurred_at_from": "2020-01-02", "occurred_at_to": "2020-01-02"}, 2),
        ):
            assert client.get(to(LedgerEntry, "changelist"), filters).context["cl"].result_count == number, filters

    def test_offers_own_accounts_alone(self, client, charlie):
        make_account(owner=charlie, name="Charlie's secret fund")
        assert b"secret fund" not in client.get(to(LedgerEntry, "changelist")).content
        assert b"secret fund" not in client.get(ADD).content

    def test_gives_traders_the_button_and_viewers_none(self, account, bob):
        trader = share(account, make_user("tom"), Role.TRADER)
        assert ADD.encode() in looks(trader).get(to(LedgerEntry, "changelist")).content
        assert ADD.encode() not in looks(bob).get(to(LedgerEntry, "changelist")).content
