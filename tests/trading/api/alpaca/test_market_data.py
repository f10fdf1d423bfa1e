"""Market data in Alpaca's words, asked by hand and by Alpaca's own library."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from alpaca.common.exceptions import APIError
from alpaca.data.enums import Adjustment, DataFeed
from alpaca.data.historical import StockHistoricalDataClient
from alpaca.data.requests import (
    StockBarsRequest,
    StockLatestBarRequest,
    StockLatestQuoteRequest,
    StockLatestTradeRequest,
    StockQuotesRequest,
    StockSnapshotRequest,
    StockTradesRequest,
)
from alpaca.data.timeframe import TimeFrame, TimeFrameUnit

from marketdata.domain.archive import ArchiveUnreadable
from marketdata.models import Bar, Instrument
from tests.clients import browser, make_token, nobody
from tests.factories import make_bars, make_instrument, make_quotes, make_ticks

AT = datetime(2024, 5, 6, 14, 30, tzinfo=UTC)  # 10:30 in New York, a Monday
DAYS = [("2024-05-02", "10"), ("2024-05-03", "11"), ("2024-05-06", "12"), ("2024-05-07", "13")]


def make_stock() -> Instrument:
    """Store a share of the Nasdaq."""
    return make_instrument(exchange="XNAS")


def make_minutes(instrument: Instrument, closes: list[str], *, minutes: int = 1, volume: str | None = "100") -> None:
    """Store bars of minutes."""
    Bar.objects.bulk_create(
        Bar(
            instrument=instrument,
            timeframe=f"{minutes}m",
            timestamp=AT + timedelta(minutes=minutes * n),
            open=close,
            high=Decimal(close) + 1,
            low=1,
            close=close,
            volume=volume,
            vwap=volume and close,
            trade_count=5 if volume else None,
            recorded_at=AT,
        )
        for n, close in enumerate(closes)
    )


@pytest.fixture
def ask(alice):
    """Return a caller by Alpaca's headers."""
    secret = make_token(alice, ["read"]).secret
    client = nobody(HTTP_APCA_API_KEY_ID="x", HTTP_APCA_API_SECRET_KEY=secret)

    def ask(path: str, **query: Any) -> Any:
        answer = client.get(f"/alpaca/v2/stocks/{path}", query)
        return answer.json() | ({} if answer.status_code == 200 else {"status": answer.status_code})

    return ask


@pytest.fixture
def stock() -> Instrument:
    made = make_stock()
    make_bars(made, DAYS)
    return made


def pages(ask: Any, path: str, kind: str, **query: Any) -> list[Any]:
    """Return all rows, page by page."""
    found: list[Any] = []
    token: str | None = None
    for _ in range(50):
        answer = ask(path, **query, **({"page_token": token} if token else {}))
        rows = answer[kind]
        found += rows if isinstance(rows, list) else [(name, row) for name in rows for row in rows[name]]
        token = answer["next_page_token"]
        if token is None:
            return found
    raise AssertionError("it never ends")


class TestBars:
    def test_daily_ones_are_named_by_midnight_in_new_york(self, ask, stock):
        answer = ask(f"{stock.symbol}/bars", timeframe="1Day", start="2024-05-03", end="2024-05-06")
        assert answer["symbol"] == stock.symbol
        assert [(bar["t"], bar["c"]) for bar in answer["bars"]] == [
            ("2024-05-03T04:00:00Z", 11.0),
            ("2024-05-06T04:00:00Z", 12.0),
        ]
        assert answer["next_page_token"] is None
        assert list(answer["bars"][0]) == ["t", "o", "h", "l", "c", "v", "n", "vw"]

    def test_of_several_symbols_in_pages_each_row_once(self, ask):
        stocks = sorted((make_stock() for _ in range(5)), key=lambda each: each.symbol)
        for each in stocks:
            make_bars(each, DAYS)
        names = ",".join(each.symbol for each in stocks[::-1])
        days = [f"{day}T04:00:00Z" for day, _ in DAYS]
        for sort, order in (("asc", days), ("desc", days[::-1])):
            for limit in (1, 3, 4, 7, 100):
                query = {"symbols": names, "timeframe": "1Day", "start": "2024-01-01", "sort": sort, "limit": limit}
                found = pages(ask, "bars", "bars", **query)
                assert [(name, row["t"]) for name, row in found] == [(each.symbol, day) for each in stocks for day in order]

    def test_lengths_that_are_not_stored_are_put_together(self, ask):
        stock = make_stock()
        make_minutes(stock, ["10", "12", "9", "14"], minutes=15)
        query = {"timeframe": "30Min", "start": "2024-05-06T14:30:00Z", "end": "2024-05-06T23:00:00Z"}
        first, second = pages(ask, f"{stock.symbol}/bars", "bars", limit=1, **query)
        assert first == {"t": "2024-05-06T14:30:00Z", "o": 10.0, "h": 13.0, "l": 1.0, "c": 12.0, "v": 200, "n": 10, "vw": 11.0}
        assert (second["t"], second["o"], second["c"]) == ("2024-05-06T15:00:00Z", 9.0, 14.0)

    def test_weeks_and_months(self, ask, stock):
        query = {"start": "2024-04-01", "end": "2024-05-31"}
        weeks = ask(f"{stock.symbol}/bars", timeframe="1Week", **query)["bars"]
        assert [(bar["t"], bar["o"], bar["c"]) for bar in weeks] == [
            ("2024-04-29T04:00:00Z", 10.0, 11.0),
            ("2024-05-06T04:00:00Z", 12.0, 13.0),
        ]
        (month,) = ask(f"{stock.symbol}/bars", timeframe="1Month", **query)["bars"]
        assert (month["t"], month["o"], month["c"]) == ("2024-05-01T04:00:00Z", 10.0, 13.0)

    def test_what_is_not_known_is_null_and_the_volume_zero(self, ask, stock):
        make_minutes(stock, ["10"], volume=None)
        (bar,) = ask(f"{stock.symbol}/bars", timeframe="1T", start="2024-05-06", end="2024-05-06")["bars"]
        assert (bar["v"], bar["n"], bar["vw"]) == (0, None, None)

    def test_unknown_symbols_are_left_out(self, ask, stock):
        answer = ask("bars", symbols=f"{stock.symbol},QQQQQ", timeframe="1Day", start="2024-05-02")
        assert list(answer["bars"]) == [stock.symbol]
        assert ask("QQQQQ/bars", timeframe="1Day") == {"bars": [], "symbol": "QQQQQ", "next_page_token": None}

    @pytest.mark.parametrize(
        "query",
        [
            {},
            {"timeframe": "2Day"},
            {"timeframe": "1Day", "symbols": ""},
            {"timeframe": "1Day", "symbols": "a b"},
            {"timeframe": "1Day", "start": "yesterday"},
            {"timeframe": "1Day", "start": "2024-05-06", "end": "2024-05-05"},
            {"timeframe": "1Day", "limit": "0"},
            {"timeframe": "1Day", "limit": "10001"},
            {"timeframe": "1Day", "sort": "up"},
            {"timeframe": "1Day", "adjustment": "all"},
            {"timeframe": "1Day", "feed": "mine"},
            {"timeframe": "1Day", "currency": "EUR"},
            {"timeframe": "1Day", "page_token": "x"},
            {"timeframe": "1Day", "page_token": "QUFQTHx5ZXN0ZXJkYXk="},
            {"timeframe": "1Day", "page_token": "WlpaWlp8MjAyNC0wNS0wNlQwNDowMDowMFp8MXwy"},
        ],
    )
    def test_what_makes_no_sense_is_refused_with_a_message(self, ask, stock, query):
        answer = ask("bars", **{"symbols": stock.symbol} | query)
        assert answer["status"] == 400
        assert set(answer) == {"status", "code", "message"}

    @pytest.mark.parametrize("start", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "1700-01-01"])
    def test_the_ends_of_time_are_none(self, ask, stock, start):
        assert ask("bars", symbols=stock.symbol, timeframe="4Hour", start=start).get("status", 200) in {200, 400}


class TestQuotesAndTrades:
    def test_pages_of_quotes(self, ask):
        one, two = sorted((make_stock(), make_stock()), key=lambda each: each.symbol)
        for each in (one, two):
            make_quotes(each, [(AT + timedelta(seconds=n), f"{10 + n}", f"{10 + n}.5") for n in range(3)])
        query = {"symbols": f"{one.symbol},{two.symbol}", "start": "2024-05-06", "end": "2024-05-06"}
        found = pages(ask, "quotes", "quotes", limit=2, **query)
        assert [(name, row["bp"]) for name, row in found] == [(each.symbol, 10.0 + n) for each in (one, two) for n in range(3)]
        assert found[0][1] == {
            "t": "2024-05-06T14:30:00Z", "ax": "", "ap": 10.5, "as": 200, "bx": "", "bp": 10.0, "bs": 100, "c": [], "z": "C",
        }  # fmt: skip
        assert pages(ask, "quotes", "quotes", limit=4, sort="desc", **query) == [
            row for each in (one, two) for row in reversed([row for row in found if row[0] == each.symbol])
        ]

    def test_trades_of_one_instant_are_each_told_once(self, ask):
        stock = make_stock()
        make_ticks(stock, [(AT, "10", "1"), (AT, "10", "2"), (AT, "11", "1")])
        found = pages(ask, f"{stock.symbol}/trades", "trades", limit=1, start="2024-05-06", end="2024-05-06")
        assert [(row["p"], row["s"]) for row in found] == [(10.0, 1), (10.0, 2), (11.0, 1)]
        assert len({row["i"] for row in found}) == 3
        assert found == ask(f"{stock.symbol}/trades", start="2024-05-06", end="2024-05-06")["trades"]

    def test_a_part_of_the_archive_that_cannot_be_read(self, ask, monkeypatch):
        def broken(*_asked: Any, **_more: Any) -> None:
            raise ArchiveUnreadable("a file is gone")

        monkeypatch.setattr("trading.api.alpaca.market_data.row_page", broken)
        answer = ask(f"{make_stock().symbol}/trades")
        assert (answer["status"], set(answer)) == (503, {"status", "code", "message"})


class TestLatest:
    def test_of_one_and_of_several(self, ask):
        stock, other = make_stock(), make_stock()
        make_quotes(stock, [(AT, "10", "10.5")])
        make_ticks(stock, [(AT, "10.25", "7")])
        make_minutes(stock, ["10", "11"])
        names = f"{stock.symbol},{other.symbol}"
        assert ask(f"{stock.symbol}/quotes/latest")["quote"]["bp"] == 10.0
        assert ask(f"{stock.symbol}/trades/latest")["trade"]["p"] == 10.25
        assert ask(f"{stock.symbol}/bars/latest")["bar"]["c"] == 11.0
        for kind in ("bars", "quotes", "trades"):
            assert list(ask(f"{kind}/latest", symbols=names)[kind]) == [stock.symbol]
        assert ask(f"{other.symbol}/trades/latest")["status"] == 404

    def test_snapshots(self, ask, stock):
        make_quotes(stock, [(AT, "10", "10.5")])
        make_minutes(stock, ["10", "11"])
        shot = ask(f"{stock.symbol}/snapshot")
        assert (shot["dailyBar"]["c"], shot["prevDailyBar"]["c"], shot["minuteBar"]["c"]) == (13.0, 12.0, 11.0)
        assert (shot["latestQuote"]["ap"], shot["latestTrade"], shot["symbol"]) == (10.5, None, stock.symbol)
        assert list(ask("snapshots", symbols=f"{stock.symbol},QQQQQ")) == [stock.symbol]
        assert ask("QQQQQ/snapshot")["status"] == 404


def test_nobody_is_let_in_without_a_key(alice, stock):
    path = f"/alpaca/v2/stocks/{stock.symbol}/bars"
    for client in (nobody(), browser(alice), nobody(HTTP_APCA_API_KEY_ID="x", HTTP_APCA_API_SECRET_KEY="brk_no")):
        answer = client.get(path, {"timeframe": "1Day"})
        assert (answer.status_code, set(answer.json())) == (401, {"code", "message"})


@pytest.mark.parametrize("number", [1, 6])
def test_the_number_of_questions_does_not_grow_with_the_rows(alice, number, django_assert_max_num_queries):
    stocks = [make_stock() for _ in range(number)]
    for each in stocks:
        make_bars(each, DAYS[:number])
    client = nobody(HTTP_APCA_API_KEY_ID="x", HTTP_APCA_API_SECRET_KEY=make_token(alice, ["read"]).secret)
    with django_assert_max_num_queries(12):
        names = ",".join(each.symbol for each in stocks)
        client.get("/alpaca/v2/stocks/bars", {"symbols": names, "timeframe": "1Day", "start": "2024-01-01"})


class TestAlpacasLibrary:
    @pytest.fixture
    def client(self, site, alice, account):
        secret = make_token(alice, ["read"]).secret
        return StockHistoricalDataClient(str(account.pk), secret, url_override=f"{site}/alpaca")

    def test_bars(self, client, stock):
        other = make_stock()
        make_bars(other, DAYS[:1])
        asked = {"symbol_or_symbols": [stock.symbol, other.symbol], "start": datetime(2024, 5, 1), "feed": DataFeed.IEX}
        found = client.get_stock_bars(StockBarsRequest(timeframe=TimeFrame.Day, adjustment=Adjustment.SPLIT, **asked))
        assert [bar.close for bar in found[stock.symbol]] == [10, 11, 12, 13]
        assert [bar.timestamp for bar in found[other.symbol]] == [datetime(2024, 5, 2, 4, tzinfo=UTC)]
        assert found.df.loc[stock.symbol].index.tz_convert("America/New_York").strftime("%Y-%m-%d").tolist() == [
            d for d, _ in DAYS
        ]
        two = client.get_stock_bars(StockBarsRequest(timeframe=TimeFrame.Day, limit=2, **asked))
        assert sum(map(len, two.data.values())) == 2
        month = client.get_stock_bars(StockBarsRequest(timeframe=TimeFrame(1, TimeFrameUnit.Month), **asked))
        assert month[stock.symbol][0].open == 10

    def test_quotes_trades_latest_and_snapshots(self, client, stock):
        make_quotes(stock, [(AT, "10", "10.5")])
        make_ticks(stock, [(AT, "10.25", "7")])
        make_minutes(stock, ["11"])
        of = {"symbol_or_symbols": stock.symbol}
        day = {"start": AT - timedelta(hours=1), "end": AT + timedelta(hours=1)}
        (quote,) = client.get_stock_quotes(StockQuotesRequest(**of, **day))[stock.symbol]
        assert (quote.bid_price, quote.ask_price, quote.timestamp, quote.tape) == (10, 10.5, AT, "C")
        (trade,) = client.get_stock_trades(StockTradesRequest(**of, **day))[stock.symbol]
        assert (trade.price, trade.size) == (10.25, 7)
        assert client.get_stock_latest_quote(StockLatestQuoteRequest(**of))[stock.symbol] == quote
        assert client.get_stock_latest_trade(StockLatestTradeRequest(**of))[stock.symbol] == trade
        assert client.get_stock_latest_bar(StockLatestBarRequest(**of))[stock.symbol].close == 11
        shot = client.get_stock_snapshot(StockSnapshotRequest(**of))[stock.symbol]
        assert (shot.latest_quote, shot.daily_bar.close, shot.previous_daily_bar.close) == (quote, 13, 12)

    def test_a_refusal_is_one_that_it_understands(self, client, site, stock):
        with pytest.raises(APIError) as refused:
            client.get_stock_bars(StockBarsRequest(symbol_or_symbols="a b", timeframe=TimeFrame.Day))
        assert refused.value.status_code == 400
        assert "invalid symbol" in refused.value.message
        stranger = StockHistoricalDataClient("x", "brk_no", url_override=f"{site}/alpaca")
        with pytest.raises(APIError) as refused:
            stranger.get_stock_latest_quote(StockLatestQuoteRequest(symbol_or_symbols=stock.symbol))
        assert refused.value.status_code == 401
