"""Backtests: asked for, claimed by a worker, run over bars alone, and left as files of their own beside an index row.

A run reads bars and writes its row and its folder; nothing here knows orders, brokers or the ledger. Its row is claimed before
the work and settled after it, so a worker that dies leaves a claim that runs out, and the run is done again from the start.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from celery.exceptions import SoftTimeLimitExceeded
from django.db import transaction
from django.db.models import F, Q

from accounts.models import Account, User
from marketdata.domain.bars import Timeframe
from marketdata.models import Instrument
from trading.domain.backtest_costs import Costs
from trading.domain.backtest_requests import MOST_RUNS, combinations, complete, windows
from trading.domain.problems import Problem, Refused, refuse_if
from trading.domain.sessions import VERSION, config_hash
from trading.domain.strategies.registry import built_in
from trading.models import Strategy
from trading.models.backtests import UNFINISHED, BacktestKind, BacktestRun, BacktestStatus
from trading.services import backtest_runs
from trading.services.refusals import NotAsThingsStand, told

MOST_INSTRUMENTS = 500
MOST_WAITING = 2_000
SYSTEM = "system"
LEASE = timedelta(minutes=6)  # longer than a task may take
ATTEMPTS = 3
DIED = "The worker died while it ran; it was tried three times."
TOO_LONG = "It took longer than one run may; ask for fewer instruments, a shorter time, or fewer values to choose from."


class BacktestEnded(NotAsThingsStand):
    """The backtest has ended: there is nothing to cancel."""


class BacktestGoesOn(NotAsThingsStand):
    """The backtest has not ended; cancel it first."""


@transaction.atomic
def request_backtest(
    *,
    account: Account,
    actor: User,
    at: datetime,
    kind: str = BacktestKind.RUN,
    strategy: Strategy | None = None,
    strategy_kind: str = "",
    parameters: Mapping[str, Any] | None = None,
    **asked: Any,
) -> BacktestRun:
    """Write down a run, or a sweep or a walk-forward with its runs; a worker finds them.

    :raises ValidationError: by field
    """
    named = strategy_kind or (strategy.kind if strategy else "")
    base = dict(strategy.parameters) if strategy is not None and strategy.kind == named else {}
    run = BacktestRun(account=account, actor=actor, created_at=at, kind=kind, strategy=strategy, strategy_kind=named)
    run.parameters = base | dict(parameters or {})
    for name, value in asked.items():
        setattr(run, name, value)
    run.instruments = [one.pk for one in asked.get("instruments", ())]
    with told():
        runs = _prepared(run, asked.get("instruments", ()))
    run.total = max(len(runs), 1)
    run.clean_fields(exclude={"account", "strategy", "actor", "parent"})
    waiting = BacktestRun.objects.filter(account=account, status__in=UNFINISHED).count()
    if waiting + len(runs) > MOST_WAITING:
        detail = f"{waiting} runs of the account have not ended; wait, or cancel some."
        raise NotAsThingsStand(detail, "too_many_runs")
    run.save(force_insert=True)
    BacktestRun.objects.bulk_create(runs)
    return run


@transaction.atomic
def cancel_backtest(*, run: BacktestRun, at: datetime) -> BacktestRun:
    """Cancel a backtest: what waits ends at once, what runs at the next look.

    :raises BacktestEnded: if it has ended
    """
    run = BacktestRun.objects.select_for_update(of=("self",)).get(pk=run.pk)
    if run.status not in UNFINISHED:
        raise BacktestEnded(f"The backtest has ended: {run.get_status_display().lower()}.", code="backtest_ended")
    parts = BacktestRun.objects.filter(account=run.account_id, parent=run.pk)
    parts.filter(status=BacktestStatus.QUEUED).update(status=BacktestStatus.CANCELED, finished_at=at, cancel_requested=True)
    parts.filter(status=BacktestStatus.RUNNING).update(cancel_requested=True)
    run.cancel_requested = True
    plain = run.kind == BacktestKind.RUN
    if run.status == BacktestStatus.QUEUED if plain else not parts.filter(status__in=UNFINISHED).exists():
        run.status, run.finished_at = BacktestStatus.CANCELED, at
    run.save(update_fields=["cancel_requested", "status", "finished_at"])
    return run


@transaction.atomic
def delete_backtest(*, run: BacktestRun) -> None:
    """Throw a backtest away, with its runs and their files.

    :raises BacktestGoesOn: if it has not ended
    """
    run = BacktestRun.objects.select_for_update(of=("self",)).get(pk=run.pk)
    if run.status in UNFINISHED:
        raise BacktestGoesOn("The backtest has not ended; cancel it first.", code="backtest_goes_on")
    gone = [run.pk, *BacktestRun.objects.filter(account=run.account_id, parent=run.pk).values_list("pk", flat=True)]
    run.delete()
    transaction.on_commit(lambda: backtest_runs.remove_files(gone))


def waiting_runs(*, at: datetime, limit: int = MOST_RUNS) -> list[UUID]:
    """Return the runs that no worker has, the oldest first; of a sweep, its runs."""
    lost = Q(status=BacktestStatus.RUNNING, claimed_at__lt=at - LEASE)
    found = BacktestRun.objects.using(SYSTEM).filter(Q(status=BacktestStatus.QUEUED) | lost, kind=BacktestKind.RUN)
    return list(found.order_by("claimed_at", "id").values_list("pk", flat=True)[:limit])


def runs_of(*, run_id: UUID) -> list[UUID]:
    """Return what is to be run of a backtest: itself, or its runs."""
    rows = BacktestRun.objects.using(SYSTEM).filter(Q(pk=run_id) | Q(parent=run_id), kind=BacktestKind.RUN)
    return list(rows.filter(status=BacktestStatus.QUEUED).order_by("number").values_list("pk", flat=True))


def perform_backtest(*, run_id: UUID, clock: Callable[[], datetime]) -> BacktestStatus | None:
    """Run one backtest and return how it ended; None if another worker has it, or it has ended."""
    rows = BacktestRun.objects.using(SYSTEM)
    run = _claimed(run_id, clock())
    if run is None:
        return None
    status, error, parameters = BacktestStatus.SUCCEEDED, "", run.parameters
    metrics: dict[str, Any] = {}
    try:
        if run.attempts > ATTEMPTS:
            raise backtest_runs.CannotRun(DIED)
        if run.cancel_requested:
            raise backtest_runs.Canceled
        metrics, parameters = backtest_runs.execute(run, look=_Look(run, clock))
    except backtest_runs.Canceled:
        status = BacktestStatus.CANCELED
    except (backtest_runs.CannotRun, Refused) as refusal:
        status, error = BacktestStatus.FAILED, str(refusal)
    except SoftTimeLimitExceeded:
        status, error = BacktestStatus.FAILED, TOO_LONG
    done = run.total if status == BacktestStatus.SUCCEEDED else F("done")
    rows.filter(pk=run.pk, status=BacktestStatus.RUNNING, attempts=run.attempts).update(
        status=status, error=error, metrics=metrics, parameters=parameters, done=done, finished_at=clock()
    )
    if run.parent_id is not None:
        settle_parent(parent_id=run.parent_id, at=clock())
    return status


def settle_parent(*, parent_id: UUID, at: datetime) -> None:
    """Count how many runs of a sweep have ended; after the last, find the best and end it."""
    with transaction.atomic(using=SYSTEM):
        parent = BacktestRun.objects.using(SYSTEM).select_for_update(of=("self",)).filter(pk=parent_id).first()
        if parent is None or parent.status not in UNFINISHED:
            return
        runs = list(BacktestRun.objects.using(SYSTEM).filter(account=parent.account_id, parent=parent_id).order_by("number"))
        ended = [run for run in runs if run.status not in UNFINISHED]
        parent.done = len(ended)
        if len(ended) == len(runs):
            parent.finished_at = at
            parent.status, parent.error, parent.metrics = backtest_runs.summed_up(parent, runs)
        parent.save(update_fields=["done", "status", "error", "metrics", "finished_at"])


def stalled_parents() -> list[UUID]:
    """Return the sweeps all of whose runs have ended, but not they: a worker died in between."""
    rows = BacktestRun.objects.using(SYSTEM).filter(status__in=UNFINISHED).exclude(kind=BacktestKind.RUN)
    going_on = BacktestRun.objects.using(SYSTEM).filter(status__in=UNFINISHED, parent__isnull=False)
    return list(rows.exclude(pk__in=going_on.values("parent")).values_list("pk", flat=True))


class _Look:
    """Notes progress now and then, and hears whether the run was canceled."""

    EVERY = timedelta(seconds=1)

    def __init__(self, run: BacktestRun, clock: Callable[[], datetime]) -> None:
        self.run, self.clock, self.last = run, clock, clock()

    def __call__(self, done: int, of: int) -> None:
        """Hear that so much is done."""
        now = self.clock()
        if now - self.last < self.EVERY:
            return
        self.last = now
        rows = BacktestRun.objects.using(SYSTEM).filter(pk=self.run.pk)
        self.run.total = of
        rows.filter(status=BacktestStatus.RUNNING).update(done=min(done, of), total=of, claimed_at=now)
        if rows.filter(cancel_requested=True).exists():
            raise backtest_runs.Canceled


def _claimed(run_id: UUID, at: datetime) -> BacktestRun | None:
    """Take a run that waits, or whose worker is gone, and return it."""
    rows = BacktestRun.objects.using(SYSTEM).filter(pk=run_id, kind=BacktestKind.RUN)
    free = Q(status=BacktestStatus.QUEUED) | Q(status=BacktestStatus.RUNNING, claimed_at__lt=at - LEASE)
    taken = rows.filter(free).update(
        status=BacktestStatus.RUNNING, claimed_at=at, attempts=F("attempts") + 1, started_at=at, done=0
    )
    if not taken:
        return None
    run = rows.select_related("parent").get()
    if run.parent_id is not None:
        queued = BacktestRun.objects.using(SYSTEM).filter(pk=run.parent_id, status=BacktestStatus.QUEUED)
        queued.update(status=BacktestStatus.RUNNING, started_at=at)
    return run


def _prepared(run: BacktestRun, instruments: Sequence[Instrument]) -> list[BacktestRun]:
    """Complete what a backtest was asked for, and return its runs, none of a plain one."""
    refuse_if(_problems(run, instruments), Refused)
    built_in(run.strategy_kind, field="strategy_kind")
    Costs.read(run.costs)
    walk = run.kind == BacktestKind.WALK_FORWARD
    run.rules = complete(run.rules, instruments=len(instruments), walk_forward=walk)
    found = combinations(run.strategy_kind, run.parameters)
    run.config_hash = config_hash(_configuration(run))
    if run.kind == BacktestKind.RUN:
        detail = "Lists of values are for a sweep or a walk-forward."
        refuse_if([Problem("parameters", "list", detail)] if _lists(run.parameters) else [], Refused)
        return []
    if not walk:
        return [_part(run, number, parameters=one) for number, one in enumerate(found)]
    days = {name: run.rules[name] for name in ("train_days", "test_days")}
    periods = windows(run.start, run.end, **days)
    return [_part(run, number, start=first, end=last) for number, (first, last) in enumerate(periods)]


def _part(run: BacktestRun, number: int, **own: Any) -> BacktestRun:
    """Return one of the runs of a sweep or a walk-forward."""
    shared = ("account", "actor", "strategy", "strategy_kind", "parameters", "instruments", "timeframe", "start", "end")
    fields = {name: getattr(run, name) for name in (*shared, "cash", "costs", "rules", "seed", "code_version", "created_at")}
    part = BacktestRun(**fields | own, parent=run, number=number)
    part.config_hash = config_hash(_configuration(part))
    return part


def _configuration(run: BacktestRun) -> dict[str, Any]:
    """Return all that a run rests on but the bars, as JSON."""
    said = {name: getattr(run, name) for name in ("kind", "strategy_kind", "parameters", "timeframe", "costs", "rules", "seed")}
    days = {"start": str(run.start), "end": str(run.end), "cash": f"{Decimal(run.cash).normalize():f}"}
    return said | days | {"instruments": sorted(map(str, run.instruments))}


def _lists(parameters: Mapping[str, Any]) -> bool:
    """Say whether a parameter has several values."""
    return any(isinstance(value, list) for value in parameters.values())


def _problems(run: BacktestRun, instruments: Sequence[Instrument]) -> list[Problem]:
    """Return what cannot be run."""
    found = []
    if not 0 < len({one.pk for one in instruments}) == len(instruments) <= MOST_INSTRUMENTS:
        found.append(Problem("instruments", "invalid", f"Name 1 to {MOST_INSTRUMENTS} instruments, each once."))
    if len({one.currency for one in instruments}) > 1:
        found.append(Problem("instruments", "currencies", "The instruments of a backtest share a currency; run one for each."))
    if run.timeframe not in list(Timeframe):
        found.append(Problem("timeframe", "invalid", f"Write one of {', '.join(Timeframe)}."))
    if not (isinstance(run.start, date) and isinstance(run.end, date) and run.start < run.end):
        found.append(Problem("end", "invalid", "The end is the first day that is not in it: write one after the start."))
    if run.cash is None or Decimal(run.cash) <= 0:
        found.append(Problem("cash", "not_positive", "Write an amount above zero."))
    if not VERSION.fullmatch(run.code_version):
        found.append(Problem("code_version", "invalid", "Write up to 100 letters, digits and . + - _ /"))
    if not run.strategy_kind:
        found.append(Problem("strategy_kind", "required", "Name a built-in strategy, or one of yours that is one."))
    return found
