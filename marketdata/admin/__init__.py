"""The pages of market data: everybody looks, operators write."""

from marketdata.admin import fx, instruments, prices, quality

__all__ = ["fx", "instruments", "prices", "quality"]
