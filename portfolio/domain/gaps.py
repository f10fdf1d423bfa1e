"""Days that lack a price or a rate of something held: they have a value as far as it is known, and no return of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from portfolio.domain.exact import Fixed
from portfolio.domain.pricing import Points

INCOMPLETE = "Something held had no known price or rate; with one, or a price given by hand (VALUATION), there is a return."
PARTIAL = "Something held at the start or the end had no known price or rate: it counts as nothing there."


@dataclass(slots=True)
class Lack:
    """What lacked a price or rate on successive days: the first day of each, and which of the days are incomplete."""

    first: int
    days: NDArray[np.bool_]
    missing: dict[str, int] = field(default_factory=dict)

    @classmethod
    def over(cls, first: int, span: int) -> Lack:
        """Return days of which none is known to lack anything."""
        return cls(first, np.zeros(span, dtype=bool))

    def note(self, name: str, held: Fixed, points: Points) -> None:
        """Note the days on which something was held whose price or rate was not known yet."""
        known = int(points.days[0]) - self.first if len(points.days) else len(held)
        if known > 0:
            gaps = np.flatnonzero(held.digits[:known])
            if len(gaps):
                self.days[gaps] = True
                self.note_since(name, self.first + int(gaps[0]))

    def note_day(self, name: str, day: int) -> None:
        """Note that something held lacked a price or rate on one of the days."""
        self.days[day - self.first] = True
        self.note_since(name, day)

    def note_since(self, name: str, day: int) -> None:
        """Note that something lacked a price or rate on a day."""
        self.missing[name] = min(day, self.missing.get(name, day))


def partial(ends: Sequence[bool]) -> str:
    """Return what is to be said of figures that rest on values of which some are incomplete; nothing if all are complete."""
    return "" if all(ends) else PARTIAL
