"""The rules that prices keep, each a check over many rows at once."""

from datetime import UTC, datetime, timedelta

import polars as pl

from marketdata.domain.bars import SECONDS
from marketdata.domain.quality import RULES, Check, Dataset, Rule, Severity, register

CLOCK_SKEW = timedelta(minutes=5)
AHEAD = timedelta(days=7)  # for how long before a day there may be a partition for it
FIRST_DAY = datetime(1970, 1, 1, tzinfo=UTC)
JUMP = 0.4
RATE_JUMP = 0.2
SPREADS_IN_BID = 10  # a spread is wide if so many of it are more than the bid
MANY = 10**9

BARS, QUOTES, TICKS, FX_RATES = Dataset.BARS, Dataset.QUOTES, Dataset.TICKS, Dataset.FX_RATES
WARNING = Severity.WARNING
CONFLICTING = {
    BARS: ("conflicting_bar", "close"),
    QUOTES: ("conflicting_quote", "bid"),
    TICKS: ("conflicting_tick", "conditions"),
    FX_RATES: ("conflicting_rate", "rate"),
}


def rule(
    name: str,
    field: str,
    description: str,
    check: Check,
    *datasets: Dataset,
    severity: Severity = Severity.ERROR,
    essential: bool = False,
) -> None:
    """Register a rule."""
    register(Rule(name, severity, description, field, frozenset(datasets), essential, check))


def _jumps(price: str, bound: float) -> pl.Expr:
    """Mark the values that are further away from the one before than a share of it; nothing is not far from nothing."""
    before = pl.col("previous")
    return (pl.col(price).cast(pl.Float64) - before).abs() > before.abs() * bound


def _off_its_grid() -> pl.Expr:
    """Mark the bars that don't start where their timeframe starts."""
    seconds = pl.col("timeframe").replace_strict({str(name): length for name, length in SECONDS.items()}, return_dtype=pl.Int64)
    return pl.col("timestamp").dt.timestamp("us") % (seconds * 1_000_000) != 0


for _what, (_name, _field) in CONFLICTING.items():
    register(
        Rule(
            _name,
            WARNING,
            "The same key came before with other figures; the first ones are kept until a correction is sent.",
            _field,
            frozenset({_what}),
            essential=True,
        )
    )

_open, _high, _low, _close = pl.col("open"), pl.col("high"), pl.col("low"), pl.col("close")
_bid, _ask, _time = pl.col("bid"), pl.col("ask"), pl.col("timestamp")
_floor, _ceiling = pl.col("floor"), pl.col("ceiling")

# --- what the tables demand ---------------------------------------------------------------------
rule(
    "low_is_lowest",
    "low",
    "The low lies above the open or the close.",
    (_low > _open) | (_low > _close),
    BARS,
    essential=True,
)
rule(
    "high_is_highest",
    "high",
    "The high lies below the open or the close.",
    (_high < _open) | (_high < _close),
    BARS,
    essential=True,
)
rule(
    "starts_on_its_grid", "timestamp", "The bar does not start where its timeframe starts.", _off_its_grid(), BARS, essential=True
)
rule("bid_is_positive", "bid", "The bid is not above zero.", _bid <= 0, QUOTES, essential=True)
rule("ask_not_below_bid", "ask", "The ask lies below the bid.", _ask < _bid, QUOTES, essential=True)
rule("rate_is_positive", "rate", "The rate is not above zero.", pl.col("rate") <= 0, FX_RATES, essential=True)
rule(
    "currencies_differ",
    "quote",
    "A rate is between two currencies.",
    pl.col("base") == pl.col("quote"),
    FX_RATES,
    essential=True,
)
rule(
    "has_a_day",
    "timestamp",
    "Prices by the instant are kept from 1970 on, and up to a week ahead.",
    lambda at: (_time < FIRST_DAY) | (_time > at + AHEAD),
    QUOTES,
    TICKS,
    essential=True,
)
for _field, _what in {"volume": BARS, "trade_count": BARS, "bid_size": QUOTES, "ask_size": QUOTES, "size": TICKS}.items():
    rule(
        f"{_field}_not_negative",
        _field,
        f"The {_field.replace('_', ' ')} is negative.",
        pl.col(_field) < 0,
        _what,
        essential=True,
    )

# --- what is not believed -----------------------------------------------------------------------
rule("price_above_floor", "low", "The low is not above the instrument's lowest price.", _low <= _floor, BARS)
rule("price_below_ceiling", "high", "The high is not below the instrument's highest price.", _high >= _ceiling, BARS)
rule("bid_above_floor", "bid", "The bid is not above the instrument's lowest price.", _bid <= _floor, QUOTES)
rule("ask_below_ceiling", "ask", "The ask is not below the instrument's highest price.", _ask >= _ceiling, QUOTES)
rule("tick_above_floor", "price", "The price is not above the instrument's lowest price.", pl.col("price") <= _floor, TICKS)
rule("tick_below_ceiling", "price", "The price is not below the instrument's highest price.", pl.col("price") >= _ceiling, TICKS)
rule("size_is_positive", "size", "Nothing was traded: the size is zero.", pl.col("size") == 0, TICKS)
rule(
    "not_in_the_future",
    "timestamp",
    "The time lies in the future.",
    lambda at: _time > at + CLOCK_SKEW,
    BARS,
    QUOTES,
    TICKS,
)
# Where it is tomorrow already, the rate of tomorrow is known.
rule(
    "day_not_in_the_future",
    "date",
    "The day lies in the future.",
    lambda at: pl.col("date") > (at + timedelta(hours=14)).date(),
    FX_RATES,
)

# --- what is doubtful ---------------------------------------------------------------------------
rule(
    "in_order",
    "timestamp",
    "The row is older than the one before it.",
    ~pl.col("follows"),
    BARS,
    QUOTES,
    TICKS,
    severity=WARNING,
)
rule("days_in_order", "date", "The row is older than the one before it.", ~pl.col("follows"), FX_RATES, severity=WARNING)
rule(
    "vwap_between_low_and_high",
    "vwap",
    "The average lies outside low and high.",
    (pl.col("vwap") < _low) | (pl.col("vwap") > _high),
    BARS,
    severity=WARNING,
)
rule("no_jump", "close", "The close is over 40 % away from the one before it.", _jumps("close", JUMP), BARS, severity=WARNING)
rule(
    "no_rate_jump",
    "rate",
    "The rate is over 20 % away from the one before it.",
    _jumps("rate", RATE_JUMP),
    FX_RATES,
    severity=WARNING,
)
rule("no_quote_jump", "bid", "The bid is over 40 % away from the one before it.", _jumps("bid", JUMP), QUOTES, severity=WARNING)
rule(
    "no_tick_jump", "price", "The price is over 40 % away from the one before it.", _jumps("price", JUMP), TICKS, severity=WARNING
)
rule(
    "narrow_spread", "ask", "The ask is over 10 % above the bid.", (_ask - _bid) * SPREADS_IN_BID > _bid, QUOTES, severity=WARNING
)
for _field, _what in {"bid_size": QUOTES, "ask_size": QUOTES, "size": TICKS}.items():
    rule(
        f"{_field}_believable",
        _field,
        f"The {_field.replace('_', ' ')} is over a billion.",
        pl.col(_field) > MANY,
        _what,
        severity=WARNING,
    )

OURS = RULES  # with every rule of this module in it
