"""Times come from the database as Django reads them, by a loader that is faster."""

from datetime import UTC, datetime

import psycopg
import pytest
from django.db import DataError, connection
from django.db.backends.postgresql.psycopg_any import register_tzloader
from hypothesis import given
from hypothesis import strategies as st
from psycopg.pq import Format

from config.instants import InstantLoader


def read(at: str, zone: str = "UTC") -> datetime:
    """Return what a connection of the program reads."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('TimeZone', %s, true), %s::timestamptz", [zone, at])
        return cursor.fetchone()[1]


def read_by_django(at: str, zone: str = "UTC") -> datetime:
    """Return what Django's own loader reads."""
    with connection.cursor() as cursor:
        register_tzloader(UTC, cursor.cursor)
        cursor.execute("SELECT set_config('TimeZone', %s, true), %s::timestamptz", [zone, at])
        return cursor.fetchone()[1]


def test_all_connections_read_by_it():
    connection.ensure_connection()
    oid = psycopg.adapters.types["timestamptz"].oid
    assert connection.connection.adapters.get_loader(oid, Format.TEXT) is InstantLoader


@given(st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)))
def test_every_instant_is_the_one_that_was_written(naive):
    at = naive.replace(tzinfo=UTC)
    found = read(at.isoformat())
    assert (found, found.tzinfo) == (at, UTC)


@pytest.mark.parametrize("at", ["2024-03-31T01:30:00.12+00:00", "1890-01-01T00:00:00+00:00", "2024-05-06T14:30:00.000001+02:00"])
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Kolkata"])
def test_all_else_is_as_django_reads_it(at, zone):
    assert read(at, zone) == read_by_django(at, zone)


@pytest.mark.parametrize("at", ["infinity", "-infinity", "0044-03-15 BC", "20000-01-01"])
def test_what_python_knows_no_time_for_is_refused_as_by_django(at):
    for reading in (read, read_by_django):
        with pytest.raises((DataError, psycopg.DataError), match="timestamp too"):
            reading(at)
