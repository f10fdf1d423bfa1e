"""The tables of market data."""

from marketdata.models.fx import FxHistory, FxRate
from marketdata.models.instruments import FollowedInstrument, Instrument
from marketdata.models.prices import Bar, PriceHistory, Quote
from marketdata.models.providers import ProviderState
from marketdata.models.quality import QualityIssue

__all__ = [
    "Bar",
    "FollowedInstrument",
    "FxHistory",
    "FxRate",
    "Instrument",
    "PriceHistory",
    "ProviderState",
    "QualityIssue",
    "Quote",
]
