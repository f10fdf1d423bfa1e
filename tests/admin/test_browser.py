"""The admin in a real browser: light, dark and on a phone, and a day's work in it."""

from datetime import date, timedelta

import pytest

from accounts.models import LedgerEntry
from marketdata.models import ArchiveSegment, Bar, ProviderHealth, QualityIssue, Quote, Tick
from tests.admin.live import Visit, opened, served
from tests.admin.world import AdminWorld, pages, to
from tests.factories import PASSWORD, make_bars

PHONE = {"viewport": {"width": 390, "height": 844}}
DESK = {"viewport": {"width": 1400, "height": 900}}
TENANT = ("accounts", "portfolio")


@pytest.fixture(scope="module")
def world():
    """Return a world with two years of prices, made before the browser's own loop runs."""
    world = AdminWorld()
    first = date(2020, 1, 7)
    make_bars(world.instrument, [(first + timedelta(days=n), str(12 + (n % 40) / 10)) for n in range(700)])
    assert Bar.objects.filter(instrument=world.instrument).count() == 703
    assert world.records
    assert world.operator
    return world


@pytest.fixture(scope="module")
def site(world):
    with served() as address:
        yield address


@pytest.fixture(scope="module")
def browser(site):
    with opened() as browser:
        yield browser


@pytest.fixture
def visit(browser, site, world):
    """Return Alice's visit; whatever page she saw, none did what it must not."""
    visit = Visit(browser, site, **DESK).enter(world.alice.email, PASSWORD)
    yield visit
    assert visit.faults == []
    visit.page.context.close()


def test_logs_in_draws_the_curves_posts_an_entry_and_lists_it(visit, world):
    page = visit.page
    assert visit.ink("#value-chart") > 2_000
    assert visit.ink("#drawdown-chart") > 500
    page.click("text=Post an entry")
    page.select_option("#id_kind", "BUY")
    page.wait_for_selector("#id_price", state="visible")
    assert not page.is_visible("#id_ratio")
    page.click(".field-instrument .select2-selection, .select2-selection")
    page.fill(".select2-search__field", world.instrument.symbol)
    page.click(f".select2-results__option >> text={world.instrument.symbol}")
    page.fill("#id_quantity", "2")
    page.fill("#id_price", "10.25")
    page.fill("#id_occurred_at_0", "2021-03-01")
    page.fill("#id_occurred_at_1", "15:00:00")
    page.fill("#id_notes", "posted in the browser")
    page.click("button[name=_save]")
    page.wait_for_selector("text=was posted to")
    visit.go(to(LedgerEntry, "changelist"))
    row = page.locator("#result_list tr.data-row").first.inner_text()
    assert "BUY" in row.upper()
    assert "-20.50" in row
    assert "posted in the browser" in row
    visit.go("/admin/")
    assert "-20.50" in page.inner_text("#recent-entries")


def test_takes_an_entry_back_in_a_dialog(visit):
    page = visit.page
    visit.go(to(LedgerEntry, "changelist"))
    page.locator("#result_list tr.data-row", has_not_text="Revers").first.locator("th a").click()
    page.click("text=Reverse")
    page.wait_for_selector("#dialog-form")
    page.click("#dialog button[type=submit]")
    page.wait_for_selector("text=This field is required")
    page.fill("#dialog-form [name=reason]", "typo")
    page.click("#dialog button[type=submit]")
    page.wait_for_selector("text=The entry was taken back by")
    assert "Reversal" in page.inner_text("#content")


def test_changes_the_period_without_leaving_the_page(visit):
    page = visit.page
    before = page.inner_text(".cards")
    page.evaluate("window.stayed = true")
    page.click(".spans >> text=1M")
    page.wait_for_selector(".spans a[aria-current]:has-text('1M')")
    assert page.inner_text(".cards") != before
    assert page.url.endswith("period=1m")
    assert page.evaluate("window.stayed") is True
    assert visit.ink("#value-chart") > 2_000


def test_turns_dark_and_draws_anew(visit):
    page = visit.page
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.keyboard.press("Control+e")  # from what the system says to light
    page.wait_for_selector("html.light")
    page.keyboard.press("Control+e")
    page.wait_for_selector("html.dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
    assert visit.ink("#value-chart") > 2_000


def test_shows_every_page_on_a_phone_without_scrolling_sideways(browser, site, world):
    visit = Visit(browser, site, **PHONE, color_scheme="dark").enter(world.alice.email, PASSWORD)
    paths = ["/admin/", to(LedgerEntry, "add"), "/admin/password_change/"]
    for model in pages():
        if model._meta.app_label in TENANT:
            paths += [to(model, "changelist"), to(model, "change", world.records[model].pk)]
    wide = {path: visit.too_wide() for path in paths if visit.go(path).too_wide() > 0}
    assert (wide, visit.faults) == ({}, [])


def test_lets_no_figure_stand_among_others_on_any_desk(browser, site, world):
    narrow = {"viewport": {"width": 1280, "height": 900}}
    visit = Visit(browser, site, **narrow).enter(world.operator.email, PASSWORD)
    astray = """() => [...document.querySelectorAll(".field-line .readonly")].filter(value => {
        const range = document.createRange();
        range.selectNodeContents(value);
        const text = range.getBoundingClientRect(), place = value.closest(".field-line").getBoundingClientRect();
        return text.right > place.right + 1 || text.left < place.left - 1;
    }).map(value => value.closest(".field-line").innerText)"""
    found = {}
    for model in (Bar, Tick, Quote, ProviderHealth, ArchiveSegment, QualityIssue):
        found[model.__name__] = visit.go(to(model, "change", world.records[model].pk)).page.evaluate(astray)
    assert {name: texts for name, texts in found.items() if texts} == {}
    assert visit.faults == []
