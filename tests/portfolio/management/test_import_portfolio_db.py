"""An old portfolio.db comes in: prices to market data, fills to the ledger, and what does not follow from that is told."""

import sqlite3
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from accounts.models import ImportBatch
from accounts.models.tenancy import acting_as
from accounts.services.import_undo import undo_import
from marketdata.models import Instrument, Quote, Tick
from tests.factories import make_account, make_bars, make_instrument, make_user, unique_symbol
from tests.portfolio.old_stores import MORNING, NOON, bring, entries_of, make_store, order, position, quote, snapshot, trade

D = Decimal


@pytest.fixture
def share():
    return make_instrument()


@pytest.fixture
def account():
    return make_account(owner=make_user())


@pytest.fixture
def path(tmp_path):
    return tmp_path / "portfolio.db"


class TestBringingIn:
    def test_puts_each_table_where_it_belongs(self, path, account, share, capsys):
        symbol = share.symbol
        make_store(
            path,
            quotes=[quote(symbol, "2024-03-04 15:00:00.250000+00:00", "150.05", "150.1"), quote(symbol, NOON, 151, 151.5)],
            trades=[trade(symbol, MORNING, 150.07, 30, "@ F"), trade(symbol, MORNING, 150.07, 31)],
            orders=[
                order("a-1", symbol, "buy", 10, "150.0725", MORNING),
                order("a-2", symbol, "sell", 6, 151.5, NOON, filled_quantity=4, status="cancelled"),
                order("a-3", symbol, "buy", 5, None, NOON, filled_quantity=0, status="expired"),
            ],
        )
        out, err = bring(path, account, capsys)
        assert "quotes, to market data: 2 rows: 2 stored" in out
        assert "trades, to market data: 2 rows: 2 stored" in out
        assert "orders, to the ledger: 3 rows: 2 posted, 0 known, 0 refused, 1 without a fill, not followed" in out
        assert not err
        assert list(Quote.objects.filter(instrument=share).order_by("timestamp").values_list("timestamp", "bid", "ask_size")) == [
            (datetime(2024, 3, 4, 15, 0, 0, 250_000, tzinfo=UTC), D("150.05"), 200),
            (datetime(2024, 3, 4, 17, tzinfo=UTC), D(151), 200),
        ]
        ticks = Tick.objects.filter(instrument=share).order_by("size").values_list("price", "size", "conditions")
        assert list(ticks) == [(D("150.07"), 30, "@ F"), (D("150.07"), 31, "")]
        told = [(one.kind, one.quantity, one.price, one.cash, one.external_id, one.source) for one in entries_of(account)]
        assert told == [
            ("BUY", 10, D("150.0725"), D("-1500.725"), "a-1", "portfolio_db"),
            ("SELL", -4, D("151.5"), D(606), "a-2", "portfolio_db"),
        ]
        assert {one.occurred_at for one in entries_of(account)} == {
            datetime(2024, 3, 4, 15, tzinfo=UTC),
            datetime(2024, 3, 4, 17, tzinfo=UTC),
        }
        batch = ImportBatch.objects.using("system").get(account=account)
        assert (batch.format, batch.posted, batch.status, batch.size) == ("portfolio_db", 2, "POSTED", path.stat().st_size)

    def test_changes_nothing_a_second_time(self, path, account, share, capsys):
        make_store(
            path,
            quotes=[quote(share.symbol, MORNING, 10, 11)],
            trades=[trade(share.symbol, MORNING, 10.5, 3)],
            orders=[order("b-1", share.symbol, "buy", 3, 10, MORNING)],
        )
        bring(path, account, capsys)
        out, _ = bring(path, account, capsys)
        assert "quotes, to market data: 1 rows: 0 stored, 1 known" in out
        assert "trades, to market data: 1 rows: 0 stored, 1 known" in out
        assert "0 posted, 1 known" in out
        assert len(entries_of(account)) == 1
        assert ImportBatch.objects.using("system").filter(account=account).count() == 1

    def test_refuses_an_order_that_comes_with_other_figures(self, path, account, share, capsys):
        make_store(path, orders=[order("c-1", share.symbol, "buy", 9, 10, MORNING, filled_quantity=3, status="partially_filled")])
        bring(path, account, capsys)
        assert "partially_filled" in entries_of(account)[0].notes
        with sqlite3.connect(path) as connection:
            connection.execute("UPDATE orders SET filled_quantity = 9, status = 'filled'")
        _, err = bring(path, account, capsys, code=1)
        assert "conflicting_entry: c-1 of portfolio_db is entry #1 already, with another quantity, cash" in err
        assert len(entries_of(account)) == 1

    def test_can_be_taken_back(self, path, account, share, capsys):
        make_store(path, orders=[order("d-1", share.symbol, "buy", 3, 10, MORNING)])
        bring(path, account, capsys)
        batch = ImportBatch.objects.using("system").get(account=account)
        with acting_as(batch.actor_id):
            undo_import(batch=batch, actor=batch.actor, at=datetime(2024, 5, 1, tzinfo=UTC))
        assert [one.quantity for one in entries_of(account)] == [3, -3]
        out, _ = bring(path, account, capsys)
        assert "1 posted, 0 known" in out

    def test_reads_times_in_the_zone_that_was_said(self, path, account, share, capsys):
        make_store(path, orders=[order("e-1", share.symbol, "buy", 3, 10, "2024-03-04 10:00:00")])
        out, _ = bring(path, account, capsys, "--time-zone", "America/New_York")
        assert "1 times without an offset were read as America/New_York." in out
        assert entries_of(account)[0].occurred_at == datetime(2024, 3, 4, 15, tzinfo=UTC)

    def test_writes_down_what_nobody_knows(self, path, account, capsys):
        symbol = unique_symbol()
        make_store(path, orders=[order("f-1", symbol, "buy", 3, 10, MORNING)])
        out, _ = bring(path, account, capsys, "--exchange", "XTST")
        assert f"1 instruments nobody knew were written down: {symbol}:XTST." in out
        assert Instrument.objects.get(symbol=symbol).exchange == "XTST"

    def test_asks_which_one_is_meant(self, path, account, capsys):
        symbol = unique_symbol()
        one, other = make_instrument(symbol=symbol, exchange="XNAS"), make_instrument(symbol=symbol, exchange="XNYS")
        make_store(path, orders=[order("g-1", symbol, "buy", 3, 10, MORNING)], quotes=[quote(symbol, MORNING, 10, 11)])
        _, err = bring(path, account, capsys, code=1)
        assert f"{symbol}: {symbol} is traded as {one.key}, {other.key}" in err
        assert "2 rows were left or refused" in err
        assert not entries_of(account)
        bring(path, account, capsys, "--symbol", f"{symbol}={other.key}")
        assert [entry.instrument_id for entry in entries_of(account)] == [other.pk]
        assert Quote.objects.filter(instrument=other).count() == 1

    def test_leaves_a_table_that_is_to_be_left(self, path, account, share, capsys):
        make_store(
            path, orders=[order("h-1", share.symbol, "buy", 3, 10, MORNING)], quotes=[quote(share.symbol, MORNING, 10, 11)]
        )
        out, _ = bring(path, account, capsys, "--skip", "orders")
        assert "to the ledger" not in out
        assert not entries_of(account)
        assert Quote.objects.filter(instrument=share).exists()


class TestBadRows:
    def test_names_each_and_takes_the_others(self, path, account, share, capsys):
        symbol = share.symbol
        make_store(
            path,
            "DROP TABLE orders",
            "CREATE TABLE orders (order_id, symbol, quantity, side, order_type, status, filled_quantity, average_fill_price, "
            "created_at, updated_at)",
            quotes=[
                quote(symbol, "yesterday", 10, 11),
                quote(symbol, "2024-03-04 15:00:01", "ten", 11),
                quote(symbol, "2024-03-04 15:00:02", b"\x00\x01", 11),
                quote(symbol, "2024-03-04 15:00:03", 12, 11),
                quote(symbol, "2024-03-04 15:00:04", 10, 11),
                quote("x" * 5000, "2024-03-04 15:00:05", 10, 11),
                quote(symbol, "2024-03-04 15:00:06", 9e999, 11),
            ],
            orders=[
                order("i-1", symbol, "hold", 3, 10, MORNING),
                order("i-2", symbol, "buy", 3, 10, MORNING, filled_quantity=4),
                order("i-3", symbol, "buy", 3, None, MORNING),
                order("i-4", symbol, "buy", 3, -10, MORNING),
                order("i-5", symbol, "buy", 3, 10, "2999-01-01 10:00:00"),
                order("i-6", symbol, "buy", 3, 10, MORNING, filled_quantity=0),
                order("i-7", symbol, "buy", 3, 10, MORNING),
                order(None, symbol, "buy", 3, 10, MORNING),
            ],
        )
        out, err = bring(path, account, capsys, code=1)
        assert "quotes, to market data: 7 rows: 1 stored, 6 refused" in out
        assert "orders, to the ledger: 8 rows: 1 posted, 0 known, 7 refused" in out
        for told in (
            "quotes, row 1: refused, malformed_line: timestamp: 'yesterday' is no time",
            "quotes, row 2: refused, malformed_line: bid: 'ten' is no number.",
            "quotes, row 3: refused, malformed_line: bid: 2 bytes is no number.",
            "quotes, row 6: refused, malformed_line: symbol: ",
            "quotes, row 7: refused, malformed_line: bid: inf is no number.",
            "orders, row 1: bad_cell: side: 'hold' is neither buy nor sell.",
            "orders, row 2: bad_cell: filled_quantity: 4 of 3 can't have been filled.",
            "orders, row 3: bad_cell: average_fill_price: nothing is no number.",
            "orders, row 5: future_time",
            "orders, row 6: bad_cell: filled_quantity: nothing was filled of an order that is filled.",
            "orders, row 8: bad_cell: order_id: nothing is no name",
        ):
            assert told in err
        assert [one.external_id for one in entries_of(account)] == ["i-7"]


class TestComparing:
    def test_says_nothing_where_all_follows(self, path, account, share, capsys):
        make_bars(share, [("2024-03-04", 12)])
        make_store(
            path,
            orders=[order("j-1", share.symbol, "buy", 10, 11, MORNING), order("j-2", share.symbol, "sell", 4, 12, NOON)],
            portfolio_snapshots=[
                snapshot(1, "2024-03-04 16:00:00", 1, 2, 3, 4),
                snapshot(2, "2024-03-04 18:00:00", "10", "0", "10", "10"),
            ],
            positions=[
                position(share.symbol, 10, "110", "1", 1),
                position(share.symbol, 6, "66", "72", 2, unrealized_pnl=6, day_pnl=10),
            ],
        )
        out, _ = bring(path, account, capsys)
        assert "positions, compared: 2 rows, 7 figures, 0 differ" in out
        assert "portfolio_snapshots, compared: 2 rows, 4 figures, 0 differ" in out

    def test_names_each_figure_that_does_not_follow(self, path, account, share, capsys):
        other, nobody = make_instrument(), unique_symbol()
        make_bars(share, [("2024-03-04", 12)])
        make_store(
            path,
            orders=[
                order("k-1", share.symbol, "buy", 10, 11, MORNING),
                order("k-2", other.symbol, "buy", 1, 5, MORNING),
            ],
            portfolio_snapshots=[snapshot(1, "2024-03-04 16:00:00", "5000.5", "-115", "10", "10")],
            positions=[position(share.symbol, 12, "132.25", "120", 1), position(nobody, 1, "1", "1", 1)],
        )
        out, _ = bring(path, account, capsys)
        assert f"2024-03-04 16:00:00 {share.key} quantity: theirs 12, ours 10" in out
        assert f"2024-03-04 16:00:00 {share.key} cost_basis: theirs 132.25, ours 110" in out
        assert f"2024-03-04 16:00:00 {nobody} quantity: theirs 1, ours 0 (no instrument is meant for sure)" in out
        assert f"2024-03-04 16:00:00 {other.key} quantity: theirs none, ours 1 (the file has none)" in out
        assert "2024-03-04 16:00:00 total_value: theirs 5000.5, ours " in out
        assert not Instrument.objects.filter(symbol=nobody).exists()

    def test_takes_positions_of_no_snapshot_as_of_when_they_were_written(self, path, account, share, capsys):
        make_store(
            path,
            orders=[order("l-1", share.symbol, "buy", 10, 11, MORNING), order("l-2", share.symbol, "sell", 4, 12, NOON)],
            positions=[
                position(share.symbol, 9, "99", created_at="2024-03-04 14:00:00"),
                position(share.symbol, 10, "110", created_at="2024-03-04 16:00:00"),
            ],
        )
        out, _ = bring(path, account, capsys)
        assert "positions, compared: 2 rows, 2 figures, 0 differ" in out

    def test_says_which_rows_can_not_be_compared(self, path, account, share, capsys):
        make_store(
            path,
            portfolio_snapshots=[snapshot(1, "soon", 1)],
            positions=[position(share.symbol, 1, "1", "1", 7), position(share.symbol, "many", "1", created_at=MORNING)],
        )
        out, _ = bring(path, account, capsys)
        assert "'soon' row: theirs none, ours none (the time can't be read)" in out
        assert "7 row: theirs none, ours none (there is no such snapshot)" in out
        assert "quantity: theirs none, ours 0 (quantity: 'many' is no number.)" in out


class TestDryRun:
    def test_says_the_same_and_writes_nothing(self, path, account, share, capsys):
        new = unique_symbol()
        make_store(
            path,
            quotes=[quote(share.symbol, MORNING, 10, 11), quote(share.symbol, NOON, 12, 11)],
            trades=[trade(new, MORNING, 10, 1)],
            orders=[order("m-1", share.symbol, "buy", 3, 10, MORNING), order("m-2", new, "buy", 3, 10, MORNING)],
            portfolio_snapshots=[snapshot(1, NOON, 100)],
            positions=[position(share.symbol, 4, "40", "40", 1)],
        )
        before = path.read_bytes()
        dry, dry_err = bring(path, account, capsys, "--dry-run", code=1)
        assert not entries_of(account)
        assert not ImportBatch.objects.using("system").filter(account=account).exists()
        assert not Instrument.objects.filter(symbol=new).exists()
        assert not Quote.objects.filter(instrument=share).exists()
        real, real_err = bring(path, account, capsys, code=1)
        assert dry == f"{real}Dry run: nothing was written.\n"
        assert dry_err == real_err
        assert len(entries_of(account)) == 2
        assert path.read_bytes() == before
        assert [one.name for one in path.parent.iterdir()] == [path.name]
