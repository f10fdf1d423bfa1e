"""The pages of what is intended, and why."""

from trading.admin import backtests, brokers, decisions, journal, orders, risk, sessions, strategies, webhooks

__all__ = ["backtests", "brokers", "decisions", "journal", "orders", "risk", "sessions", "strategies", "webhooks"]
