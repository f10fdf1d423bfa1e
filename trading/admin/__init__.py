"""The pages of what is intended, and why."""

from trading.admin import backtests, decisions, orders, risk, strategies

__all__ = ["backtests", "decisions", "orders", "risk", "strategies"]
