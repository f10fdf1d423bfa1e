"""Old portfolio.db files as their program made them, with invented figures."""

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.core.management import CommandError, call_command

from accounts.models import LedgerEntry

MORNING, NOON = "2024-03-04 15:00:00", "2024-03-04 17:00:00"
SCHEMA = """
    CREATE TABLE quotes (id INTEGER PRIMARY KEY AUTOINCREMENT, symbol TEXT NOT NULL, timestamp DATETIME NOT NULL,
        bid DECIMAL(10,4) NOT NULL, ask DECIMAL(10,4) NOT NULL, bid_size INTEGER NOT NULL, ask_size INTEGER NOT NULL,
        created_at DATETIME DEFAULT CURRENT_TIMESTAMP, UNIQUE(symbol, timestamp));
    CREATE TABLE trades (id INTEGER PRIMARY KEY AUTOINCREMENT, symbol TEXT NOT NULL, timestamp DATETIME NOT NULL,
        price DECIMAL(10,4) NOT NULL, size INTEGER NOT NULL, conditions TEXT,
        created_at DATETIME DEFAULT CURRENT_TIMESTAMP, UNIQUE(symbol, timestamp, price, size));
    CREATE TABLE positions (id INTEGER PRIMARY KEY AUTOINCREMENT, symbol TEXT NOT NULL, quantity INTEGER NOT NULL,
        market_value DECIMAL(15,4) NOT NULL, cost_basis DECIMAL(15,4) NOT NULL, unrealized_pnl DECIMAL(15,4) NOT NULL,
        day_pnl DECIMAL(15,4) NOT NULL, snapshot_id INTEGER, created_at DATETIME DEFAULT CURRENT_TIMESTAMP,
        FOREIGN KEY (snapshot_id) REFERENCES portfolio_snapshots(id));
    CREATE TABLE orders (id INTEGER PRIMARY KEY AUTOINCREMENT, order_id TEXT UNIQUE NOT NULL, symbol TEXT NOT NULL,
        quantity INTEGER NOT NULL, side TEXT NOT NULL CHECK (side IN ('buy', 'sell')),
        order_type TEXT NOT NULL CHECK (order_type IN ('market', 'limit', 'stop', 'stop_limit')),
        status TEXT NOT NULL CHECK (status IN ('new', 'partially_filled', 'filled', 'cancelled', 'rejected', 'expired')),
        filled_quantity INTEGER DEFAULT 0, average_fill_price DECIMAL(10,4), limit_price DECIMAL(10,4),
        stop_price DECIMAL(10,4), time_in_force TEXT DEFAULT 'day', created_at DATETIME DEFAULT CURRENT_TIMESTAMP,
        updated_at DATETIME DEFAULT CURRENT_TIMESTAMP);
    CREATE TABLE portfolio_snapshots (id INTEGER PRIMARY KEY AUTOINCREMENT, timestamp DATETIME NOT NULL,
        total_value DECIMAL(15,4) NOT NULL, buying_power DECIMAL(15,4) NOT NULL, day_pnl DECIMAL(15,4) NOT NULL,
        total_pnl DECIMAL(15,4) NOT NULL, created_at DATETIME DEFAULT CURRENT_TIMESTAMP, UNIQUE(timestamp));
    CREATE INDEX idx_quotes_symbol_timestamp ON quotes(symbol, timestamp);
    CREATE INDEX idx_positions_symbol ON positions(symbol);
    CREATE INDEX idx_orders_status ON orders(status);
    CREATE TABLE schema_version (version INTEGER PRIMARY KEY, applied_at DATETIME DEFAULT CURRENT_TIMESTAMP);
    INSERT INTO schema_version (version) VALUES (1);
"""


def order(order_id: str, symbol: str, side: str, quantity: int, price: Any, at: str, **other: Any) -> dict[str, Any]:
    """Return an order that was filled, or what else is said of it."""
    return {
        "order_id": order_id,
        "symbol": symbol,
        "side": side,
        "quantity": quantity,
        "order_type": "market",
        "status": "filled",
        "filled_quantity": quantity,
        "average_fill_price": price,
        "created_at": at,
        "updated_at": at,
        **other,
    }


def make_store(path: Path, *statements: str, **tables: Iterable[dict[str, Any]]) -> Path:
    """Write a file with rows, after some statements."""
    connection = sqlite3.connect(path)
    with connection:
        connection.executescript(SCHEMA)
        for statement in statements:
            connection.execute(statement)
        for table, rows in tables.items():
            for row in rows:
                names, marks = ", ".join(row), ", ".join("?" * len(row))
                connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", list(row.values()))
    connection.close()
    return path


def bring(path, account, capsys, *options, code=0):
    """Bring a file in by the command, and return what was said and what was complained about."""
    failed = None
    try:
        call_command("import_portfolio_db", str(path), "--account", str(account.pk), *options)
    except CommandError as error:
        failed = error
    told = capsys.readouterr()
    assert (failed.returncode if failed else 0) == code, f"{failed} {told}"
    return told.out, f"{told.err}{failed or ''}"


def entries_of(account):
    return list(LedgerEntry.objects.using("system").filter(account=account).order_by("sequence"))


def quote(symbol, at, bid, ask, **other):
    return {"symbol": symbol, "timestamp": at, "bid": bid, "ask": ask, "bid_size": 100, "ask_size": 200, **other}


def trade(symbol, at, price, size, conditions=None):
    return {"symbol": symbol, "timestamp": at, "price": price, "size": size, "conditions": conditions}


def snapshot(pk, at, value, power="0", day="0", total="0"):
    return {"id": pk, "timestamp": at, "total_value": value, "buying_power": power, "day_pnl": day, "total_pnl": total}


def position(symbol, quantity, cost, value="0", snapshot_id=None, **other):
    worth = {"market_value": value, "unrealized_pnl": "0", "day_pnl": "0"}
    return {"symbol": symbol, "quantity": quantity, "cost_basis": cost, "snapshot_id": snapshot_id, **worth, **other}
