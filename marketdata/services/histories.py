"""Say how far each series reaches and notice when its past changes, in the transaction that writes it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import Q

from marketdata.domain.quality import Dataset
from marketdata.domain.rows import Values
from marketdata.models.fx import FxHistory
from marketdata.models.prices import PriceHistory


@dataclass(frozen=True, slots=True)
class Keeper:
    """The table that keeps the histories of one kind of rows, and what its columns are called."""

    model: type[Any]  # one or the other: mypy has no manager for a union
    series: tuple[str, str]
    first: str
    last: str

    def series_of(self, history: PriceHistory | FxHistory) -> Values:
        """Return the series a history is of."""
        return tuple(getattr(history, name) for name in self.series)


KEEPERS = {
    Dataset.BARS: Keeper(PriceHistory, ("instrument_id", "timeframe"), "first_at", "last_at"),
    Dataset.FX_RATES: Keeper(FxHistory, ("base", "quote"), "first_date", "last_date"),
}


@dataclass(frozen=True, slots=True)
class Change:
    """The rows of one series that were written: the first and the last of them, and how many are new."""

    series: Values
    first: datetime | date
    last: datetime | date
    new: int


Histories = Mapping[Values, PriceHistory | FxHistory]


def lock_histories(*, dataset: Dataset, series: Iterable[Values]) -> Histories:
    """Return the histories of series, made where there were none, and hold them until the transaction ends.

    They are taken in one order by everybody, so that two batches wait for each other but never both at once.
    """
    keeper = KEEPERS.get(dataset)
    names = [dict(zip(keeper.series, each, strict=True)) for each in sorted(series)] if keeper else []
    if keeper is None or not names:
        return {}
    keeper.model.objects.bulk_create([keeper.model(**each) for each in names], ignore_conflicts=True)
    wanted = reduce(or_, [Q(**each) for each in names])
    held = keeper.model.objects.select_for_update().filter(wanted).order_by(*keeper.series)
    return {keeper.series_of(history): history for history in held}


def last_of(dataset: Dataset, history: PriceHistory | FxHistory) -> datetime | date | None:
    """Return the time of the last row of a history."""
    found: datetime | date | None = getattr(history, KEEPERS[dataset].last)
    return found


def note_changes(*, dataset: Dataset, histories: Histories, changes: Iterable[Change]) -> None:
    """Extend the histories by the rows written; one whose past has changed gets its next revision."""
    keeper = KEEPERS.get(dataset)
    if keeper is None:
        return
    touched = []
    for change in changes:
        touched.append(history := histories[change.series])
        _extend(history, change, keeper)
    if touched:
        keeper.model.objects.bulk_update(touched, [keeper.first, keeper.last, "rows", "revision"])


def _extend(history: Any, change: Change, keeper: Keeper) -> None:
    """Extend one history by the rows written to its series."""
    known_first, known_last = getattr(history, keeper.first), getattr(history, keeper.last)
    if known_last is None or change.first <= known_last:
        history.revision += 1
    setattr(history, keeper.first, change.first if known_first is None else min(change.first, known_first))
    setattr(history, keeper.last, change.last if known_last is None else max(change.last, known_last))
    history.rows += change.new
