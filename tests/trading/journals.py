"""Lines as trading bots write them, with figures of our own."""

import json
from typing import Any

CLOSED: dict[str, Any] = {
    "timestamp": "2024-05-06T14:30:00.000Z",
    "action": "BUY",
    "quantity": 30,
    "price": "12.34",
    "total_value": "370.20",
    "order_id": "bot-1",
    "execution_mode": "PAPER",
    "account_id": None,
    "strategy_name": "opening-range",
    "entry_type": "breakout",
    "stop_loss": "12.00",
    "target": "13.50",
    "decision_reasoning": "Broke the range of the first half hour.",
    "indicators_used": ["VWAP", "EMA-9"],
    "risk_reward_ratio": 3.1,
    "outcome": "win",
    "profit_loss": "10.00",
    "hold_duration_seconds": 5400,
    "exit_timestamp": "2024-05-06T16:00:00.000Z",
    "exit_reasoning": "Came back to the average.",
    "slippage": "0.02",
    "commission": "1.50",
    "net_profit_loss": "8.50",
    "session_id": "6f1c1b9e-0000-4000-8000-000000000001",
    "bot_version": "2.1.0",
    "config_hash": "5d41402abc4b2a76b9719d911017c592",
}
ENDS = ("profit_loss", "hold_duration_seconds", "exit_timestamp", "exit_reasoning", "net_profit_loss")
ORDER = (
    *("timestamp", "symbol", "action", "quantity", "price", "total_value", "order_id", "execution_mode", "account_id"),
    *("strategy_name", "entry_type", "stop_loss", "target", "decision_reasoning", "indicators_used", "risk_reward_ratio"),
    *("outcome", "profit_loss", "hold_duration_seconds", "exit_timestamp", "exit_reasoning", "slippage", "commission"),
    *("net_profit_loss", "session_id", "bot_version", "config_hash"),
)
ALERT: dict[str, Any] = {
    "timestamp": "2024-05-06T16:00:00.000Z",
    "window_size": 20,
    "win_rate": "0.45",
    "profit_factor": "0.90",
    "max_drawdown_pct": "-5.20",
    "consecutive_losses": 3,
    "total_trades": 20,
    "alert_triggered": True,
    "alert_message": "The win rate is low.",
}
BREACH: dict[str, Any] = {
    "timestamp": "2024-05-06T15:00:00.000Z",
    "event_type": "circuit_breaker_trip",
    "severity": "CRITICAL",
    "daily_pnl": "-310.25",
    "daily_pnl_pct": "-3.10",
    "consecutive_losses": 4,
    "action_taken": "trading_paused",
    "config_snapshot": {"max_daily_loss_pct": 3.0},
}
DECISION: dict[str, Any] = {
    "id": "d-1",
    "timestamp": "2024-05-06T14:29:00.000000",
    "asset_pair": "BTCUSD",
    "action": "BUY",
    "confidence": 0.85,
    "reasoning": "Momentum.",
    "model": {"name": "m", "votes": [1, 2.5]},
}


def trade(symbol: str, **fields: Any) -> dict[str, Any]:
    """Return a trade that was closed, in the order of the files."""
    said = CLOSED | {"symbol": symbol} | fields
    return {name: said[name] for name in ORDER}


def still_open(symbol: str, **fields: Any) -> dict[str, Any]:
    """Return the same trade before it was closed."""
    return trade(symbol, **dict.fromkeys(ENDS), outcome="open", **fields)


def lines(*rows: dict[str, Any]) -> bytes:
    """Return rows as the lines of a file."""
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)
