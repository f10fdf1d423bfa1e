"""The pages of what is intended, and why."""

from trading.admin import decisions, strategies

__all__ = ["decisions", "strategies"]
