"""The page of targets in a real browser: written as lines of text, looked at with bars, at a desk and on a phone."""

from datetime import UTC, datetime

import pytest

from accounts.models import Policy, TargetAllocation
from accounts.models.tenancy import acting_as
from accounts.services.policies import create_policy
from tests.admin.live import Visit, opened, served
from tests.admin.world import looks, to
from tests.factories import PASSWORD, make_account, make_instrument, make_user, post
from tests.portfolio.market import bars

DESK = {"viewport": {"width": 1400, "height": 1100}}
PHONE = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}
PAGE = "/admin/targets/"


def at(day: str) -> datetime:
    return datetime.fromisoformat(f"{day}T15:00").replace(tzinfo=UTC)


@pytest.fixture(scope="module")
def owner():
    """Return somebody who holds two things and has a plan and bounds for them."""
    owner = make_user("olive")
    account = make_account(owner=owner, name="Pension", cost_basis_method="SPECIFIC")
    held = [make_instrument(name=name) for name in ("World Index", "Government Bonds", "Gold")]
    for price, instrument in zip((50, 100, 20), held, strict=True):
        bars(instrument, {"2024-01-02": price, "2024-01-03": price})
    post(account, "DEPOSIT", cash="10000", occurred_at=at("2024-01-01"))
    post(account, "BUY", instrument=held[0], quantity="120", price="40", occurred_at=at("2024-01-02"))
    post(account, "BUY", instrument=held[0], quantity="20", price="60", occurred_at=at("2024-01-03"))
    post(account, "BUY", instrument=held[1], quantity="10", price="100", occurred_at=at("2024-01-02"))
    lines = f"{held[0].key} 50 %\n{held[1].key} 30 %\n{held[2].key} 15 %"
    body = {"account": account.pk, "name": "Balanced", "basis": "INSTRUMENT", "in_force": "on", "lines": lines}
    assert looks(owner).post(to(TargetAllocation, "add"), body).status_code == 302
    with acting_as(owner.pk):
        for kind, threshold in (("POSITION", "0.5"), ("CASH", "0.5")):
            create_policy(account=account, kind=kind, threshold=threshold, at=at("2024-01-03"))
        assert Policy.objects.filter(account=account).count() == 2
    return owner


@pytest.fixture(scope="module")
def site(owner):
    with served() as address:
        yield address


@pytest.fixture(scope="module")
def browser(site):
    with opened() as browser:
        yield browser


@pytest.mark.parametrize("screen", [DESK, PHONE], ids=["desk", "phone"])
def test_shows_bars_and_proposes(browser, site, owner, screen):
    visit = Visit(browser, site, **screen).enter(owner.email, PASSWORD).go(PAGE)
    page = visit.page
    assert page.locator(".drift-bar").count() == 4
    assert "The position in" in page.inner_text("#content")
    page.check("[name=tax_aware]")
    page.click("button[name=rebalance]")
    page.wait_for_selector("#orders")
    assert page.locator("#orders tbody tr").count() == 3
    assert "20 of 2024-01-03: -200.00, long" in page.inner_text("#orders")
    assert visit.too_wide() <= 0
    assert visit.faults == []
    page.context.close()
