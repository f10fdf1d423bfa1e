"""Days as they would have been without what some causes made: fees or taxes paid from elsewhere, income paid out elsewhere.

What a cause took from the account counts as money that went out that day, what it brought as money that came in:

    r = (end + outflows + fees + taxes) / (start + inflows + income) - 1

So values stay as they were, and gain, returns, drawdown and risk are before that cause.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from portfolio.domain.bridge import BEGINNING, UNKNOWN, Daily
from portfolio.domain.exact import ONE, ZERO

TAKE = ("fees", "taxes")
BRING = ("income", "interest")
CAUSES = ("fees", "taxes", "income")  # interest is left out with other income


def without(days: Sequence[Daily], causes: Collection[str], *, opened: bool = False) -> list[Daily]:
    """Return successive days without what some causes made; the account begins on the first, unless it was `opened` before."""
    found: list[Daily] = []
    link, index, gained = BEGINNING, ONE, ZERO
    bring = BRING if "income" in causes else ()
    take = [cause for cause in TAKE if cause in causes]
    for day in days:
        if opened and not found:
            link, index, gained = UNKNOWN.after(day), day.twr_index, day.total_gain
            found.append(day)
            continue
        moved = [getattr(day, cause) for cause in bring] + [-getattr(day, cause) for cause in take]
        into = day.inflow + sum((amount for amount in moved if amount > 0), ZERO)
        out = day.outflow - sum((amount for amount in moved if amount < 0), ZERO)
        gain = day.day_gain - sum(moved, ZERO)
        gained += gain
        index = link.moved(into, out).grown(index, day.total_value) if day.complete else index
        nothing: dict[str, Any] = dict.fromkeys((*bring, *take), ZERO)
        flows: dict[str, Any] = {"inflow": into, "outflow": out, "day_gain": gain, "total_gain": gained, "twr_index": index}
        found.append(day._replace(**flows, **nothing))
        link = link.after(found[-1])
    return found
