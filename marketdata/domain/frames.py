"""Prices as columns: the one shape in which every source, file and archive hands them to whoever stores or computes."""

from collections.abc import Mapping
from types import MappingProxyType

import polars as pl

from marketdata.domain.quality import Dataset

INSTANT = pl.Datetime("us", "UTC")
PRICE = pl.Decimal(25, 10)
SIZE = pl.Decimal(24, 12)

SCHEMAS: Mapping[Dataset, pl.Schema] = MappingProxyType(
    {
        Dataset.BARS: pl.Schema(
            {
                "instrument": pl.String,
                "timeframe": pl.String,
                "timestamp": INSTANT,
                "open": PRICE,
                "high": PRICE,
                "low": PRICE,
                "close": PRICE,
                "volume": SIZE,
                "vwap": PRICE,
                "trade_count": pl.Int64,
                "adjusted_through": pl.Date,
                "rolled_from": pl.String,
            }
        ),
        Dataset.QUOTES: pl.Schema(
            {"instrument": pl.String, "timestamp": INSTANT, "bid": PRICE, "ask": PRICE, "bid_size": SIZE, "ask_size": SIZE}
        ),
        Dataset.TICKS: pl.Schema(
            {"instrument": pl.String, "timestamp": INSTANT, "price": PRICE, "size": SIZE, "conditions": pl.String}
        ),
        Dataset.FX_RATES: pl.Schema({"base": pl.String, "quote": pl.String, "date": pl.Date, "rate": SIZE}),
    }
)
