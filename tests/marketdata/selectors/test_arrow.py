"""Rows into Arrow over a connection of its own: market data alone, and never older than Django's connection."""

import time

import pytest
from django.db import OperationalError, connection, connections

from marketdata.selectors.arrow import NotMarketData, read_arrow

CUT = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%FROM marketdata_bar LIMIT 0%'
"""


def is_there(pid):
    with connections["system"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE pid = %s", [pid])
        return bool(cursor.fetchone()[0])


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM accounts_account",
        "SELECT * FROM (SELECT * FROM accounts_ledgerentry) AS one",
        "SELECT 1 FROM marketdata_bar JOIN portfolio_position ON true",
        "SELECT 1 FROM ONLY accounts_user",
        'SELECT 1 FROM "accounts_user"',
        "SELECT 1 FROM public.accounts_user",
        "SELECT 1 FROM marketdata_bar, accounts_user",
    ],
)
def test_other_tables_are_refused(query):
    with pytest.raises(NotMarketData):
        read_arrow(query)


def test_nobody_acts_there():
    query = "SELECT current_setting('app.user_id', true) AS who FROM marketdata_days('quotes') LIMIT 1"
    assert {row["who"] for row in read_arrow(query).to_pylist()} <= {None, ""}


def test_a_query_that_fails_says_so_and_the_next_one_is_answered():
    with pytest.raises(OperationalError):
        read_arrow("SELECT nothing FROM marketdata_bar")
    assert read_arrow("SELECT 1 AS one FROM marketdata_bar LIMIT 0").num_rows == 0


def test_a_connection_that_was_cut_is_replaced_and_nobody_notices():
    connection.ensure_connection()
    read_arrow("SELECT 1 FROM marketdata_bar LIMIT 0")
    with connection.cursor() as cursor:
        cursor.execute(CUT)
        assert cursor.fetchall() == [(True,)]
    assert read_arrow("SELECT 1 FROM marketdata_bar LIMIT 0").num_rows == 0


def test_it_is_closed_with_django_s():
    [pid] = read_arrow("SELECT pg_backend_pid() AS pid")["pid"].to_pylist()
    assert [pid] == read_arrow("SELECT pg_backend_pid() AS pid")["pid"].to_pylist()
    assert pid != connection.connection.info.backend_pid
    assert is_there(pid)
    connection.close()
    read_arrow("SELECT 1 AS one")  # the traceback of another test may still hold the old one
    end = time.monotonic() + 30  # the server takes a moment to notice
    while is_there(pid):
        assert time.monotonic() < end
