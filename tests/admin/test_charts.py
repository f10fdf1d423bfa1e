"""The chart on an instrument's page: what it is drawn from, and how a browser draws it."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

from marketdata.models import Bar, CorporateAction, Instrument
from marketdata.selectors.charts import MOST
from tests.admin.live import Visit, opened, served
from tests.admin.world import looks, to
from tests.clients import nobody
from tests.factories import LONG_AGO, PASSWORD, make_account, make_bars, make_instrument, make_user

FIRST = date(2015, 1, 1)


@pytest.fixture(scope="module")
def charted():
    """Return an instrument with more daily bars than the browser gets at once, and a day of hours."""
    instrument = make_instrument()
    make_bars(instrument, [(FIRST + timedelta(days=number), str(50 + number % 30)) for number in range(MOST + 100)])
    start = datetime(2020, 1, 2, tzinfo=UTC)
    numbers = {"open": Decimal(10), "high": Decimal(12), "low": Decimal(9), "close": Decimal(11)}
    Bar.objects.bulk_create(
        Bar(instrument=instrument, timeframe="1h", timestamp=start + timedelta(hours=hour), recorded_at=LONG_AGO, **numbers)
        for hour in range(24)
    )
    return instrument


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


def bars_of(instrument, person, **query):
    answer = looks(person).get(f"/admin/marketdata/instrument/{instrument.pk}/bars/", query)
    return answer if answer.status_code != 200 else answer.json()


class TestTheBars:
    def test_come_newest_first_in_portions(self, charted, alice):
        newest = bars_of(charted, alice, timeframe="1d")
        assert (len(newest["bars"]), newest["more"]) == (MOST, True)
        older = bars_of(charted, alice, timeframe="1d", before=newest["bars"][0][0])
        assert (len(older["bars"]), older["more"]) == (100, False)
        times = [bar[0] for bar in older["bars"] + newest["bars"]]
        assert times == sorted(times)
        assert times[0] == int(datetime(2015, 1, 1, tzinfo=UTC).timestamp())
        assert newest["bars"][0][1:] == [60.0, 60.0, 60.0, 60.0, 1000.0]

    def test_are_adjusted_for_splits_or_as_they_were_traded(self, alice):
        instrument = make_instrument()
        make_bars(instrument, [("2024-01-02", "100"), ("2024-01-03", "50")])
        CorporateAction.objects.create(
            instrument=instrument, kind="SPLIT", ex_date=date(2024, 1, 3), ratio=2, recorded_at=LONG_AGO
        )
        assert [bar[4] for bar in bars_of(instrument, alice)["bars"]] == [50, 50]
        assert [bar[4] for bar in bars_of(instrument, alice, adjusted=0)["bars"]] == [100, 50]

    def test_without_volume_have_none(self, charted, alice):
        assert bars_of(charted, alice, timeframe="1h")["bars"][0][5] is None

    def test_that_cannot_be_are_not_found(self, charted, alice):
        for query in ({"timeframe": "2d"}, {"before": "soon"}, {"before": "9" * 30}):
            assert bars_of(charted, alice, **query).status_code == 404
        assert looks(alice).get(f"/admin/marketdata/instrument/{uuid4()}/bars/").status_code == 404
        assert looks(alice).get("/admin/marketdata/instrument/x/bars/").status_code == 404

    def test_are_for_those_who_log_in(self, charted):
        assert nobody().get(f"/admin/marketdata/instrument/{charted.pk}/bars/").status_code == 302


class TestThePage:
    def test_lists_the_last_bars_for_those_who_see_no_chart(self, charted, alice):
        page = looks(alice).get(to(Instrument, "change", charted.pk)).content.decode()
        last = FIRST + timedelta(days=MOST + 99)
        assert f'<td class="nowrap">{last}</td>' in page
        assert page.count('<td class="nowrap">') == 20
        assert [name in page for name in ('data-timeframe="1d"', 'data-timeframe="1h"', 'data-timeframe="5m"')] == [
            True,
            True,
            False,
        ]

    def test_says_so_where_there_is_nothing_to_draw(self, alice):
        page = looks(alice).get(to(Instrument, "change", make_instrument().pk)).content.decode()
        assert "There are no bars of this instrument yet" in page
        assert "lightweight-charts" not in page


class TestTheBrowser:
    @pytest.mark.parametrize(("width", "scheme"), [(1400, "light"), (1400, "dark"), (390, "light"), (390, "dark")], ids=str)
    def test_draws_switches_and_stays_within_the_page(self, browser, site, charted, alice, width, scheme):
        visit = Visit(browser, site, viewport={"width": width, "height": 900}, color_scheme=scheme)
        page = visit.enter(alice.email, PASSWORD).go(to(Instrument, "change", charted.pk)).page
        rest = "document.querySelector('[data-note]').textContent.startsWith('Times are UTC. Drag')"
        page.wait_for_function(rest)
        assert self.drawn(page) > 500
        assert visit.too_wide() <= 0
        assert "C " in page.inner_text("[data-legend]")
        page.click("[data-kind=line]")
        assert self.drawn(page) > 500
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

    def drawn(self, page) -> int:
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
