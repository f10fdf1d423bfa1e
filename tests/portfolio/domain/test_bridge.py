"""The bridge closes in any currency, for several accounts together, and as published cases say."""

from datetime import date
from decimal import Decimal, localcontext

from hypothesis import given
from hypothesis import strategies as st

from portfolio.domain.bridge import Daily, Leg, bridge_of, converted, prolonged, together
from portfolio.domain.contributions import contributions
from portfolio.domain.derivation import quote
from portfolio.domain.entries import Listing
from portfolio.domain.exact import EXACT, money
from portfolio.domain.pricing import Points
from tests.portfolio.domain.values import derived, entry
from tests.portfolio.fixtures import published

D = Decimal
NOTHING = D(0)
FIRST = date(2024, 1, 1).toordinal()
amounts = st.decimals("-9999", "9999", places=4)
sizes = st.decimals("0", "999", places=4)
moves = st.lists(st.tuples(amounts, sizes, sizes, amounts, sizes, amounts, sizes), min_size=1, max_size=8)
rates = st.lists(st.decimals("0.01", "99", places=8), min_size=8, max_size=8)


def days_from(rows, first=FIRST):
    """Return successive days that close, from what each cause made."""
    total = gained = D(0)
    found = []
    for number, (price, into, out, currency, income, interest, fees) in enumerate(rows):
        gain = price + currency + income + interest - fees
        total, gained = total + into - out + gain, gained + gain
        values = (total, total, D(0), D(0), into, out, gain, price, currency, income, interest, fees, D(0), gained, D(1))
        found.append(Daily(first + number, *values, True))
    return found


def closes(days, before=NOTHING):
    """Say whether every day leads from the value of the one before to its own."""
    for day in days:
        assert bridge_of([day]).gain == day.day_gain
        assert before + day.inflow - day.outflow + day.day_gain == day.total_value
        before = day.total_value
    return True


class TestConverted:
    @given(moves, rates)
    def test_closes_for_every_day_at_any_rates(self, rows, values):
        points = Points.of({FIRST + number: rate for number, rate in enumerate(values)})
        found, gap = converted(days_from(rows), points)
        assert gap is None
        assert closes(found)
        assert found[-1].total_gain == bridge_of(found).gain
        assert found[-1].total_value == money(days_from(rows)[-1].total_value * values[len(rows) - 1])

    @given(moves, rates, st.integers(1, 7))
    def test_leaves_out_days_before_the_first_rate(self, rows, values, late):
        points = Points.of({FIRST + number: rate for number, rate in enumerate(values) if number >= late})
        found, gap = converted(days_from(rows), points)
        assert gap == FIRST
        assert [day.day for day in found] == [FIRST + number for number in range(late, len(rows))]
        if found:
            assert closes(found[1:], found[0].total_value)

    def test_the_index_has_the_move_of_the_rate_in_it(self):
        rows = [(D(0), D(100), D(0), D(0), D(0), D(0), D(0)), (D(10), D(0), D(0), D(0), D(0), D(0), D(0))]
        found, _ = converted(days_from(rows), Points.of({FIRST: D(2), FIRST + 1: D(3)}))
        assert found[1].twr_index == D("1.65")
        assert (found[1].price_gain, found[1].currency_gain) == (30, 100)


class TestTogether:
    @given(moves, moves, st.integers(0, 5))
    def test_is_the_sum_of_the_days_and_closes(self, rows, others, later):
        one, other = days_from(rows), days_from(others, FIRST + later)
        last = max(one[-1].day, other[-1].day)
        series = [prolonged(one, last), prolonged(other, last)]
        found = together(series, [{}, {}])
        assert closes(found)
        assert found[-1].total_value == one[-1].total_value + other[-1].total_value
        assert bridge_of(found).gain == bridge_of(one).gain + bridge_of(other).gain
        assert [day.day for day in found] == list(range(FIRST, last + 1))

    @given(moves, moves, sizes)
    def test_what_goes_between_is_no_flow(self, rows, others, amount):
        one, other = days_from(rows), days_from(others)
        last = max(one[-1].day, other[-1].day)
        legs = [{FIRST: Leg(D(0), amount)}, {FIRST: Leg(amount, D(0))}]
        found = together([prolonged(one, last), prolonged(other, last)], legs)
        assert closes(found)
        assert found[0].inflow - found[0].outflow == sum(day.inflow - day.outflow for day in (one[0], other[0]))

    def test_of_nothing_is_nothing(self):
        assert together([[], []], [{}, {}]) == []


class TestPublished:
    def test_portfolio_performance_bridges_two_currencies_with_trades_fees_taxes_and_deliveries(self):
        case = published("portfolio-performance/scenario_client_performance_snapshot.json")
        derivation = scenario(case)
        figures = [Daily(*(getattr(day, name) for name in Daily._fields)) for day in derivation.figures]
        start, end = case["input"]["period"]
        values = {day.date.isoformat(): day for day in figures}
        period = [day for day in figures if start < day.date.isoformat() <= end]
        expected = {name: D(value) for name, value in case["expected"].items()}
        found, opening = bridge_of(period), values[start]
        flows = sum(day.inflow - day.outflow for day in period)
        cent = D("0.01")
        assert opening.total_value + flows + found.gain == values[end].total_value
        assert abs(opening.total_value - expected["initial"]) < cent
        assert abs(values[end].total_value - expected["final"]) < cent
        assert abs(found.income + found.interest - expected["earnings"]) < cent
        assert abs(found.fees - expected["fees"]) < cent
        assert abs(found.taxes - expected["taxes"]) < cent
        # theirs counts deliveries at the amounts they state, ours at the market's; and it keeps rates on shares in their gains
        theirs = sum(expected[name] for name in ("capital_gains", "realized_capital_gains", "currency_gains", "transfers"))
        assert abs(found.price + found.currency + flows - theirs) < 2 * cent
        rows = contributions(derivation.pages, quote(derivation.book), period, opening)
        assert abs(rows[-1].currency_gain - expected["currency_gains"]) < cent
        assert sum(row.gain for row in rows) == found.gain


def scenario(case):
    """Return what follows from a published portfolio in euros; its accounts are one here."""
    content = case["input"]["portfolio_file"]
    listings = {one["key"]: Listing(one["currency"]) for one in content["securities"]}
    closes_of = {one["key"]: dict(one["prices"]) for one in content["securities"]}
    usd = {when: 1 / D(rate) for when, rate in case["input"]["fx"]["EURUSD"].items()}
    usd["2014-01-01"] = usd["2014-12-31"]  # before its first day theirs takes the first rate
    rows = [row for one in content["accounts"] for row in map(cash_entry, one["transactions"])]
    rows += [row for one in content["portfolios"] for row in map(unit_entry, one["transactions"])]
    market = {"closes": closes_of, "rates": {("USD", "EUR"): usd, ("EUR", "USD"): {day: 1 / rate for day, rate in usd.items()}}}
    return derived(*(row for row in rows if row is not None), base="EUR", listings=listings, **market)


KINDS = {"DEPOSIT": "DEPOSIT", "REMOVAL": "WITHDRAWAL", "INTEREST": "INTEREST", "INTEREST_CHARGE": "INTEREST", "FEES": "FEE"}
KINDS |= {"TAXES": "TAX", "TAX_REFUND": "TAX", "FEES_REFUND": "FEE", "DIVIDENDS": "DIVIDEND"}
OUT = {"REMOVAL", "INTEREST_CHARGE", "FEES", "TAXES"}


def parts(row):
    """Return the fees and taxes inside a transaction."""
    sums = {"FEE": D(0), "TAX": D(0)}
    for unit in row.get("units", ()):
        if unit["type"] in sums:
            sums[unit["type"]] += D(unit["amount"])
    return {"fee": sums["FEE"], "tax": sums["TAX"]}


def cash_entry(row):
    """Return the entry of a transaction of a cash account, none for the legs of trades."""
    if row["type"] not in KINDS or row["date"] > "2015-02":
        return None
    cash = -D(row["amount"]) if row["type"] in OUT else D(row["amount"])
    return entry(KINDS[row["type"]], row["date"][:10], row.get("security"), cash=cash, currency=row["currency"], **parts(row))


def unit_entry(row):
    """Return the entry of a transaction of units."""
    kind = {"DELIVERY_INBOUND": "TRANSFER_IN", "DELIVERY_OUTBOUND": "TRANSFER_OUT"}.get(row["type"], row["type"])
    sign = 1 if kind in {"BUY", "TRANSFER_IN"} else -1
    cash = D(0) if kind.startswith("TRANSFER") else -sign * D(row["amount"])
    return entry(
        kind, row["date"][:10], row["security"], quantity=sign * D(row["shares"]), cash=cash, currency=row["currency"],
        price=D(row["amount"]) / D(row["shares"]), **parts(row),
    )  # fmt: skip


lacking = st.lists(st.booleans(), min_size=8, max_size=8)


def plain_index(days):
    """Chain days the plain way: a complete one has the return since the last complete one."""
    index, since, out = D(1), D(0), D(0)
    for day in days:
        since, out = since + day.inflow, out + day.outflow
        if day.complete:
            if since > 0:
                with localcontext(EXACT):
                    index = (index * max(day.total_value + out, D(0)) / since).quantize(D("1e-18"))
            since, out = day.total_value, D(0)
        yield index


class TestGaps:
    def days(self, rows, lacks):
        """Return days of which some lack something."""
        return [day._replace(complete=not lack, priced=not lack) for day, lack in zip(days_from(rows), lacks, strict=False)]

    @given(moves, rates, lacking)
    def test_are_linked_over_in_another_currency(self, rows, values, lacks):
        points = Points.of({FIRST + number: rate for number, rate in enumerate(values)})
        found, _ = converted(self.days(rows, lacks), points)
        assert closes(found)
        assert [day.complete for day in found] == [not lack for lack in lacks[: len(rows)]]
        assert [day.twr_index for day in found] == list(plain_index(found))
        assert not any(day.priced for day in found if not day.complete)

    @given(moves, moves, lacking, lacking)
    def test_of_one_account_are_gaps_of_all(self, rows, others, lacks, more):
        one, other = self.days(rows, lacks), self.days(others, more)
        last = max(one[-1].day, other[-1].day)
        series = [prolonged(one, last), prolonged(other, last)]
        found = together(series, [{}, {}])
        assert closes(found)
        assert [day.complete for day in found] == [a.complete and b.complete for a, b in zip(*series, strict=True)]
        assert [day.twr_index for day in found] == list(plain_index(found))
