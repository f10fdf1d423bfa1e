"""What every source of prices promises: subclass the suite and say which provider, instrument and days are meant."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from marketdata.adapters.base import Page, PriceProvider
from marketdata.domain.bars import Timeframe
from marketdata.domain.instruments import Listing, problems_of
from marketdata.domain.rows import BARS, read_rows
from marketdata.services.ingest import store_bars
from tests.factories import make_instrument

EVER = (datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


class PriceProviderContract:
    """The promises of `PriceProvider`, one test each."""

    timeframe = Timeframe.DAY

    @pytest.fixture
    def provider(self) -> Iterator[PriceProvider]:
        """Return the provider with prices of `listing`."""
        raise NotImplementedError

    @pytest.fixture
    def listing(self) -> Listing:
        """Return an instrument that the provider has at least ten bars of."""
        raise NotImplementedError

    def rows(self, provider, listing, start=EVER[0], end=EVER[1]):
        """Return the rows of all pages, as the ingest would read them."""
        return [row for page in provider.bars(listing, self.timeframe, start, end) for row in page.rows]

    def times(self, provider, listing, start=EVER[0], end=EVER[1]):
        """Return the times of all rows, which all can be read."""
        common = {"instrument": make_instrument(), "timeframe": self.timeframe.value}
        read, refused = read_rows(BARS, [common | row for row in self.rows(provider, listing, start, end)])
        assert refused == []
        return [BARS.time_of(values) for values in read.values()]

    def test_it_has_a_name_and_timeframes(self, provider):
        assert provider.name
        assert provider.capabilities.timeframes
        assert provider.capabilities.timeframes <= set(Timeframe)

    def test_it_covers_what_it_has_and_nothing_else(self, provider, listing):
        assert provider.covers(listing, self.timeframe)
        assert not provider.covers(Listing("NOSUCH", "XNON"), self.timeframe)

    def test_what_it_lists_are_instruments_it_covers(self, provider):
        for listed in provider.listings():
            assert problems_of({name: getattr(listed, name) for name in ("symbol", "exchange", "asset_class")}) == {}
            assert provider.covers(listed, self.timeframe)

    def test_its_pages_hold_rows_that_can_be_read(self, provider, listing):
        pages = list(provider.bars(listing, self.timeframe, *EVER))
        assert pages
        assert all(isinstance(page, Page) and page.rows for page in pages)
        assert len(self.times(provider, listing)) >= 10

    def test_older_bars_come_first_and_each_once(self, provider, listing):
        assert all(earlier < later for earlier, later in pairwise(self.times(provider, listing)))

    def test_it_keeps_to_the_period(self, provider, listing):
        times = self.times(provider, listing)
        start, end = times[3], times[7]
        assert self.times(provider, listing, start, end) == times[3:7]
        assert self.times(provider, listing, times[-1] + timedelta(microseconds=1)) == []

    def test_asked_again_it_says_the_same(self, provider, listing):
        assert self.rows(provider, listing) == self.rows(provider, listing)

    def test_it_says_so_where_it_has_nothing(self, provider):
        with pytest.raises(Exception, match=r"."):
            self.rows(provider, Listing("NOSUCH", "XNON"))

    def test_its_prices_go_in_and_are_known_the_second_time(self, provider, listing):
        common = {"instrument": make_instrument(), "timeframe": self.timeframe.value}
        rows = self.rows(provider, listing)[:100]
        for stored, known in ((len(rows), 0), (0, len(rows))):
            report = store_bars(source=provider.name, rows=rows, common=common, recorded_at=EVER[1])
            assert (report.stored, report.known, report.refused) == (stored, known, [])
