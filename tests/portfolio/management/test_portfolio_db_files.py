"""Files that are no portfolio.db, or a damaged or hostile one, are refused with nothing posted."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from marketdata.models import Quote
from tests.factories import make_account, make_instrument, make_user
from tests.portfolio.old_stores import MORNING, SCHEMA, bring, entries_of, make_store, order, quote, trade


@pytest.fixture
def share():
    return make_instrument()


@pytest.fixture
def account():
    return make_account(owner=make_user())


@pytest.fixture
def path(tmp_path):
    return tmp_path / "portfolio.db"


def damaged(path):
    """Break the pages behind the first."""
    content = bytearray(path.read_bytes())
    content[8192:] = os.urandom(len(content) - 8192)
    path.write_bytes(content)


REFUSED = {
    "text": (lambda path: path.write_text("symbol,quantity\nAAPL,1\n"), "is no SQLite database"),
    "empty": (lambda path: path.write_bytes(b""), "is no SQLite database: it is empty"),
    "folder": (lambda path: path.mkdir(), "is no file"),
    "missing": (lambda path: None, "is no file"),
    "header_only": (lambda path: path.write_bytes(b"SQLite format 3\0" + bytes(4080)), "portfolio.db"),
    "another": (lambda path: _run(path, "CREATE TABLE users (name TEXT)"), "schema_version is missing"),
    "newer": (lambda path: _run(make_store(path), "INSERT INTO schema_version (version) VALUES (2)"), "schema version is 1, 2;"),
    "unversioned": (lambda path: _run(make_store(path), "DELETE FROM schema_version"), "schema version is none;"),
    "worded": (
        lambda path: _run(make_store(path), "DROP TABLE schema_version", "CREATE TABLE schema_version (version)",
                          "INSERT INTO schema_version VALUES ('one')"),
        "schema version is one;",
    ),
    "less": (lambda path: _run(make_store(path), "DROP TABLE trades"), "trades is missing"),
    "narrow": (lambda path: _run(make_store(path), "ALTER TABLE quotes DROP COLUMN ask_size"), "quotes has no column ask_size"),
    "view": (
        lambda path: _run(make_store(path), "DROP TABLE trades", "CREATE VIEW trades AS WITH RECURSIVE n(x) AS "
                          "(SELECT 1 UNION ALL SELECT x FROM n) SELECT x AS symbol FROM n"),
        "trades is a view",
    ),
    "virtual": (
        lambda path: _run(make_store(path), "DROP TABLE trades",
                          "CREATE VIRTUAL TABLE trades USING fts5(symbol, timestamp, price, size, conditions)"),
        "trades is a virtual table",
    ),
    "generated": (
        lambda path: _run(make_store(path), "DROP TABLE trades", "CREATE TABLE trades (symbol, timestamp, price, size, "
                          "conditions AS (hex(zeroblob(900000000))))"),
        "trades has no column conditions",
    ),
    "huge_cell": (
        lambda path: _run(make_store(path), "INSERT INTO trades (symbol, timestamp, price, size, conditions) VALUES "
                          "('A', '2024-03-04', 1, 1, hex(zeroblob(30000000)))"),
        "is damaged, or holds what no portfolio.db does",
    ),
    "broken": (lambda path: damaged(make_store(path, orders=[order("n", "N", "buy", 1, 1, MORNING)])), "is damaged"),
    "cut": (lambda path: path.write_bytes(make_store(path).read_bytes()[:-4096]), "is damaged"),
}  # fmt: skip


def _run(path, *statements):
    connection = sqlite3.connect(path)
    with connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


class TestOtherFiles:
    @pytest.mark.parametrize("case", sorted(REFUSED))
    def test_are_refused_with_nothing_posted(self, path, account, capsys, case):
        make, told = REFUSED[case]
        make(path)
        for options in ((), ("--dry-run",)):
            out, err = bring(path, account, capsys, *options, code=2)
            assert told in err
            assert not out
        assert not entries_of(account)

    def test_leave_nothing_if_they_break_off_in_the_middle(self, path, account, share, capsys):
        rows = [quote(share.symbol, f"2024-03-04 15:{n // 60:02}:{n % 60:02}", 10, 11) for n in range(100)]
        make_store(path, quotes=rows, trades=[trade(share.symbol, MORNING, 1, 1, "x" * 100_000)])
        bring(path, account, capsys, code=2)
        assert not Quote.objects.filter(instrument=share).exists()
        assert not entries_of(account)

    def test_read_what_is_still_in_the_log_of_the_last_writer(self, path, account, share, capsys):
        make_store(path)
        writer = sqlite3.connect(path)
        writer.execute("PRAGMA journal_mode = wal")
        row = order("o-1", share.symbol, "buy", 3, 10, MORNING)
        writer.execute(f"INSERT INTO orders ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", list(row.values()))
        writer.commit()
        out, _ = bring(path, account, capsys)
        writer.close()
        assert "1 posted" in out

    def test_take_little_memory_however_large(self, path, tmp_path):
        """Forty megabytes of cells as long as any may be are read in a process of its own."""
        connection = sqlite3.connect(path)
        with connection:
            connection.executescript(SCHEMA)
            connection.execute(
                "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 700) INSERT INTO trades (symbol, "
                "timestamp, price, size, conditions) SELECT 'A', x, x, x, hex(zeroblob(30000)) FROM n"
            )
        connection.close()
        code = (
            "import resource, sys; from pathlib import Path; from portfolio.adapters.portfolio_db import OldStore\n"
            "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
            "with OldStore(Path(sys.argv[1])) as store: print(sum(1 for _ in store.rows('trades')), end=' ')\n"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True, timeout=60,
            cwd=Path(__file__).resolve().parents[3],
        )  # fmt: skip
        rows, grown = map(int, done.stdout.split())
        assert (rows, grown < 32 * 1024) == (700, True)


class TestWhoGivesTheCommand:
    def test_a_stranger_can_not(self, path, account, capsys):
        make_store(path)
        _, err = bring(path, account, capsys, "--as", make_user().email, code=2)
        assert "has no account" in err

    def test_an_account_that_is_not_there_is_told(self, path, capsys):
        make_store(path)
        with pytest.raises(CommandError, match="There is no account 'Nowhere at all'"):
            call_command("import_portfolio_db", str(path), "--account", "Nowhere at all")
