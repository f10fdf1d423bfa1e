"""The page of risk: how near the limits are, the red button with its question, and who may press it."""

from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from accounts.domain.roles import Role
from accounts.models.tenancy import acting_as
from tests.admin.test_ticket import rows, text_of
from tests.admin.world import looks
from tests.factories import make_account, make_bars, make_instrument, make_user, post, share
from tests.trading.factories import make_order, make_pause, make_risk_event
from trading.models import Order, RestrictedInstrument, RiskLimits, TradingPause
from trading.selectors.risk import halt
from trading.services.pauses import end_halt
from trading.tasks import cancel_all_orders, cancel_as_wished

RISK = "/admin/trading/riskevent/desk/"


@pytest.fixture
def instrument():
    made = make_instrument()
    today = timezone.now().date()
    make_bars(made, [(today - timedelta(days=days), "10") for days in (3, 2, 1)])
    return made


@pytest.fixture
def account(alice, instrument):
    """Return an account of ten thousand dollars, a fifth of it in one instrument."""
    made = make_account(owner=alice)
    at = timezone.now() - timedelta(days=2)
    post(made, "DEPOSIT", cash="10000", occurred_at=at)
    post(made, "BUY", instrument=instrument, quantity="200", price="10", occurred_at=at)
    return made


@pytest.fixture
def trader(account):
    return share(account, make_user("tom"), Role.TRADER)


@pytest.fixture
def client(alice, account):
    return looks(alice)


def page(client: Client, account, **query) -> str:
    answer = client.get(RISK, {"account": account.pk} | query)
    assert answer.status_code == 200
    return answer.content.decode()


def press(client: Client, account, do: str, **said):
    return client.post(RISK, {"account": account.pk, "do": do} | said)


SURE = {"reason": "The feed is wrong.", "cancel": "on", "sure": "on"}


class TestThePage:
    def test_shows_limits_and_how_near_they_are(self, client, account, instrument):
        shown = text_of(page(client, account))
        for text in ("Value 10,000.00", "Buying power 8,000.00", "Daily loss", "3.00%", "Drawdown", "20.00%", "Losing streak 0 5",
                     f"{instrument.key} 2,000.00 20.00%", "Units of one order 10,000", "None was broken yet"):  # fmt: skip
            assert text in shown, text

    def test_shows_breaches_and_open_orders(self, client, account, instrument):
        make_risk_event(account, detail="The day's loss is 5 %.")
        make_order(account, instrument, type="LIMIT", limit_price="9")
        shown = text_of(page(client, account))
        assert "The day's loss is 5 %." in shown.replace("&#x27;", "'")
        assert f"BUY 10 {instrument.key} limit 9.00" in shown

    def test_is_shown_to_members_alone(self, account, alice):
        viewer, stranger = share(account, make_user("bob")), make_user("charlie")
        make_account(owner=stranger, name="Theirs")
        assert "Stop all trading" not in page(looks(viewer), account)
        shown = page(looks(stranger), account)
        assert "Theirs" in shown
        assert str(account.pk) not in shown

    def test_of_nobody_without_an_account_says_how_to_open_one(self):
        assert "Open your first account" in looks(make_user("new")).get(RISK).content.decode()


class TestTheRedButton:
    def test_asks_first_and_does_nothing(self, client, account):
        shown = page(client, account, stop="account")
        assert "Stop the account now" in shown
        assert rows(account, TradingPause) == []

    @pytest.mark.parametrize("lacking", ["reason", "sure"])
    def test_is_not_pressed_by_half(self, client, account, lacking):
        said = {name: value for name, value in SURE.items() if name != lacking}
        assert press(client, account, "stop", **said).status_code == 200
        assert rows(account, TradingPause) == []

    def test_stops_the_account_and_cancels_what_is_open(self, account, instrument, trader):
        order = make_order(account, instrument, type="LIMIT", limit_price="9")
        assert press(looks(trader), account, "stop", **SURE).status_code == 302
        (pause,) = rows(account, TradingPause)
        assert (pause.reason, pause.started_by_id, pause.resumed_at) == ("The feed is wrong.", trader.pk, None)
        assert [row.status for row in rows(account, Order, pk=order.pk)] == ["CANCELED"]

    def test_leaves_orders_where_that_is_wished(self, client, account, instrument):
        order = make_order(account, instrument, type="LIMIT", limit_price="9")
        press(client, account, "stop", reason="A look.", sure="on")
        assert [row.status for row in rows(account, Order, pk=order.pk)] == ["NEW"]

    def test_is_no_viewers_and_no_strangers(self, account):
        viewer, stranger = share(account, make_user("bob")), make_user("charlie")
        for person in (viewer, stranger):
            assert press(looks(person), account, "stop", **SURE).status_code == 403
        assert rows(account, TradingPause) == []


class TestResuming:
    def test_is_an_owners_alone(self, account, trader, alice, client):
        make_pause(account)
        assert "Let it trade again" not in page(looks(trader), account)
        assert press(looks(trader), account, "resume", note="Fine.").status_code == 403
        assert "Let it trade again" in page(client, account)
        assert press(client, account, "resume", note="Fine.").status_code == 302
        (pause,) = rows(account, TradingPause)
        assert (pause.resumed_by_id, pause.note) == (alice.pk, "Fine.")

    def test_of_what_goes_on_is_refused(self, client, account):
        answer = press(client, account, "resume")
        assert answer.status_code == 200
        assert "is not paused" in text_of(answer.content.decode())


class TestLimits:
    def test_are_set_by_owners_alone(self, client, account, trader, instrument):
        said = {"max_position_share": "0.3", "max_order_quantity": "50", "allow_short": "on", "restricted": instrument.key}
        assert press(looks(trader), account, "limits", **said).status_code == 403
        assert "Set the limits" in page(client, account, edit="limits")
        assert press(client, account, "limits", **said).status_code == 302
        (limits,) = rows_of(RiskLimits, account)
        assert (limits.max_position_share, limits.max_order_quantity, limits.max_open_orders) == (Decimal("0.3"), 50, None)
        assert limits.allow_short
        assert not limits.close_while_paused
        assert [one.instrument_id for one in rows(account, RestrictedInstrument)] == [instrument.pk]

    @pytest.mark.parametrize("said", [{"max_daily_loss_share": "3"}, {"restricted": "NOT THERE"}, {"max_open_orders": "-1"}])
    def test_say_what_is_wrong(self, client, account, said):
        assert press(client, account, "limits", **said).status_code == 200
        assert rows_of(RiskLimits, account) == []


def rows_of(model, account):
    with acting_as(account.owner_id):
        return list(model.objects.filter(account=account))


class TestOpenOrders:
    def test_are_canceled_from_the_page(self, client, account, instrument):
        order = make_order(account, instrument, type="LIMIT", limit_price="9")
        assert press(client, account, "cancel", order=order.pk).status_code == 302
        assert [row.status for row in rows(account, Order)] == ["CANCELED"]
        answer = press(client, account, "cancel", order=order.pk)
        assert answer.status_code == 200
        assert "CANCELED" in answer.content.decode()

    def test_of_another_account_are_not_there(self, client, account, alice, instrument):
        other = make_account(owner=make_user("charlie"))
        order = make_order(other, instrument)
        assert press(client, account, "cancel", order=order.pk).status_code == 404


class TestTheWholeSite:
    """The suite shares one site: what is stopped here goes on before the test ends."""

    @pytest.fixture
    def operator(self):
        return make_user("operator", is_staff=True, is_superuser=True)

    @pytest.fixture
    def going_on(self):
        yield
        if halt() is not None:
            end_halt(at=timezone.now(), by="the tests")

    def test_is_stopped_by_superusers_alone(self, client, account, going_on):
        assert "Stop all trading on the site" not in page(client, account)
        assert client.post(RISK, {"do": "stop-everything", **SURE}).status_code == 403
        assert client.post(RISK, {"do": "go-on"}).status_code == 403
        assert halt() is None

    def test_is_stopped_after_a_question_and_goes_on(self, operator, going_on, monkeypatch):
        sent = []
        monkeypatch.setattr("trading.services.stopping.current_app.send_task", lambda name, **_: sent.append(name))
        browser = looks(operator)
        assert "Stop all trading on the site now" in browser.get(RISK, {"stop": "everything"}).content.decode()
        assert halt() is None
        assert browser.post(RISK, {"do": "stop-everything", "reason": "x"}).status_code == 200
        assert halt() is None
        assert browser.post(RISK, {"do": "stop-everything", **SURE}).status_code == 302
        assert (halt().reason, halt().started_by) == ("The feed is wrong.", operator.email)
        assert sent == ["trading.tasks.cancel_all_orders"]
        assert "All trading on the site is stopped" in browser.get(RISK).content.decode()
        assert browser.post(RISK, {"do": "go-on"}).status_code == 302
        assert halt() is None

    def test_has_its_orders_canceled_though_nobody_hears_of_it(self, operator, account, instrument, going_on, monkeypatch):
        order = make_order(account, instrument, type="LIMIT", limit_price="9")
        accounts = [(uuid4(), account.owner_id), (account.pk, account.owner_id)]
        monkeypatch.setattr("trading.services.stopping.accounts_that_trade", lambda: accounts)
        monkeypatch.setattr("trading.services.stopping.current_app.send_task", lambda name, **_: None)  # Redis is away
        cancel_as_wished()
        assert looks(operator).post(RISK, {"do": "stop-everything", **SURE}).status_code == 302
        assert [row.status for row in rows(account, Order, pk=order.pk)] == ["NEW"]
        cancel_as_wished()
        assert [row.status for row in rows(account, Order, pk=order.pk)] == ["CANCELED"]
        assert halt().canceled_at is None  # one of the accounts failed
        del accounts[0]
        cancel_as_wished()
        assert halt().canceled_at is not None

    def test_has_its_orders_canceled_by_a_worker(self, account, instrument, monkeypatch):
        order = make_order(account, instrument, type="LIMIT", limit_price="9")
        monkeypatch.setattr("trading.services.stopping.accounts_that_trade", lambda: [(account.pk, account.owner_id)])
        cancel_all_orders()
        assert [row.status for row in rows(account, Order, pk=order.pk)] == ["CANCELED"]
