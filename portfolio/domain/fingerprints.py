"""What stored figures rest on, as one number: two are the same if nothing that was read of the prices is another."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache, reduce
from hashlib import blake2b
from operator import xor
from typing import Any

BYTES = 8  # a bigint
LAST = 2  # the place of the last day in what is known of a series


def mark(instrument: str, reach: list[Any], *, day: str | None) -> int:
    """Return a number for how far the prices of one instrument reached on a day, the last one with a price up to it.

    >>> mark("a", [1, "2024-01-02", "2024-01-05", "1", "USD"], day="2024-01-03") == mark(
    ...     "a", [1, "2024-01-02", "2024-01-04", "1", "USD"], day="2024-01-03"
    ... )
    True
    """
    return _number(instrument, *reach[:LAST], day, *reach[LAST + 1 :])


@lru_cache(maxsize=10_000)  # one account after another holds the same instruments
def _number(*told: Any) -> int:
    """Return the number of what is told."""
    return int.from_bytes(blake2b(json.dumps(told).encode(), digest_size=BYTES).digest(), signed=True)


def fingerprint(series: Mapping[str, list[Any]]) -> int:
    """Return the number of all prices that were read, in whatever order they stand."""
    return reduce(xor, (mark(instrument, reach, day=reach[LAST]) for instrument, reach in series.items()), 0)
