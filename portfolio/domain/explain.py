"""Why a figure is what it is: steps that a reader can take again, down to entries, prices and rates.

A step is a formula over numbers that stand beside it, and over sums of columns of tables; its value is rounded to the places it
names, halves to the even neighbor. A formula is only told if it gives the very figure: one that does not is left out, and a note
says so. Tables are bounded: of many rows the first and the last are there, and what the others add up to.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from functools import cache
from typing import Any, NamedTuple

from portfolio.domain.exact import EXACT, MONEY_PLACES, ONE, ZERO, plain

MOST_ROWS = 100  # of a table: half of them from its start, half from its end
UNTOLD = "{} is as the derivation rounded it; no formula of one step gives its last digit."
RATIO_PLACES = 12
SLACK = Decimal("2e-12")
Row = dict[str, Any]


class Rule(NamedTuple):
    """How a column of a table, or a step, follows from numbers: the formula, and the places its value is rounded to."""

    formula: str
    places: int = MONEY_PLACES


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the way to a figure; no formula where none gives the value."""

    figure: str
    formula: str | None
    numbers: Mapping[str, Decimal]
    value: Decimal | None
    places: int
    exact: bool = True

    def as_json(self) -> dict[str, Any]:
        """Return the step in types JSON knows."""
        numbers = {name: plain(number) for name, number in self.numbers.items()}
        value = None if self.value is None else plain(rounded(self.value, self.places))
        step = {"figure": self.figure, "formula": self.formula, "numbers": numbers, "places": self.places, "value": value}
        return {**step, "exact": self.exact}


@dataclass(slots=True)
class Table:
    """Rows that a figure is summed up from; `rest` are the sums over the rows that are left out."""

    summed: Sequence[str] = ()
    rules: Mapping[str, Rule] = field(default_factory=dict)
    count: int = 0
    first: list[Row] = field(default_factory=list)
    last: list[Row] = field(default_factory=list)
    rest: dict[str, Decimal] = field(default_factory=dict)

    def add(self, row: Row) -> None:
        """Add a row; one in the middle of many is only counted in the sums."""
        self.count += 1
        half = MOST_ROWS // 2
        if len(self.first) < half:
            self.first.append(row)
            return
        self.last.append(row)
        if len(self.last) > half:
            gone = self.last.pop(0)
            for name in self.summed:
                self.rest[name] = self.rest.get(name, ZERO) + (gone[name] or ZERO)

    @property
    def rows(self) -> list[Row]:
        """The rows that are told."""
        return [*self.first, *self.last]

    def total(self, column: str) -> Decimal:
        """Return what a column adds up to, the rows left out included."""
        return sum((row[column] or ZERO for row in self.rows), self.rest.get(column, ZERO))

    def as_json(self) -> dict[str, Any]:
        """Return the table in types JSON knows."""
        return {
            "formulas": {name: {"formula": rule.formula, "places": rule.places} for name, rule in self.rules.items()},
            "count": self.count,
            "left_out": self.count - len(self.first) - len(self.last),
            "rest": told(self.rest),
            "rows": [told(row) for row in self.rows],
        }


class Cited(NamedTuple):
    """A price or a rate: what for, the day it counts on, the day it was seen, its value, and where it is from."""

    name: str
    day: int
    seen: int
    value: Decimal
    source: str

    def as_json(self, called: str) -> dict[str, Any]:
        """Return it in types JSON knows; `called` says what its name is to be read as."""
        return {
            called: self.name,
            "day": date.fromordinal(self.day).isoformat(),
            "seen": date.fromordinal(self.seen).isoformat(),
            "value": plain(self.value),
            "source": self.source,
            "stale": self.seen < self.day,
        }


@dataclass(slots=True)
class Explanation:
    """The way to some figures: the last steps are the figures themselves."""

    steps: list[Step] = field(default_factory=list)
    tables: dict[str, Table] = field(default_factory=dict)
    prices: list[Cited] = field(default_factory=list)
    rates: list[Cited] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def tell(
        self, figure: str, formula: str, kept: Decimal | None, places: int = MONEY_PLACES, /, **numbers: Decimal | None
    ) -> Decimal | None:
        """Add the step to a figure that was kept, and return that; a formula that does not give it is not told."""
        known = {name: number for name, number in numbers.items() if number is not None}
        value = self.compute(formula, known, places) if len(known) == len(numbers) and kept is not None else None
        holds = value is not None and kept is not None and value == rounded(kept, places)
        self.steps.append(Step(figure, formula if holds else None, known if holds else {}, kept, places))
        if kept is not None and not holds:
            self.notes.append(UNTOLD.format(figure))
        return kept

    def tell_float(self, figure: str, formula: str, kept: Decimal | None, /, **numbers: float) -> None:
        """Add the step to a ratio that floats gave: its last of twelve places may be another one."""
        known = {name: Decimal(repr(float(number))) for name, number in numbers.items()}
        value = None if kept is None else self.compute(formula, known, RATIO_PLACES)
        holds = value is not None and kept is not None and abs(value - kept) <= SLACK * max(ONE, abs(kept))
        self.steps.append(Step(figure, formula if holds else None, known if holds else {}, kept, RATIO_PLACES, exact=False))

    def find(self, figure: str, formula: str, places: int = MONEY_PLACES, /, **numbers: Decimal) -> Decimal:
        """Add a step on the way, and return its value."""
        value = self.compute(formula, numbers, places) or ZERO
        self.steps.append(Step(figure, formula, numbers, value, places))
        return value

    def compute(self, formula: str, numbers: Mapping[str, Any], places: int) -> Decimal | None:
        """Return the value of a formula, none where it has none."""
        try:
            return rounded(evaluate(formula, numbers, self.tables), places)
        except ArithmeticError:
            return None

    def table(self, name: str, *, summed: Sequence[str] = (), rules: Mapping[str, Rule] | None = None) -> Table:
        """Add a table, and return it."""
        self.tables[name] = Table(summed, rules or {})
        return self.tables[name]

    def cite(self, *, prices: Iterable[Cited] = (), rates: Iterable[Cited] = ()) -> None:
        """Add prices and rates, each once, up to as many as a table has rows."""
        for known, found in ((self.prices, prices), (self.rates, rates)):
            for one in found:
                if one not in known and len(known) < MOST_ROWS:
                    known.append(one)

    def as_json(self) -> dict[str, Any]:
        """Return the explanation in types JSON knows."""
        return {
            "steps": [step.as_json() for step in self.steps],
            "tables": {name: table.as_json() for name, table in self.tables.items()},
            "prices": [one.as_json("instrument") for one in self.prices],
            "rates": [one.as_json("pair") for one in self.rates],
            "notes": self.notes,
        }


def told(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the cells of a row in types JSON knows."""
    return {name: plain(cell) if isinstance(cell, Decimal) else cell for name, cell in row.items()}


def rounded(value: Decimal, places: int) -> Decimal:
    """Return a number with so many places, halves to the even neighbor."""
    return value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN, EXACT)


def evaluate(formula: str, numbers: Mapping[str, Any], tables: Mapping[str, Table] | None = None) -> Decimal:
    """Return the value of a formula, exactly but for quotients, which have a hundred digits.

    A formula has numbers by their names, + - * / ** and parentheses, max(), min(), abs(), sqrt(), round(x, places),
    sum(table.column), and one thing if a number is at most another, else another.

    >>> evaluate("quantity * price - cost", {"quantity": Decimal(3), "price": Decimal("1.5"), "cost": Decimal(4)})
    Decimal('0.5')
    """
    with localcontext(EXACT):
        return _value(_parsed(formula), numbers, tables or {})


@cache
def _parsed(formula: str) -> ast.expr:
    """Return the tree of a formula; there are few of them."""
    return ast.parse(formula, mode="eval").body


_OPERATIONS: Mapping[type, Callable[[Decimal, Decimal], Decimal]] = {
    ast.Add: lambda one, other: one + other,
    ast.Sub: lambda one, other: one - other,
    ast.Mult: lambda one, other: one * other,
    ast.Div: lambda one, other: one / other,
    ast.Pow: lambda one, other: one**other,
}
_FUNCTIONS: Mapping[str, Callable[..., Decimal]] = {
    "max": max,
    "min": min,
    "abs": abs,
    "sqrt": lambda value: value.sqrt(EXACT),
    "round": lambda value, places: rounded(value, int(places)),
}


def _value(node: ast.expr, numbers: Mapping[str, Any], tables: Mapping[str, Table]) -> Decimal:
    """Return the value of a part of a formula."""
    match node:
        case ast.Constant(value=number):
            return Decimal(str(number))
        case ast.Name(id=name):
            return Decimal(numbers[name])
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, numbers, tables)
        case ast.BinOp(left=left, op=operation, right=right):
            return _OPERATIONS[type(operation)](_value(left, numbers, tables), _value(right, numbers, tables))
        case ast.IfExp(test=ast.Compare(left=left, ops=[ast.LtE()], comparators=[right]), body=one, orelse=other):
            smaller = _value(left, numbers, tables) <= _value(right, numbers, tables)
            return _value(one if smaller else other, numbers, tables)
        case ast.Call():
            return _called(node, numbers, tables)
    raise ValueError(ast.unparse(node))


def _called(node: ast.Call, numbers: Mapping[str, Any], tables: Mapping[str, Table]) -> Decimal:
    """Return the value of a function."""
    match node:
        case ast.Call(func=ast.Name(id="sum"), args=[ast.Attribute(value=ast.Name(id=table), attr=column)]):
            return tables[table].total(column)
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return _FUNCTIONS[name](*(_value(argument, numbers, tables) for argument in arguments))
    raise ValueError(ast.unparse(node))
