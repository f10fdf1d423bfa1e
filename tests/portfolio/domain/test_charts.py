"""Charts as shapes: inside their box, over round numbers, and true to what they show."""

import re

from hypothesis import given
from hypothesis import strategies as st

from portfolio.domain.charts import HEIGHT, MOST_POINTS, WIDTH, bar_chart, line_chart, nice, sample

numbers = st.floats(-1e9, 1e9, allow_nan=False)


class TestLines:
    @given(st.lists(numbers, min_size=2, max_size=60), st.booleans())
    def test_stay_in_their_box(self, values, from_zero):
        chart = line_chart(range(738_000, 738_000 + len(values)), [values, values], from_zero=from_zero)
        points = [tuple(map(float, point.split())) for line in chart.lines for point in re.findall(r"[-\d.]+ [-\d.]+", line.area)]
        assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points)
        assert all(0 <= float(tick.at) <= WIDTH for tick in chart.across)

    def test_need_two_days(self):
        assert line_chart([738_000], [[1.0]]) is None

    def test_of_many_days_keep_the_highest_and_the_lowest(self):
        values = [float(number % 97) for number in range(10_000)]
        values[5_003], values[7_001] = -5.0, 1000.0
        kept = sample(values)
        assert {0, 5_003, 7_001, 9_999} <= set(kept)
        assert len(kept) <= MOST_POINTS + 2


class TestBars:
    def test_stand_on_zero(self):
        chart = bar_chart(["a", "b"], [1.0, -1.0])
        up, down = chart.bars
        assert float(up.y) + float(up.height) == float(down.y) == float(chart.zero)
        assert (up.down, down.down) == (False, True)

    def test_of_nothing_are_no_chart(self):
        assert bar_chart([], []) is None


class TestTicks:
    @given(numbers, numbers)
    def test_enclose_what_is_shown(self, one, other):
        low, high = sorted((one, other))
        found = nice(low, high)
        nothing = max(abs(low), abs(high), 1e-9) * 1e-9  # too little to be drawn
        assert found[0] <= low + nothing
        assert found[-1] >= high - nothing
        assert 2 <= len(found) <= 9
