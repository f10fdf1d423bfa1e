"""The tables of derived figures: one command may empty and rebuild them all."""

from portfolio.models.alerts import Alert
from portfolio.models.checkpoints import Checkpoint
from portfolio.models.lots import Closure, Lot
from portfolio.models.performance import Performance
from portfolio.models.positions import Position
from portfolio.models.projections import Projection
from portfolio.models.snapshots import Snapshot

__all__ = ["Alert", "Checkpoint", "Closure", "Lot", "Performance", "Position", "Projection", "Snapshot"]
