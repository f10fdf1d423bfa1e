"""Bars of several instruments, one after the other: so many of each, in either direction, as traded or adjusted."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from marketdata.domain.bars import Timeframe
from marketdata.models import Bar, CorporateAction
from marketdata.selectors.runs import Span, View, read_runs
from tests.factories import LONG_AGO, day, make_bars, make_instrument

DAYS = [("2024-05-02", "40"), ("2024-05-03", "44"), ("2024-05-06", "12"), ("2024-05-07", "13")]
START, END = datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 6, 1, tzinfo=UTC)


def span(instrument, start=START, end=END) -> Span:
    return Span(instrument, Timeframe.DAY, start, end)


def closes(rows) -> list[tuple[int, str]]:
    return [(place, f"{bar.close.normalize():f}") for place, bar in rows]


@pytest.fixture
def instruments():
    """Return two instruments with four bars each."""
    made = [make_instrument(), make_instrument()]
    for each in made:
        make_bars(each, DAYS)
    return made


class TestRuns:
    def test_come_span_by_span_in_the_order_of_time(self, instruments):
        one, two = instruments
        first, second = span(two, end=day("2024-05-06")), span(one, start=day("2024-05-06"))
        assert closes(read_runs([first, second], view=View(), each=9)) == [(0, "40"), (0, "44"), (1, "12"), (1, "13")]
        backwards = read_runs([first, second], view=View(), each=9, descending=True)
        assert closes(backwards) == [(0, "44"), (0, "40"), (1, "13"), (1, "12")]

    def test_are_as_many_as_are_asked_for(self, instruments):
        spans = [span(each) for each in instruments]
        assert closes(read_runs(spans, view=View(), each=1, descending=True)) == [(0, "13"), (1, "13")]
        assert closes(read_runs(spans, view=View(), each=9, limit=5)) == [*((0, close) for _, close in DAYS), (1, "40")]
        assert read_runs([], view=View(), each=1) == []

    def test_are_one_question_however_many(self, instruments, django_assert_num_queries):
        with django_assert_num_queries(1):
            read_runs([span(each) for each in instruments] * 5, view=View(), each=9)

    def test_are_adjusted_for_splits(self, instruments):
        one, two = instruments
        CorporateAction.objects.create(kind="SPLIT", instrument=one, ex_date="2024-05-06", ratio=4, recorded_at=LONG_AGO)
        adjusted = read_runs([span(one), span(two)], view=View(adjusted=True, as_of=date(2024, 6, 1)), each=2)
        assert closes(adjusted) == [(0, "10"), (0, "11"), (1, "40"), (1, "44")]
        assert [bar.volume for _, bar in adjusted] == [4000, 4000, 1000, 1000]

    def test_are_as_traded_where_a_source_had_adjusted_them(self, instruments):
        one, _ = instruments
        CorporateAction.objects.create(kind="SPLIT", instrument=one, ex_date="2024-05-06", ratio=4, recorded_at=LONG_AGO)
        Bar.objects.filter(instrument=one, timestamp=day("2024-05-02")).update(adjusted_through="2024-06-01")
        (_, bar), *_ = read_runs([span(one)], view=View(), each=1)
        assert bar.close == Decimal(160)
