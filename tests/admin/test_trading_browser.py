"""Trading in a real browser: an order looked at and placed, and the red button, at a desk and on a phone."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models.tenancy import acting_as
from tests.admin.live import Visit, opened, served
from tests.factories import PASSWORD, make_account, make_bars, make_instrument, make_user, post
from tests.trading.factories import make_decision, make_order, make_risk_event
from trading.models import Order, TradingPause

DESK = {"viewport": {"width": 1400, "height": 1000}}
PHONE = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}
SCREENS = pytest.mark.parametrize("screen", [DESK, PHONE], ids=["desk", "phone"])


@pytest.fixture(scope="module")
def instrument():
    made = make_instrument(name="World Index")
    today = timezone.now().date()
    make_bars(made, [(today - timedelta(days=days), "100") for days in (3, 2, 1)])
    return made


@pytest.fixture
def account(instrument):
    """Return an account with something in it, something ordered, and something that went wrong."""
    made = make_account(owner=make_user("olive"), name="Growth")
    at = timezone.now() - timedelta(days=2)
    post(made, "DEPOSIT", cash="50000", occurred_at=at)
    post(made, "BUY", instrument=instrument, quantity="70", price="100", occurred_at=at)
    make_order(made, instrument, type="LIMIT", limit_price="90")
    make_risk_event(made, detail="The day's loss is 5 %, more than 3 %. An owner may resume trading.")
    return made


@pytest.fixture(scope="module")
def site():
    with served() as address:
        yield address


@pytest.fixture(scope="module")
def browser(site):
    with opened() as browser:
        yield browser


@pytest.fixture
def visit(browser, site, account, screen):
    """Return the owner's visit; whatever page they saw, it fitted the screen and did nothing that it must not."""
    visit = Visit(browser, site, **screen).enter(account.owner.email, PASSWORD)
    yield visit
    assert visit.too_wide() <= 0
    assert visit.faults == []
    visit.page.context.close()


def rows(model, account):
    with acting_as(account.owner_id):
        return list(model.objects.filter(account=account).order_by("pk"))


@SCREENS
def test_an_order_is_looked_at_and_placed(visit, account, instrument):
    page = visit.go(f"/admin/trading/order/ticket/?account={account.pk}").page
    assert page.is_visible("#id_limit_price")
    page.select_option("#id_type", "MARKET")
    assert not page.is_visible("#id_limit_price")
    page.select_option("#id_type", "STOP_LIMIT")
    assert page.is_visible("#id_stop_price")
    page.select_option("#id_type", "LIMIT")
    assert not page.is_visible("#id_take_profit")
    page.select_option("#id_order_class", "BRACKET")
    for name, text in (("instrument", instrument.key), ("quantity", "10"), ("limit_price", "99")):
        page.fill(f"#id_{name}", text)
    page.click("button[value=preview]")
    page.wait_for_selector("[role=alert]")
    assert "needs both a take profit and a stop loss" in page.inner_text("#ticket")
    page.fill("#id_take_profit", "120")
    page.fill("#id_stop_loss", "90")
    page.click("button[value=preview]")
    page.wait_for_selector("#preview")
    assert "Buying power after" in page.inner_text("#preview")
    assert page.locator("#checks tbody tr").count() >= 12
    assert visit.too_wide() <= 0
    assert len(rows(Order, account)) == 1
    page.click("button[value=place]")
    page.wait_for_url("**/change/")
    assert [order.role for order in rows(Order, account)] == ["", "ENTRY", "TAKE_PROFIT", "STOP_LOSS"]


@SCREENS
def test_the_red_button_asks_and_stops_and_an_owner_goes_on(visit, account):
    page = visit.go(f"/admin/trading/riskevent/desk/?account={account.pk}").page
    assert "how near they are" in page.inner_text("#use")
    page.click("text=Stop all trading")
    page.wait_for_selector(".stop-form")
    assert rows(TradingPause, account) == []
    page.fill("#stop [name=reason]", "The feed is wrong.")
    page.check("#stop [name=sure]")
    page.click("#stop button[value=stop]")
    page.wait_for_selector("#pause")
    assert "The feed is wrong." in page.inner_text("#pause")
    assert "No order is open." in page.inner_text("#orders")
    assert visit.too_wide() <= 0
    page.click("button[value=resume]")
    page.wait_for_selector("text=trades again")
    (pause,) = rows(TradingPause, account)
    assert pause.resumed_by_id == account.owner_id


@SCREENS
def test_a_decision_leads_to_its_order(visit, account, instrument):
    decision = make_decision(account, instrument)
    order = make_order(account, instrument, decision=decision)
    page = visit.go(f"/admin/trading/decision/{decision.pk}/change/").page
    assert visit.too_wide() <= 0
    page.click(".chain a.go >> nth=0")
    page.wait_for_url(f"**/{order.pk}/change/")
