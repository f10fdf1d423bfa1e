"""The pages of market data: everybody looks, operators write."""

from marketdata.admin import actions, archive, fx, instruments, prices, providers, quality, streams

__all__ = ["actions", "archive", "fx", "instruments", "prices", "providers", "quality", "streams"]
