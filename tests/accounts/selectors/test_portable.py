"""What other programs are given of an account, read back by our own readers: what is held, and the money that moved, agree."""

import json
from collections import defaultdict
from datetime import UTC, datetime
from decimal import Decimal
from uuid import uuid4

import pytest

from accounts.domain.ledger import EntryKind
from accounts.models import LedgerEntry
from accounts.models.tenancy import acting_as
from accounts.selectors.portable import ghostfolio_json, performance_csv
from accounts.services.imports import import_file
from accounts.services.ledger import reverse_entry
from marketdata.models import Instrument
from tests.factories import make_account, make_instrument, make_user, post, unique_symbol

NOW = datetime(2026, 2, 2, tzinfo=UTC)
D = Decimal
EARNED = {EntryKind.DIVIDEND, EntryKind.INTEREST, EntryKind.FEE, EntryKind.TAX}


def at(day: str) -> datetime:
    return datetime.fromisoformat(f"{day}T15:30:00+00:00")


class World:
    """An account with what brokers send, and one to read its export into."""

    def __init__(self) -> None:
        self.owner = make_user("alice")
        self.account, self.other = make_account(owner=self.owner), make_account(owner=self.owner)
        self.swiss = make_instrument(symbol=unique_symbol("S")[-9:], exchange="XSWX", currency="USD", name="=Swiss")
        coin = {"asset_class": "CRYPTO", "currency": "USD", "name": "Cosmos"}
        self.coin = Instrument.objects.get_or_create(symbol="ATOM/USD", exchange="CRYPTO", defaults=coin)[0]
        self.house = make_instrument(name=f"House {uuid4()}")
        self.units: dict[object, Decimal] = {}
        posted = self.post
        posted("DEPOSIT", "2024-01-02", cash="10000", notes="=1+1")
        posted("BUY", "2024-01-03", self.swiss, quantity="10", price="100.5", fee="2", tax="1.5")
        posted("BUY", "2024-01-04", self.coin, quantity="0.12345678", price="41000.12", fee="3")
        wrong = posted("BUY", "2024-01-05", self.swiss, quantity="7", price="1")
        posted("DIVIDEND", "2024-01-08", self.swiss, cash="17", tax="3", data={"gross": "20"})
        posted("SELL", "2024-01-09", self.swiss, quantity="-4", price="110", fee="1")
        posted("SPLIT", "2024-02-01", self.swiss, data={"ratio": "3:1"})
        posted("BUY", "2024-02-01", self.swiss, quantity="5", price="35")
        posted("TRANSFER_IN", "2024-02-02", self.house, quantity="1", data={"cost": "90000"})
        posted("INTEREST", "2024-02-05", cash="4.2")
        posted("INTEREST", "2024-02-05", cash="-1.1")
        posted("FEE", "2024-02-06", cash="-9", fee="9")
        posted("TAX", "2024-02-07", cash="-2.5")
        posted("LIABILITY", "2024-02-08", price="500", data={"name": "loan"})
        posted("NOTE", "2024-02-08", notes="nothing moved")
        posted("WITHDRAWAL", "2024-02-09", cash="-100")
        with acting_as(self.owner.pk):
            reverse_entry(entry=wrong, actor=self.owner)

    def post(self, kind, day, instrument=None, **fields) -> LedgerEntry:
        return post(self.account, kind, instrument=instrument, occurred_at=at(day), **fields)

    def exported(self, what) -> str:
        with acting_as(self.owner.pk):
            return "".join(what(self.account))

    def read_back(self, content: str, form: str) -> list[LedgerEntry]:
        with acting_as(self.owner.pk):
            done = import_file(
                account=self.other, actor=self.owner, file_name="x", content=content.encode(), at=NOW, create_on=""
            )
            assert (done.format, done.refused, done.status) == (form, [], "POSTED"), (done.refused, done.asked)
            return list(LedgerEntry.objects.filter(account=self.other).select_related("instrument"))


@pytest.fixture
def world() -> World:
    return World()


def held(entries) -> dict[str, Decimal]:
    """Return what is held after entries, by the name of the instrument."""
    found: dict[str, Decimal] = defaultdict(Decimal)
    for entry in entries:
        if entry.quantity:
            found[entry.instrument.name.lstrip("'") or entry.instrument.symbol] += entry.quantity
    return dict(found)


def money(entries, kinds) -> Decimal:
    return sum((entry.cash for entry in entries if entry.kind in kinds), D(0))


class TestGhostfolio:
    def test_it_comes_back_with_what_is_held_and_what_was_earned(self, world):
        content = world.exported(lambda account: ghostfolio_json(account, at=NOW))
        entries = world.read_back(content, "ghostfolio_json")
        assert held(entries) == {"=Swiss": D(23), world.coin.name: D("0.12345678"), world.house.name: D(1)}
        assert {entry.instrument for entry in entries if entry.instrument} > {world.swiss, world.coin}
        paid = D("-1008.5") - D("0.12345678") * D("41000.12") - 3 + 439 - 175 - 90000
        assert abs(money(entries, {"BUY", "SELL"}) - paid) < D("0.005")
        assert money(entries, EARNED) == D(17) + D("4.2") - D("1.1") - 9 - D("2.5")
        assert [entry.price for entry in entries if entry.kind == "LIABILITY"] == [500]

    def test_it_is_what_ghostfolio_takes(self, world):
        told = json.loads(world.exported(lambda account: ghostfolio_json(account, at=NOW)))
        profiles = {one["symbol"] for one in told["assetProfiles"] if one["dataSource"] == "MANUAL"}
        assert len(profiles) == len(told["assetProfiles"])  # the others it looks up
        assert {one["type"] for one in told["activities"]} == {"BUY", "SELL", "DIVIDEND", "INTEREST", "FEE", "LIABILITY"}
        for one in told["activities"]:
            assert one["dataSource"] == "YAHOO" or one["symbol"] in profiles
            assert min(one["quantity"], one["unitPrice"], one["fee"]) >= 0
            assert one["date"].endswith("Z")
        assert {one["symbol"] for one in told["activities"]} - profiles == {
            f"{world.swiss.symbol}.SW", "ATOMUSD"
        }  # fmt: skip
        assert next((one["fee"], one["unitPrice"]) for one in told["activities"] if one["type"] == "FEE") == (1.1, 0)
        assert [set(one) for one in told["accounts"]] == [{"balances", "comment", "currency", "id", "name", "platformId"}]

    def test_an_account_in_which_nothing_happened(self):
        owner = make_user("alice")
        with acting_as(owner.pk):
            told = json.loads("".join(ghostfolio_json(make_account(owner=owner), at=NOW)))
        assert told["activities"] == []


class TestPortfolioPerformance:
    def test_it_comes_back_with_what_is_held_and_all_money(self, world):
        entries = world.read_back(world.exported(performance_csv), "portfolio_performance")
        assert sorted(held(entries).values()) == [D("0.12345678"), D(1), D(23)]
        with acting_as(world.owner.pk):
            ours = list(LedgerEntry.objects.filter(account=world.account))
        assert sum(entry.cash for entry in entries) == sum(entry.cash for entry in ours)
        assert "=1+1" in {entry.notes for entry in entries}  # as it was, not as a file has it

    @pytest.mark.parametrize("multiplier", [100, 10, 1])
    def test_options_come_back_at_their_price(self, world, multiplier):
        under = unique_symbol()[-6:]
        option = make_instrument(
            symbol=f"{under}240621C00020000",
            exchange="OPRA",
            asset_class="OPTION",
            multiplier=D(multiplier),
            currency="USD",
            expiry=at("2024-06-21").date(),
            strike=D(20),
            right="CALL",
        )
        world.post("BUY", "2024-03-01", option, quantity="2", price="1.5", fee="1", multiplier=D(multiplier))
        found = [entry for entry in world.read_back(world.exported(performance_csv), "portfolio_performance")]
        (bought,) = [entry for entry in found if entry.instrument == option]
        assert (bought.quantity, bought.price, bought.fee, bought.cash) == (2, D("1.5"), 1, -3 * multiplier - 1)

    def test_no_cell_is_a_formula(self, world):
        content = world.exported(performance_csv)
        assert "'=Swiss" in content
        assert "'=1+1" in content
        assert not [cell for line in content.splitlines() for cell in line.split(",") if cell[:1] in {"=", "@", "+", "-"}]
