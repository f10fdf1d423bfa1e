"""The whole derivation of one account: entries and prices in; positions, daily figures and what was missing out.

It starts from an empty book or goes on from one that was kept; the figures are the same to the last digit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from portfolio.domain.book import Book
from portfolio.domain.checkpoints import Checkpoint, Keeping, post_keeping
from portfolio.domain.columns import Columns
from portfolio.domain.daybook import Day
from portfolio.domain.entries import Entry
from portfolio.domain.exact import EXACT, ZERO, Fixed, money
from portfolio.domain.pricing import NOTHING, Points
from portfolio.domain.returns import DayFigures, Opening, chain
from portfolio.domain.settling import settle
from portfolio.domain.valuation import Course, Quoted, Valuation, keyframes, position_value, value_days

VERSION = 8  # of the derivation: a new one makes every account start over


class Gap(NamedTuple):
    """Since when something that was held lacked a price or rate, and the first day on which one was known."""

    since: date
    known: date | None


class PositionFigures(NamedTuple):
    """What a position came to at the end of the last day; none where no price or rate was known."""

    instrument: str
    market_price: Decimal | None
    priced_on: date | None
    market_value: Decimal | None
    value_in_base: Decimal | None
    unrealized_gain: Decimal | None
    day_gain: Decimal | None


@dataclass(slots=True)
class Derivation:
    """What a run of the derivation found; `pages` and `frames` are those from the first valued day on."""

    book: Book
    figures: list[DayFigures] = field(default_factory=list)
    pages: dict[int, Day] = field(default_factory=dict)
    frames: dict[int, Day] = field(default_factory=dict)
    positions: list[PositionFigures] = field(default_factory=list)
    missing: dict[str, Gap] = field(default_factory=dict)
    stale: dict[str, date] = field(default_factory=dict)
    kept: Sequence[Checkpoint] = ()
    waiting: bool = False  # something that moved could not be valued yet: a later run has to start over
    put_off: bool = False  # something counts on a later day than its own: an entry that comes late starts over, too


class Others(NamedTuple):
    """Positions that nothing is said about: their worth on the only day, its size, and whether the day had a price for one."""

    value: Decimal
    gross: Decimal
    priced: bool

    def joined(self, valuation: Valuation) -> Valuation:
        """Return the values of the day with those of the other positions."""
        return replace(
            valuation,
            positions=valuation.positions + Fixed.of([self.value]),
            gross=valuation.gross + Fixed.of([self.gross]),
            priced=valuation.priced | ({valuation.first} if self.priced else frozenset()),
        )


@dataclass(frozen=True, slots=True)
class Resumption:
    """What was kept of an earlier run: the day to value from, the figures before it, pages, gaps, and the last day that moved.

    `whole`: the entries are those since the beginning; days before the first are posted, but not valued again.
    """

    first: int | None = None
    opening: Opening = field(default_factory=Opening)
    pages: Mapping[int, Day] = field(default_factory=dict)
    missing: Mapping[str, Gap] = field(default_factory=dict)
    last_moved: int = 0
    whole: bool = False
    others: Others | None = None  # what is not in the book, if it is left out


FROM_NOTHING = Resumption()


def derive(
    book: Book,
    entries: Sequence[Entry] | Columns,
    *,
    margin: bool,
    resumption: Resumption = FROM_NOTHING,
    until: int | None = None,
    keeping: Keeping | None = None,
) -> Derivation:
    """Post entries, given in the order of happening, to a book and value every day from the first that changed.

    Columns of plain entries (see `can_post`) come to the same, much sooner; the book has to be empty.
    The last day is `until`, else that of the last price, or of the last entry if it is later. `keeping` asks for checkpoints.
    """
    result = Derivation(book, kept=post_keeping(book, entries, keeping))
    quoted = quote(book)
    last = until or last_day(book, quoted, max([resumption.last_moved, *book.days]))
    settled = settle(book.days, quoted, last, first=(resumption.first or 0) if resumption.whole else 0)
    pages = _pages(book, resumption)
    starts = [day for day in (resumption.first, min(book.days, default=None)) if day is not None]
    if not pages or not starts or min(starts) > last:
        result.missing = dict(resumption.missing)
        return result
    first = min(starts)
    since = {key: holding.since for key, holding in book.holdings.items() if holding.since is not None}
    course = Course.of(pages)
    if resumption.others is not None:
        course.units = {key: moves for key, moves in course.units.items() if key in book.holdings}
    valuation = value_days(pages, course, quoted, first, last, since)
    valuation = valuation if resumption.others is None else resumption.others.joined(valuation)
    settled.mark(valuation)
    result.waiting, result.put_off = settled.waiting, settled.put_off
    result.figures = list(chain(valuation, resumption.opening, margin=margin))
    result.pages = {day: page for day, page in pages.items() if day >= first}
    months = [figure.day for figure in result.figures if date.fromordinal(figure.day).day == 1]
    result.frames = keyframes(pages, months)
    result.missing = _gaps(book, quoted, _earliest(valuation.missing, settled.missing), _before(first, resumption.missing))
    _stand(result, course, pages.get(last, Day()), quoted, last)
    return result


def _pages(book: Book, resumption: Resumption) -> dict[int, Day]:
    """Return the pages that were kept with those of a book; what those before the first day tell is on one of them."""
    pages = dict(resumption.pages)
    if resumption.whole and resumption.first is not None:
        pages |= _closed_before(book, resumption.first)
    for day, page in book.days.items():
        if day in pages:
            pages[day].merge(page)
        else:
            pages[day] = page
    return pages


def _closed_before(book: Book, first: int) -> dict[int, Day]:
    """Take the pages before a day out of a book, and return one in their place: what was held at the end of the last."""
    frame = keyframes({day: page for day, page in book.days.items() if day < first}, [first - 1])
    book.days = {day: page for day, page in book.days.items() if day >= first}
    return frame


def quote(book: Book) -> Quoted:
    """Return the market as a book sees it: prices given by hand set in, closes from before a split divided by it."""
    prices = {
        instrument: book.market.closes.get(instrument, NOTHING).with_moves(
            book.hands.get(instrument, ()), book.splits.get(instrument, ())
        )
        for instrument in book.holdings
    }
    rates = {base: points for (base, quoted), points in book.market.rates.items() if quoted == book.base}
    return Quoted(book.base, book.listings, prices, rates)


def last_day(book: Book, quoted: Quoted, last_moved: int) -> int:
    """Return the last day there is something to say about: that of the last price, or of the last entry if it is later.

    An account that never touched an instrument ends with the last rate of its currencies.
    """
    reached = [points for points in quoted.prices.values() if len(points.days)]
    if not book.holdings:
        reached = [points for points in quoted.rates.values() if len(points.days)]
    return max([last_moved, *(int(points.days[-1]) for points in reached)])


def _before(day: int, gaps: Mapping[str, Gap]) -> dict[str, Gap]:
    """Return the gaps that began before a day; those since then are looked for again."""
    return {name: gap for name, gap in gaps.items() if gap.since.toordinal() < day}


def _earliest(*found: Mapping[str, int]) -> dict[str, int]:
    """Return the first day of each name."""
    names = {name for days in found for name in days}
    return {name: min(days[name] for days in found if name in days) for name in names}


def _gaps(book: Book, quoted: Quoted, found: dict[str, int], kept: Mapping[str, Gap]) -> dict[str, Gap]:
    """Return every gap: those kept from earlier days first, then those found now."""
    gaps = dict(kept)
    for name, day in [*found.items(), *book.gaps.items()]:
        since = date.fromordinal(day)
        if name not in gaps or since < gaps[name].since:
            gaps[name] = Gap(since, gaps[name].known if name in gaps else None)
    known = {instrument: points for instrument, points in quoted.prices.items()}
    known |= {f"{base}/{quote_}": points for (base, quote_), points in book.market.rates.items()}
    return {
        name: gap if gap.known else Gap(gap.since, _first_after(known.get(name, NOTHING), gap.since))
        for name, gap in gaps.items()
    }


def _first_after(points: Points, since: date) -> date | None:
    """Return the first day after another on which something was known."""
    later = points.days[points.days > since.toordinal()]
    return date.fromordinal(int(later[0])) if len(later) else None


def _stand(result: Derivation, course: Course, page: Day, quoted: Quoted, last: int) -> None:
    """Fill in what each position came to on the last day, and which prices and rates of what is held are stale."""
    for instrument, holding in result.book.holdings.items():
        units = course.units.get(instrument, {})
        before = next((quantity for day, quantity in reversed(units.items()) if day < last), ZERO)
        figures = _position(instrument, (before, holding.quantity, holding.cost), page, quoted, last)
        result.positions.append(figures)
        if holding.quantity and figures.priced_on and figures.priced_on.toordinal() < last:
            result.stale[instrument] = figures.priced_on
    currencies = {currency for currency, balance in result.book.cash.items() if balance}
    currencies |= {quoted.listings[key].currency for key, holding in result.book.holdings.items() if holding.quantity}
    for currency in currencies - {quoted.base}:
        seen = quoted.rates.get(currency, NOTHING).seen_at(last)
        if seen is not None and seen < last:
            result.stale[f"{currency}/{quoted.base}"] = date.fromordinal(seen)


def _position(
    instrument: str, amounts: tuple[Decimal, Decimal, Decimal], page: Day, quoted: Quoted, last: int
) -> PositionFigures:
    """Return what a position came to: `amounts` are the quantity a day before, the quantity now, and the cost."""
    before, quantity, cost = amounts
    now = position_value(instrument, quantity, quoted, last)
    then = position_value(instrument, before, quoted, last - 1)
    if now is None:
        return PositionFigures(instrument, None, None, None, None, None, None)
    gain = None
    if then is not None or not before:
        came = page.paid.get(instrument, ZERO) + _moved(instrument, page, now.price, quoted)
        gain = now.value - (then.value if then is not None else ZERO) - came
    return PositionFigures(instrument, now.price, date.fromordinal(now.seen), now.value, now.in_base, now.value - cost, gain)


def _moved(instrument: str, page: Day, price: Decimal, quoted: Quoted) -> Decimal:
    """Return what the units that came and went untraded on a day were worth, in the instrument's currency."""
    if not page.transfers:
        return ZERO
    units = sum((move.quantity for move in page.transfers if move.instrument == instrument), ZERO)
    return money(EXACT.multiply(EXACT.multiply(units, price), quoted.listings[instrument].multiplier))
