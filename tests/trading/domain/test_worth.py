"""What an account was worth within days."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from portfolio.domain.entries import Entry, Listing
from portfolio.domain.pricing import Points
from portfolio.domain.valuation import Quoted
from trading.domain.worth import Holdings, Known, Prices, Series, day_of, worths

DAY = datetime(2024, 5, 6, tzinfo=UTC)
D = Decimal


def at(clock: str) -> datetime:
    hour, minute = clock.split(":")
    return DAY + timedelta(hours=int(hour), minutes=int(minute))


def entry(kind: str, clock: str, *, quantity: str = "0", cash: str = "0", currency: str = "USD") -> Entry:
    """Return an entry; one with a quantity is of the share."""
    instrument = "share" if D(quantity) else None
    return Entry(clock, 1, kind, at(clock), instrument, D(quantity), None, D(cash), currency, D(0), D(0), {}, None, None)


def told(clocks: list[str], ends: Holdings, entries: list[Entry], *, known=(), listing=None, rates=None):
    quoted = Quoted("USD", {"share": listing or Listing("USD")}, {}, rates or {})
    prices = Prices({"share": Series.of(Known(at(clock), D(price)) for clock, price in known)}, quoted)
    found = worths([at(clock) for clock in clocks], {DAY.toordinal(): ends}, entries, prices)
    return [(one.value, one.flowed) for one in found]


class TestWorths:
    def test_follow_what_moved_and_what_prices_were_known(self):
        entries = [entry("BUY", "15:00", quantity="10", cash="-100"), entry("SELL", "16:10", quantity="-4", cash="48")]
        known = [("9:00", "9"), ("15:30", "11"), ("16:00", "12")]
        ends = Holdings({"share": D(6)}, {"USD": D(948)})
        clocks = ["14:59", "15:00", "15:29", "15:30", "16:00", "16:10"]
        assert [value for value, _ in told(clocks, ends, entries, known=known)] == [1000, 990, 990, 1010, 1020, 1020]

    def test_tell_apart_what_came_from_outside(self):
        entries = [
            entry("DEPOSIT", "10:00", cash="500"),
            entry("TRANSFER_IN", "11:00", quantity="2"),
            entry("DIVIDEND", "12:00", cash="5"),
            entry("WITHDRAWAL", "13:00", cash="-100"),
        ]
        ends = Holdings({"share": D(2)}, {"USD": D(405)})
        found = told(["9:00", "10:00", "11:00", "12:00", "13:00"], ends, entries, known=[("8:00", "7")])
        assert found == [(0, 0), (500, 500), (514, 514), (519, 514), (419, 414)]

    def test_count_multipliers_and_rates_and_leave_out_what_nobody_knows(self):
        ends = Holdings({"share": D(3)}, {"EUR": D(10), "CHF": D(1000)})
        rates = {"EUR": Points.of({DAY.toordinal() - 3: D("1.1")})}
        found = told(["9:00", "12:00"], ends, [], known=[("10:00", "2")], listing=Listing("EUR", D(100)), rates=rates)
        assert [value for value, _ in found] == [11, 671]

    def test_take_what_moved_units_otherwise_for_there_from_the_start(self):
        ends = Holdings({"share": D(20)}, {})
        found = told(["9:00"], ends, [entry("SPLIT", "13:00", quantity="10")], known=[("8:00", "5")])
        assert found == [(100, 0)]

    def test_of_midnight_are_those_of_the_day_that_ends(self):
        assert day_of(DAY) == DAY.toordinal() - 1
        next_day = Holdings({}, {"USD": D(7)})
        quoted = Prices({}, Quoted("USD", {}, {}, {}))
        midnight = DAY + timedelta(days=1)
        found = worths(
            [midnight, midnight + timedelta(minutes=1)],
            {DAY.toordinal(): Holdings({}, {"USD": D(5)}), DAY.toordinal() + 1: next_day},
            [entry("DEPOSIT", "24:00", cash="2")],
            quoted,
        )
        assert [(one.value, one.flowed) for one in found] == [(5, 0), (7, 2)]
