"""What a run of the derivation starts from: how much is read again, and from which day on figures are valued."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from accounts.models import Account
from portfolio.domain import wash
from portfolio.domain.book import Book
from portfolio.domain.checkpoints import MANY, NEAREST, Checkpoint, Keeping, Rest, days_to_keep, restore, spans_of, state_of
from portfolio.domain.columns import Columns
from portfolio.domain.derivation import Resumption
from portfolio.domain.entries import Entry, Listing, Place, in_order, place_of, takes_back_others
from portfolio.domain.lots import Method
from portfolio.domain.memory import recall
from portfolio.domain.posting import can_post, last_place
from portfolio.domain.pricing import Market
from portfolio.domain.reach import asks_nothing
from portfolio.models import Projection
from portfolio.selectors import checkpoints as past
from portfolio.selectors import projections as state
from portfolio.selectors.checkpoints import Kept
from portfolio.selectors.columns import columns_of
from portfolio.selectors.market import SYSTEM, listings_of, load_market, reach_of_prices, reach_of_rates


@dataclass(frozen=True, slots=True)
class Reading:
    """What there is to read: entries in the order of happening, or as columns, and how far their prices and rates reach."""

    entries: list[Entry]
    read_up_to: int
    takes_back: bool  # something that was read before
    named: dict[str, str]
    series: dict[str, Any]
    pairs: set[tuple[str, str]]
    rates: dict[str, Any]
    all: list[Entry]  # those that don't count, too
    columns: Columns | None = None  # in place of all entries

    @property
    def days(self) -> list[int]:
        """The days of the entries that count."""
        return [entry.day for entry in self.entries] if self.columns is None else list(self.columns.day.tolist())

    @property
    def last_place(self) -> Place:
        """Where the last entry stands in the order of happening."""
        return place_of(self.entries[-1]) if self.columns is None else last_place(self.columns)

    def keeping(self, base: str, since: Kept | None = None) -> Keeping:
        """Return before which days the book is to be kept; the entries are those since the beginning, or since one kept."""
        listings = listings_of(self.series)
        if self.columns is not None:
            return Keeping(days_to_keep(sorted(self.days)), Rest(base, listings, self.named))
        rest = Rest(base, listings, self.named)
        if since is not None:
            rest.entries, rest.instruments = since.entries, set(since.state["instruments"])
            rest.pairs, rest.legs = set(map(tuple, since.state["pairs"])), since.state["legs"]
        return Keeping(days_to_keep(self.days, spans_of(self.all)), rest)

    def looks_up_before(self, day: int, listings: Mapping[str, Listing]) -> bool:
        """Say whether posting the entries from before a day looks up prices or rates."""
        return not all(asks_nothing(entry, listings) for entry in self.entries if entry.day < day)


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of the derivation starts from."""

    book: Book
    reading: Reading
    resumption: Resumption
    fresh: bool
    again: int | None = None  # the day from which closures are written again
    keeping: Keeping | None = None
    kept: Checkpoint | None = None  # the book as this run found it, if it is to be kept
    forgotten: int | None = None  # books kept before later days are not what they were
    rewritten: frozenset[str] = frozenset()  # the instruments whose lots may be others than those written, beside those touched


def plan(account: Account, projection: Projection) -> Run:
    """Load what a run takes: what is new, what came after a book that was kept, or everything."""
    reached = None
    since: Kept | None = None
    if projection.read_up_to:
        reading = _read(account, projection)
        if not _rests_on_else(account, projection, reading):
            if not _goes_back(projection, reading):
                return _resumed(account, projection, reading)
            # where something counts on a later day than its own, no page from the middle on is all there is
            reached = None if projection.memory.get("put_off") else past.first_reached(reading.all, account_id=account.pk)
            if reached is not None:
                earliest = min([reached, *(entry.day for entry in reading.all)])
                since = past.kept_before(account_id=account.pk, day=date.fromordinal(earliest))
    near = since is not None and reading.read_up_to - since.entries <= MANY
    whole = None if near else _read_in_bulk(account)
    if whole is None and since is not None:
        whole = _read_since(account, since, reading.read_up_to)
    else:
        since = None
        whole = whole or _read(account, Projection(account=account))
    if reached is not None and (run := _posted_in_place(account, projection, whole, reached, since)) is not None:
        return run
    if since is not None:
        whole = _read_in_bulk(account) or _read(account, Projection(account=account))
    book = _book(account, whole, min(whole.days, default=None))
    return Run(book, whole, Resumption(), fresh=True, keeping=whole.keeping(account.base_currency))


def _read_in_bulk(account: Account) -> Reading | None:
    """Read the whole ledger as columns; none where an entry asks to be posted by itself."""
    columns = columns_of(account_id=account.pk, using=SYSTEM)
    if columns is None:
        return None
    series = reach_of_prices(columns.instruments, using=SYSTEM)
    pairs = state.pairs_of(account.base_currency, series, columns.currencies, [])
    rates = reach_of_rates(pairs, using=SYSTEM)
    read_up_to = int(columns.sequence.max())
    reading = Reading(
        [], read_up_to, takes_back=False, named={}, series=series, pairs=pairs, rates=rates, all=[], columns=columns
    )
    return reading if can_post(columns, _book(account, reading, None)) else None


def _read(account: Account, projection: Projection) -> Reading:
    """Read the entries after those a projection has read, and how far the series of all its instruments reach now."""
    entries = state.entries_after(account_id=account.pk, sequence=projection.read_up_to, using=SYSTEM)
    ordered = in_order(entries)
    named = state.instruments_named(ordered, using=SYSTEM)
    instruments = {*projection.series, *named.values()}
    instruments |= {entry.instrument for entry in ordered if entry.instrument is not None}
    known = json.loads(projection.reached) if projection.reached else projection.series
    series = known if instruments <= known.keys() else reach_of_prices(instruments, using=SYSTEM)
    pairs = state.pairs_of(account.base_currency, series, state.currencies_in(projection), ordered)
    return Reading(
        ordered,
        max((entry.sequence for entry in entries), default=projection.read_up_to),
        takes_back_others(entries) or state.joins_earlier(entries, account_id=account.pk, sequence=projection.read_up_to),
        named,
        series,
        pairs,
        reach_of_rates(pairs, legs=projection.rates, using=SYSTEM),
        entries,
    )


def _read_since(account: Account, since: Kept, read_up_to: int) -> Reading:
    """Read the entries since a book was kept, and how far the series of all its instruments reach now."""
    entries = state.entries_after(account_id=account.pk, since=since.day, using=SYSTEM)
    ordered = in_order(entries)
    named = state.instruments_named(ordered, using=SYSTEM)
    instruments = {*since.state["instruments"], *named.values()}
    instruments |= {entry.instrument for entry in ordered if entry.instrument is not None}
    series = reach_of_prices(instruments, using=SYSTEM)
    pairs = state.pairs_of(account.base_currency, series, state.currencies_of(since.state["memory"]), ordered)
    pairs |= set(map(tuple, since.state["pairs"]))
    rates = reach_of_rates(pairs, legs=since.state["legs"], using=SYSTEM)
    return Reading(ordered, read_up_to, takes_back=True, named=named, series=series, pairs=pairs, rates=rates, all=entries)


def _goes_back(projection: Projection, reading: Reading) -> bool:
    """Say whether something was posted, or taken back, before the point where the last run stopped."""
    if reading.takes_back:
        return True
    if not reading.entries or projection.read_until is None:
        return False
    first = place_of(reading.entries[0])
    return (first.at, first.rank) < (projection.read_until, projection.read_rank)


def _rests_on_else(account: Account, projection: Projection, reading: Reading) -> bool:
    """Say whether the figures rest on something else now: another method, or prices or rates with another past."""
    if projection.basis != state.basis_of(account) or projection.memory.get("waiting"):
        return True
    moved = {key for key, now in reading.series.items() if now != projection.series.get(key, now)}
    if any(_rewritten(projection.series[key], reading.series[key]) for key in moved) or moved & set(projection.awaited):
        return True
    turned = {leg for leg, now in reading.rates.items() if now != projection.rates.get(leg, now)}
    awaits_rates = any("/" in name for name in projection.awaited)
    # a pair that is quoted for the first time may take the place of one turned round or crossed
    return any(projection.rates[leg][0] != reading.rates[leg][0] for leg in turned) or bool(turned and awaits_rates)


def _rewritten(before: list[Any], now: list[Any]) -> bool:
    """Say whether a series was changed in its past, or its instrument in what a unit of it is."""
    return before[3:] != now[3:] or (bool(before[0]) and before[0] != now[0])


def _resumed(account: Account, projection: Projection, reading: Reading) -> Run:
    """Load what was kept of the last run, as far as this one needs it."""
    if _is_of_last_day(projection, reading):
        return _on_last_day(account, projection, reading)
    first = _first_changed(projection, reading)
    book = _book(account, reading, first)
    recall(book, projection.memory)
    book.awaited = set(projection.awaited)
    touched = {entry.instrument for entry in reading.entries if entry.instrument is not None} | set(reading.named.values())
    keeps = _is_to_be_kept(projection, reading)
    state.recall_holdings(book, account_id=account.pk, touched=projection.series if keeps else touched)
    kept = _as_found(book, projection, reading) if keeps else None
    if first is None:
        return Run(book, reading, Resumption(missing=state.gaps_of(projection.missing)), fresh=False)
    day = date.fromordinal(first)
    resumption = Resumption(
        first,
        *state.opening_and_pages(account_id=account.pk, day=day),
        state.gaps_of(projection.missing),
        projection.last_moved_on.toordinal() if projection.last_moved_on else 0,
    )
    # what is said about others may be dated before them
    said = {entry.day for entry in reading.all} - {entry.day for entry in reading.entries}
    return Run(book, reading, resumption, fresh=False, kept=kept, forgotten=min(said, default=None))


def _is_of_last_day(projection: Projection, reading: Reading) -> bool:
    """Say whether all that is new are plain entries of the last valued day: what they don't touch is worth what it was."""
    if not projection.unmoved or reading.pairs or projection.missing or projection.valued_until is None:
        return False
    day, listings = projection.valued_until.toordinal(), listings_of(reading.series)
    same = (reading.series, reading.rates) == (projection.series, projection.rates)
    plain = all(entry.day == day and entry.group is None and asks_nothing(entry, listings) for entry in reading.entries)
    return same and plain and len(reading.entries) == len(reading.all) > 0


def _on_last_day(account: Account, projection: Projection, reading: Reading) -> Run:
    """Load what entries of the last valued day touch; the worth of all else is what was written."""
    day = projection.valued_until or date.min
    touched = {entry.instrument for entry in reading.entries if entry.instrument is not None}
    listings = listings_of(reading.series)
    market = load_market(instruments=touched, pairs=(), start=day, using=SYSTEM) if touched else Market()
    book = Book(
        account.base_currency, Method(account.cost_basis_method), listings, market, reading.named, state.rules_of(account)
    )
    recall(book, projection.memory)
    book.awaited = set(projection.awaited)
    state.recall_holdings(book, account_id=account.pk, touched=touched, only=True)
    resumption = Resumption(
        day.toordinal(),
        *state.opening_and_pages(account_id=account.pk, day=day),
        last_moved=day.toordinal(),
        others=state.worth_of_others(account_id=account.pk, touched=touched, day=day),
    )
    return Run(book, reading, resumption, fresh=False)


def _is_to_be_kept(projection: Projection, reading: Reading) -> bool:
    """Say whether the book is to be kept as it is: many entries came since the last time, and a new day begins."""
    if projection.missing or projection.last_moved_on is None or not reading.entries:
        return False
    if reading.entries[0].day <= projection.last_moved_on.toordinal():
        return False
    # a derivation from nothing leaves one so far behind that the first new entry would have the next one kept
    return projection.read_up_to - projection.kept_after >= NEAREST + NEAREST // 4


def _as_found(book: Book, projection: Projection, reading: Reading) -> Checkpoint:
    """Return the book as the last run left it."""
    rest = {"instruments": sorted(projection.series), "pairs": [], "legs": sorted(projection.rates)}
    return Checkpoint(reading.entries[0].day, projection.read_up_to, state_of(book, rest))


def _posted_in_place(account: Account, projection: Projection, reading: Reading, reached: int, since: Kept | None) -> Run | None:
    """Return a run that posts entries in order, and values and writes from the first day on that something reached.

    The entries are all there are, or those since a book was kept. None where the first day is the beginning, or nothing is
    left from there on.
    """
    kept, now = {**projection.series, **projection.rates}, {**reading.series, **reading.rates}
    days = [_changed_from(reach, now[name]) for name, reach in kept.items() if name in now and reach != now[name]]
    if projection.first_date is None or projection.valued_until is None or not reading.days:
        return None
    first = min([reached, *days, projection.valued_until.toordinal() + 1])
    last = max(reading.days)
    if first <= projection.first_date.toordinal() or last < first:
        return None
    listings = listings_of(reading.series)
    book = _book(account, reading, min(reading.days) if reading.looks_up_before(first, listings) else first)
    day = date.fromordinal(first)
    opening = state.opening_before(account_id=account.pk, day=day)
    resumption = Resumption(first, opening, {}, state.gaps_of(projection.missing), last, whole=True)
    rewritten: set[str] = set()
    if since is not None:
        restore(book, since.day.toordinal(), since.state)
        rewritten = {entry.instrument for entry in reading.all if entry.instrument is not None} | set(reading.named.values())
    return Run(
        book,
        reading,
        resumption,
        fresh=False,
        again=first - wash.WINDOW if account.wash_sales else first,
        keeping=reading.keeping(account.base_currency, since),
        forgotten=since.day.toordinal() if since else 0,
        rewritten=frozenset(rewritten),
    )


def _first_changed(projection: Projection, reading: Reading) -> int | None:
    """Return the first day whose figures may be other than those kept, or none."""
    days = [entry.day for entry in reading.entries]
    kept, now = {**projection.series, **projection.rates}, {**reading.series, **reading.rates}
    days += [_changed_from(reach, now[name]) for name, reach in kept.items() if reach != now[name]]
    if not days or projection.first_date is None or projection.valued_until is None:
        return min(days, default=None)
    following = projection.valued_until.toordinal() + 1  # no day is left out between the last one kept and the new ones
    return max(min(*days, following), projection.first_date.toordinal())


def _changed_from(before: list[Any], now: list[Any]) -> int:
    """Return the first day on which a series says more than it did: after its last day, or its first if it had none."""
    last, first = before[2], now[1]
    return date.fromisoformat(last).toordinal() + 1 if last else date.fromisoformat(first or date.max.isoformat()).toordinal()


def _book(account: Account, reading: Reading, first: int | None) -> Book:
    """Return an empty book with the market it needs from a day on."""
    listings = listings_of(reading.series)
    market = (
        Market()
        if first is None
        else load_market(instruments=listings, pairs=reading.pairs, start=date.fromordinal(first), using=SYSTEM)
    )
    method, rules = Method(account.cost_basis_method), state.rules_of(account)
    return Book(account.base_currency, method, listings, market, reading.named, rules)
