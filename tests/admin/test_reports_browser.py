"""The page of reports in a real browser: a file is downloaded, and the page to print opens and draws itself."""

from datetime import UTC, datetime

import pytest

from tests.admin.live import Visit, opened, served
from tests.factories import PASSWORD, make_account, make_instrument, make_user, post
from tests.portfolio.market import bars

DESK = {"viewport": {"width": 1400, "height": 1000}}
PHONE = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}
PAGE = "/admin/reports/"


@pytest.fixture(scope="module")
def owner():
    owner = make_user("rita")
    account = make_account(owner=owner, name="Pension")
    stock = make_instrument(name="World Index")
    bars(stock, {f"2024-{month:02}-15": 100 + (month * 7) % 11 for month in range(1, 13)})
    start = datetime(2024, 1, 15, 15, tzinfo=UTC)
    post(account, "DEPOSIT", cash="10000", occurred_at=start)
    post(account, "BUY", instrument=stock, quantity="50", price="107", occurred_at=start)
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
def test_downloads_and_prints(browser, site, owner, screen):
    visit = Visit(browser, site, **screen).enter(owner.email, PASSWORD).go(f"{PAGE}?year=2024")
    page = visit.page
    assert visit.too_wide() <= 0
    with page.expect_download() as found:
        page.click("[aria-label='Activity as XLSX']")
    assert found.value.suggested_filename == "pension-activity-2024.xlsx"
    with page.expect_popup() as popup:
        page.click("button[form=get-performance]")
    report = popup.value
    report.wait_for_load_state()
    assert report.locator("svg").count() == 4
    assert report.locator("svg").first.bounding_box()["height"] > 50
    assert report.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    assert visit.faults == []
    page.context.close()
