"""What became of every line of a file, and where its entries stand in a ledger: a little of memory, however long the file."""

import enum
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any


class Fate(enum.IntEnum):
    """What became of a line; of one that is several happenings, the weightiest."""

    NONE = 0
    SKIPPED = 1
    KNOWN = 2
    POSTED = 3
    QUESTION = 4
    REFUSED = 5


class Fates:
    """The fate of every line, by its number."""

    def __init__(self) -> None:
        self.of = bytearray()

    def note(self, line: int, fate: Fate) -> None:
        """Note the fate of a line, unless a weightier one is known.

        >>> fates = Fates()
        >>> for line, fate in [(2, Fate.POSTED), (3, Fate.POSTED), (5, Fate.REFUSED), (5, Fate.POSTED)]:
        ...     fates.note(line, fate)
        >>> fates.runs()
        [[2, 3, 'posted'], [5, 5, 'refused']]
        """
        if line >= len(self.of):
            self.of.extend(bytes(max(line + 1 - len(self.of), len(self.of))))
        self.of[line] = max(self.of[line], fate)

    def note_all(self, first: int, fates: bytes) -> None:
        """Note the fates of lines that follow each other, of which none is known."""
        if len(self.of) < first:
            self.of.extend(bytes(first - len(self.of)))
        self.of[first : first + len(fates)] = fates

    def runs(self) -> list[list[int | str]]:
        """Return the lines that follow each other with the same fate, from the first to the last of each run."""
        found: list[list[int | str]] = []
        start = 0
        for fate, group in groupby(self.of):
            end = start + sum(1 for _ in group)
            if fate:
                found.append([start, end - 1, Fate(fate).name.lower()])
            start = end
        return found


def counted(fates: Sequence[Sequence[Any]]) -> dict[str, int]:
    """Return how many lines share each fate, from their runs.

    >>> counted([[2, 4, "posted"], [5, 5, "refused"], [7, 8, "posted"]])
    {'posted': 5, 'refused': 1}
    """
    counts: Counter[str] = Counter()
    for first, last, fate in fates:
        counts[fate] += last - first + 1
    return dict(counts)


def numbers_of(fates: Sequence[Sequence[Any]], fate: str, start: int, count: int) -> list[tuple[int, str]]:
    """Return some lines by their numbers, with the fate of each; those of one fate alone, if one is named.

    >>> numbers_of([[2, 4, "posted"], [5, 5, "refused"], [7, 8, "posted"]], "posted", 2, 2)
    [(4, 'posted'), (7, 'posted')]
    """
    found: list[tuple[int, str]] = []
    for first, last, this in fates:
        if fate and this != fate:
            continue
        size = last - first + 1
        if start < size:
            found += [(number, this) for number in range(first + start, min(last + 1, first + start + count - len(found)))]
        start = max(start - size, 0)
        if len(found) >= count:
            break
    return found


class Spans:
    """Numbers that mostly follow each other, as [first, last] of each run.

    >>> spans = Spans()
    >>> for number in (4, 5, 6, 9):
    ...     spans.add(number)
    >>> spans.pairs, 5 in spans, 8 in spans, len(spans)
    ([[4, 6], [9, 9]], True, False, 4)
    """

    def __init__(self, pairs: Sequence[Sequence[int]] = ()) -> None:
        self.pairs = [[first, last] for first, last in pairs]

    def add(self, number: int) -> None:
        """Add a number."""
        if self.pairs and number == self.pairs[-1][1] + 1:
            self.pairs[-1][1] = number
            return
        place = bisect_right(self.pairs, [number, 1 << 63])
        if place and number <= self.pairs[place - 1][1]:
            return
        self.pairs.insert(place, [number, number])
        self._join(place)

    def _join(self, place: int) -> None:
        """Join a run with those it touches."""
        for at in (place, place - 1):
            if 0 <= at < len(self.pairs) - 1 and self.pairs[at][1] + 1 >= self.pairs[at + 1][0]:
                self.pairs[at][1] = max(self.pairs[at][1], self.pairs.pop(at + 1)[1])

    def __contains__(self, number: int) -> bool:
        place = bisect_right(self.pairs, [number, 1 << 63])
        return bool(place) and self.pairs[place - 1][0] <= number <= self.pairs[place - 1][1]

    def __len__(self) -> int:
        return sum(last - first + 1 for first, last in self.pairs)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter((first, last) for first, last in self.pairs)
