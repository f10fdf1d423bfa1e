"""The chart on an instrument's page: what it is drawn from, and what is there for those who see none."""

from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest

from marketdata.models import CorporateAction, Instrument
from marketdata.selectors.charts import MOST
from tests.admin.charted import FIRST, make_charted
from tests.admin.world import looks, to
from tests.clients import nobody
from tests.factories import LONG_AGO, make_account, make_bars, make_instrument, make_user


@pytest.fixture(scope="module")
def charted():
    return make_charted()


@pytest.fixture(scope="module")
def alice():
    person = make_user("alice")
    make_account(owner=person)
    return person


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
