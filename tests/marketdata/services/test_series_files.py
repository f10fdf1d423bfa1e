"""Price series come in from files once, line by line, and go out as they came."""

import gzip
import io
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketdata.domain.bars import Timeframe
from marketdata.domain.instruments import AssetClass
from marketdata.domain.quality import Dataset
from marketdata.models import Bar, Instrument, Quote, Tick
from marketdata.selectors.instruments import AmbiguousInstrument, UnknownInstrument
from marketdata.selectors.series import Asked
from marketdata.selectors.series_files import write_series_frame, write_series_lines
from marketdata.services.series_files import Choices, UnreadableFile, import_series
from tests.factories import make_instrument, unique_symbol

NOW = datetime(2025, 1, 2, tzinfo=UTC)


@pytest.fixture
def share():
    return make_instrument()


def lines_of(*rows):
    return b"".join(row if isinstance(row, bytes) else json.dumps(row).encode() + b"\n" for row in rows)


def bring(content, name, **choices):
    return import_series(file=io.BytesIO(content), name=name, source="test", recorded_at=NOW, choices=Choices(**choices)).report


def bring_lines(share, *rows, **choices):
    return bring(lines_of(*rows), f"{share.symbol.lower()}_timeseries.jsonl", **choices)


def parquet_of(frame, **options):
    file = io.BytesIO()
    frame.to_parquet(file, **options)
    return file.getvalue()


def ohlcv(times, close=10.0, **columns):
    figures = {name: [close] * len(times) for name in ("Open", "High", "Low", "Close")} | {"Volume": [100] * len(times)}
    return pd.DataFrame(figures | columns, index=pd.DatetimeIndex(times, name="timestamp"))


class TestLines:
    def test_of_the_old_design_are_prices_in_utc_that_nobody_says_a_size_of(self, share):
        rows = [{"symbol": share.symbol, "timestamp": f"2024-12-29T1{n}:00:00", "price": 42500.5 + n} for n in range(3)]
        report = bring_lines(share, *rows)
        assert (report.lines, report.stored, report.refusals) == (3, 3, 0)
        first = Quote.objects.filter(instrument=share).order_by("timestamp").first()
        assert (first.timestamp, first.bid, first.ask) == (datetime(2024, 12, 29, 10, tzinfo=UTC), *[Decimal("42500.5")] * 2)
        assert not Tick.objects.filter(instrument=share).exists()
        file = io.BytesIO()
        write_series_lines(Asked(Dataset.QUOTES, (share,)), file)
        assert [json.loads(line)["price"] for line in file.getvalue().splitlines()] == [42500.5, 42501.5, 42502.5]
        assert bring_lines(share, *rows).known == 3

    def test_hold_bars_quotes_and_trades_whatever_their_columns_are_called(self, share):
        report = bring_lines(
            share,
            {"t": "2024-12-29T10:00:00Z", "o": 1, "h": 2, "l": 1, "c": 2, "v": 5.5, "interval": "1h"},
            {"date": "2024-12-29", "Open": "1", "High": "2", "Low": "1", "Close": "2"},
            {"timestamp": 1735466400, "bid": 1.1, "ask": 1.2, "bid_size": 3},
            {"time": "2024-12-29T10:00:00+01:00", "price": "1.15", "volume": 7, "bid": 1.1, "ask": 1.2, "mood": ["good"]},
        )
        assert (report.lines, report.stored, report.refusals) == (4, 5, 0)
        bars = Bar.objects.filter(instrument=share).order_by("timeframe").values_list("timeframe", "close", "volume")
        assert list(bars) == [("1d", 2, None), ("1h", 2, Decimal("5.5"))]
        assert Quote.objects.filter(instrument=share).count() == 2
        assert Tick.objects.get(instrument=share).size == 7

    def test_keep_every_digit(self, share):
        line = b'{"timestamp": "2024-12-29T10:00:00Z", "price": 0.1234567891, "size": 1.000000000001}\n'
        bring_lines(share, line)
        tick = Tick.objects.get(instrument=share)
        assert (tick.price, tick.size) == (Decimal("0.1234567891"), Decimal("1.000000000001"))

    @pytest.mark.parametrize(
        ("line", "why"),
        [
            (b"not json\n", "not JSON"),
            (b"[1, 2]\n", "not a JSON object"),
            (b'{"timestamp": "2024-12-29T10:00:00Z"}\n', "has neither"),
            (b'{"price": 1}\n', "no timestamp"),
            (b'{"timestamp": "2024-12-29T10:00:00Z", "price": NaN}\n', "not JSON"),
            (b'{"timestamp": "2024-12-29T10:00:00Z", "price": 1, "price": 2}\n', "given twice"),
            (b'{"symbol": "OTHER", "timestamp": "2024-12-29T10:00:00Z", "price": 1}\n', "about OTHER"),
            (b"\xff\xfe\n", "not JSON"),
            (b'{"timestamp": "2024-12-29T10:00:00Z", "open": 1, "high": 1, "low": 1, "close": 1}\n', "timeframe"),
            (b'{"interval": "4h", "timestamp": "2024-12-29T10:00:00Z", "open": 1, "high": 1, "low": 1, "close": 1}\n', "'4h'"),
            (b"[" * 100_000 + b"\n", "recursion"),
            (b'{"timestamp": "' + b"x" * 300_000 + b'"}\n', "longer than"),
            (b'{"timestamp": "soon", "price": 1}\n', ""),
            (b'{"timestamp": "2024-12-29T10:00:00Z", "price": "many"}\n', ""),
            (b'{"timestamp": "2024-12-29T10:00:00Z", "price": {"a": 1}}\n', ""),
            (b'{"timestamp": "2024-12-29T10:00:00Z", "price": -1}\n', ""),
            (b'{"timestamp": 1e400, "price": 1}\n', ""),
            (b'{"timestamp": "2024-12-29T10:00:00Z", "price": 1e999999999}\n', ""),
            (b'{"timestamp": "2024-12-29T10:00:00Z", "price": ' + b"9" * 5000 + b"}\n", ""),
            (b'{"timestamp": "9999-12-31T23:59:59-15:00", "price": 1}\n', ""),
            (b'{"timestamp": true, "price": 1}\n', ""),
        ],
    )
    def test_that_are_malformed_are_named_and_the_others_go_in(self, share, line, why):
        good = {"timestamp": "2024-12-29T10:00:00Z", "price": 1}
        report = bring_lines(share, good, line, good | {"timestamp": "2024-12-29T11:00:00Z"})
        assert (report.stored, report.refusals) == (2, 1)
        assert {told.line for told in report.refused} == {2}
        assert why in report.refused[0].detail

    def test_are_unpacked_and_a_bomb_is_refused(self, share):
        name = f"{share.symbol}_timeseries.jsonl.gz"
        good = lines_of({"timestamp": "2024-12-29T10:00:00Z", "price": 1})
        assert bring(gzip.compress(good), name).stored == 1
        with pytest.raises(UnreadableFile, match="expands too far"):
            bring(gzip.compress(good + b" " * 60_000_000), name)
        with pytest.raises(UnreadableFile, match="no whole gzip"):
            bring(gzip.compress(good * 100)[:-9], name)

    def test_take_the_timeframe_that_the_caller_gives(self, share):
        bar = {"timestamp": "2024-12-29T10:00:00Z", "open": 1, "high": 1, "low": 1, "close": 1}
        assert bring_lines(share, bar, timeframe=Timeframe.HOUR).stored == 1
        assert Bar.objects.get(instrument=share).timeframe == "1h"

    def test_are_corrected_when_asked_for(self, share):
        bar = {"timestamp": "2024-12-29", "open": 1, "high": 9, "low": 1, "close": 1}
        bring_lines(share, bar)
        report = bring_lines(share, bar | {"close": 2})
        assert [(each.line, each.rule) for each in report.refused] == [(1, "conflicting_bar")]
        assert bring_lines(share, bar | {"close": 2}, correct=True).corrected == 1


class TestFrames:
    NAME = "{symbol}_1h_2024-01-01_2024-02-01.parquet"

    def name(self, share, timeframe="1h"):
        return f"{share.symbol.lower()}_{timeframe}_2024-01-01_2024-02-01.parquet"

    def test_of_pandas_go_in_once(self, share):
        times = pd.date_range("2024-01-01", periods=48, freq="h", tz="UTC")
        content = parquet_of(ohlcv(times, close=0.1))
        report = bring(content, self.name(share))
        assert (report.lines, report.stored, report.refusals) == (48, 48, 0)
        bar = Bar.objects.filter(instrument=share, timeframe="1h").order_by("timestamp").first()
        assert (bar.timestamp, bar.close, bar.volume) == (datetime(2024, 1, 1, tzinfo=UTC), Decimal("0.1"), 100)
        assert bring(content, self.name(share)).known == 48

    def test_may_have_an_index_without_a_name_or_a_zone_and_other_columns(self, share):
        frame = ohlcv(pd.date_range("2024-01-01", periods=2, freq="h"), comment=["a", "b"])
        frame.index.name = None
        assert bring(parquet_of(frame), self.name(share)).stored == 2
        assert Bar.objects.filter(instrument=share, timestamp="2024-01-01T01:00:00Z").exists()

    def test_of_days_belong_to_the_day_as_written(self, share):
        times = pd.date_range("2024-01-02", periods=3, freq="D", tz="America/New_York")
        assert bring(parquet_of(ohlcv(times)), self.name(share, "1d")).stored == 3
        days = Bar.objects.filter(instrument=share).order_by("timestamp").values_list("timestamp", flat=True)
        assert days[0].isoformat() == "2024-01-02T00:00:00+00:00"

    def test_lose_no_row_to_one_that_is_wrong(self, share):
        frame = ohlcv(pd.date_range("2024-01-01", periods=3, freq="h", tz="UTC"))
        frame.loc[frame.index[1], "Close"] = float("nan")
        report = bring(parquet_of(frame), self.name(share))
        assert (report.stored, report.refusals, report.refused[0].line) == (2, 1, 2)

    @pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + b"\0" * 100 + b"PAR1", b"x" * 5000])
    def test_that_are_none_are_refused(self, share, content):
        with pytest.raises(UnreadableFile, match="no Parquet file"):
            bring(content, self.name(share))

    def test_that_were_cut_or_changed_are_refused(self, share):
        content = bytearray(parquet_of(ohlcv(pd.date_range("2024-01-01", periods=5000, freq="h", tz="UTC"))))
        content[200:4000] = b"\xff" * 3800
        with pytest.raises(UnreadableFile, match="no Parquet file"):
            bring(bytes(content), self.name(share))

    def test_without_times_are_refused(self, share):
        frame = ohlcv(pd.date_range("2024-01-01", periods=3)).reset_index(drop=True)
        with pytest.raises(UnreadableFile, match="no column of times"):
            bring(parquet_of(frame), self.name(share))

    def test_that_unpack_to_too_much_are_refused(self, share, monkeypatch):
        times = pd.date_range("2000-01-01", periods=200_000, freq="min", tz="UTC")
        monkeypatch.setattr("marketdata.adapters.series_parquet.FREE", 0)
        monkeypatch.setattr("marketdata.adapters.series_parquet.MOST_EXPANSION", 1)
        with pytest.raises(UnreadableFile, match="more than is reasonable"):
            bring(parquet_of(ohlcv(times), compression="zstd"), self.name(share))


class TestNames:
    @pytest.mark.parametrize("name", ["x.csv", "aapl.jsonl", "aapl_1d.parquet", "_timeseries.jsonl", "a b_timeseries.jsonl"])
    def test_that_say_nothing_are_refused(self, name):
        with pytest.raises(UnreadableFile, match="must be named"):
            bring(b"", name)

    def test_of_timeframes_that_are_none_are_refused(self):
        with pytest.raises(UnreadableFile, match="none of the timeframes"):
            bring(b"", "aapl_4h_2024-01-01_2024-02-01.parquet")

    def test_lead_nowhere_else(self, share):
        assert bring(b"", f"../../etc/{share.symbol}_timeseries.jsonl").lines == 0

    def test_mean_pairs_however_they_are_written(self):
        base = unique_symbol()[:9]
        pair = make_instrument(symbol=f"{base}/USD", exchange="CRYPTO", asset_class="CRYPTO")
        price = lines_of({"timestamp": "2024-12-29T10:00:00Z", "price": 1})
        for name in (f"{base}usd", f"{base}-usd".lower()):
            bring(price, f"{name}_timeseries.jsonl")
        assert Quote.objects.filter(instrument=pair).count() == 1

    def test_that_are_unknown_are_created_when_asked_for(self):
        symbol = unique_symbol()[:9]
        price, name = lines_of({"timestamp": "2024-12-29T10:00:00Z", "price": 1}), f"{symbol.lower()}-usd_timeseries.jsonl"
        with pytest.raises(UnknownInstrument, match="have it created"):
            bring(price, name)
        with pytest.raises(UnknownInstrument, match="give its exchange"):
            bring(price, name, create=True)
        assert bring(price, name, create=True, asset_class=AssetClass.CRYPTO, dry_run=True).stored == 1
        assert not Instrument.objects.filter(symbol=f"{symbol}/USD").exists()
        assert bring(price, name, create=True, asset_class=AssetClass.CRYPTO).stored == 1
        assert Instrument.objects.get(symbol=f"{symbol}/USD").exchange == "CRYPTO"

    def test_that_mean_several_are_refused(self, share):
        make_instrument(symbol=share.symbol, exchange="XOTH")
        with pytest.raises(AmbiguousInstrument):
            bring(b"", f"{share.symbol}_timeseries.jsonl")
        assert bring(b"", f"{share.symbol}_timeseries.jsonl", exchange="XOTH").lines == 0
        assert bring(b"", "anything_timeseries.jsonl", instrument=share).lines == 0


class TestDryRun:
    def test_says_the_same_and_leaves_nothing(self, share):
        rows = [{"timestamp": "2024-12-29T10:00:00Z", "price": 1}, b"x\n"]
        report = bring_lines(share, *rows, dry_run=True)
        assert (report.stored, report.refusals) == (1, 1)
        assert not Quote.objects.filter(instrument=share).exists()
        assert bring_lines(share, *rows).stored == 1
        assert bring_lines(share, *rows, dry_run=True).known == 1


class TestOut:
    def out(self, write, instrument, dataset, timeframe=None):
        file = io.BytesIO()
        written = write(Asked(dataset, (instrument,), timeframe=timeframe), file)
        return written, file.getvalue()

    def test_lines_come_back_in_as_they_were(self, share):
        bring_lines(
            share,
            {"timestamp": "2024-12-29T10:00:00Z", "price": "0.1234567891", "size": "1.5", "conditions": "@"},
            {"timestamp": "2024-12-29T10:00:01Z", "bid": "1.1", "ask": "1.2"},
            {"timestamp": "2024-12-28", "open": "1", "high": "2", "low": "1", "close": "2", "volume": "0.000000000001"},
        )
        twin = make_instrument()
        for dataset, timeframe in ((Dataset.TICKS, None), (Dataset.QUOTES, None), (Dataset.BARS, Timeframe.DAY)):
            written, content = self.out(write_series_lines, share, dataset, timeframe)
            assert (written.name, written.rows) == (f"{share.symbol.lower()}_timeseries.jsonl", 1)
            assert json.loads(content)["symbol"] == share.symbol
            assert bring(content, written.name).known == 1
            assert bring(content, written.name, instrument=twin).stored == 1
        ours, theirs = (Bar.objects.filter(instrument=each).values_list("close", "volume").get() for each in (share, twin))
        assert ours == theirs

    def test_frames_are_what_pandas_reads(self, share, tmp_path):
        times = pd.date_range("2024-01-01", periods=30, freq="h", tz="UTC")
        bring(parquet_of(ohlcv(times, close=0.1)), f"{share.symbol}_1h_2024-01-01_2024-02-01.parquet")
        written, content = self.out(write_series_frame, share, Dataset.BARS, Timeframe.HOUR)
        assert written.name == f"{share.symbol.lower()}_1h_2024-01-01_2024-01-02.parquet"
        (tmp_path / written.name).write_bytes(content)
        frame = pd.read_parquet(tmp_path / written.name)
        assert (frame.index.name, str(frame.index.tz), len(frame)) == ("timestamp", "UTC", 30)
        assert list(frame.columns) == ["open", "high", "low", "close", "volume"]
        assert (str(frame["close"].dtype), frame["close"].iloc[0]) == ("float64", 0.1)
        assert bring(content, written.name).known == 30

    def test_of_nothing_there_is_no_frame(self, share):
        with pytest.raises(ValueError, match="no 1d bars"):
            self.out(write_series_frame, share, Dataset.BARS, Timeframe.DAY)
        with pytest.raises(ValueError, match="Only bars"):
            self.out(write_series_frame, share, Dataset.TICKS)

    @settings(max_examples=10)
    @given(st.lists(st.decimals(min_value="0.0000000001", max_value="99999", places=10), min_size=1, max_size=5))
    def test_frames_lose_no_digit(self, closes):
        share = make_instrument()
        rows = [
            {"timestamp": (NOW - timedelta(days=n + 1)).date().isoformat()}
            | dict.fromkeys(("open", "high", "low", "close"), str(close))
            for n, close in enumerate(closes)
        ]
        stored = bring_lines(share, *rows).stored
        written, content = self.out(write_series_frame, share, Dataset.BARS, Timeframe.DAY)
        again = bring(content, written.name)
        assert (again.known, again.refusals) == (stored, 0)
