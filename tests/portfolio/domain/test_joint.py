"""Days of several accounts together as columns are those added up one by one."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from portfolio.domain.bridge import Leg, converted, prolonged, together
from portfolio.domain.exact import EXACT, money
from portfolio.domain.joint import DETAILS, EVERY_DAY, JointDays, Member, Vectors
from portfolio.domain.pricing import Points
from tests.portfolio.domain.test_bridge import FIRST, days_from, moves, sizes

D = Decimal
SPAN = 20
values = st.one_of(st.decimals("0.01", "99", places=8), st.just(D(1) / 7), st.just(D("1e-9")))
series = st.tuples(
    moves, st.integers(0, 6), st.lists(st.booleans(), min_size=8, max_size=8), st.none() | st.lists(values, max_size=9)
)
legs = st.dictionaries(st.integers(0, 7), sizes, max_size=2)


def accounts(drawn):
    """Return the days of accounts, each with its rates; a rate is known from the first day on."""
    for rows, later, lacks, known in drawn:
        days = days_from(rows, FIRST + later)
        days = [
            one._replace(complete=not lack, priced=not lack and one.day % 3 > 0) for one, lack in zip(days, lacks, strict=False)
        ]
        rates = None if known is None else Points.of(dict(enumerate([D(2), *known], FIRST)))
        yield days, rates


def one_by_one(found, inner):
    """Add up days the long way round; what the first account sends to the second is no flow."""
    last = max(days[-1].day for days, _ in found)
    rated = [prolonged(days, last) if rates is None else converted(prolonged(days, last), rates)[0] for days, rates in found]
    return together(rated, inner)


def in_columns(found, inner, first=0, end=FIRST + SPAN):
    """Add up columns."""
    pairs = list(zip(found, inner, strict=True))
    whole = JointDays.of([Member(Vectors.of(days, EVERY_DAY), rates, own) for (days, rates), own in pairs])
    details = [Member(Vectors.of(days, DETAILS), rates, {}) for days, rates in found]
    return whole, whole.days(details, first, end)


class TestJointDays:
    @given(st.lists(series, min_size=1, max_size=3), legs)
    def test_are_those_added_up_one_by_one(self, drawn, sent):
        found = list(accounts(drawn))
        inner = [{} for _ in found]
        if len(found) > 1:
            both = set.intersection(*({one.day for one in days} for days, _ in found[:2]))
            for offset, amount in sent.items():
                if FIRST + offset in both:
                    inner[0][FIRST + offset], inner[1][FIRST + offset] = Leg(D(0), amount), Leg(amount, D(0))
        expected = one_by_one(found, inner)
        whole, days = in_columns(found, inner)
        assert days == expected
        assert whole.points(0, FIRST + SPAN) == [one.point for one in expected]

    @given(st.lists(series, min_size=1, max_size=2), st.integers(0, 12), st.integers(1, 8))
    def test_of_a_period_are_those_of_all_days(self, drawn, start, length):
        found = list(accounts(drawn))
        inner = [{} for _ in found]
        first, end = FIRST + start, FIRST + start + length
        _, days = in_columns(found, inner, first, end)
        assert days == [one for one in one_by_one(found, inner) if first <= one.day < end]

    def test_stay_exact_where_numbers_are_large(self):
        huge = D("98765432109876543210.1234567891")
        days = days_from([(huge, huge, D(0), D(0), D(0), D(0), D(0))])
        rate = D("0.1428571428571428571428571429")
        _, (one,) = in_columns([(days, Points.of({FIRST: rate}))], [{}])
        assert one.total_value == money(EXACT.multiply(days[0].total_value, rate))
