"""Figures computed again from nothing but their explanations, by a calculator of its own."""

from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from typing import Any

WIDE = Context(prec=100, rounding=ROUND_HALF_EVEN)


class _Table:
    def __init__(self, table: dict[str, Any]) -> None:
        self.table = table

    def __getattr__(self, column: str) -> list[Decimal]:
        rest = Decimal(self.table["rest"].get(column, "0"))
        return [*(Decimal(row[column] or "0") for row in self.table["rows"]), rest]


def rounded(value: Any, places: int) -> Decimal:
    return Decimal(value).quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN, WIDE)


def calculate(formula: str, numbers: dict[str, str], tables: dict[str, Any], places: int) -> Decimal:
    names: dict[str, Any] = {name: _Table(table) for name, table in tables.items()}
    given = {name: Decimal(number) for name, number in numbers.items()}
    known = {
        **names,
        **given,
        "round": rounded,
        "max": max,
        "min": min,
        "abs": abs,
        "sqrt": Decimal.sqrt,
        "sum": lambda many: sum(many, Decimal(0)),
    }
    with localcontext(WIDE):
        return rounded(eval(formula, {"__builtins__": {}}, known), places)  # noqa: S307


def recomputed(explanation: dict[str, Any]) -> dict[str, Decimal]:
    """Return each figure of an explanation, computed again; every step and every cell comes out as told, or this fails."""
    tables = explanation["tables"]
    for name, table in tables.items():
        assert table["count"] == len(table["rows"]) + table["left_out"], name
        for column, rule in table["formulas"].items():
            for row in table["rows"]:
                cells = {cell: value for cell, value in row.items() if is_number(value)}
                found = calculate(rule["formula"], cells, {}, rule["places"])
                assert found == Decimal(row[column]), (name, column, row)
    figures: dict[str, Decimal] = {}
    for step in explanation["steps"]:
        if step["formula"] is None:
            continue
        found = calculate(step["formula"], step["numbers"], tables, step["places"])
        slack = 0 if step["exact"] else Decimal("2e-12") * max(1, abs(found))
        assert abs(found - Decimal(step["value"])) <= slack, step
        found = found if step["exact"] else Decimal(step["value"])
        family = step["figure"].rpartition(".")[0]
        for name, number in step["numbers"].items():  # what an earlier step found is what a later one takes
            called = f"{family}.{name}" if family else name
            assert called not in figures or rounded(number, 10) == rounded(figures[called], 10), (step, name)
        figures[step["figure"]] = found
    return figures


def is_number(value: Any) -> bool:
    return isinstance(value, str) and value.removeprefix("-").replace(".", "", 1).isdigit()
