"""Checks across records, which no single row can break: run every night and by command, some of them mended.

A check names what contradicts what. Those of market data become quality issues, told once and resolved by the next run that no
longer finds them. A higher floor adds its own through the setting MARKETDATA_CHECKS; what concerns accounts is told to their
owners and never kept here, where everybody may read it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, transaction
from django.utils.module_loading import import_string

from marketdata.domain.quality import TOLD, Dataset, Finding, Severity, as_text
from marketdata.models.prices import LatestQuote, LatestTick, PriceHistory
from marketdata.models.quality import QualityIssue
from marketdata.selectors import checks as find
from marketdata.selectors.checks import Problem, Scope
from marketdata.services.latest import UPSERT_NEWEST, mark_days_for_rollup
from marketdata.services.quality import Found, record_findings

SOURCE = "check_data"
MEND_PRICE_HISTORY = """
    UPDATE marketdata_pricehistory AS history
    SET rows = there.rows, first_at = there.first_at, last_at = there.last_at, revision = history.revision + 1
    FROM (
        SELECT count(*) AS rows, min(timestamp) AS first_at, max(timestamp) AS last_at
        FROM marketdata_bar WHERE instrument_id = %(instrument)s AND timeframe = %(timeframe)s
    ) AS there
    WHERE history.instrument_id = %(instrument)s AND history.timeframe = %(timeframe)s
"""
MEND_FX_HISTORY = """
    INSERT INTO marketdata_fxhistory AS history (base, quote, rows, first_date, last_date, revision)
    SELECT %(base)s, %(quote)s, count(*), min(date), max(date), 1
    FROM marketdata_fxrate WHERE base = %(base)s AND quote = %(quote)s
    ON CONFLICT (base, quote) DO UPDATE
    SET rows = excluded.rows, first_date = excluded.first_date, last_date = excluded.last_date, revision = history.revision + 1
"""


@dataclass(frozen=True, slots=True)
class CrossCheck:
    """What records have to keep between them; `mend` repairs what is derived of one problem, never what somebody sent.

    A `private` check concerns people: its problems are counted and printed, and kept nowhere; it tells them itself.
    """

    name: str
    severity: Severity
    description: str
    find: Callable[[Scope], Iterable[Problem]]
    mend: Callable[[Problem, Scope], None] | None = None
    private: bool = False


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of one check: the first problems, how many there are, and how many of them were mended."""

    check: CrossCheck
    problems: Sequence[Problem]
    found: int
    mended: int

    @property
    def left(self) -> int:
        """The problems that remain."""
        return self.found - self.mended


def run_checks(*, at: datetime, since: date | None = None, fix: bool = False) -> list[Checked]:
    """Run every check over the days since one, mend what is derived if told to, and keep what was found as issues."""
    return [_run(check, Scope(at, since), fix=fix) for check in checks_in_force()]


def checks_in_force() -> tuple[CrossCheck, ...]:
    """Return our checks and those that MARKETDATA_CHECKS names.

    :raises ImproperlyConfigured: naming what is no check, or has the name of another
    """
    return (*OURS, *_own(tuple(settings.MARKETDATA_CHECKS)))


@cache
def _own(paths: tuple[str, ...]) -> tuple[CrossCheck, ...]:
    """Return the checks at dotted paths."""
    found: dict[str, CrossCheck] = {}
    for path in paths:
        try:
            check = import_string(path)
        except ImportError as error:
            raise ImproperlyConfigured(f"MARKETDATA_CHECKS: {path}: {error}") from error
        if not isinstance(check, CrossCheck):
            raise ImproperlyConfigured(f"MARKETDATA_CHECKS: {path} is no CrossCheck.")
        if check.name in found or check.name in {each.name for each in OURS}:
            raise ImproperlyConfigured(f"MARKETDATA_CHECKS: {path}: there is a check named {check.name} already.")
        found[check.name] = check
    return tuple(found.values())


def _run(check: CrossCheck, scope: Scope, *, fix: bool) -> Checked:
    """Run one check."""
    told: list[Problem] = []
    found = mended = 0
    for problem in check.find(scope):
        found += 1
        if fix and check.mend:
            check.mend(problem, scope)
            mended += 1
        elif len(told) < TOLD:
            told.append(problem)
    if not check.private:
        _keep(check, told, scope)
    return Checked(check, told, found, mended)


@transaction.atomic
def _keep(check: CrossCheck, problems: Sequence[Problem], scope: Scope) -> None:
    """Write problems down as issues, and resolve those of earlier runs that are not found any more."""
    for dataset in Dataset:
        found = [
            Found(
                Finding(0, check.name, check.severity, next(iter(each.record), ""), as_text(each.value), check.description),
                each.record,
                each.instrument_id,
            )
            for each in problems
            if each.dataset is dataset
        ]
        record_findings(dataset=dataset, source=SOURCE, found=found, at=scope.at)
    if scope.since is None and len(problems) < TOLD:
        gone = QualityIssue.objects.filter(rule=check.name, source=SOURCE, resolved_at__isnull=True, last_found_at__lt=scope.at)
        gone.update(resolved_at=scope.at, resolved_by=SOURCE, resolution="It was not found any more.")


def _mend_latest(dataset: Dataset) -> Callable[[Problem, Scope], None]:
    """Return how the latest row of an instrument is taken anew from its rows."""

    def mend(problem: Problem, _scope: Scope) -> None:
        _execute(UPSERT_NEWEST[dataset], {"instrument": problem.instrument_id})

    return mend


def _mend_history(problem: Problem, _scope: Scope) -> None:
    """Let the history of a series of bars say what is there."""
    timeframe = problem.record["timeframe"]
    if problem.instrument_id is None:
        return
    with transaction.atomic():
        PriceHistory.objects.get_or_create(instrument_id=problem.instrument_id, timeframe=timeframe)
        _execute(MEND_PRICE_HISTORY, {"instrument": problem.instrument_id, "timeframe": timeframe})


def _mend_fx_history(problem: Problem, _scope: Scope) -> None:
    """Let the history of a pair of currencies say what is there."""
    _execute(MEND_FX_HISTORY, {"base": problem.record["base"], "quote": problem.record["quote"]})


def _mend_rollup(problem: Problem, scope: Scope) -> None:
    """Have the bars of a day rolled up again."""
    day = problem.record["timestamp"].astimezone(UTC).date()
    if problem.instrument_id:
        mark_days_for_rollup(Dataset.TICKS, [(problem.instrument_id, day)], scope.at)


def _execute(statement: str, values: dict[str, Any]) -> None:
    """Execute a statement."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


ERROR, WARNING = Severity.ERROR, Severity.WARNING
OURS = (
    CrossCheck(
        "ticks_within_quotes", WARNING, "Trades lie outside all that was bid and asked that day.", find.ticks_outside_quotes
    ),
    CrossCheck("bars_hold_ticks", WARNING, "A bar does not contain the trades of its minute.", find.bars_without_their_ticks),
    CrossCheck(
        "rolled_bars_follow",
        ERROR,
        "A bar that was rolled up does not follow from the trades any more.",
        find.rolled_otherwise,
        _mend_rollup,
    ),
    CrossCheck("no_session_missing", WARNING, "Daily bars are missing on sessions of the exchange.", find.bars_missing),
    CrossCheck(
        "latest_quote_is_newest",
        ERROR,
        f"The {LatestQuote._meta.verbose_name} of an instrument is not its newest.",
        find.quotes_not_the_latest,
        _mend_latest(Dataset.QUOTES),
    ),
    CrossCheck(
        "latest_tick_is_newest",
        ERROR,
        f"The {LatestTick._meta.verbose_name} of an instrument is not its newest.",
        find.ticks_not_the_latest,
        _mend_latest(Dataset.TICKS),
    ),
    CrossCheck(
        "history_matches_bars",
        ERROR,
        "A history does not say how many bars there are or how far they reach.",
        find.histories_that_lie,
        _mend_history,
    ),
    CrossCheck(
        "history_matches_rates",
        ERROR,
        "A history does not say how many rates there are or how far they reach.",
        find.fx_histories_that_lie,
        _mend_fx_history,
    ),
    CrossCheck(
        "followed_is_fresh",
        WARNING,
        "Somebody follows the instrument, and its last price is over a week old.",
        find.followed_and_stale,
    ),
    CrossCheck("isin_once", WARNING, "Two active instruments of one exchange have the same ISIN.", find.isins_given_twice),
)
