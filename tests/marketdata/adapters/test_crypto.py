"""Crypto exchanges keep the promises of all sources through ccxt, against servers that speak as two of them do."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from marketdata.adapters.base import ProviderAway, ProviderFailed, ProviderThrottled
from marketdata.adapters.crypto import CryptoProvider
from marketdata.domain.bars import Timeframe
from marketdata.domain.instruments import AssetClass, Listing
from marketdata.domain.quality import Dataset
from tests.contracts.price_provider import EVER, NetworkContract
from tests.factories import unique_symbol
from tests.marketdata.adapters.vendors import CoinbaseServer, KrakenServer, patient, serving, status

PAIR = Listing("BTC/USD", "CRYPTO", asset_class=AssetClass.CRYPTO)
START = datetime(2024, 1, 1, tzinfo=UTC)


def candles(step, number, start=START):
    """Return candles as they are written there: time, low, high, open, close, volume."""
    price = Decimal("42280.1234567891")
    seconds = int(start.timestamp())
    return [[seconds + n * step, price - 1, price + 1, price, price + n % 2, Decimal("0.12345678")] for n in range(number)]


def trades(number):
    """Return trades as they are written there, several in a millisecond."""
    at = Decimal(int(START.timestamp()))
    return [[f"42280.{n:05}", "0.00100000", at + Decimal(n // 2) + Decimal("0.1234567"), "b", "l", ""] for n in range(number)]


def provider_of(server, clock, exchange):
    options = {"url": server.url, "milliseconds_between": 0, "limits": patient(clock, most_bytes=1_000_000)}
    return CryptoProvider(exchange=exchange, name=f"crypto-{unique_symbol()}", **options)


class Crypto(NetworkContract):
    @pytest.fixture
    def listing(self):
        return PAIR


class TestDailyBars(Crypto):
    days = 700  # more than come at once
    ever = (START - timedelta(days=400), START + timedelta(days=800))

    @pytest.fixture
    def vendor(self, loopback):
        with serving(CoinbaseServer(candles(86_400, self.days))) as server:
            yield server

    @pytest.fixture
    def provider(self, vendor, clock):
        return provider_of(vendor, clock, "coinbaseexchange")

    def test_bare_numbers_keep_their_digits(self, provider):
        (row, *_) = self.rows(provider, PAIR)
        assert (row["open"], row["volume"]) == (Decimal("42280.1234567891"), Decimal("0.12345678"))

    def test_all_of_it_is_there(self, provider):
        assert len(self.rows(provider, PAIR)) == self.days

    def test_a_pair_may_be_written_without_its_slash(self, provider):
        plain = Listing("BTCUSD", "CRYPTO", asset_class=AssetClass.CRYPTO)
        assert self.rows(provider, plain) == self.rows(provider, PAIR)

    def test_a_pair_that_is_not_traded_there_is_said_so(self, provider):
        with pytest.raises(ProviderFailed, match="no market DOGE/USD"):
            self.rows(provider, Listing("DOGE/USD", "CRYPTO", asset_class=AssetClass.CRYPTO))

    def test_shares_are_not_its_own(self, provider):
        assert not provider.covers(Listing("BTC/USD", "CRYPTO"), Timeframe.DAY)
        assert not provider.covers(Listing("AAPL", "XNAS"), Timeframe.DAY)

    def test_a_candle_without_a_price_comes_along_to_be_refused(self, provider, vendor):
        vendor.candles[3][4] = None
        assert [row["close"] for row in self.rows(provider, PAIR)].count(None) == 1

    def test_candles_of_another_time_are_left_out(self, provider, vendor):
        self.rows(provider, PAIR)
        later = candles(86_400, 3, START + timedelta(days=20_000))
        vendor.always = lambda handler: handler.give(200, later) or True
        assert self.rows(provider, PAIR) == []

    def test_what_the_exchange_says_is_passed_on(self, provider, vendor):
        self.rows(provider, PAIR)
        vendor.always = status(400, {"message": "Invalid granularity"})
        with pytest.raises(ProviderFailed, match="Invalid granularity"):
            self.rows(provider, PAIR)
        vendor.always = status(429)
        with pytest.raises(ProviderThrottled):
            self.rows(provider, PAIR)
        vendor.always = status(401, {"message": "invalid api key"})
        with pytest.raises(ProviderAway):
            self.rows(provider, PAIR)


class TestHourlyBars(TestDailyBars):
    timeframe = Timeframe.HOUR
    days = 31
    ever = (START - timedelta(days=100), START + timedelta(days=10))

    @pytest.fixture
    def vendor(self, loopback):
        with serving(CoinbaseServer(candles(3_600, 31))) as server:
            yield server

    def test_years_of_nothing_are_not_asked_for_hour_by_hour(self, provider, vendor):
        vendor.candles += candles(86_400, 1)  # a day's candle, by which the first day is found
        list(provider.bars(PAIR, Timeframe.HOUR, EVER[0], START + timedelta(days=2)))
        assert len(vendor.seen) < 30


class TestTrades(Crypto):
    dataset = Dataset.TICKS

    @pytest.fixture
    def vendor(self, loopback):
        with serving(KrakenServer(trades(15))) as server:
            yield server

    @pytest.fixture
    def provider(self, vendor, clock):
        return provider_of(vendor, clock, "kraken")

    def test_none_is_lost_between_pages_and_none_comes_twice(self, provider, vendor):
        assert [row["price"] for row in self.rows(provider, PAIR)] == [Decimal(each[0]) for each in vendor.trades]

    def test_an_error_among_the_answers_is_a_failure(self, provider, vendor):
        vendor.always = status(200, {"error": ["EService:Unavailable"]})
        with pytest.raises(ProviderAway, match="EService:Unavailable"):
            self.rows(provider, PAIR)


def test_an_exchange_is_one_that_ccxt_knows(loopback):
    with pytest.raises(ValueError, match="no exchange nowhere"):
        CryptoProvider(exchange="nowhere")


def test_an_exchange_that_knows_the_latest_trades_alone_does_not_offer_them(loopback):
    assert not CryptoProvider(exchange="coinbaseexchange").capabilities.ticks
