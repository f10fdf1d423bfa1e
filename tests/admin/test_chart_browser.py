"""The chart on an instrument's page as a browser draws it."""

import pytest

from marketdata.models import Instrument
from tests.admin.charted import make_charted
from tests.admin.live import Visit, opened, served
from tests.admin.world import to
from tests.factories import PASSWORD, make_account, make_user


@pytest.fixture(scope="module")
def charted():
    return make_charted()


@pytest.fixture(scope="module")
def alice():
    person = make_user("alice")
    make_account(owner=person)
    return person


@pytest.fixture(scope="module")
def site(charted, alice):
    with served() as address:
        yield address


@pytest.fixture(scope="module")
def browser(site):
    with opened() as browser:
        yield browser


@pytest.mark.parametrize(("width", "scheme"), [(1400, "light"), (1400, "dark"), (390, "light"), (390, "dark")], ids=str)
def test_draws_switches_and_stays_within_the_page(browser, site, charted, alice, width, scheme):
    visit = Visit(browser, site, viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = visit.enter(alice.email, PASSWORD).go(to(Instrument, "change", charted.pk)).page
    rest = "document.querySelector('[data-note]').textContent.startsWith('Times are UTC. Drag')"
    page.wait_for_function(rest)
    assert drawn(page) > 500
    assert visit.too_wide() <= 0
    assert "C " in page.inner_text("[data-legend]")
    page.click("[data-kind=line]")
    assert drawn(page) > 500
    page.click("[data-timeframe='1h']")
    page.wait_for_selector("[data-timeframe='1h'][aria-pressed=true]")
    page.wait_for_function(f"{rest} && document.querySelector('[data-rows] td').textContent.includes('23:00')")
    page.click("[data-ranges] >> text=All")
    page.wait_for_function(rest)
    page.click("[data-adjusted]")
    page.wait_for_function(rest)
    page.focus(".chart-table summary")
    page.keyboard.press("Enter")
    assert page.is_visible("[data-rows] tr >> nth=0")
    assert visit.too_wide() <= 0
    assert visit.faults == []
    page.context.close()


def drawn(page) -> int:
    """Return how many pixels the chart has put on its canvases."""
    script = """() => [...document.querySelectorAll("[data-plot] canvas")].reduce((sum, canvas) => {
        if (!canvas.width || !canvas.height) return sum;
        const copy = document.createElement("canvas");
        Object.assign(copy, { width: canvas.width, height: canvas.height });
        const brush = copy.getContext("2d", { willReadFrequently: true });
        brush.drawImage(canvas, 0, 0);
        const { data } = brush.getImageData(0, 0, canvas.width, canvas.height);
        return sum + data.filter((alpha, index) => index % 4 === 3 && alpha > 0).length;
    }, 0)"""
    page.wait_for_function(f"({script})() > 0")
    return page.evaluate(script)
