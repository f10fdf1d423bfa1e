"""The latest quotes come out of the cache as the database has them, and never older than somebody has seen stored."""

from datetime import timedelta
from threading import Barrier, Thread

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from marketdata import tasks
from marketdata.api.quotes import QuoteSerializer
from marketdata.models import LatestQuote
from marketdata.services import cache, quotes
from marketdata.services.cache import QUOTE
from marketdata.services.instruments import follow, update_instrument
from tests.caches import NOWHERE, at
from tests.factories import LONG_AGO, make_instrument, make_quotes


def key(instrument):
    return instrument.symbol, instrument.exchange


def kept(instrument):
    return cache.get_many(QUOTE, [key(instrument)]).get(key(instrument))


@pytest.fixture
def quoted():
    """Return an instrument with a quote."""
    instrument = make_instrument()
    make_quotes(instrument, [(LONG_AGO, "10.50", "10.75")])
    return instrument


class TestLatestRows:
    @pytest.mark.parametrize("moment", [LONG_AGO, LONG_AGO + timedelta(microseconds=1200)])
    @pytest.mark.parametrize(("bid", "ask"), [("10.50", "10.75"), ("1000", "1000.0000000001"), ("0.00000001", "99999")])
    def test_say_what_the_serializer_says(self, moment, bid, ask):
        instrument = make_instrument()
        make_quotes(instrument, [(moment, bid, ask)])
        latest = LatestQuote.objects.select_related("instrument").get(pk=instrument.pk)
        expected = dict(QuoteSerializer(latest).data)
        for _ in ("from the database", "from the cache"):
            assert quotes.latest_rows([key(instrument)]) == {key(instrument): expected}

    def test_leave_out_what_has_no_quote_or_is_not_there(self):
        silent = make_instrument()
        assert quotes.latest_rows([key(silent), ("NOSUCH", "XTST")]) == {}

    def test_come_from_the_cache_without_asking_the_database(self, quoted, django_assert_num_queries):
        quotes.latest_rows([key(quoted)])
        with django_assert_num_queries(0):
            assert quotes.latest_rows([key(quoted)])[key(quoted)]["bid"] == "10.5"

    def test_are_read_from_the_database_while_redis_is_away(self, quoted, settings):
        settings.CACHES = at(NOWHERE)
        assert quotes.latest_rows([key(quoted)])[key(quoted)]["ask"] == "10.75"


class TestNoteQuotes:
    def test_replaces_what_is_kept(self, quoted):
        quotes.latest_rows([key(quoted)])
        make_quotes(quoted, [(LONG_AGO + timedelta(seconds=1), "11", "12")])
        assert kept(quoted)["bid"] == "10.5"
        assert quotes.note_quotes([quoted.pk, quoted.pk]) == 1
        assert kept(quoted)["bid"] == "11"

    def test_of_nothing_does_nothing(self, django_assert_num_queries):
        with django_assert_num_queries(0):
            assert quotes.note_quotes([]) == 0

    def test_who_read_too_early_does_not_overwrite_it(self, quoted):
        early = quotes._read(quotes.BY_ID, [[quoted.pk]])
        make_quotes(quoted, [(LONG_AGO + timedelta(seconds=1), "11", "12")])
        quotes.note_quotes([quoted.pk])
        assert quotes._keep(early) == 0
        assert kept(quoted)["bid"] == "11"

    def test_a_correction_of_the_same_instant_counts(self, quoted):
        quotes.note_quotes([quoted.pk])
        LatestQuote.objects.filter(pk=quoted.pk).update(bid="9", recorded_at=LONG_AGO + timedelta(days=1))
        quotes.note_quotes([quoted.pk])
        assert kept(quoted)["bid"] == "9"

    def test_many_who_note_and_read_at_once_end_with_the_last(self, quoted):
        start = Barrier(6)

        def write():
            try:
                start.wait()
                for second in range(1, 30):
                    make_quotes(quoted, [(LONG_AGO + timedelta(seconds=second), str(second), "50")])
                    quotes.note_quotes([quoted.pk])
            finally:
                connection.close()

        seen: list[list[int]] = []

        def read():
            mine: list[int] = []
            seen.append(mine)
            try:
                start.wait()
                for _ in range(60):
                    mine.append(int(float(quotes.latest_rows([key(quoted)])[key(quoted)]["bid"])))
                    cache.forget(QUOTE, *key(quoted))
            finally:
                connection.close()

        threads = [Thread(target=write), *(Thread(target=read) for _ in range(5))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        quotes.note_quotes([quoted.pk])
        assert len(seen) == 5
        assert kept(quoted)["bid"] == "29"


class TestWarmUp:
    def test_takes_those_that_are_followed(self, quoted):
        silent = make_instrument()
        follow(instrument_ids=[quoted.pk, silent.pk], at=LONG_AGO)
        other = make_instrument()
        make_quotes(other, [(LONG_AGO, "1", "2")])
        tasks.warm_quotes()
        assert kept(quoted)
        assert kept(silent) is None
        assert kept(other) is None

    def test_takes_those_that_are_named(self, quoted, capsys):
        call_command("warm_cache", quoted.key)
        assert capsys.readouterr().out == "1 quotes are in the cache.\n"
        assert kept(quoted)

    def test_refuses_a_name_that_nobody_has(self):
        with pytest.raises(CommandError, match="NOSUCH"):
            call_command("warm_cache", "NOSUCH:XTST")

    def test_without_redis_says_that_nothing_is_kept(self, quoted, settings, capsys):
        settings.CACHES = at(NOWHERE)
        call_command("warm_cache", quoted.key)
        assert capsys.readouterr().out == "0 quotes are in the cache.\n"


class TestRenaming:
    def test_forgets_what_was_kept_under_the_old_symbol(self, quoted):
        quotes.note_quotes([quoted.pk])
        update_instrument(instrument=quoted, changes={"name": "Other"})
        assert kept(quoted)
        update_instrument(instrument=quoted, changes={"symbol": f"{quoted.symbol}X"})
        assert kept(quoted) is None

    def test_goes_through_while_redis_is_away(self, quoted, settings):
        settings.CACHES = at(NOWHERE)
        assert update_instrument(instrument=quoted, changes={"symbol": f"{quoted.symbol}X"}).symbol.endswith("X")
