"""The performance since inception from whole numbers is what daily points measure."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from portfolio.domain.inception import ONE, Course, measure_whole
from portfolio.domain.performance import Point, measure

FIRST = 738_000
days = st.tuples(
    st.one_of(st.just(0), st.decimals("-900", "900", places=2)),
    st.one_of(st.just(ONE), st.just(0), st.integers(1, 3 * ONE)),
    st.booleans(),
    st.booleans(),
)
KEPT = ("start", "end", "end_value", "net_flows", "gain", "twr", "twr_annualized", "xirr", "simple_return", "volatility")
KEPT += ("max_drawdown", "drawdown")


class TestMeasureWhole:
    @given(st.lists(days, min_size=1, max_size=30), st.decimals("-50", "5000", places=4), st.sampled_from([252, 365]))
    def test_is_what_points_measure(self, drawn, end_value, periods):
        flows = [(FIRST + n, Decimal(flow)) for n, (flow, *_) in enumerate(drawn) if flow]
        course = Course(FIRST, end_value, flows, *([one[place] for one in drawn] for place in (1, 2, 3)))
        found = measure_whole(course, periods=periods)
        points = [
            Point(FIRST + n, end_value, Decimal(flow), Decimal(index).scaleb(-18), priced, complete)
            for n, (flow, index, priced, complete) in enumerate(drawn)
        ]
        expected = measure(points, periods=periods)
        assert [getattr(found, name) for name in KEPT] == [getattr(expected, name) for name in KEPT]
        assert found.reasons == {name: reason for name, reason in expected.reasons.items() if name in KEPT}
