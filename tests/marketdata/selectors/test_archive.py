"""The archive answers over days and parts as one table: canonical, sorted, each row once, and with one query."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from marketdata.domain.frames import SCHEMAS
from marketdata.domain.quality import Dataset
from marketdata.selectors.archive import archived, has_archived
from tests.factories import make_instrument, quiet_day
from tests.marketdata.archives import archive, fill, noon

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def asked(day, *instruments, until=None, dataset=Dataset.QUOTES, **options):
    """Return the archived rows of instruments from the noon of a day to an hour later, or to an hour after that of another."""
    ids = [each.pk for each in instruments] if instruments else None
    return archived(dataset=dataset, instrument_ids=ids, start=noon(day), end=noon(until or day) + HOUR, **options)


@pytest.fixture
def days():
    """Return two days that follow one another, of which the archive has nothing."""
    return next((day, day + DAY) for day in iter(quiet_day, None) if not has_archived(Dataset.QUOTES, [day + DAY]))


def test_days_and_parts_are_one_table(days):
    one, other = make_instrument(), make_instrument()
    for first in (3, 0):  # the later rows are archived first
        fill(days[0], one, other, first=first, rows=3)
        archive(days[0])
    fill(days[1], other)
    archive(days[1])
    with CaptureQueriesContext(
        connection,
    ) as queries:
        found = asked(days[0], one, other, until=days[1])
    assert len(queries) == 1
    assert found.schema == SCHEMAS[Dataset.QUOTES]
    assert found.select("instrument", "timestamp").rows() == sorted(
        [(str(each.pk), noon(days[0]) + timedelta(seconds=second)) for each in (one, other) for second in range(6)]
        + [(str(other.pk), noon(days[1]) + timedelta(seconds=second)) for second in range(5)]
    )
    assert asked(days[0], one, until=days[1]).height == 6
    assert asked(days[1]).height == 5


def test_a_period_holds_its_start_and_not_its_end(days):
    one = make_instrument()
    fill(days[0], one)
    archive(days[0])
    second = timedelta(seconds=1)

    def count(start, end):
        found = archived(dataset=Dataset.QUOTES, instrument_ids=[one.pk], start=noon(days[0]) + start, end=noon(days[0]) + end)
        return found.height

    assert count(0 * second, 5 * second) == 5
    assert count(1 * second, 4 * second) == 3
    assert count(4 * second, 4 * second) == 0
    assert count(5 * second, 9 * second) == 0
    assert count(-9 * second, 0 * second) == 0


def test_columns_come_as_they_are_asked_for(days):
    one = make_instrument()
    for first in (0, 5):
        fill(days[0], one, first=first)
        archive(days[0])
        assert asked(days[0], one, columns=["ask", "recorded_at"]).columns == ["ask", "recorded_at"]
        assert asked(days[0], one, columns=["ask"]).height == first + 5


@pytest.mark.parametrize("dataset", [Dataset.QUOTES, Dataset.TICKS])
def test_nothing_is_an_empty_table_of_the_same_shape(dataset):
    day, nobody = quiet_day(dataset), make_instrument()
    assert asked(day, nobody, dataset=dataset).schema == SCHEMAS[dataset]
    assert asked(day, dataset=dataset, columns=["timestamp"]).schema == {"timestamp": SCHEMAS[dataset]["timestamp"]}
    fill(day, make_instrument(), dataset=dataset)
    archive(day, dataset)
    assert asked(day, nobody, dataset=dataset).schema == SCHEMAS[dataset]
    none = archived(dataset=dataset, instrument_ids=[], start=noon(day), end=noon(day) + HOUR)
    assert (none.schema, none.height) == (SCHEMAS[dataset], 0)
