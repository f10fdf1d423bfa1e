"""Measure ours beside a baseline in turn, so that both meet the same machine, and say whether a goal is met."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

ROUNDS, QUICK_ROUNDS = 7, 3
Contestant = Callable[[], float]


@dataclass(frozen=True)
class Result:
    """One line of the report: medians of all rounds."""

    name: str
    case: str
    ours: float
    baseline: float
    unit: str
    ratio: float
    rounds: int
    goal: str
    met: bool


class Harness:
    """Runs contestants in turn and keeps the results."""

    def __init__(self, *, quick: bool = False) -> None:
        self.quick = quick
        self.rounds = QUICK_ROUNDS if quick else ROUNDS
        self.results: list[Result] = []
        self.spreads: list[str] = []

    def interleave(self, contestants: Mapping[str, Contestant], *, warm_up: bool = True) -> dict[str, list[float]]:
        """Call every contestant once a round, in an order that turns round each time, and return what each measured."""
        if warm_up:
            for run in contestants.values():
                run()
        measured: dict[str, list[float]] = {name: [] for name in contestants}
        for number in range(self.rounds):
            for name in list(contestants)[:: -1 if number % 2 else 1]:
                measured[name].append(contestants[name]())
        return measured

    def compare(self, name: str, case: str, *, ours: Sequence[float], baseline: Sequence[float], unit: str, goal: str) -> Result:
        """Keep the comparison of two contestants: the ratio of their medians, held to a goal such as ">= 0.6"."""
        ratio = median(ours) / median(baseline)
        result = Result(
            name=name,
            case=case,
            ours=round(median(ours), 3),
            baseline=round(median(baseline), 3),
            unit=unit,
            ratio=round(ratio, 3),
            rounds=len(ours),
            goal=goal,
            met=meets(ratio, goal),
        )
        self.results.append(result)
        rounds = sorted(one / other for one, other in zip(ours, baseline, strict=True))
        self.spreads.append(f"{rounds[0]:.2f}..{rounds[-1]:.2f}")
        return result

    def table(self) -> str:
        """Return the results as a table; the spread is that of the ratio, round by round."""
        rows = [("benchmark", "case", "ours", "baseline", "unit", "ratio", "spread", "goal", "")]
        rows += [
            (
                *(result.name, result.case, figure(result.ours), figure(result.baseline), result.unit),
                *(f"{result.ratio:.2f}", spread, result.goal, "met" if result.met else "MISSED"),
            )
            for result, spread in zip(self.results, self.spreads, strict=True)
        ]
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)

    def record(self, path: Path) -> None:
        """Append the results to a file, a JSON object a line."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.writelines(json.dumps(asdict(result)) + "\n" for result in self.results)


def meets(ratio: float, goal: str) -> bool:
    """Say whether a ratio meets a goal.

    >>> meets(0.7, ">= 0.6"), meets(2.1, "<= 2.0")
    (True, False)
    """
    sign, bound = goal.split()
    return ratio >= float(bound) if sign == ">=" else ratio <= float(bound)


def figure(number: float) -> str:
    """Return a number as a person reads it.

    >>> figure(1234567.8), figure(12.345)
    ('1,234,568', '12.3')
    """
    return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.3g}"
