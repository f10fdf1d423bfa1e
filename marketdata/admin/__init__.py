"""The pages of market data: everybody looks, operators write."""

from marketdata.admin import actions, fx, instruments, prices, quality

__all__ = ["actions", "fx", "instruments", "prices", "quality"]
