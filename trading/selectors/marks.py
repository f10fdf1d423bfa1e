"""What instruments cost by the last that is known: a quote, a trade, or the close of a day."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from marketdata.selectors.prices import latest_closes, latest_quotes, latest_ticks
from portfolio.domain.exact import EXACT

TWO = Decimal(2)


class Mark(NamedTuple):
    """A price in the instrument's currency and the units of its day, and when it was: of a close, the beginning of that day."""

    at: datetime
    price: Decimal


def marks(instruments: Collection[UUID], *, at: datetime) -> dict[UUID, Mark]:
    """Return the last price of instruments; of one that none is known of, nothing. Three questions for all; `at` is now."""
    if not instruments:
        return {}
    closes = latest_closes(instrument_ids=instruments, day=at.astimezone(UTC).date())
    found = {one: Mark(datetime.combine(close.day, time(), UTC), close.value) for one, close in closes.items()}
    for quote in latest_quotes(instrument_ids=instruments):
        _later(found, quote.instrument_id, Mark(quote.timestamp, EXACT.divide(EXACT.add(quote.bid, quote.ask), TWO)))
    for tick in latest_ticks(instrument_ids=instruments):
        _later(found, tick.instrument_id, Mark(tick.timestamp, tick.price))
    return found


def _later(found: dict[UUID, Mark], instrument: UUID, mark: Mark) -> None:
    """Keep the later of two prices."""
    if instrument not in found or mark.at >= found[instrument].at:
        found[instrument] = mark
