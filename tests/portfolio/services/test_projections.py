"""Figures taken up again are the figures derived anew: whatever happened, in whatever order it was learned."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import Account, LedgerEntry
from accounts.models.tenancy import acting_as
from accounts.services.ledger import reverse_entry
from portfolio.services.projections import catch_up
from portfolio.services.rebuilding import rebuild
from tests import factories
from tests.portfolio.market import bars, fresh_currencies, rates

NOW = datetime(2026, 1, 1, tzinfo=UTC)
START = datetime(2024, 1, 20, tzinfo=UTC)
DAYS = 60

days = st.integers(0, DAYS - 1)
amounts = st.decimals("0.01", "5000", places=2)
quantities = st.one_of(st.integers(1, 50).map(Decimal), st.decimals("0.001", "20", places=3))
prices = st.decimals("1", "200", places=4)
instruments = st.integers(0, 2)
TRADES = ("BUY", "SELL", "SHORT", "COVER")
MONEY = ["DEPOSIT", "WITHDRAWAL", "INTEREST", "FEE"]
OTHERS = ["VALUATION", "STAKING", "RETURN_OF_CAPITAL", "LIABILITY", "SPIN_OFF"]
fees = st.decimals("0", "9", places=2)
TRADE = st.tuples(st.just("trade"), st.sampled_from(TRADES), days, instruments, quantities, prices, fees)
BARS = st.tuples(st.just("bars"), instruments, days, st.lists(prices, min_size=1, max_size=8), st.integers(1, 3))
CATCH_UP = st.tuples(st.just("catch up"))
STEPS = st.one_of(
    TRADE,
    TRADE,
    BARS,
    BARS,
    CATCH_UP,
    CATCH_UP,
    st.tuples(st.just("money"), st.sampled_from(MONEY), days, st.integers(0, 1), amounts),
    st.tuples(st.just("dividend"), days, instruments, amounts),
    st.tuples(st.just("split"), days, instruments, st.sampled_from(["2:1", "1:3", "3:2", "7:5"])),
    st.tuples(
        st.just("transfer"), st.sampled_from(["TRANSFER_IN", "TRANSFER_OUT"]), days, instruments, quantities, st.booleans()
    ),
    st.tuples(st.just("other"), st.sampled_from(OTHERS), days, instruments, amounts),
    st.tuples(st.just("exchange"), days, amounts, amounts),
    st.tuples(st.just("merger"), days, quantities, quantities, st.one_of(st.just(Decimal(0)), amounts)),
    st.tuples(st.just("rates"), days, st.lists(st.decimals("0.5", "2", places=4), min_size=1, max_size=5), st.integers(1, 4)),
    st.tuples(st.just("reverse"), st.integers(0, 50)),
    st.tuples(st.just("rules"), st.one_of(st.none(), st.integers(0, 40)), st.booleans()),
    st.tuples(st.just("choose"), st.integers(0, 50), st.integers(1, 50), st.one_of(st.none(), quantities)),
    st.tuples(st.just("exercise"), days, st.integers(1, 9).map(Decimal), st.sampled_from([1, -1]), prices, st.booleans()),
    st.tuples(st.just("arrival"), days, instruments, st.lists(st.tuples(days, quantities, amounts), min_size=1, max_size=3)),
    st.tuples(st.just("method"), st.sampled_from(["FIFO", "HIFO", "AVERAGE", "SPECIFIC"])),
)


class World:
    """An account with three instruments in two currencies, and the steps that happen to it."""

    def __init__(self, method: str, kind: str, *, orderly: bool) -> None:
        self.orderly, self.now, self.reached = orderly, 0, {}
        self.base, self.foreign = fresh_currencies(2)
        self.owner = factories.make_user("alice")
        self.account: Account = factories.make_account(
            owner=self.owner, base_currency=self.base, cost_basis_method=method, kind=kind
        )
        self.currencies = [self.base, self.foreign]
        self.instruments = [factories.make_instrument(currency=self.currencies[n == 2]) for n in range(3)]
        self.entries: list[LedgerEntry] = []
        self.minute = 0

    def post(self, kind: str, day: int, **fields: object) -> None:
        """Post an entry at a time of its own on a day, late ones included."""
        self.minute += 1
        at = START + timedelta(days=self.moved(day), hours=9, minutes=self.minute % 600)
        instrument = fields.get("instrument")
        fields.setdefault("currency", instrument.currency if instrument else self.base)
        self.entries.append(factories.post(self.account, kind, occurred_at=at, **fields))

    def moved(self, day: int) -> int:
        """Return the day that is meant: in an orderly world time goes on, in small steps."""
        if self.orderly:
            self.now += day % 4 // 2
            return self.now
        return day

    def day(self, number: int) -> str:
        """Return a day by its number."""
        return (START + timedelta(days=number)).date().isoformat()

    def step(self, name: str, *values: object) -> None:
        """Let something happen; in an orderly world few things are taken back."""
        if self.orderly and name in {"reverse", "method"} and len(self.entries) % 5:
            return
        getattr(self, name.replace(" ", "_"))(*values)

    def trade(self, kind, day, instrument, quantity, price, fee):
        sign = 1 if kind in {"BUY", "COVER"} else -1
        self.post(kind, day, instrument=self.instruments[instrument], quantity=sign * quantity, price=price, fee=fee)

    def money(self, kind, day, currency, amount):
        cash = -amount if kind in {"WITHDRAWAL", "FEE"} else amount
        self.post(kind, day, cash=cash, currency=self.currencies[currency])

    def dividend(self, day, instrument, amount):
        self.post("DIVIDEND", day, instrument=self.instruments[instrument], cash=amount, tax="0.11")

    def split(self, day, instrument, ratio):
        self.post("SPLIT", day, instrument=self.instruments[instrument], data={"ratio": ratio})

    def transfer(self, kind, day, instrument, quantity, priced):
        sign = 1 if kind == "TRANSFER_IN" else -1
        data = {} if priced else {"cost": "123.45"}
        self.post(kind, day, instrument=self.instruments[instrument], quantity=sign * quantity, data=data)

    def other(self, kind, day, instrument, amount):
        one = self.instruments[instrument]
        fields = {
            "VALUATION": {"instrument": one, "price": amount},
            "STAKING": {"instrument": one, "quantity": amount / 100},
            "RETURN_OF_CAPITAL": {"instrument": one, "cash": amount},
            "LIABILITY": {"price": amount, "data": {"name": f"loan {instrument}"}, "currency": self.currencies[instrument % 2]},
            "SPIN_OFF": {
                "instrument": self.instruments[1],
                "quantity": amount / 7 // Decimal("0.001") * Decimal("0.001") + 1,
                "data": {"from": self.instruments[0].key, "cost_fraction": "0.3"},
            },
        }[kind]
        self.post(kind, day, **fields)

    def exchange(self, day, given, taken):
        group = uuid4()
        self.post("FX", day, cash=-given, currency=self.base, group=group)
        self.post("FX", day, cash=taken, currency=self.foreign, group=group)

    def merger(self, day, gone, come, cash):
        group = uuid4()
        self.post("MERGER", day, instrument=self.instruments[0], quantity=-gone, cash=cash, group=group)
        self.post("MERGER", day, instrument=self.instruments[2], quantity=come, group=group, cash="0")

    def bars(self, instrument, day, closes, gap):
        first = self.following(instrument, day, len(closes) * gap)
        bars(self.instruments[instrument], {self.day(first + n * gap): close for n, close in enumerate(closes)}, correct=True)

    def rates(self, day, values, gap):
        first = self.following("rates", day, len(values) * gap)
        values = {self.day(first + n * gap): rate for n, rate in enumerate(values)}
        rates(self.foreign, self.base, values, correct=True)

    def following(self, series, day, span):
        """Return the first day of new values: in an orderly world mostly the one after the last known."""
        if not self.orderly:
            return day
        first = max(self.reached.get(series, 0), self.now - 3) if day % 8 else max(0, self.now - 5)
        self.reached[series] = max(self.reached.get(series, 0), first + span)
        return first

    def reverse(self, index):
        if self.entries:
            entry = self.entries.pop(index % len(self.entries))
            with acting_as(self.owner.pk):
                reverse_entry(entry=entry, actor=self.owner)

    def method(self, method):
        with acting_as(self.owner.pk):
            Account.objects.filter(pk=self.account.pk).update(cost_basis_method=method)

    def rules(self, days, wash_sales):
        with acting_as(self.owner.pk):
            Account.objects.filter(pk=self.account.pk).update(long_term_days=days, wash_sales=wash_sales)

    def choose(self, index, opening, quantity):
        """Choose lots for an entry, that may have none to choose."""
        if self.entries:
            closing = self.entries[index % len(self.entries)]
            lot = {"sequence": opening} | ({"quantity": str(quantity)} if quantity else {})
            data = {"closes": {"sequence": closing.sequence, "lots": [lot]}}
            self.entries.append(factories.post(self.account, "NOTE", occurred_at=closing.occurred_at, notes="x", data=data))

    def exercise(self, day, contracts, sign, price, in_time):
        """Exercise an option or be assigned, and trade the other share for it: the legs may become known one after the other."""
        group, kind = uuid4(), "OPTION_EXERCISE" if sign < 0 else "OPTION_ASSIGNMENT"
        self.post(kind, day, instrument=self.instruments[0], quantity=sign * contracts, group=group, cash="0")
        if not in_time:
            self.catch_up()
        self.post("BUY", day, instrument=self.instruments[1], quantity=contracts, price=price, group=group)

    def arrival(self, day, instrument, lots):
        rows = [
            {"opened_at": (START + timedelta(days=n)).isoformat(), "quantity": str(units), "cost": str(cost)}
            for n, units, cost in lots
        ]
        total = sum(units for _, units, _ in lots)
        self.post("TRANSFER_IN", day, instrument=self.instruments[instrument], quantity=total, data={"lots": rows})

    def catch_up(self):
        catch_up(account_id=self.account.pk, at=NOW)


class TestCatchUp:
    @settings(max_examples=40, suppress_health_check=list(HealthCheck))
    @given(
        st.lists(STEPS, min_size=4, max_size=24),
        st.sampled_from(["FIFO", "LIFO", "HIFO", "AVERAGE", "SPECIFIC"]),
        st.sampled_from(["CASH", "MARGIN", "CRYPTO"]),
        st.booleans(),
        st.booleans(),
    )
    def test_leaves_what_a_rebuild_leaves(self, steps, method, kind, orderly, wash):
        world = World(method, kind, orderly=orderly)
        world.rules(None, wash)
        for step in steps:
            world.step(*step)
            if orderly:
                world.catch_up()
        world.catch_up()
        assert list(rebuild(account_ids=[world.account.pk], at=NOW)) == []
