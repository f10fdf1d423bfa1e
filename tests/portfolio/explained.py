"""Whether every number of an answer has an explanation that gives it, to the last digit."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from tests.portfolio.recompute import is_number, recomputed

NAMES = frozenset(
    {"opening", "closing", "sequence", "window"}
)  # the sequences of entries are no figures, nor is what was asked for
SEARCHED = frozenset({"xirr"})  # no formula gives it: the flows it solves are told
UNTOLD = "as the derivation"
BRIDGE = "bridge."


def numbers_in(answer: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield every number of an answer with the path to it."""
    for name, value in answer.items():
        path = f"{prefix}{name}"
        if name in {"explanation", "reasons", "year"} or path in NAMES:
            continue
        if isinstance(value, dict):
            yield from numbers_in(value, f"{path}.")
        elif isinstance(value, list):
            yield from numbers_of(value, path)
        elif (isinstance(value, int) and not isinstance(value, bool)) or is_number(value):
            yield path, str(value)


def numbers_of(rows: list[Any], path: str) -> Iterator[tuple[str, str]]:
    """Yield every number of a list with the path to it."""
    for place, one in enumerate(rows):
        if isinstance(one, dict):
            yield from numbers_in(one, f"{path}.{one.get('month', place)}.")
        elif is_number(one):
            yield f"{path}.{place}", one


def explains_all(answer: dict[str, Any]) -> None:
    """Say that the explanation of an answer gives every number in it."""
    explanation = answer["explanation"]
    found = recomputed(explanation)
    assert [note for note in explanation["notes"] if UNTOLD in note] == []
    told = {step["figure"]: step for step in explanation["steps"]}
    cells = {
        f"monthly.{row['month']}.{column}": row[column]
        for row in explanation["tables"].get("monthly", {}).get("rows", ())
        for column in row
    }
    for path, value in numbers_in(answer):
        figure = path.removeprefix(BRIDGE)
        if figure in SEARCHED:
            assert Decimal(told[figure]["value"]) == Decimal(value)
            assert abs(found["left_over"]) <= Decimal("1e-6") * max(
                [1, *(abs(Decimal(row["amount"])) for row in explanation["tables"]["investor_flows"]["rows"])]
            )
        elif figure in cells:
            assert Decimal(cells[figure]) == Decimal(value), path
        else:
            assert figure in found, path
            assert found[figure] == Decimal(value), path
