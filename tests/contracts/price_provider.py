"""What every source of prices promises: subclass the suite and say which provider, rows, instrument and days are meant.

`PriceProviderContract` holds for every source; `NetworkContract` adds what those promise that ask another machine.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import chain, pairwise
from typing import Any

import pytest

from marketdata.adapters.base import Page, PriceProvider, ProviderAway, ProviderFailed, ProviderThrottled
from marketdata.domain.bars import Timeframe
from marketdata.domain.instruments import Listing, problems_of
from marketdata.domain.quality import Dataset
from marketdata.domain.rows import read_day, read_instant, read_start
from marketdata.services.actions import store_actions
from marketdata.services.ingest import store_bars, store_fx_rates, store_quotes, store_ticks
from tests.factories import make_instrument
from tests.marketdata.adapters.vendors import KEY, SECRET, Vendor, breaks_off, hangs_up, stalls, status

EVER = (datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
MOMENT = timedelta(microseconds=1)
NOBODY = Listing("NOSUCH", "XNON")
DAYS = {Dataset.FX_RATES: "date", Dataset.CORPORATE_ACTIONS: "ex_date"}
STORES = {Dataset.QUOTES: store_quotes, Dataset.TICKS: store_ticks, Dataset.CORPORATE_ACTIONS: store_actions}


class PriceProviderContract:
    """The promises of `PriceProvider` for one kind of rows, one test each."""

    dataset = Dataset.BARS
    timeframe = Timeframe.DAY
    pair = ("EUR", "USD")
    least = 10
    ever = EVER

    @pytest.fixture
    def provider(self) -> Iterator[PriceProvider]:
        """Return the provider with rows of `listing`."""
        raise NotImplementedError

    @pytest.fixture
    def listing(self) -> Listing:
        """Return an instrument that the provider has at least so many rows of."""
        raise NotImplementedError

    def pages(self, provider, listing, start=None, end=None, dataset=None) -> Iterator[Page]:
        """Ask for the rows of a period."""
        start, end = start or self.ever[0], end or self.ever[1]
        dataset = dataset or self.dataset
        if dataset is Dataset.BARS:
            return provider.bars(listing, self.timeframe, start, end)
        if dataset is Dataset.FX_RATES:
            pair = self.pair if listing is not NOBODY else ("NOK", "XXX")
            return provider.fx_rates(*pair, start.date(), end.date())
        if dataset is Dataset.CORPORATE_ACTIONS:
            return provider.corporate_actions(listing, start.date(), end.date())
        return {Dataset.QUOTES: provider.quotes, Dataset.TICKS: provider.ticks}[dataset](listing, start, end)

    def rows(self, provider, listing, start=None, end=None) -> list[Any]:
        """Return the rows of all pages."""
        return [row for page in self.pages(provider, listing, start, end) for row in page.rows]

    def times(self, provider, listing, start=None, end=None) -> list[datetime]:
        """Return the times of all rows."""
        return [self.time_of(row) for row in self.rows(provider, listing, start, end)]

    def time_of(self, row: Mapping[str, Any]) -> datetime:
        """Return the time of a row as the ingest would read it."""
        if self.dataset in DAYS:
            return read_start(read_day(row[DAYS[self.dataset]]))
        return read_start(row["timestamp"]) if self.dataset is Dataset.BARS else read_instant(row["timestamp"])

    def store(self, provider, rows):
        """Store rows as the services would, for an instrument of their own."""
        instrument = self.instrument
        if self.dataset is Dataset.BARS:
            common = {"instrument": instrument, "timeframe": self.timeframe.value}
            return store_bars(source=provider.name, rows=rows, common=common, recorded_at=EVER[1])
        if self.dataset is Dataset.FX_RATES:
            return store_fx_rates(source=provider.name, rows=rows, recorded_at=EVER[1])
        own = [{**row, "instrument": instrument} for row in rows]
        return STORES[self.dataset](source=provider.name, rows=own, recorded_at=EVER[1])

    @pytest.fixture(autouse=True)
    def _instrument(self):
        self.instrument = make_instrument()

    def test_it_has_a_name_and_says_what_it_can_do(self, provider):
        assert provider.name
        assert provider.capabilities.has(self.dataset)
        assert provider.capabilities.names()
        assert provider.capabilities.timeframes <= set(Timeframe)
        assert bool(list(provider.listings())) is provider.capabilities.listings

    def test_what_it_does_not_declare_it_refuses(self, provider, listing):
        for dataset in set(Dataset) - {each for each in Dataset if provider.capabilities.has(each)}:
            with pytest.raises(ProviderFailed, match=r"has no \w"):
                list(self.pages(provider, listing, dataset=dataset))
        if not provider.capabilities.calendar:
            with pytest.raises(ProviderFailed, match="calendar"):
                list(provider.sessions("XNYS", date(2024, 1, 1), date(2024, 2, 1)))

    def test_it_covers_what_it_has_and_nothing_else(self, provider, listing):
        has_bars = self.dataset is Dataset.BARS
        assert not has_bars or provider.covers(listing, self.timeframe)
        assert not provider.covers(NOBODY, self.timeframe)

    def test_what_it_lists_are_instruments_it_covers(self, provider):
        for listed in provider.listings():
            assert problems_of({name: getattr(listed, name) for name in ("symbol", "exchange", "asset_class")}) == {}
            assert provider.covers(listed, self.timeframe)

    def test_its_pages_hold_rows(self, provider, listing):
        pages = list(self.pages(provider, listing))
        assert pages
        assert all(isinstance(page, Page) and page.rows and len(page.rows) <= 10_000 for page in pages)
        assert len(self.times(provider, listing)) >= self.least

    def test_its_numbers_are_exact(self, provider, listing):
        values = list(chain.from_iterable(row.values() for row in self.rows(provider, listing)))
        assert values
        assert [value for value in values if isinstance(value, float)] == []
        assert [value for value in values if isinstance(value, Decimal) and not value.is_finite()] == []

    def test_older_rows_come_first(self, provider, listing):
        times = self.times(provider, listing)
        strict = self.dataset not in {Dataset.TICKS, Dataset.CORPORATE_ACTIONS}
        assert all(earlier < later if strict else earlier <= later for earlier, later in pairwise(times))

    def test_it_keeps_to_the_period(self, provider, listing):
        times = sorted(set(self.times(provider, listing)))
        start, end = times[len(times) // 4], times[-1 - len(times) // 4]
        assert sorted(set(self.times(provider, listing, start, end))) == [at for at in times if start <= at < end]
        assert self.times(provider, listing, times[-1])[-1] == times[-1]
        step = timedelta(days=1) if self.dataset in DAYS else MOMENT
        assert self.times(provider, listing, times[-1] + step) == []

    def test_of_an_empty_period_it_has_nothing(self, provider, listing):
        (first, *_) = self.times(provider, listing)
        assert self.times(provider, listing, first, first) == []
        assert self.times(provider, listing, self.ever[0], self.ever[0] + timedelta(days=7)) == []

    def test_asked_again_it_says_the_same(self, provider, listing):
        assert self.rows(provider, listing) == self.rows(provider, listing)

    def test_it_says_so_where_it_has_nothing(self, provider):
        with pytest.raises(ProviderFailed, match=r"\w{3}"):
            self.rows(provider, NOBODY)

    def test_its_rows_go_in_and_are_known_the_second_time(self, provider, listing):
        rows = self.rows(provider, listing)[:100]
        first, second = self.store(provider, rows), self.store(provider, rows)
        assert (first.refused, second.refused) == ([], [])
        assert first.stored + first.known == second.known == len(rows)
        assert second.stored == 0

    def test_it_shows_no_secret(self, provider):
        for text in (repr(provider), str(vars(provider))):
            assert KEY not in text
            assert SECRET not in text


class NetworkContract(PriceProviderContract):
    """What a source promises besides that asks another machine; `vendor` is that machine, and `clock` what it waits by."""

    @pytest.fixture
    def vendor(self) -> Iterator[Vendor]:
        """Return the server that the provider asks."""
        raise NotImplementedError

    def test_it_waits_as_long_as_it_is_told_to(self, provider, listing, vendor, clock):
        expected = self.rows(provider, listing)
        vendor.faults += [status(429, Retry_After="7")]
        assert self.rows(provider, listing) == expected
        assert sum(clock.slept) >= 7
        assert provider.traffic.throttled == 1

    def test_told_to_wait_for_long_it_gives_up_and_says_for_how_long(self, provider, listing, vendor, clock):
        vendor.faults += [status(429, Retry_After="3600")]
        with pytest.raises(ProviderThrottled, match="too often") as refusal:
            self.rows(provider, listing)
        assert refusal.value.retry_after == 3600
        assert sum(clock.slept) == 0

    @pytest.mark.parametrize("fault", [status(500), status(503), hangs_up, breaks_off], ids=["500", "503", "reset", "truncated"])
    def test_it_tries_again_after_a_pause(self, provider, listing, vendor, clock, fault):
        expected = self.rows(provider, listing)
        vendor.faults += [fault, fault]
        assert self.rows(provider, listing) == expected
        assert provider.traffic.retries == 2
        assert sum(clock.slept) >= 0.5 + 1  # chance is always 1 here: the longest pauses

    @pytest.mark.parametrize(
        ("fault", "says"),
        [
            (status(500), "out of order"),
            (hangs_up, "no connection|broke off"),
            (breaks_off, "broke off"),
            (stalls, "no answer in time"),
        ],
        ids=["500", "reset", "truncated", "stall"],
    )
    def test_after_some_attempts_it_says_that_nobody_is_there(self, provider, listing, vendor, fault, says):
        vendor.always = fault
        with pytest.raises(ProviderAway, match=says):
            self.rows(provider, listing)
        assert 2 <= provider.traffic.requests <= 4

    @pytest.mark.parametrize(
        "body", [b"", b"<html>", b"[1, 2", b"\xff\xfe", b"[" * 20_000, b'"text"', b"null", b"[[[1]]]", b"{}"]
    )
    def test_what_makes_no_sense_is_a_failure_that_says_so(self, provider, listing, vendor, body):
        vendor.always = status(200, body)
        with pytest.raises(ProviderFailed, match=r"\w{3}"):
            self.rows(provider, listing)

    def test_it_goes_nowhere_else(self, provider, listing, vendor):
        vendor.always = status(302, Location=f"{vendor.url}/elsewhere")
        with pytest.raises(ProviderFailed, match="sends us to 127"):
            self.rows(provider, listing)
        assert not [path for path, *_ in vendor.seen if path == "/elsewhere"]

    def test_it_reads_no_more_than_can_be_an_answer(self, provider, listing, vendor):
        vendor.always = status(200, b" " * 3_000_000)
        with pytest.raises(ProviderFailed, match="longer than"):
            self.rows(provider, listing)

    def test_what_it_says_of_a_failure_is_no_secret(self, provider, listing, vendor):
        told = f"key {KEY} with {SECRET} is not known" if provider.capabilities.needs_credentials else "no"
        for fault in (status(403, {"message": told}), status(500), status(200, b"x")):
            vendor.always = fault
            with pytest.raises(ProviderFailed) as refusal:
                self.rows(provider, listing)
            for text in (str(refusal.value), repr(refusal.value), repr(refusal.value.__cause__)):
                assert KEY not in text
                assert SECRET not in text
