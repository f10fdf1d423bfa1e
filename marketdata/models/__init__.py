"""The tables of market data."""

from marketdata.models.actions import CorporateAction
from marketdata.models.archive import ArchiveSegment
from marketdata.models.fx import FxHistory, FxRate
from marketdata.models.instruments import FollowedInstrument, Instrument
from marketdata.models.prices import Bar, LatestQuote, LatestTick, PendingRollup, PriceHistory, Quote, Tick
from marketdata.models.providers import InstrumentSource, ProviderHealth, ProviderState, StreamState
from marketdata.models.quality import QualityIssue

__all__ = [
    "ArchiveSegment",
    "Bar",
    "CorporateAction",
    "FollowedInstrument",
    "FxHistory",
    "FxRate",
    "Instrument",
    "InstrumentSource",
    "LatestQuote",
    "LatestTick",
    "PendingRollup",
    "PriceHistory",
    "ProviderHealth",
    "ProviderState",
    "QualityIssue",
    "Quote",
    "StreamState",
    "Tick",
]
