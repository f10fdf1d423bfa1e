"""Units go from one account to another with lots, dates and cost, once, and come back together."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.db import connections

from accounts.domain.ledger import EntryDraft, EntryKind
from accounts.domain.roles import Role
from accounts.models import Account, LedgerEntry
from accounts.models.tenancy import acting_as
from accounts.services.accounts import AccountClosed
from accounts.services.ledger import AlreadyReversed, ConflictingEntry, EndOfTransfer, correct_entry
from accounts.services.transfers import NoSuchTransfer, RoleTooLow, reverse_transfer, take_back
from portfolio.domain.lots import Choice
from portfolio.models import Closure, Lot, Position, Snapshot
from portfolio.services.projections import catch_up
from portfolio.services.transfers import Order, transfer
from tests.factories import make_account, make_instrument, post, share
from tests.portfolio.fixtures import published
from tests.portfolio.market import bars

NOW = datetime(2026, 1, 1, tzinfo=UTC)
D = Decimal


def at(day: str) -> datetime:
    return datetime.fromisoformat(f"{day}T15:00").replace(tzinfo=UTC)


@pytest.fixture
def stock():
    stock = make_instrument()
    bars(stock, {"2024-01-02": 100, "2024-02-01": 120})
    return stock


@pytest.fixture
def source(alice, stock):
    """Return an account with two lots, of ten each."""
    source = make_account(owner=alice)
    post(source, "BUY", instrument=stock, quantity="10", price="100", fee="1", occurred_at=at("2024-01-02"))
    post(source, "BUY", instrument=stock, quantity="10", price="120", occurred_at=at("2024-01-03"))
    return source


@pytest.fixture
def target(alice):
    return make_account(owner=alice)


def move(source, target, actor, instrument, quantity, **fields):
    order = Order(**{"occurred_at": at("2024-02-01"), "instrument": instrument, "quantity": D(quantity)} | fields)
    with acting_as(actor.pk):
        return transfer(source=source, target=target, order=order, actor=actor)


def lots(account):
    catch_up(account_id=account.pk, at=NOW)
    rows = Lot.objects.using("system").filter(account=account).order_by("opened_at")
    return [(f"{row.opened_at:%Y-%m-%d}", row.remaining, row.cost) for row in rows]


class TestTransfer:
    def test_takes_lots_dates_and_cost_along(self, source, target, alice, stock):
        move(source, target, alice, stock, 14)
        assert lots(target) == [("2024-01-02", 10, 1001), ("2024-01-03", 4, 480)]
        assert lots(source) == [("2024-01-03", 6, 720)]
        for account in (source, target):
            position = Position.objects.using("system").get(account=account)
            assert position.realized_gain == 0
            assert not Closure.objects.using("system").filter(account=account).exists()

    def test_is_a_flow_of_the_same_size_on_both_sides(self, source, target, alice, stock):
        move(source, target, alice, stock, 14)
        lots(source), lots(target)
        flows = [
            Snapshot.objects.using("system").get(account=account, date="2024-02-01").net_flow for account in (source, target)
        ]
        assert flows == [-1680, 1680]

    @pytest.mark.parametrize(
        ("method", "came"),
        [
            ("LIFO", [("2024-01-02", 2, D("200.2")), ("2024-01-03", 10, 1200)]),
            ("HIFO", [("2024-01-02", 2, D("200.2")), ("2024-01-03", 10, 1200)]),
            ("AVERAGE", [("2024-01-02", 10, D("1100.5")), ("2024-01-03", 2, D("220.1"))]),
        ],
    )
    def test_takes_the_lots_of_the_sources_method(self, source, target, alice, stock, method, came):
        with acting_as(alice.pk):
            Account.objects.filter(pk=source.pk).update(cost_basis_method=method)
        source.refresh_from_db(using="system")
        move(source, target, alice, stock, 12)
        assert lots(target) == came
        assert sum(cost for *_, cost in came) + sum(cost for *_, cost in lots(source)) == 2201

    def test_takes_the_lots_that_are_named(self, source, target, alice, stock):
        second = 2
        move(source, target, alice, stock, 5, lots=[Choice(second)])
        assert lots(target) == [("2024-01-03", 5, 600)]
        assert lots(source) == [("2024-01-02", 10, 1001), ("2024-01-03", 5, 600)]

    def test_leaves_what_went_unchanged_by_what_is_learned_later(self, source, target, alice, stock):
        move(source, target, alice, stock, 14)
        post(source, "BUY", instrument=stock, quantity="10", price="50", occurred_at=at("2024-01-01"))
        assert lots(target) == [("2024-01-02", 10, 1001), ("2024-01-03", 4, 480)]
        assert lots(source) == [("2024-01-01", 10, 500), ("2024-01-03", 6, 720)]

    def test_moves_cash(self, source, target, alice):
        done = move(source, target, alice, None, 0, cash=D(50), currency="EUR")
        assert (done.outgoing.cash, done.incoming.cash, done.incoming.currency) == (-50, 50, "EUR")

    def test_happens_once(self, source, target, alice, stock):
        first = move(source, target, alice, stock, 14, external_id="t-1")
        again = move(source, target, alice, stock, 14, external_id="t-1")
        assert (first.created, again.created) == (True, False)
        assert (again.group, again.outgoing.pk, again.incoming.pk) == (first.group, first.outgoing.pk, first.incoming.pk)
        with pytest.raises(ConflictingEntry):
            move(source, target, alice, stock, 13, external_id="t-1")

    def test_units_go_once_where_two_ask_for_them(self, source, target, alice, stock):
        """Each thread finds the twenty held, or what the other left: one of two transfers of fourteen is refused."""

        def work(_number: int) -> bool:
            try:
                return move(source, target, alice, stock, 14).created
            except ValidationError:
                return False
            finally:
                connections["default"].close()

        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(work, range(2))) == [False, True]
        assert lots(source) == [("2024-01-03", 6, 720)]

    def test_comes_back_together(self, source, target, alice, stock):
        done = move(source, target, alice, stock, 14, external_id="t-1")
        lots(source), lots(target)
        with acting_as(alice.pk):
            gone, come = reverse_transfer(account=target, group=done.group, actor=alice, reason="mistake")
        assert (gone.reverses_id, come.reverses_id) == (done.outgoing.pk, done.incoming.pk)
        assert lots(target) == []
        assert lots(source) == [("2024-01-02", 10, 1001), ("2024-01-03", 10, 1200)]
        with pytest.raises(AlreadyReversed), acting_as(alice.pk):
            reverse_transfer(account=source, group=done.group, actor=alice)
        with pytest.raises(ConflictingEntry, match="taken back"):
            move(source, target, alice, stock, 14, external_id="t-1")

    @pytest.mark.parametrize("end", ["outgoing", "incoming"])
    def test_comes_back_together_by_either_end(self, source, target, alice, stock, end):
        done = move(source, target, alice, stock, 14)
        entry = getattr(done, end)
        with acting_as(alice.pk):
            back = take_back(entry=LedgerEntry.objects.get(pk=entry.pk), actor=alice, reason="mistake", explanation="Not mine.")
        assert (back.reverses_id, back.reason_primary, back.reason_explanation) == (entry.pk, "mistake", "Not mine.")
        assert lots(target) == []
        assert lots(source) == [("2024-01-02", 10, 1001), ("2024-01-03", 10, 1200)]
        with pytest.raises(AlreadyReversed), acting_as(alice.pk):
            take_back(entry=entry, actor=alice)


class TestRefusals:
    @pytest.mark.parametrize("end", ["outgoing", "incoming"])
    @pytest.mark.parametrize("role", [None, Role.VIEWER])
    def test_to_take_one_end_back_where_the_other_is_somebody_elses(self, source, target, alice, bob, stock, end, role):
        done = move(source, target, alice, stock, 14)
        entry = getattr(done, end)
        mine, other = (source, target) if end == "outgoing" else (target, source)
        share(mine, bob, Role.TRADER)
        if role is not None:
            share(other, bob, role)
        with pytest.raises(RoleTooLow), acting_as(bob.pk):
            take_back(entry=LedgerEntry.objects.get(pk=entry.pk), actor=bob)
        assert not LedgerEntry.objects.using("system").filter(reverses__in=[done.outgoing.pk, done.incoming.pk]).exists()

    def test_to_correct_one_end_alone(self, source, target, alice, stock):
        done = move(source, target, alice, stock, 14)
        draft = EntryDraft(kind=EntryKind.DEPOSIT, occurred_at=NOW, currency="USD", cash=D(1))
        with pytest.raises(EndOfTransfer, match="transfer anew"), acting_as(alice.pk):
            correct_entry(entry=done.outgoing, draft=draft, actor=alice)

    def test_to_take_an_end_back_in_a_closed_account(self, source, target, alice, stock):
        done = move(source, target, alice, stock, 14)
        target.closed_on = NOW.date()
        with acting_as(alice.pk):
            target.save(update_fields=["closed_on"])
        with pytest.raises(AccountClosed), acting_as(alice.pk):
            take_back(entry=LedgerEntry.objects.get(pk=done.outgoing.pk), actor=alice)
        assert not LedgerEntry.objects.using("system").filter(reverses=done.outgoing.pk).exists()

    def test_more_than_is_held_on_the_day(self, source, target, alice, stock):
        with pytest.raises(ValidationError, match="10 were held at that time") as refusal:
            move(source, target, alice, stock, 11, occurred_at=datetime(2024, 1, 2, 20, tzinfo=UTC))
        assert list(refusal.value.message_dict) == ["quantity"]
        assert not LedgerEntry.objects.using("system").filter(account=target).exists()

    def test_what_was_never_held(self, source, target, alice):
        with pytest.raises(ValidationError, match="0 were held"):
            move(source, target, alice, make_instrument(), 1)

    def test_lots_that_are_not_there(self, source, target, alice, stock):
        with pytest.raises(ValidationError, match="entry #9"):
            move(source, target, alice, stock, 1, lots=[Choice(9)])
        with pytest.raises(ValidationError, match="10 were held of the lot"):
            move(source, target, alice, stock, 12, lots=[Choice(1, D(12))])

    def test_an_account_to_itself(self, source, alice, stock):
        with pytest.raises(ValidationError, match="same one"):
            move(source, source, alice, stock, 1)

    @pytest.mark.parametrize("role", [None, Role.VIEWER])
    @pytest.mark.parametrize("other", ["source", "target"])
    def test_who_may_not_write_in_both(self, source, target, alice, bob, stock, role, other):
        open_one, other_one = (source, target) if other == "target" else (target, source)
        share(open_one, bob, Role.TRADER)
        if role is not None:
            share(other_one, bob, role)
        with pytest.raises(RoleTooLow):
            move(source, target, bob, stock, 1)

    @pytest.mark.parametrize("closed", ["source", "target"])
    def test_a_closed_account(self, source, target, alice, stock, closed):
        account = {"source": source, "target": target}[closed]
        account.closed_on = NOW.date()
        with acting_as(alice.pk):
            account.save(update_fields=["closed_on"])
        with pytest.raises(AccountClosed):
            move(source, target, alice, stock, 1)

    def test_a_group_that_is_no_transfer(self, source, alice, stock, target):
        done = move(source, target, alice, stock, 1)
        with pytest.raises(NoSuchTransfer), acting_as(alice.pk):
            reverse_transfer(account=make_account(owner=alice), group=done.group, actor=alice)


def test_portfolio_performance_keeps_the_cost_through_several_transfers(alice):
    """Four depots: shares go from two of them to a third, and on to the fourth, where they are sold."""
    case = published("portfolio-performance/issue_4446_fifo_multiple_transfers.json")
    held = case["input"]["portfolio_file"]
    depots = {one["key"]: make_account(owner=alice, base_currency="EUR") for one in held["portfolios"]}
    stock = make_instrument(currency="EUR")
    rows = [(row, one["key"]) for one in held["portfolios"] for row in one["transactions"] if row["type"] != "TRANSFER_IN"]
    for row, key in sorted(rows, key=lambda found: found[0]["date"]):
        when, shares, amount = at(row["date"][:10]), D(row["shares"]), D(row["amount"])
        if row["type"] == "TRANSFER_OUT":
            move(depots[key], depots[row["cross_entry"]["portfolioTo"]], alice, stock, shares, occurred_at=when)
        else:
            sign = 1 if row["type"] == "BUY" else -1
            post(
                depots[key], row["type"], instrument=stock, quantity=sign * shares, price=amount / shares, cash=-sign * amount,
                currency="EUR", occurred_at=when,
            )  # fmt: skip
    catch_up(account_id=depots["P4"].pk, at=NOW)
    sold = Closure.objects.using("system").filter(account=depots["P4"])
    assert sum(row.cost for row in sold) == D(case["expected"]["first_trade_entry_value"])
    assert {f"{row.opened_at:%Y-%m-%d}" for row in sold} == {"2020-09-21", "2020-09-22"}
