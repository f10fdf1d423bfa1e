"""Bring derived figures up to date: read what is new, or start over where the past has changed.

All of it runs as the system role, the only one that writes here. Whoever comes second waits at the projection's row and finds
the work done. A run that is broken off leaves what was there before.
"""

from __future__ import annotations

import decimal
import gc
import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db import DataError, connections, transaction

from accounts.models import Account, AccountKind
from portfolio.domain import wash
from portfolio.domain.book import Book
from portfolio.domain.columns import Columns
from portfolio.domain.derivation import Derivation, Resumption, derive
from portfolio.domain.entries import Entry, Listing, Place, in_order, place_of, takes_back_others
from portfolio.domain.lots import Method
from portfolio.domain.memory import as_json, recall
from portfolio.domain.posting import can_post, last_place
from portfolio.domain.pricing import Market
from portfolio.domain.reach import asks_nothing, day_of, first_reached
from portfolio.models import Projection
from portfolio.selectors import projections as state
from portfolio.selectors.columns import columns_of
from portfolio.selectors.figures import FiguresBeyondLimits
from portfolio.selectors.market import SYSTEM, listings_of, load_market, reach_of_prices, reach_of_rates
from portfolio.services import store
from portfolio.services.performance import write_performance
from portfolio.services.trade_alerts import watch_trades

log = logging.getLogger(__name__)


def catch_up(*, account_id: UUID, at: datetime) -> Projection:
    """Bring an account's figures up to date with its ledger and the prices, and return how far they reach.

    Nothing new costs one query. New entries and prices at the end are read from where the last run stopped. An entry that
    happened earlier, a reversal or a choice of lots is posted in its place, and figures are valued and written from its day on;
    another cost basis method or a change in the past of a price starts the account over.

    :raises Account.DoesNotExist: if there is no such account
    :raises FiguresBeyondLimits: if the entries are too large to be computed with
    """
    known = state.projections().filter(pk=account_id).first()
    if known is not None and known.current:
        return known
    try:
        with transaction.atomic(using=SYSTEM), collector_paused():
            return _catch_up(account_id, at, known)
    except (decimal.DecimalException, DataError) as error:
        raise FiguresBeyondLimits from error


@contextmanager
def collector_paused() -> Iterator[None]:
    """Keep the collector of cycles out: a run makes many values and no cycles, and sweeping them is a quarter of its time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def catch_up_many(*, account_ids: Iterable[UUID], at: datetime) -> dict[UUID, Exception]:
    """Bring accounts up to date, each for itself; return what went wrong, by account. One that fails stops no other."""
    failed: dict[UUID, Exception] = {}
    for account_id in account_ids:
        try:
            catch_up(account_id=account_id, at=at)
        except Account.DoesNotExist:
            continue  # closed for good since it was listed
        except Exception as error:  # whatever it is, it must not stop the others
            log.exception("The figures of account %s could not be derived", account_id)
            failed[account_id] = error
    return failed


def forget(*, account_id: UUID) -> None:
    """Drop everything derived for an account; the next `catch_up` derives it again."""
    with transaction.atomic(using=SYSTEM), connections[SYSTEM].cursor() as cursor:
        store.forget(cursor, account_id)
        Projection.objects.using(SYSTEM).filter(pk=account_id).delete()


def _catch_up(account_id: UUID, at: datetime, known: Projection | None) -> Projection:
    """Do the work under the lock of the projection's row."""
    locked = _locked(account_id)
    if locked is None:
        account = Account.objects.using(SYSTEM).get(pk=account_id)
        Projection.objects.using(SYSTEM).bulk_create([Projection(account=account)], ignore_conflicts=True)
        locked = _locked(account_id) or Projection(account=account)
    if known is None or _stands(locked) != _stands(known):
        done = state.projections().get(pk=account_id)  # somebody else may have come first
        if done.current:
            return done
    account = locked.account
    run = _plan(account, locked)
    margin = account.kind == AccountKind.MARGIN
    entries = run.reading.entries if run.reading.columns is None else run.reading.columns
    result = derive(run.book, entries, margin=margin, resumption=run.resumption)
    _write(account, locked, run, result, at)
    return locked


def _locked(account_id: UUID) -> Projection | None:
    """Lock the row of a projection and return it with its account, or none where there is no such row yet."""
    rows = Projection.objects.using(SYSTEM).select_related("account").select_for_update(of=("self",))
    return rows.filter(pk=account_id).first()


def _stands(projection: Projection) -> tuple[Any, ...]:
    """Return what every run changes in a projection."""
    return (projection.read_up_to, projection.basis, projection.series, projection.rates, projection.caught_up_at)


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

    def reached_by(self, read_up_to: int) -> int | None:
        """Return the first day that entries after a sequence act upon, none if they act upon nothing."""
        if self.columns is None:
            return first_reached(self.all, read_up_to)
        return min(self.columns.day[self.columns.sequence > read_up_to].tolist(), default=None)

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


def _plan(account: Account, projection: Projection) -> Run:
    """Load what a run takes: what is new, or everything where the past has changed."""
    rests = False
    if projection.read_up_to:
        reading = _read(account, projection)
        rests = not _rests_on_else(account, projection, reading)
        if rests and not _goes_back(projection, reading):
            return _resumed(account, projection, reading)
    whole = _read_in_bulk(account) or _read(account, Projection(account=account))
    first = whole.reached_by(projection.read_up_to) if rests else None
    if first is not None and (run := _posted_in_place(account, projection, whole, first)) is not None:
        return run
    book = _book(account, whole, min(whole.days, default=None))
    return Run(book, whole, Resumption(), fresh=True)


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
    series = reach_of_prices(instruments, using=SYSTEM)
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
    if projection.basis != state.basis_of(account):
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
    first = _first_changed(projection, reading)
    book = _book(account, reading, first)
    recall(book, projection.memory)
    book.awaited = set(projection.awaited)
    touched = {entry.instrument for entry in reading.entries if entry.instrument is not None} | set(reading.named.values())
    state.recall_holdings(book, account_id=account.pk, touched=touched)
    if first is None:
        return Run(book, reading, Resumption(missing=state.gaps_of(projection.missing)), fresh=False)
    day = date.fromordinal(first)
    resumption = Resumption(
        first,
        state.opening_before(account_id=account.pk, day=day),
        state.pages_from(account_id=account.pk, day=day),
        state.gaps_of(projection.missing),
        projection.last_moved_on.toordinal() if projection.last_moved_on else 0,
    )
    return Run(book, reading, resumption, fresh=False)


def _posted_in_place(account: Account, projection: Projection, reading: Reading, reached: int) -> Run | None:
    """Return a run that posts all entries, and values and writes from the first day on that something reached.

    None where that is the beginning, or nothing is left from there on.
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
    return Run(book, reading, resumption, fresh=False, again=first - wash.WINDOW if account.wash_sales else first)


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


def _write(account: Account, projection: Projection, run: Run, result: Derivation, at: datetime) -> None:
    """Write what a run found, and how far it has read."""
    closures = result.book.closures
    known = 0 if run.fresh or run.again is not None else projection.memory.get("closures", 0)
    kept = 0 if run.again is None else next((n for n, one in enumerate(closures) if day_of(one) >= run.again), len(closures))
    with connections[SYSTEM].cursor() as cursor:
        if run.fresh:
            store.forget(cursor, account.pk)
        if result.figures:
            store.write_snapshots(cursor, account.pk, result)
            store.write_positions(cursor, account.pk, result, only=_moved(projection, run, result))
            store.write_lots(cursor, account.pk, result.book)
            if run.again is not None:
                store.drop_vanished(cursor, account.pk, result.book)
                store.drop_closures(cursor, account.pk, kept)
            store.write_closures(cursor, account.pk, closures[kept:], known + kept)
            store.amend_closures(cursor, account.pk, result.book.amended)
    if result.figures:
        write_performance(account=account)
    _note(account, projection, run, result, at)
    projection.memory["closures"] = known + len(closures)
    projection.save(using=SYSTEM)
    if run.fresh or run.again is not None or result.book.closures:
        watch_trades(account_id=account.pk, at=at)


def _moved(projection: Projection, run: Run, result: Derivation) -> set[str] | None:
    """Return the positions whose figures may be others than those written, none for all: prices, rates or the day are new."""
    if run.fresh or run.again is not None or projection.valued_until is None:
        return None
    if (projection.series, projection.rates) != (run.reading.series, run.reading.rates):
        return None
    return result.book.touched if result.figures[-1].day == projection.valued_until.toordinal() else None


def _note(account: Account, projection: Projection, run: Run, result: Derivation, at: datetime) -> None:
    """Note in a projection what was read and found."""
    reading = run.reading
    projection.read_up_to, projection.basis = reading.read_up_to, state.basis_of(account)
    projection.series, projection.rates = reading.series, reading.rates
    projection.memory, projection.awaited = as_json(result.book), sorted(result.book.awaited)
    projection.caught_up_at = at
    if run.fresh:
        projection.first_date = projection.valued_until = projection.last_moved_on = projection.read_until = None
        projection.read_rank, projection.stale = 0, {}
    if reading.days:
        last = reading.last_place
        projection.read_until, projection.read_rank = last.at, last.rank
        projection.last_moved_on = date.fromordinal(max(result.book.days))
    if result.figures:
        projection.valued_until = date.fromordinal(result.figures[-1].day)
        projection.first_date = projection.first_date or date.fromordinal(result.figures[0].day)
        projection.stale = {name: seen.isoformat() for name, seen in sorted(result.stale.items())}
    projection.missing = {
        name: [gap.since.isoformat(), gap.known and gap.known.isoformat()] for name, gap in sorted(result.missing.items())
    }
