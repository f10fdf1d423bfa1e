"""A past is what an account would say in which only those entries were ever posted; ledgers and days are random."""

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from accounts.models import LedgerEntry
from accounts.models.tenancy import acting_as
from accounts.services.ledger import reverse_entry
from portfolio.selectors.figures import Figures, KeptFigures
from portfolio.selectors.household import Household
from portfolio.selectors.past import PastFigures
from portfolio.services.projections import catch_up
from tests.factories import make_account, make_instrument, post
from tests.portfolio.market import bars, fresh_currencies, rates

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FIRST, SPAN, ENTRIES, CUTS = date(2024, 2, 1), 40, 34, 4
OWN = frozenset({"id", "account_id", "_state", "moves", "held", "complete_moves"})
BY_SEQUENCE = frozenset({"opening", "closing", "sequence"})


def at(offset: int, minute: int = 0) -> datetime:
    return datetime(FIRST.year, FIRST.month, FIRST.day, 10, minute % 60, tzinfo=UTC) + timedelta(days=offset)


class Script:
    """What happens to an account, step by step: kinds with their fields; reversals and choices of lots name earlier steps."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.base, self.foreign = fresh_currencies(2)
        self.shares = [make_instrument(currency=self.base), make_instrument(currency=self.foreign)]
        for share, start in zip(self.shares, (50, 20), strict=True):
            days = self.chance.sample(range(SPAN + 3), 25)
            bars(share, {str(FIRST + timedelta(days=n)): f"{start + self.chance.randint(-9, 9)}.{n:02}" for n in days})
        days = self.chance.sample(range(SPAN), 9)
        rates(self.foreign, self.base, {str(FIRST + timedelta(days=n)): f"1.{self.chance.randint(10, 60)}" for n in [*days, 0]})
        self.steps = [self.step(number) for number in range(ENTRIES)]

    def step(self, number: int) -> tuple[str, int, dict[str, Any]]:
        chance, day = self.chance, self.chance.randrange(SPAN)
        kinds = ["BUY"] * 4 + ["SELL"] * 4 + ["DEPOSIT", "WITHDRAWAL", "DIVIDEND", "SPLIT", "SHORT", "TRANSFER_IN", "FEE"]
        kind = chance.choice(kinds + ["REVERSE"] * 3 + ["CHOOSE"] * 3 if number > 6 else kinds)
        own = chance.randrange(2)
        share, currency = self.shares[own], (self.base, self.foreign)[own]
        units, price = f"{chance.randint(1, 900) / 100}", f"{chance.randint(1000, 6000) / 100}"
        on = {"instrument": share, "currency": currency}
        fields: dict[str, dict[str, Any]] = {
            "BUY": {**on, "quantity": units, "price": price, "fee": "0.5"},
            "SHORT": {**on, "quantity": f"-{units}", "price": price},
            "SELL": {**on, "quantity": f"-{units}", "price": price, "tax": "0.25"},
            "TRANSFER_IN": {**on, "quantity": units, "data": {"cost": price}},
            "DIVIDEND": {**on, "cash": price},
            "SPLIT": {**on, "data": {"ratio": chance.choice(["2:1", "3:2", "1:4"])}},
            "DEPOSIT": {"currency": currency, "cash": f"{chance.randint(1, 9000)}"},
            "WITHDRAWAL": {"currency": self.base, "cash": f"-{chance.randint(1, 400)}"},
            "FEE": {"currency": self.base, "cash": "-3.33"},
            "REVERSE": {"of": chance.randrange(number or 1)},
            "CHOOSE": {
                "closing": chance.randrange(number or 1),
                "lot": chance.randrange(number or 1),
                "late": chance.randrange(9),
            },
        }
        return kind, day, fields[kind]

    def account(self, owner, method: str, keep=lambda number, day: True):
        """Return a way to post the steps one by one to an account of its own, those alone that are to be kept."""
        account = make_account(owner=owner, base_currency=self.base, cost_basis_method=method, wash_sales=True)
        posted: dict[int, LedgerEntry] = {}

        def go(number: int) -> None:
            kind, day, fields = self.steps[number]
            if kind == "REVERSE":
                entry = posted.get(fields["of"])
                if entry is not None and entry.reverses_id is None and entry.pk not in gone:
                    gone.add(entry.pk)
                    with acting_as(owner.pk):
                        reverse_entry(entry=entry, actor=owner)
            elif kind == "CHOOSE":
                closing, lot = posted.get(fields["closing"]), posted.get(fields["lot"])
                if closing is not None:
                    chosen = lot.sequence if lot is not None else 1_000_000  # what is bought later cannot be closed
                    data = {"closes": {"sequence": closing.sequence, "lots": [{"sequence": chosen}]}}
                    when = closing.occurred_at + timedelta(days=fields["late"])
                    post(account, "NOTE", occurred_at=when, currency=self.base, data=data, notes="chosen")
            elif keep(number, day):
                posted[number] = post(account, kind, occurred_at=at(day, number), **fields)

        gone: set[Any] = set()
        return account, go


def plain(row: Any, without: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in vars(row).items() if name not in without | OWN and not name.startswith("_")}


def told(figures: Figures, *, without: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Return all that figures say, without what names their account."""
    household = Household([figures], figures.currency)
    return {
        "summary": figures.summary(),
        "positions": [plain(row, without) for row in figures.positions()],
        "lots": [plain(row, without) for row in figures.lots()],
        "closures": [plain(row, without) for row in figures.closures()],
        "days": figures.days(),
        "performance": figures.performance(),
        "period": figures.performance(start=FIRST + timedelta(days=9), end=FIRST + timedelta(days=21)),
        "bridge": figures.bridge(),
        "household": household.summary(),
        "missing": figures.missing(),
    }


@pytest.mark.parametrize("seed", range(6))
def test_what_was_not_known_yet_is_left_out(alice, seed):
    script, method = Script(seed), ("SPECIFIC", "FIFO", "AVERAGE")[seed % 3]
    account, go = script.account(alice, method)
    cuts = sorted(script.chance.sample(range(1, ENTRIES), CUTS))
    known = {}
    for number in range(ENTRIES):
        if number in cuts:
            known[number] = datetime.now(UTC)
        go(number)
    for cut, moment in known.items():
        other, do = script.account(alice, method)
        for number in range(cut):
            do(number)
        catch_up(account_id=other.pk, at=NOW)
        with acting_as(alice.pk):
            past, only = told(PastFigures(account, known_at=moment)), told(KeptFigures(other))
            assert past == only
            day = FIRST + timedelta(days=script.chance.randrange(SPAN))
            assert told(PastFigures(account, known_at=moment, as_of=day)) == told(PastFigures(other, as_of=day))


@pytest.mark.parametrize("seed", range(6, 12))
def test_what_had_not_happened_yet_is_left_out(alice, seed):
    script, method = Script(seed), ("SPECIFIC", "HIFO", "LIFO")[seed % 3]
    account, go = script.account(alice, method)
    for number in range(ENTRIES):
        go(number)
    catch_up(account_id=account.pk, at=NOW)
    for _ in range(CUTS):
        last = script.chance.randrange(SPAN)
        day = FIRST + timedelta(days=last)
        other, do = script.account(alice, method, keep=lambda number, day, last=last: day <= last)
        for number in range(ENTRIES):
            do(number)
        catch_up(account_id=other.pk, at=NOW)
        with acting_as(alice.pk):
            past, only = PastFigures(account, as_of=day), PastFigures(other, as_of=day)
            assert told(past, without=BY_SEQUENCE) == told(only, without=BY_SEQUENCE)
            kept = [one for one in KeptFigures(other).days() if one.date <= day]
            assert past.days() == kept
