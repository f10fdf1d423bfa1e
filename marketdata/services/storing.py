"""Store rows whose keys are new and compare the others: straight where all can be new, looking first where they may be known.

A row that is later than all that is stored of its series is new. The others are doubtful: a feed that has not sent known rows
of late writes them straight all the same and, if it was wrong, has lost the time of one COPY; one that has is compared first.
Whoever writes the same keys at the same time is waited for; the table's own key has the last word.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field

import polars as pl
from django.db import IntegrityError, transaction
from psycopg.errors import UniqueViolation

from marketdata.services.staging import Compared, Target, copy_rows, staged

MOST_FEEDS = 1_000

_repeating: set[Hashable] = set()  # feeds that have just sent what is known: a hint, for this process


def none() -> pl.Series:
    """Return the indices of no row."""
    return pl.Series("index", [], dtype=pl.UInt32)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of rows, by their index; those known with the same figures are only counted.

    `settled` are the conflicting ones that no correction can change, `seen` those that are in the archive.
    """

    stored: pl.Series = field(default_factory=none)
    corrected: pl.Series = field(default_factory=none)
    conflicting: pl.Series = field(default_factory=none)
    known: int = 0
    settled: pl.Series = field(default_factory=none)
    seen: pl.Series = field(default_factory=none)

    def __add__(self, other: "Outcome") -> "Outcome":
        return Outcome(
            pl.concat([self.stored, other.stored]),
            pl.concat([self.corrected, other.corrected]),
            pl.concat([self.conflicting, other.conflicting]),
            self.known + other.known,
            pl.concat([self.settled, other.settled]),
            pl.concat([self.seen, other.seen]),
        )


def write_rows(target: Target, rows: pl.DataFrame, *, doubtful: pl.Series, feed: Hashable, correct: bool) -> Outcome:
    """Write rows that come in order and once each; `doubtful` marks those that may be in the table."""
    every = rows["index"]
    if feed not in _repeating or not doubtful.any():
        if _copied(target, rows):
            return Outcome(every)
        if not doubtful.any():  # somebody has been faster, or has written past this service
            doubtful = ~doubtful
    with staged(target) as stage:
        stage.add(rows.filter(doubtful))
        taken = stage.compare()
        fresh = rows.filter(~every.is_in(taken.all.implode())) if taken.all.len() else rows
        stored = fresh["index"]
        if not _copied(target, fresh):  # somebody else has come first with some of them
            if not doubtful.all():
                stage.add(rows.filter(~doubtful))
            stored = stage.insert()
            taken = stage.compare()
        taken = _without(taken, stored)
        corrected = pl.concat([taken.replacing, taken.conflicting]) if correct else taken.replacing
        if corrected.len():
            stage.correct(corrected)
    _remember(feed, repeats=bool(taken.all.len()))
    return Outcome(stored, corrected, none() if correct else taken.conflicting, taken.known.len())


def _copied(target: Target, rows: pl.DataFrame) -> bool:
    """Write rows straight into the table, all or none, and say which."""
    if not rows.height:
        return True
    try:
        with transaction.atomic():
            copy_rows(target, rows)
    except IntegrityError as error:
        if isinstance(error.__cause__, UniqueViolation):
            return False
        raise
    return True


def _without(taken: Compared, stored: pl.Series) -> Compared:
    """Return what was compared without the rows that have just been stored."""
    if not stored.len() or not taken.all.is_in(stored.implode()).any():
        return taken
    return Compared(*(each.filter(~each.is_in(stored.implode())) for each in (taken.known, taken.conflicting, taken.replacing)))


def _remember(feed: Hashable, *, repeats: bool) -> None:
    """Remember whether a feed sends what is known."""
    if not repeats:
        _repeating.discard(feed)
    elif len(_repeating) < MOST_FEEDS:
        _repeating.add(feed)
