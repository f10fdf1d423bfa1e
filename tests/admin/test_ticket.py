"""The order ticket: looked at first, with every figure and rule, and then placed once, as it was looked at."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.domain.roles import Role
from accounts.models.tenancy import acting_as
from tests.admin.test_records import dialog
from tests.admin.world import looks
from tests.factories import make_account, make_bars, make_instrument, make_user, post, share
from tests.trading.factories import make_decision, make_order
from trading.models import Order, OrderEvent, RiskEvent
from trading.services.risk import set_limits

TICKET = "/admin/trading/order/ticket/"


@pytest.fixture
def instrument():
    made = make_instrument()
    today = timezone.now().date()
    make_bars(made, [(today - timedelta(days=days), "10") for days in (3, 2, 1)])
    return made


@pytest.fixture
def account(alice, instrument):
    """Return an account with ten thousand dollars, a hundred units of the instrument among it."""
    made = make_account(owner=alice)
    at = timezone.now() - timedelta(days=2)
    post(made, "DEPOSIT", cash="10000", occurred_at=at)
    post(made, "BUY", instrument=instrument, quantity="100", price="10", occurred_at=at)
    return made


@pytest.fixture
def client(alice, account):
    return looks(alice)


@pytest.fixture
def said(account, instrument):
    """Return what a ticket says: buy ten at nine and a half or less."""
    return {
        "account": str(account.pk), "instrument": instrument.key, "side": "BUY", "type": "LIMIT", "quantity": "10",
        "limit_price": "9.5", "time_in_force": "DAY", "order_class": "SIMPLE", "client_order_id": f"ticket-{account.pk}",
    }  # fmt: skip


def look(client, said, **more) -> str:
    """Return the page that shows what would become of an order."""
    answer = client.post(TICKET, said | {"do": "preview"} | more)
    assert answer.status_code == 200
    return answer.content.decode()


def place(client, said, **more):
    """Look at an order, and place what was looked at."""
    page = look(client, said)
    seen = re.search(r'name="seen" value="(\w+)"', page)
    return client.post(TICKET, said | {"do": "place", "seen": seen.group(1) if seen else ""} | more)


def rows(account, model=Order, **which):
    with acting_as(account.owner_id):
        return list(model.objects.filter(account=account, **which).order_by("pk"))


def text_of(page: str) -> str:
    """Return what a page says."""
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


class TestLooking:
    def test_shows_cost_fees_buying_power_and_position_and_writes_nothing(self, client, said, account):
        shown = text_of(look(client, said))
        for text in ("Value 95.00 USD", "Fees 0.00 USD", "Cost 95.00 USD", "Buying power now 9,000.00 USD",
                     "Buying power after 8,905.00 USD", "Position now 100", "Position after 110"):  # fmt: skip
            assert text in shown, text
        assert rows(account) == []

    def test_shows_every_rule_with_its_limit(self, client, said):
        shown = text_of(look(client, said))
        for text in ("Order quantity kept 10 10,000", "Order value kept 95.00 USD 100,000.00 USD", "Position share kept 10.95%",
                     "Buying power kept 95.00 USD 9,000.00 USD", "Open orders kept 1 200", "Losing streak kept 0 5"):  # fmt: skip
            assert text in shown, text

    def test_shows_the_proceeds_of_what_is_sold(self, client, said):
        shown = text_of(look(client, said, side="SELL"))
        assert "Proceeds 100.00 USD" in shown  # at the market, which is above its limit
        assert "Position after 90" in shown
        assert "not asked of what closes" in shown

    def test_shows_the_legs(self, client, said):
        shown = text_of(look(client, said, order_class="BRACKET", take_profit="12", stop_loss="9"))
        assert "Take profit: SELL limit 12.00 waits for the entry" in shown
        assert "Stop loss: SELL stop 9.00 waits for the entry" in shown

    def test_shows_which_rules_are_broken(self, client, said, account, alice):
        with acting_as(alice.pk):
            set_limits(account=account, changes={"max_order_quantity": 5}, at=timezone.now())
        shown = text_of(look(client, said))
        assert "It would be refused" in shown
        assert "One order is for 5 at most" in shown
        assert rows(account, RiskEvent) == []

    @pytest.mark.parametrize(
        ("more", "text"),
        [
            ({"instrument": "NOTHERE:XNAS"}, "NOTHERE"),
            ({"quantity": ""}, "quantity"),
            ({"quantity": "-1"}, "greater"),
            ({"limit_price": ""}, "needs a limit price"),
            ({"order_class": "BRACKET"}, "needs both a take profit and a stop loss"),
            ({"order_class": "BRACKET", "take_profit": "9", "stop_loss": "8"}, "above the entry"),
        ],
    )
    def test_says_what_is_wrong(self, client, said, account, more, text):
        assert text in text_of(look(client, said, **more))
        assert rows(account) == []

    def test_leaves_out_what_an_order_of_the_type_does_not_have(self, client, said):
        assert "What would become of it nothing is placed yet" in text_of(look(client, said, type="MARKET", stop_price="3"))

    def test_begins_as_a_decision_asks(self, client, account, instrument):
        decision = make_decision(account, instrument)
        page = client.get(reverse("admin:trading_decision_change", args=[decision.pk])).content.decode()
        (address,) = re.findall(r'href="(/admin/trading/order/ticket[^"]*)"', page.replace("&amp;", "&"))[-1:]
        form = client.get(address).content.decode()
        assert instrument.key in form
        assert f'value="{decision.pk}"' in form


class TestPlacing:
    def test_places_what_was_looked_at(self, client, said, account, instrument):
        answer = place(client, said)
        (order,) = rows(account)
        assert answer.status_code == 302
        assert answer["Location"] == reverse("admin:trading_order_change", args=[order.pk])
        assert (order.door, order.quantity, order.limit_price, order.instrument_id) == ("ADMIN", 10, 9.5, instrument.pk)
        assert [event.kind for event in rows(account, OrderEvent, order=order)] == ["CREATED"]

    def test_places_nothing_else(self, client, said, account):
        answer = place(client, said, quantity="1000")
        assert "is not the one that was looked at" in text_of(answer.content.decode())
        assert rows(account) == []

    def test_places_it_once(self, client, said, account):
        assert place(client, said).status_code == 302
        assert "an id is used once" in text_of(place(client, said).content.decode())
        assert len(rows(account)) == 1

    def test_places_the_legs_too(self, client, said, account):
        assert place(client, said | {"order_class": "BRACKET", "take_profit": "12", "stop_loss": "9"}).status_code == 302
        assert [order.role for order in rows(account)] == ["ENTRY", "TAKE_PROFIT", "STOP_LOSS"]

    def test_records_which_limit_it_would_break(self, client, said, account, alice):
        with acting_as(alice.pk):
            set_limits(account=account, changes={"max_order_quantity": 5}, at=timezone.now())
        answer = place(client, said)
        assert answer.status_code == 200
        assert "One order is for 5 at most" in text_of(answer.content.decode())
        assert [event.type for event in rows(account, RiskEvent)] == ["ORDER_QUANTITY"]
        assert rows(account) == []

    def test_of_a_decision_is_one_chain(self, client, said, account, instrument):
        decision = make_decision(account, instrument)
        assert place(client, said | {"decision": str(decision.pk)}).status_code == 302
        (order,) = rows(account)
        page = client.get(reverse("admin:trading_decision_change", args=[decision.pk])).content.decode()
        assert order.decision_id == decision.pk
        assert reverse("admin:trading_order_change", args=[order.pk]) in page

    def test_takes_no_decision_of_another_account(self, client, said, alice, instrument, account):
        other = make_decision(make_account(owner=alice), instrument)
        assert "one of another account" in text_of(look(client, said, decision=str(other.pk)))


class TestWho:
    def test_may_order_holds_the_role_in_the_account(self, said, account):
        viewer, stranger = share(account, make_user("bob")), make_user("charlie")
        make_account(owner=stranger)
        assert looks(viewer).get(TICKET).status_code == 403
        shown = look(looks(stranger), said)
        assert "Select a valid choice" in shown
        trader = share(account, make_user("tom"), Role.TRADER)
        assert place(looks(trader), said).status_code == 302

    def test_is_not_logged_in_is_asked_to(self, client):
        assert client.__class__().get(TICKET)["Location"].startswith("/admin/login/")


class TestReplacing:
    def test_puts_another_order_in_its_place(self, client, account, instrument):
        order = make_order(account, instrument, type="LIMIT", limit_price="9")
        assert dialog(client, order, "replace", limit_price="8.5").status_code == 302
        first, second = rows(account)
        assert (first.status, second.replaces_id, second.limit_price, second.quantity) == ("REPLACED", first.pk, 8.5, 10)

    def test_says_what_is_wrong(self, client, account, instrument):
        order = make_order(account, instrument, type="LIMIT", limit_price="9")
        assert dialog(client, order, "replace", stop_price="8.5").status_code == 200
        assert len(rows(account)) == 1


def test_open_orders_are_listed_apart(client, account, instrument):
    order = make_order(account, instrument)
    page = reverse("admin:trading_order_changelist")
    mark = reverse("admin:trading_order_change", args=[order.pk])
    assert mark in client.get(page, {"open": "1"}).content.decode()
    assert mark not in client.get(page, {"open": "0"}).content.decode()
