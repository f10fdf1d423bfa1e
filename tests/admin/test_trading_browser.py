"""Trading in a real browser: an order looked at and placed, and the red button, at a desk and on a phone."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connections
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


def made(instrument):
    """Return an account with something in it, something ordered, something decided, and something that went wrong."""
    found = make_account(owner=make_user("olive"), name="Growth")
    at = timezone.now() - timedelta(days=2)
    post(found, "DEPOSIT", cash="50000", occurred_at=at)
    post(found, "BUY", instrument=instrument, quantity="70", price="100", occurred_at=at)
    found.decision = make_decision(found, instrument)
    found.order = make_order(found, instrument, type="LIMIT", limit_price="90", decision=found.decision)
    make_risk_event(found, detail="The day's loss is 5 %, more than 3 %. An owner may resume trading.")
    return found


@pytest.fixture(scope="module")
def accounts(instrument):
    """Return an account for each test, made before the browser's own loop runs."""
    return iter([made(instrument) for _ in range(6)])


@pytest.fixture
def account(accounts):
    """Return an account that no other test has."""
    return next(accounts)


@pytest.fixture(scope="module")
def site(accounts):
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
    """Return an account's rows, asked for beside the browser's own loop."""

    def asked():
        try:
            with acting_as(account.owner_id):
                return list(model.objects.filter(account=account).order_by("pk"))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as threads:
        return threads.submit(asked).result()


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
def test_a_decision_leads_to_its_order(visit, account):
    page = visit.go(f"/admin/trading/decision/{account.decision.pk}/change/").page
    assert visit.too_wide() <= 0
    page.click(f".chain a[href*='{account.order.pk}']")
    page.wait_for_url(f"**/{account.order.pk}/change/")
