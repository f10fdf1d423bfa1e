"""Random ledgers of all that moves lots, written in any order: what is kept is what a derivation from nothing finds."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

from accounts.models import LedgerEntry
from accounts.models.tenancy import acting_as
from accounts.services.ledger import reverse_entry
from portfolio.models import Closure, Lot, Position, Projection
from portfolio.services.projections import catch_up
from portfolio.services.rebuilding import rebuild
from tests.factories import make_account, make_instrument, post
from tests.portfolio.market import bars

D = Decimal
NOW = datetime(2026, 1, 1, tzinfo=UTC)
FIRST = datetime(2024, 1, 2, 10, tzinfo=UTC)
METHODS = ("FIFO", "LIFO", "HIFO", "AVERAGE", "SPECIFIC")


class Writer:
    """Rows of a random ledger: each is a list of entries that belong together."""

    def __init__(self, chance, *, out):
        self.chance, self.out = chance, out
        self.shares = [make_instrument() for _ in range(3)]
        told = {"asset_class": "OPTION", "multiplier": 10, "expiry": "2024-12-20", "strike": "10", "right": "CALL"}
        self.option_held = make_instrument(**told, underlying=self.shares[0])
        for share in self.shares:
            bars(share, {f"2024-{month:02}-03": chance.randint(5, 30) for month in range(1, 7)})
        self.rows = [self.row() for _ in range(22)]

    def row(self):
        """Return one row: the entries of one happening."""
        kinds = [self.trade] * 9 + [self.split, self.spin, self.merger, self.capital, self.come, self.option, self.exercise]
        chance = self.chance
        at = {"occurred_at": FIRST + timedelta(days=chance.randrange(70), minutes=chance.randrange(300))}
        rows = chance.choice(kinds + [self.leave] * self.out)(*chance.sample(self.shares, 2), chance.randint(1, 20))
        group = {"group": uuid4()} if len(rows) > 1 else {}
        return [(kind, instrument, fields | group | at) for kind, instrument, fields in rows]

    def trade(self, share, _, units):
        kind = self.chance.choice(["BUY", "BUY", "SELL", "SHORT", "COVER"])
        sign = 1 if kind in {"BUY", "COVER"} else -1
        named = [{"sequence": self.chance.randint(1, 9), "quantity": str(self.chance.randint(1, 9))}]
        told = {"price": self.chance.randint(5, 30), "fee": self.chance.randint(0, 2)}
        return [(kind, share, told | {"quantity": sign * units, "data": {"lots": named} if kind == "SELL" else {}})]

    def split(self, share, *_):
        return [("SPLIT", share, {"data": {"ratio": self.chance.choice(["2:1", "3:2", "1:3", "21:20"])}})]

    def spin(self, share, other, units):
        data = {"from": share.key, "cost_fraction": "0.3", "ratio": "0.7"}
        return [("SPIN_OFF", other, {"quantity": units, "data": data, "cash": self.chance.choice([0, 3])})]

    def merger(self, share, other, units):
        sign, cash = self.chance.choice([1, 1, 1, -1]), self.chance.choice([0, 20])
        return [
            ("MERGER", share, {"quantity": -units * sign, "cash": cash * sign}),
            ("MERGER", other, {"quantity": self.chance.randint(1, 30) * sign}),
        ]

    def capital(self, share, _, units):
        return [("RETURN_OF_CAPITAL", share, {"cash": units * 3})]

    def come(self, share, _, units):
        lots = [{"opened_at": "2023-05-05T10:00:00Z", "quantity": str(units), "cost": "17"}]
        return [("TRANSFER_IN", share, {"quantity": units, "data": {"cost": "17"} | ({"lots": lots} if units % 2 else {})})]

    def leave(self, share, _, units):
        return [("TRANSFER_OUT", share, {"quantity": -units})]

    def option(self, *_):
        return [("BUY", self.option_held, {"quantity": 3, "price": 2})]

    def exercise(self, *_):
        return [
            ("OPTION_EXERCISE", self.option_held, {"quantity": -2, "cash": -1, "fee": 1}),
            ("BUY", self.shares[0], {"quantity": 20, "price": 10}),
        ]


def write(chance, account, rows):
    """Write rows leg by leg in any order, look now and then, and take some back."""
    legs = [leg for row in rows for leg in row]
    chance.shuffle(legs)
    for kind, instrument, fields in legs:
        entry = post(account, kind, instrument=instrument, **fields)
        if chance.random() < 0.4:
            catch_up(account_id=account.pk, at=NOW)
        if chance.random() < 0.1:
            with acting_as(account.owner_id):
                reverse_entry(entry=LedgerEntry.objects.get(pk=entry.pk), actor=account.owner)
        if kind == "SELL" and chance.random() < 0.4:
            closes = {"sequence": entry.sequence, "lots": [{"sequence": chance.randint(1, entry.sequence)}]}
            post(account, "NOTE", notes="chosen", data={"closes": closes}, occurred_at=fields["occurred_at"])
    catch_up(account_id=account.pk, at=NOW)


def cash_and_costs_brought(account):
    """Return what entries on instruments that stand paid, and the cost that transfers told."""
    with acting_as(account.owner_id):
        rows = list(LedgerEntry.objects.filter(account=account, instrument__isnull=False))
    gone = {row.reverses_id for row in rows if row.reverses_id}
    standing = [row for row in rows if row.reverses_id is None and row.pk not in gone]
    assert len(standing) > 10
    brought = sum(D(row.data["cost"]) for row in standing if row.kind == "TRANSFER_IN")
    return brought - sum(row.cash for row in standing)


@pytest.mark.parametrize("seed", range(10))
def test_what_is_kept_is_what_a_derivation_from_nothing_finds_and_no_cash_is_lost(alice, seed):
    chance = random.Random(seed)
    account = make_account(owner=alice, cost_basis_method=METHODS[seed % 5], wash_sales=seed % 2 == 1)
    write(chance, account, Writer(chance, out=seed % 3 == 0).rows)
    assert list(rebuild(account_ids=[account.pk], at=NOW)) == []
    whole = D(0)
    for position in Position.objects.using("system").filter(account=account):
        of = {"account": account, "instrument": position.instrument}
        lots = Lot.objects.using("system").filter(**of)
        assert sum(lot.remaining for lot in lots) == position.quantity
        assert sum(lot.cost for lot in lots) == position.cost_basis
        assert len({lot.remaining > 0 for lot in lots}) < 2
        closures = Closure.objects.using("system").filter(**of)
        assert sum(one.gain + one.disallowed_loss for one in closures) == position.realized_gain
        whole += position.cost_basis - position.realized_gain - position.income
    if seed % 3:
        parked = Projection.objects.using("system").get(pk=account.pk).memory["parked"]
        whole += sum(D(lot[3]) - D(lot[-1]) for lots in parked.values() for lot in lots)
        assert whole == cash_and_costs_brought(account)
