"""One entry of a ledger, and what an instrument is: the values that the fold reads."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple


class Entry(NamedTuple):
    """One entry of a ledger, as far as figures follow from it; the field order is that of the query that reads it.

    Ids are texts: as keys of dictionaries they cost a tenth of what UUIDs do.
    """

    id: str
    sequence: int
    kind: str
    occurred_at: datetime
    instrument: str | None
    quantity: Decimal
    price: Decimal | None
    cash: Decimal
    currency: str
    fee: Decimal
    tax: Decimal
    data: Mapping[str, Any]
    group: str | None
    reverses: str | None

    @property
    def day(self) -> int:
        """The day in UTC on which it happened, as an ordinal."""
        return self.occurred_at.astimezone(UTC).toordinal()


class Listing(NamedTuple):
    """What the fold knows of an instrument: the currency of its amounts, and the units of account a unit stands for.

    `unit` is what one of its closes is worth in the currency: 0.01 where it is quoted in pence.
    """

    currency: str
    multiplier: Decimal = Decimal(1)
    unit: Decimal = Decimal(1)
