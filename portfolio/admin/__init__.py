"""The pages of derived figures: they are read, and rebuilt by command."""

from portfolio.admin import lots, positions, snapshots, trades

__all__ = ["lots", "positions", "snapshots", "trades"]
