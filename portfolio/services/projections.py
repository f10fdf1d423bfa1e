"""Bring derived figures up to date: read what is new, or start over where the past has changed.

All of it runs as the system role, the only one that writes here. Whoever comes second waits at the projection's row and finds
the work done. A run that is broken off leaves what was there before.
"""

from __future__ import annotations

import decimal
import logging
from collections.abc import Iterable
from datetime import date, datetime
from uuid import UUID

from django.db import DataError, connections, transaction
from django.db.backends.utils import CursorWrapper

from accounts.models import Account, AccountKind
from portfolio.domain.collecting import collector_paused
from portfolio.domain.derivation import Derivation, derive
from portfolio.domain.fingerprints import fingerprint
from portfolio.domain.memory import as_json
from portfolio.domain.reach import day_of
from portfolio.models import Projection
from portfolio.selectors import projections as state
from portfolio.selectors.figures import FiguresBeyondLimits
from portfolio.selectors.market import SYSTEM
from portfolio.services import store
from portfolio.services.performance import write_performance
from portfolio.services.runs import Run, plan
from portfolio.services.trade_alerts import watch_trades

NOTED = (
    "read_up_to", "read_until", "read_rank", "first_date", "last_moved_on", "valued_until", "basis", "awaited", "memory",
    "missing", "stale", "plain", "caught_up_at",
)  # fmt: skip
log = logging.getLogger(__name__)


def catch_up(*, account_id: UUID, at: datetime, measuring: bool = False) -> Projection:
    """Bring an account's figures up to date with its ledger and the prices, and return how far they reach.

    Nothing new costs one query. New entries and prices at the end are read from where the last run stopped; the performance is
    measured from the daily values when somebody asks after them, or at once if `measuring`: where nobody waits. An entry that
    happened earlier, a reversal or a choice of lots is posted in its place, and figures are valued and written from its day on;
    another cost basis method or a change in the past of a price starts the account over.

    :raises Account.DoesNotExist: if there is no such account
    :raises FiguresBeyondLimits: if the entries are too large to be computed with
    """
    known = state.projection_of(account_id)
    if known is not None and known.current:
        if not known.measured:
            _measure(account_id)
        return known
    try:
        with transaction.atomic(using=SYSTEM), collector_paused():
            return _catch_up(account_id, at, known, measuring=measuring)
    except (decimal.DecimalException, DataError) as error:
        raise FiguresBeyondLimits from error


def catch_up_many(*, account_ids: Iterable[UUID], at: datetime) -> dict[UUID, Exception]:
    """Bring accounts up to date, each for itself; return what went wrong, by account. One that fails stops no other."""
    failed: dict[UUID, Exception] = {}
    for account_id in account_ids:
        try:
            catch_up(account_id=account_id, at=at, measuring=True)
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


def _measure(account_id: UUID) -> None:
    """Measure the performance of an account whose daily values went on without it."""
    with transaction.atomic(using=SYSTEM):
        account, version = state.lock(account_id)
        if version is not None:
            write_performance(account=account)


def _catch_up(account_id: UUID, at: datetime, known: Projection | None, *, measuring: bool) -> Projection:
    """Do the work under the lock of the projection's row."""
    account, version = state.lock(account_id)
    if version is None:
        Projection.objects.using(SYSTEM).bulk_create([Projection(account=account)], ignore_conflicts=True)
        account, version = state.lock(account_id)
    if known is None or version != known.version:
        known = state.projection_of(account_id) or Projection(account=account)  # somebody else may have come first
        if known.current:
            return known
    run = plan(account, known)
    margin = account.kind == AccountKind.MARGIN
    entries = run.reading.entries if run.reading.columns is None else run.reading.columns
    result = derive(run.book, entries, margin=margin, resumption=run.resumption, keeping=run.keeping)
    _write(account, known, run, result, at)
    if result.figures and (measuring or run.fresh or run.again is not None):
        write_performance(account=account)
    return known


def _write(account: Account, projection: Projection, run: Run, result: Derivation, at: datetime) -> None:
    """Write what a run found, and how far it has read."""
    closures = result.book.closures
    known, reach = result.book.closed, (projection.series, projection.rates)
    kept = 0 if run.again is None else next((n for n, one in enumerate(closures) if day_of(one) >= run.again), len(closures))
    result.book.touched |= run.rewritten & result.book.holdings.keys()
    with connections[SYSTEM].cursor() as cursor:
        together = store.Together(cursor)
        together.execute("SET LOCAL synchronous_commit = off", [])  # what a crash takes back is found behind, and derived again
        if run.fresh:
            store.forget(together, account.pk)
        if result.figures:
            store.write_snapshots(together, account.pk, result, fingerprint(run.reading.series))
            store.write_positions(together, account.pk, result, only=_moved(projection, run, result))
            store.write_lots(together, account.pk, result.book)
            if run.again is not None:
                store.drop_vanished(together, account.pk, result.book)
                store.drop_closures(together, account.pk, known + kept)
            store.write_closures(together, account.pk, closures[kept:], known + kept)
            store.amend_closures(together, account.pk, result.book.amended)
        put_off = result.put_off or (not run.fresh and projection.memory.get("put_off", False))
        _note(account, projection, run, result, at)
        projection.memory |= {"closures": known + len(closures), "waiting": result.waiting, "put_off": put_off}
        projection.plain = _is_plain(projection)
        reached = (projection.series, projection.rates) == reach
        store.write_projection(together, projection, [*NOTED, *(() if reached else ("series", "rates"))])
        together.send()
        _keep(cursor, account, run, result)
    if run.fresh or run.again is not None or result.book.closures:
        watch_trades(account_id=account.pk, at=at)


def _is_plain(projection: Projection) -> bool:
    """Say whether nothing but prices can move the figures of days without entries: the end of a day may then write them."""
    remembered = (projection.memory.get(name) for name in ("hands", "splits", "owed", "waiting", "put_off"))
    return not (projection.rates or projection.missing or projection.awaited or any(remembered))


def _keep(cursor: CursorWrapper, account: Account, run: Run, result: Derivation) -> None:
    """Keep the books that a run found on its way, but none after a day on which something lacked a price or rate."""
    if run.forgotten is not None:
        store.drop_checkpoints(cursor, account.pk, run.forgotten)
    lacking = min((gap.since.toordinal() for gap in result.missing.values()), default=None)
    found = [*result.kept, *([run.kept] if run.kept else [])]
    store.write_checkpoints(cursor, account.pk, [one for one in found if lacking is None or one.day <= lacking])


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
        left = {} if run.resumption.others is None else projection.stale
        stale = {name: seen for name, seen in left.items() if name not in result.book.holdings}
        stale |= {name: seen.isoformat() for name, seen in result.stale.items()}
        projection.stale = dict(sorted(stale.items()))
    projection.missing = {
        name: [gap.since.isoformat(), gap.known and gap.known.isoformat()] for name, gap in sorted(result.missing.items())
    }
