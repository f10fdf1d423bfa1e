"""Formulas mean what they say, and tables stay small."""

from decimal import Decimal

import pytest

from portfolio.domain.explain import MOST_ROWS, Cited, Explanation, Table, evaluate

D = Decimal


class TestFormulas:
    @pytest.mark.parametrize(
        ("formula", "value"),
        [
            ("a + b * 2", "8"),
            ("-a", "-2"),
            ("abs(-a) - max(a, b)", "-1"),
            ("min(a, b)", "2"),
            ("round(a / b, 3)", "0.667"),
            ("a ** b", "8"),
            ("sqrt(a * 2)", "2"),
            ("a if a <= b else b", "2"),
            ("a if b <= a else b", "3"),
        ],
    )
    def test_are_arithmetic(self, formula, value):
        assert evaluate(formula, {"a": D(2), "b": D(3)}) == D(value)

    @pytest.mark.parametrize("formula", ["a.b", "a[0]", "lambda: a", "(a for a in b)", "a and b", "'text'.join(a)"])
    def test_are_nothing_else(self, formula):
        with pytest.raises((ValueError, KeyError, ArithmeticError)):
            evaluate(formula, {"a": D(2), "b": D(3)})


class TestSteps:
    def test_a_formula_that_does_not_give_the_figure_is_not_told(self):
        found = Explanation()
        assert found.tell("value", "a * b", D(7), a=D(2), b=D(3)) == 7
        (step,) = found.steps
        assert (step.formula, step.numbers, step.value) == (None, {}, D(7))
        assert found.notes == ["value is as the derivation rounded it; no formula of one step gives its last digit."]

    def test_what_cannot_be_divided_has_no_formula(self):
        found = Explanation()
        found.tell("value", "a / b", D(1), a=D(2), b=D(0))
        assert found.steps[0].formula is None

    def test_no_figure_needs_no_note(self):
        found = Explanation()
        found.tell("value", "a", None, a=D(2))
        assert found.as_json()["steps"][0]["value"] is None
        assert found.notes == []


class TestTables:
    def test_keep_the_ends_and_the_sums_of_the_rest(self):
        table = Table(["a"])
        for number in range(MOST_ROWS + 10):
            table.add({"a": D(number)})
        assert [int(row["a"]) for row in table.rows] == [*range(50), *range(60, 110)]
        assert table.rest == {"a": D(sum(range(50, 60)))}
        assert table.total("a") == sum(range(110))

    def test_citations_are_bounded_and_told_once(self):
        found = Explanation()
        for day in [*range(1, 300), 1]:
            found.cite(prices=[Cited("ACME", day, day, D(1), "close")])
        assert len(found.prices) == MOST_ROWS
