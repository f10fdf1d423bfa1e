"""What a backtest is asked for: its rules as they are written, the runs of a sweep, and the windows of a walk-forward."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import product
from typing import Any

from portfolio.domain.exact import plain
from trading.domain.backtest import Rules, Sizing
from trading.domain.backtest_costs import Costs
from trading.domain.backtest_metrics import EPOCH, OBJECTIVES
from trading.domain.backtest_steps import Exits
from trading.domain.numbers import read_number
from trading.domain.problems import Problem, Refused, refuse_if
from trading.domain.strategies.base import ParametersRefused
from trading.domain.strategies.registry import made

MOST_RUNS = 500
MOST_WINDOWS = 100
LONGEST_WINDOW = 36_500
WEEK, TRADED = 7, 5
MARGIN = timedelta(days=10)
DEFAULTS: dict[str, Any] = {"sizing": "EQUITY", "step": "1", "shorts": False, "objective": "sharpe"}
NUMBERS = ("amount", "step", "stop_loss", "take_profit")
WINDOWS = ("train_days", "test_days")
PLACES = -12


class RequestRefused(Refused):
    """A backtest that cannot be run."""


def complete(written: Mapping[str, Any], *, instruments: int, walk_forward: bool) -> dict[str, Any]:
    """Return the rules of a run with what is left out, as JSON; of one instrument among n, a full position is an n-th.

    What is null is left out.

    :raises RequestRefused: by field

    >>> complete({"sizing": "UNITS", "amount": "10"}, instruments=2, walk_forward=False)["objective"]
    'sharpe'
    """
    written = {name: value for name, value in written.items() if value is not None}
    share = {"amount": plain((Decimal(1) / instruments).quantize(Decimal("0.000001")))}
    risk = {"amount": "0.01"} if written.get("sizing") == Sizing.RISK else share
    windows = {"train_days": 730, "test_days": 182} if walk_forward else {}
    found = DEFAULTS | risk | windows | dict(written)
    known = {*DEFAULTS, *NUMBERS, *windows}
    detail = f"Rules are {', '.join(sorted(known))}."
    problems = [Problem(f"rules.{name}", "unknown_rule", detail) for name in found if name not in known]
    problems += _bad_choices(found) + _bad_numbers(found) + _bad_windows(found)
    if found["sizing"] in (Sizing.UNITS, Sizing.VALUE) and "amount" not in written:
        problems.append(Problem("rules.amount", "required", "Say how many units, or how much money, a full position is."))
    refuse_if(problems, RequestRefused)
    return found | {name: plain(read_number(found[name]) or Decimal(0)) for name in NUMBERS if name in found}


def rules_of(written: Mapping[str, Any], *, cash: Decimal, costs: Mapping[str, Any], begin: date) -> Rules:
    """Return the rules of a run that begins on a day, from those that are complete."""
    exits = [Decimal(written[name]) if written.get(name) is not None else None for name in ("stop_loss", "take_profit")]
    return Rules(
        cash=cash,
        sizing=Sizing(written["sizing"]),
        amount=Decimal(written["amount"]),
        step=Decimal(written["step"]),
        shorts=bool(written["shorts"]),
        exits=Exits(*exits),
        costs=Costs.read(costs),
        begin=microseconds(begin),
    )


def microseconds(day: date) -> int:
    """Return when a day begins, in microseconds since 1970.

    >>> microseconds(date(1970, 1, 2))
    86400000000
    """
    return (datetime.combine(day, time(), UTC) - EPOCH) // timedelta(microseconds=1)


def combinations(kind: str, written: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the parameters of each run of a sweep: a list stands for each of its values. Those that cannot be are left out.

    :raises RequestRefused: if there are too many
    :raises ParametersRefused: if none can be

    >>> combinations("sma_cross", {"fast": [5, 40], "slow": [20, 50]})
    [{'fast': 5, 'slow': 20}, {'fast': 5, 'slow': 50}, {'fast': 40, 'slow': 50}]
    """
    choices = {name: value if isinstance(value, list) else [value] for name, value in written.items()}
    count = 1
    for values in choices.values():
        count *= len(values)
    detail = f"These are {count} runs; ask for 1 to {MOST_RUNS}."
    refuse_if([] if 0 < count <= MOST_RUNS else [Problem("parameters", "too_many_runs", detail)], RequestRefused)
    found, refusal = [], None
    for chosen in product(*choices.values()):
        one = dict(zip(choices, chosen, strict=True))
        try:
            made(kind, one)
        except ParametersRefused as error:
            refusal = error
        else:
            found.append(one)
    if not found and refusal is not None:
        raise refusal
    return found


def windows(start: date, end: date, *, train_days: int, test_days: int) -> list[tuple[date, date]]:
    """Return the periods on which a walk-forward is tried, one after the other; each is preceded by days to choose on.

    :raises RequestRefused: if there is none, or too many

    >>> [str(first) for first, _ in windows(date(2020, 1, 1), date(2021, 1, 1), train_days=180, test_days=90)]
    ['2020-06-29', '2020-09-27', '2020-12-26']
    """
    first, last = start.toordinal() + train_days, end.toordinal()
    begins = range(first, last, test_days)
    count = len(begins)
    detail = f"The period has {count} windows of {test_days} days after the first {train_days}; make it 1 to {MOST_WINDOWS}."
    refuse_if([] if 0 < count <= MOST_WINDOWS else [Problem("rules.test_days", "windows", detail)], RequestRefused)
    return [(date.fromordinal(one), date.fromordinal(min(one + test_days, last))) for one in begins]


def since(start: date, *, warm_up: int, bar: timedelta) -> date:
    """Return from when on bars are read, so that a strategy knows enough on the first day: some more than it needs.

    >>> since(date(2024, 1, 31), warm_up=10, bar=timedelta(days=1))
    datetime.date(2024, 1, 7)
    """
    before = bar * warm_up * WEEK / TRADED + MARGIN if warm_up else timedelta()
    return start - min(before, start - date.min)


def _bad_choices(found: Mapping[str, Any]) -> list[Problem]:
    """Return what is none of its choices."""
    choices: dict[str, tuple[Any, ...]] = {"sizing": tuple(one.value for one in Sizing), "objective": OBJECTIVES}
    problems = [
        Problem(f"rules.{name}", "invalid", f"Write one of {', '.join(known)}.")
        for name, known in choices.items()
        if found[name] not in known
    ]
    if not isinstance(found["shorts"], bool):
        problems.append(Problem("rules.shorts", "invalid", "Write true or false."))
    return problems


def _bad_numbers(found: Mapping[str, Any]) -> list[Problem]:
    """Return what is no number above zero; shares and stops are parts of a whole."""
    parts = {"stop_loss"} | ({"amount"} if found["sizing"] in (Sizing.EQUITY, Sizing.RISK) else set())
    problems = []
    for name in NUMBERS:
        if name not in found:
            continue
        value, least = read_number(found[name]), Decimal(1).scaleb(PLACES)
        if value is None or value < least or (name in parts and value > 1):
            most = ", at most 1" if name in parts else ""
            problems.append(Problem(f"rules.{name}", "invalid", f"Write a number above zero{most}."))
    return problems


def _bad_windows(found: Mapping[str, Any]) -> list[Problem]:
    """Return what is no length of a window."""
    return [
        Problem(f"rules.{name}", "invalid", f"Write a number of days from 1 to {LONGEST_WINDOW:,}.")
        for name in WINDOWS
        if name in found
        and (not isinstance(found[name], int) or isinstance(found[name], bool) or not 0 < found[name] <= LONGEST_WINDOW)
    ]
