"""An old trading_bot.duckdb comes in table by table; what its tables hold is understood by their columns."""

from datetime import UTC, datetime
from decimal import Decimal

import duckdb
import pytest
from django.core.management import CommandError, call_command

from marketdata.models import Bar, Instrument, Quote, Tick
from tests.factories import make_instrument, unique_symbol

TICKS = "CREATE TABLE ticks (symbol VARCHAR, timestamp TIMESTAMP, price DOUBLE, volume BIGINT, bid DOUBLE, ask DOUBLE)"
CANDLES = """
    CREATE TABLE candles (symbol VARCHAR, timeframe VARCHAR, timestamp TIMESTAMP, open DOUBLE, high DOUBLE, low DOUBLE,
                          close DOUBLE, volume BIGINT, is_synthetic BOOLEAN)
"""
OHLC = "open DOUBLE, high DOUBLE, low DOUBLE, close DOUBLE, volume BIGINT"


@pytest.fixture
def share():
    return make_instrument()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "trading_bot.duckdb"

    def make(*statements):
        with duckdb.connect(str(path)) as connection:
            for statement in statements:
                connection.execute(statement)
        return str(path)

    return make


def bring(path, capsys, *options):
    """Bring a file in, and return what was said and what was complained about."""
    try:
        call_command("import_duckdb", path, *options)
    finally:
        told = capsys.readouterr()
    return told


class TestBringingIn:
    def test_knows_columns_by_names_with_spaces(self, file, share, capsys):
        path = file(
            'CREATE TABLE "candles 1m" ("Symbol" VARCHAR, " Open Time" TIMESTAMP, "Open" DOUBLE, "High" DOUBLE, "Low" DOUBLE, '
            '"Close Price" DOUBLE)',
            f"INSERT INTO \"candles 1m\" SELECT '{share.symbol}', TIMESTAMP '2024-01-02 10:00' + INTERVAL (n) MINUTE, "
            "1, 2, 1, 1.5 FROM range(3) AS t(n)",
        )
        assert "3 stored" in bring(path, capsys).out
        assert Bar.objects.filter(instrument=share, timeframe="1m").count() == 3

    def test_refuses_figures_that_are_none_by_what_was_seen(self, file, share, capsys):
        path = file(
            "CREATE TABLE candles_1d (symbol VARCHAR, timestamp DATE, open VARCHAR, high DOUBLE, low DOUBLE, close DOUBLE, "
            "volume DOUBLE, trades VARCHAR)",
            f"INSERT INTO candles_1d VALUES ('{share.symbol}', '2024-01-02', 'x', 2, 1, 1, 1, '5'), "
            f"('{share.symbol}', '2024-01-03', '1', 2, 1, 1, 1e300, '5'), "
            f"('{share.symbol}', '2024-01-04', '1', 2, 1, 1, 'nan', ''), "
            f"('{share.symbol}', '2024-01-05', '1', 2, 1, 1, 7, 'many'), ('{share.symbol}', '2024-01-08', '1', 2, 1, 1, 7, '5')",
        )
        with pytest.raises(CommandError, match="3 rows were left or refused"):
            call_command("import_duckdb", path)
        told = capsys.readouterr()
        assert "2 stored, 3 refused" in told.out
        assert all(seen in told.err for seen in ("row 1: open 'x'", "row 2: volume '1e+300'", "row 4: trade_count 'many'"))
        stored = Bar.objects.filter(instrument=share).order_by("timestamp").values_list("volume", "trade_count")
        assert list(stored) == [(None, None), (7, 5)]

    def test_takes_ticks_quotes_and_candles_once(self, file, share, capsys):
        symbol = share.symbol
        path = file(
            TICKS,
            CANDLES,
            f"INSERT INTO ticks VALUES ('{symbol}', '2024-01-02 10:00:00', 100.1, 5, NULL, NULL), "
            f"('{symbol}', '2024-01-02 10:00:01', 100.2, 0, NULL, NULL), "
            f"('{symbol}', '2024-01-02 10:00:02', 100.3, 7, 100.2, 100.4)",
            f"INSERT INTO candles VALUES ('{symbol}', '1m', '2024-01-02 10:00:00', 1, 2, 1, 2, 5, FALSE), "
            f"('{symbol}', '1d', '2024-01-02 00:00:00', 1, 2, 1, 1.1, 5, TRUE)",
            "CREATE TABLE users (name VARCHAR, password VARCHAR)",
            "CREATE VIEW peeping AS SELECT * FROM (VALUES (1)) AS v(price)",
        )
        told = bring(path, capsys).out
        assert "users: left, it holds neither bars nor quotes nor trades" in told
        assert "peeping" not in told
        assert "Times without a zone were read as UTC." in told
        ticks = Tick.objects.filter(instrument=share).order_by("timestamp").values_list("price", "size")
        assert list(ticks) == [(Decimal("100.1"), 5), (Decimal("100.3"), 7)]
        quotes = Quote.objects.filter(instrument=share).order_by("timestamp").values_list("bid", "ask")
        assert list(quotes) == [(Decimal("100.2"), Decimal("100.2")), (Decimal("100.2"), Decimal("100.4"))]
        bars = Bar.objects.filter(instrument=share).order_by("timeframe").values_list("timeframe", "timestamp", "close")
        assert list(bars) == [
            ("1d", datetime(2024, 1, 2, tzinfo=UTC), Decimal("1.1")),
            ("1m", datetime(2024, 1, 2, 10, tzinfo=UTC), 2),
        ]
        again = bring(path, capsys).out
        assert "ticks, ticks: 2 rows: 0 stored, 2 known" in again
        assert "candles, bars: 2 rows: 0 stored, 2 known" in again

    def test_takes_the_single_file_before_it_was_split(self, file, capsys):
        """Its candles are of a minute without saying so, symbols hold an ISIN, and ticks have a time of the exchange."""
        share = make_instrument(isin="INE002A01018" if not Instrument.objects.filter(isin="INE002A01018").exists() else "")
        Instrument.objects.filter(isin="INE002A01018").exclude(pk=share.pk).update(isin="")
        Instrument.objects.filter(pk=share.pk).update(isin="INE002A01018")
        path = file(
            f"CREATE TABLE candles (instrument_key VARCHAR, timestamp TIMESTAMP, {OHLC})",
            "INSERT INTO candles SELECT 'NSE_EQ|INE002A01018', TIMESTAMP '2024-01-02 03:45:00' + INTERVAL (n) MINUTE, "
            "10, 10, 10, 10, 1 FROM range(60) AS t(n)",
            "CREATE TABLE live_ticks (symbol VARCHAR, exchange_ts TIMESTAMP, price DOUBLE, volume BIGINT)",
            "INSERT INTO live_ticks VALUES ('NSE_EQ|INE002A01018', '2024-01-02 03:45:01', 10.05, 3), "
            "('NSE_INDEX|Nifty 50', '2024-01-02 03:45:01', 21000.05, 0)",
        )
        dry = bring(path, capsys, "--dry-run")
        assert "candles: 60 rows, bars of 1m (by the times of its rows)" in dry.out
        assert "timestamp from exchange_ts (TIMESTAMP)" in dry.out
        assert "1 symbols are known, 1 are not (1 rows)" in dry.out
        assert not Bar.objects.filter(instrument=share).exists()
        with pytest.raises(CommandError, match="1 rows were left"):
            bring(path, capsys)
        index = make_instrument()
        assert "1 stored" in bring(path, capsys, "--symbol", f"NSE_INDEX|Nifty 50={index.key}").out
        assert Bar.objects.filter(instrument=share, timeframe="1m").count() == 60
        assert Quote.objects.get(instrument=index).bid == Decimal("21000.05")

    def test_reads_times_in_the_zone_it_is_told_and_days_as_written(self, file, share, capsys):
        path = file(
            CANDLES,
            f"INSERT INTO candles VALUES ('{share.symbol}', '1m', '2024-01-02 09:15:00', 1, 2, 1, 2, 5, FALSE), "
            f"('{share.symbol}', 'day', '2024-01-02 00:00:00', 1, 2, 1, 2, 5, FALSE)",
            "CREATE TABLE ticks_tz (symbol VARCHAR, ts BIGINT, price DECIMAL(18, 4), size DECIMAL(18, 8))",
            f"INSERT INTO ticks_tz VALUES ('{share.symbol}', 1704188700000, 12.3456, 0.00000001)",
        )
        bring(path, capsys, "--time-zone", "Asia/Kolkata")
        starts = Bar.objects.filter(instrument=share).order_by("timestamp").values_list("timestamp", flat=True)
        assert [start.isoformat() for start in starts] == ["2024-01-02T00:00:00+00:00", "2024-01-02T03:45:00+00:00"]
        tick = Tick.objects.get(instrument=share)
        assert (tick.timestamp, tick.size) == (datetime(2024, 1, 2, 9, 45, tzinfo=UTC), Decimal("0.00000001"))

    def test_finds_the_timeframe_in_the_name_of_a_table_or_is_told(self, file, share, capsys):
        rows = f"VALUES ('{share.symbol}', TIMESTAMP '2024-01-02 10:00:00', 1, 2, 1, 2, 5)"
        path = file(
            f"CREATE TABLE candles_5m (symbol VARCHAR, timestamp TIMESTAMP, {OHLC})",
            f"INSERT INTO candles_5m {rows}",
            f"CREATE TABLE prices (symbol VARCHAR, timestamp TIMESTAMP, {OHLC})",
            f"INSERT INTO prices {rows}",
        )
        told = bring(path, capsys).out
        assert "prices: left, how long its bars last is not known" in told
        bring(path, capsys, "--map", "prices=bars:1h", "--map", "candles_5m=skip")
        assert sorted(Bar.objects.filter(instrument=share).values_list("timeframe", flat=True)) == ["1h", "5m"]

    def test_creates_what_it_does_not_know_when_told_to(self, file, capsys):
        symbol = unique_symbol()
        path = file(TICKS, f"INSERT INTO ticks VALUES ('{symbol.lower()}', '2024-01-02 10:00:00', 100.1, 5, NULL, NULL)")
        with pytest.raises(CommandError):
            bring(path, capsys)
        bring(path, capsys, "--create", "--exchange", "XTST", "--dry-run")
        assert not Instrument.objects.filter(symbol=symbol).exists()
        bring(path, capsys, "--create", "--exchange", "XTST")
        assert Tick.objects.filter(instrument__symbol=symbol).count() == 1

    def test_names_rows_that_are_refused_and_takes_the_others(self, file, share, capsys):
        path = file(
            TICKS,
            f"INSERT INTO ticks VALUES ('{share.symbol}', '2024-01-02 10:00:00', 100.1, 5, NULL, NULL), "
            f"('{share.symbol}', '2024-01-02 10:00:01', 'nan', 5, NULL, NULL), "
            f"('{share.symbol}', NULL, 5, 5, NULL, NULL), ('{share.symbol}', '2024-01-02 10:00:03', 5, 5, 6, 4), "
            "(NULL, '2024-01-02 10:00:00', 5, 5, NULL, NULL)",
        )
        with pytest.raises(CommandError, match="4 rows were left or refused"):
            bring(path, capsys)
        assert Tick.objects.filter(instrument=share).count() == 2

    def test_believes_no_name(self, file, share, capsys):
        path = file(
            'CREATE TABLE "x""; DROP TABLE y; --" ("Symbol" VARCHAR, "Time" TIMESTAMP, "Last Price" DOUBLE, "price" DOUBLE)',
            f"""INSERT INTO "x""; DROP TABLE y; --" VALUES ('{share.symbol}', '2024-01-02 10:00:00', 1, 2)""",
            "CREATE SCHEMA other",
            "CREATE TABLE other.quotes (symbol VARCHAR, timestamp TIMESTAMP, bid DOUBLE, ask DOUBLE)",
            f"INSERT INTO other.quotes VALUES ('{share.symbol}', '2024-01-02 11:00:00', 1, 2)",
        )
        assert "other.quotes, quotes: 1 rows: 1 stored" in bring(path, capsys).out
        assert Quote.objects.filter(instrument=share).count() == 2

    def test_streams_more_rows_than_a_batch(self, file, share, capsys):
        path = file(
            TICKS,
            f"INSERT INTO ticks SELECT '{share.symbol}', TIMESTAMP '2024-01-02' + INTERVAL (n) SECOND, "
            "100 + n / 1000, 1, NULL, NULL FROM range(60000) AS t(n)",
        )
        assert "ticks, ticks: 60,000 rows: 60,000 stored" in bring(path, capsys).out


class TestRefusing:
    @pytest.mark.parametrize("content", [b"", b"SQLite format 3\0" + b"\0" * 100, b"\0" * 8 + b"DUCK" + b"\xff" * 20_000])
    def test_what_is_no_file_of_duckdb(self, tmp_path, content):
        path = tmp_path / "trading_bot.duckdb"
        path.write_bytes(content)
        with pytest.raises(CommandError, match=r"is no DuckDB file|can't be opened"):
            call_command("import_duckdb", str(path))

    def test_what_is_damaged_further_in(self, file, share):
        path = file(TICKS, f"INSERT INTO ticks SELECT '{share.symbol}', now(), random(), 1, 1, 2 FROM range(100000)")
        with open(path, "r+b") as damaged:
            damaged.seek(20_000)
            damaged.write(b"\xff" * 400_000)
        with pytest.raises(CommandError):
            call_command("import_duckdb", path)

    def test_what_is_not_there(self, tmp_path):
        with pytest.raises(CommandError, match="can't be read"):
            call_command("import_duckdb", str(tmp_path / "none.duckdb"))

    def test_wishes_that_make_no_sense(self, file, share):
        path = file(TICKS, CANDLES)
        for options, why in (
            (["--map", "none=ticks"], "no table none"),
            (["--map", "ticks=bars"], "can't be read as bars"),
            (["--map", "ticks"], "two names"),
            (["--symbol", "X=NOBODY:XTST"], "No instrument"),
            (["--time-zone", "Mars/Base"], "--time-zone"),
        ):
            with pytest.raises(CommandError, match=why):
                call_command("import_duckdb", path, *options)

    def test_to_reach_other_files(self, file, tmp_path, capsys):
        secret = tmp_path / "secret.csv"
        secret.write_text("price\n1\n")
        path = file(f"CREATE VIEW prices AS SELECT * FROM read_csv('{secret}')", TICKS)
        assert "prices" not in bring(path, capsys, "--dry-run").out
