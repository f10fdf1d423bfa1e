"""Alpaca keeps the promises of all sources, against a server that speaks its language."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from marketdata.adapters.alpaca import AlpacaProvider
from marketdata.adapters.base import ProviderAway, ProviderFailed
from marketdata.domain.bars import Timeframe
from marketdata.domain.instruments import AssetClass, Listing
from marketdata.domain.quality import Dataset
from tests.contracts.price_provider import EVER, NetworkContract
from tests.factories import unique_symbol
from tests.marketdata.adapters.vendors import KEY, SECRET, AlpacaServer, patient, serving, status

AAPL = Listing("AAPL", "XNAS")
PERIOD = (datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC))


def bar(at, close="185.6400000001", **other):
    price = Decimal(close)
    row = {"t": at, "o": price, "h": price + 1, "l": price - 1, "c": price, "v": 82488674, "n": 1009074, "vw": price}
    return row | other


def daily(first=datetime(2024, 1, 2, 5, tzinfo=UTC), days=14):
    return [bar(f"{first + timedelta(days=day):%Y-%m-%dT%H:%M:%SZ}") for day in range(days)]


def quote(second, nanoseconds=0):
    return {
        "t": f"2024-01-02T14:30:{second:02}.{nanoseconds:09}Z", "ax": "Q", "ap": Decimal("187.16"), "as": 2, "bx": "Q",
        "bp": Decimal("187.1512345678"), "bs": 1, "c": ["R"], "z": "C",
    }  # fmt: skip


def trade(second, price="187.15", size=100):
    return {
        "t": f"2024-01-02T14:30:{second:02}.123456789Z",
        "x": "D",
        "p": Decimal(price),
        "s": size,
        "c": ["@", "I"],
        "i": second,
    }


def provider_of(server, clock, **options):
    limits = patient(clock, most_bytes=1_000_000)
    where = {"url": server.url, "trading_url": server.url}
    name = f"alpaca-{unique_symbol()}"
    return AlpacaProvider(**{"key_id": KEY, "secret_key": SECRET, **where, "name": name, "limits": limits, **options})


class Alpaca(NetworkContract):
    lists: dict = {}

    @pytest.fixture
    def vendor(self, loopback):
        with serving(AlpacaServer(self.lists)) as server:
            yield server

    @pytest.fixture
    def provider(self, vendor, clock):
        return provider_of(vendor, clock)

    @pytest.fixture
    def listing(self):
        return AAPL


class TestDailyBars(Alpaca):
    lists = {"bars": {"AAPL": daily()}}

    def test_a_day_there_is_the_day_here(self, provider, vendor):
        vendor.lists = {"bars": {"AAPL": [bar("2024-03-08T05:00:00Z"), bar("2024-03-11T04:00:00Z")]}}  # the clocks went forward
        assert self.times(provider, AAPL) == [datetime(2024, 3, 8, tzinfo=UTC), datetime(2024, 3, 11, tzinfo=UTC)]
        assert self.times(provider, AAPL, datetime(2024, 3, 11, tzinfo=UTC)) == [datetime(2024, 3, 11, tzinfo=UTC)]

    def test_prices_are_asked_for_as_they_were_traded(self, provider, vendor):
        self.rows(provider, AAPL)
        (path, query, headers), *_ = vendor.seen
        assert path == "/v2/stocks/bars"
        assert (query["adjustment"], query["feed"], query["symbols"], query["timeframe"]) == ("raw", "iex", "AAPL", "1Day")
        assert headers["APCA-API-KEY-ID"] == KEY

    def test_every_digit_arrives(self, provider):
        (row, *_) = self.rows(provider, AAPL)
        assert row["close"] == Decimal("185.6400000001")
        assert row["volume"] == 82488674
        assert row["trade_count"] == 1009074

    def test_it_pages_by_tokens(self, provider, vendor):
        assert len(self.rows(provider, AAPL)) == 14
        assert [query.get("page_token") for _, query, _ in vendor.seen] == [None, "token-4", "token-8", "token-12"]

    def test_of_an_unknown_symbol_there_is_nothing(self, provider):
        assert self.rows(provider, Listing("ZZZZ", "XNYS")) == []

    @pytest.mark.parametrize(
        "listing", [Listing("AAPL", "XETR"), Listing("BTC/USD", "CRYPTO"), Listing("AAPL", "XNAS", asset_class=AssetClass.FUND)]
    )
    def test_other_markets_are_not_its_own(self, provider, listing):
        assert not provider.covers(listing, Timeframe.DAY)


class TestMinuteBars(Alpaca):
    timeframe = Timeframe.MINUTE
    lists = {"bars": {"AAPL": [bar(f"2024-01-02T14:{minute:02}:00Z") for minute in range(30, 45)]}}


class TestQuotes(Alpaca):
    dataset = Dataset.QUOTES
    lists = {"quotes": {"AAPL": [quote(second) for second in range(15)]}}

    def test_of_one_microsecond_the_last_is_taken(self, provider, vendor):
        vendor.lists = {"quotes": {"AAPL": [quote(1, 1_001), quote(1, 1_900) | {"bp": Decimal("187")}]}}
        (row,) = self.rows(provider, AAPL)
        assert row["bid"] == 187


class TestTicks(Alpaca):
    dataset = Dataset.TICKS
    lists = {"trades": {"AAPL": [trade(second, f"187.{second:02}") for second in range(15)]}}

    def test_conditions_come_along(self, provider):
        (row, *_) = self.rows(provider, AAPL)
        assert row["conditions"] == "@ I"
        assert row["timestamp"] == datetime(2024, 1, 2, 14, 30, 0, 123456, tzinfo=UTC)


def dividend(day, rate="0.24", **other):
    days = {"ex_date": f"2024-{day}", "process_date": f"2024-{day}", "record_date": f"2024-{day}", "payable_date": f"2024-{day}"}
    return {"symbol": "AAPL", "cusip": "037833100", "rate": Decimal(rate), "special": False, "foreign": False, **days, **other}


class TestCorporateActions(Alpaca):
    dataset = Dataset.CORPORATE_ACTIONS
    least = 6

    @pytest.fixture
    def vendor(self, loopback):
        with serving(AlpacaServer()) as server:
            split = {"symbol": "AAPL", "cusip": "037833100", "new_rate": 4, "old_rate": 1}
            days = {"ex_date": "2024-08-31", "process_date": "2024-08-31"}
            server.actions = {
                "cash_dividends": [dividend(day) for day in ("02-09", "05-10", "08-12", "11-08")],
                "forward_splits": [{**split, **days}],
                "reverse_splits": [
                    {**split, "new_rate": 1, "old_rate": 8, "ex_date": "2025-01-02", "process_date": "2025-01-02"}
                ],
            }
            yield server

    def test_each_is_said_in_our_words(self, provider):
        found = {(row["kind"], str(row["ex_date"])): row for row in self.rows(provider, AAPL)}
        assert found["SPLIT", "2024-08-31"]["ratio"] == 4
        assert found["SPLIT", "2025-01-02"]["ratio"] == Decimal("0.125")
        paid = found["CASH_DIVIDEND", "2024-02-09"]
        assert (paid["cash"], paid["currency"], paid["pay_date"]) == (Decimal("0.24"), "USD", "2024-02-09")

    @pytest.mark.parametrize(
        ("kind", "action", "row"),
        [
            ("cash_dividends", dividend("03-01", special=True), {"kind": "CASH_DIVIDEND", "label": "special"}),
            ("stock_dividends", dividend("03-01", "0.05"), {"kind": "STOCK_DIVIDEND", "ratio": Decimal("0.05")}),
            (
                "spin_offs",
                {"source_symbol": "AAPL", "source_rate": 3, "new_symbol": "NEW", "new_rate": 1, "ex_date": "2024-03-01"},
                {"kind": "SPIN_OFF", "other": "NEW", "ratio": Decimal("0.333333333333")},
            ),
            (
                "stock_and_cash_mergers",
                {"acquirer_symbol": "BUY", "acquirer_rate": 1, "acquiree_symbol": "AAPL", "acquiree_rate": 2, "cash_rate": 7,
                 "effective_date": "2024-03-01"},
                {"kind": "MERGER", "other": "BUY", "ratio": Decimal("0.5"), "cash": 7, "currency": "USD"},
            ),
            ("name_changes", {"old_symbol": "AAPL", "new_symbol": "PEAR"}, {"kind": "SYMBOL_CHANGE", "new_symbol": "PEAR"}),
            ("worthless_removals", {"symbol": "AAPL"}, {"kind": "DELISTING", "ex_date": "2024-03-01"}),
        ],
    )  # fmt: skip
    def test_every_kind_has_its_words(self, provider, vendor, kind, action, row):
        vendor.actions = {kind: [{"process_date": "2024-03-01", **action}]}
        (found,) = self.rows(provider, AAPL)
        assert {name: found[name] for name in row} == row

    def test_what_has_no_words_is_passed_over_and_counted(self, provider, vendor):
        vendor.actions = {
            "redemptions": [{"symbol": "AAPL", "rate": 1, "process_date": "2024-03-01"}],
            "rights_distributions": [{"source_symbol": "AAPL", "new_symbol": "AAPLR", "rate": 1, "ex_date": "2024-03-02",
                                      "process_date": "2024-03-03"}],
            "unit_splits": [{"old_symbol": "AAPL", "old_rate": 1, "new_symbol": "B", "new_rate": 1, "alternate_symbol": "C",
                             "alternate_rate": 1, "effective_date": "2024-03-04", "process_date": "2024-03-04"}],
        }  # fmt: skip
        assert self.rows(provider, AAPL) == []
        assert provider.traffic.skipped == 3
        assert provider.traffic.reasons[-1].startswith("AAPL:XNAS: unit splits of 2024-03-04: there is no kind of action")


class TestCalendar:
    def test_it_says_when_the_exchange_is_open(self, loopback, clock):
        with serving(AlpacaServer()) as server:
            server.calendar = [
                {"date": "2024-07-02", "open": "09:30", "close": "16:00", "session_open": "0400", "session_close": "2000"},
                {"date": "2024-07-03", "open": "09:30", "close": "13:00", "session_open": "0400", "session_close": "1700"},
                {"date": "2024-12-02", "open": "09:30", "close": "16:00"},
            ]
            provider = provider_of(server, clock)
            short, winter = list(provider.sessions("XNAS", date(2024, 7, 3), date(2024, 12, 3)))
            assert short.closes_at == datetime(2024, 7, 3, 17, tzinfo=UTC)
            assert (winter.day, winter.opens_at) == (date(2024, 12, 2), datetime(2024, 12, 2, 14, 30, tzinfo=UTC))
            assert list(provider.sessions("XNAS", date(2024, 7, 3), date(2024, 7, 3))) == []
            with pytest.raises(ProviderFailed, match="calendar of XETR"):
                list(provider.sessions("XETR", *PERIOD))


class TestContradictions:
    """Answers that can't be true."""

    @pytest.fixture
    def server(self, loopback):
        with serving(AlpacaServer()) as server:
            yield server

    @pytest.mark.parametrize(
        ("body", "says"),
        [
            ({"bars": {"MSFT": [bar("2024-01-02T05:00:00Z")]}}, "it sends MSFT"),
            ({"bars": {"AAPL": [bar("2031-01-02T05:00:00Z")]}}, "it sends 2031-01-02"),
            ({"bars": {"AAPL": [bar("2024-01-03T05:00:00Z"), bar("2024-01-02T05:00:00Z")]}}, "not in order"),
            ({"bars": {"AAPL": [bar("yesterday")]}}, "no time"),
            ({"bars": {"AAPL": [bar("2024-01-02T05:00:00")]}}, "no time"),
            ({"bars": {"AAPL": [bar(None)]}}, "no time"),
            ({"bars": {"AAPL": [7]}}, "instead of an object"),
            ({"bars": {"AAPL": {"t": 1}}}, "instead of a list"),
            ({"bars": [1]}, "instead of an object"),
            ({"bars": {"AAPL": [bar("2024-01-02T05:00:00Z")]}, "next_page_token": "again"}, "in a circle|goes back"),
            ({"bars": {}, "next_page_token": "again"}, "in a circle"),
            ({"bars": {}, "next_page_token": 5}, "in a circle"),
        ],
    )
    def test_fail_and_say_why(self, server, clock, body, says):
        server.always = status(200, body)
        with pytest.raises(ProviderFailed, match=says):
            list(provider_of(server, clock).bars(AAPL, Timeframe.DAY, *PERIOD))

    def test_rows_that_lack_a_price_come_along_to_be_refused(self, server, clock):
        rows = [
            bar("2024-01-02T05:00:00Z", c=None),
            bar("2024-01-03T05:00:00Z", c=float("nan")),
            bar("2024-01-04T05:00:00Z", c="x"),
        ]
        server.always = status(200, {"bars": {"AAPL": rows}, "next_page_token": None})
        (page,) = provider_of(server, clock).bars(AAPL, Timeframe.DAY, *PERIOD)
        assert [row["close"] for row in page.rows][0::2] == [None, "x"]
        assert str(page.rows[1]["close"]) == "NaN"

    def test_no_bars_at_all_may_be_null(self, server, clock):
        server.always = status(200, {"bars": None, "next_page_token": None})
        assert list(provider_of(server, clock).bars(AAPL, Timeframe.DAY, *EVER)) == []


class TestCredentials:
    def test_wrong_ones_are_a_matter_of_the_whole_source(self, loopback, clock):
        with serving(AlpacaServer()) as server:
            provider = provider_of(server, clock, secret_key="wrong")
            with pytest.raises(ProviderAway, match=r"refuses \(401\)"):
                list(provider.quotes(AAPL, *PERIOD))
            assert len(server.seen) == 1

    @pytest.mark.parametrize("missing", [{"key_id": ""}, {"secret_key": ""}])
    def test_missing_ones_are_named(self, loopback, missing):
        with pytest.raises(ValueError, match="ALPACA_SECRET_KEY"):
            AlpacaProvider(**{"key_id": KEY, "secret_key": SECRET, **missing})

    def test_a_feed_is_one_of_its_own(self, loopback):
        with pytest.raises(ValueError, match="nofeed"):
            AlpacaProvider(key_id=KEY, secret_key=SECRET, url="http://127.0.0.1", trading_url="http://127.0.0.1", feed="nofeed")
