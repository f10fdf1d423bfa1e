"""What companies did is proposed from the position of the day, posted once, and never beside what somebody posted by hand."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError

from accounts.models import Job, JobRun, LedgerEntry
from accounts.models.tenancy import acting_as
from accounts.services.accounts import open_account
from accounts.services.ledger import reverse_entry
from marketdata.models import CorporateAction
from portfolio.domain.proposals import Said
from portfolio.models import Closure, Lot, Position
from portfolio.selectors.corporate_actions import Status, proposals
from portfolio.services.corporate_actions import NoSuchAction, NotToPost, apply_action, apply_due, dismiss_action
from portfolio.services.projections import catch_up
from portfolio.tasks import run_corporate_actions
from tests.factories import make_account, make_instrument, post
from tests.portfolio.market import bars

NOW = datetime(2025, 1, 1, tzinfo=UTC)
D = Decimal


def at(day: str) -> datetime:
    return datetime.fromisoformat(f"{day}T15:00").replace(tzinfo=UTC)


@pytest.fixture
def stock():
    stock = make_instrument()
    bars(stock, {"2024-01-02": 30, "2024-12-31": 30})
    return stock


@pytest.fixture
def holder(alice, stock):
    """Return an account that held fifteen units from January on."""
    holder = make_account(owner=alice)
    post(holder, "DEPOSIT", cash="5000", occurred_at=at("2024-01-02"))
    post(holder, "BUY", instrument=stock, quantity="15", price="30", occurred_at=at("2024-01-02"))
    return holder


def act(instrument, kind, ex_date="2024-06-03", **fields):
    return CorporateAction.objects.create(instrument=instrument, kind=kind, ex_date=ex_date, recorded_at=NOW, **fields)


def found(account, **options):
    catch_up(account_id=account.pk, at=NOW)
    with acting_as(account.owner_id):
        return [(one.action.kind, one.held, one.status.value) for one in proposals(account=account, today=NOW.date(), **options)]


def apply(account, action, **said):
    catch_up(account_id=account.pk, at=NOW)
    with acting_as(account.owner_id):
        return apply_action(account=account, action_id=action.pk, actor=account.owner, at=NOW, said=Said(**said))


def holds(account):
    catch_up(account_id=account.pk, at=NOW)
    rows = Position.objects.using("system").filter(account=account).exclude(quantity=0).select_related("instrument")
    return {row.instrument: (row.quantity, row.cost_basis) for row in rows}


class TestProposals:
    def test_are_of_what_was_held_before_the_ex_date(self, holder, stock):
        act(stock, "CASH_DIVIDEND", cash="0.5", currency="USD", ex_date="2024-01-02")
        act(stock, "CASH_DIVIDEND", cash="0.5", currency="USD", ex_date="2024-01-03")
        act(stock, "CASH_DIVIDEND", cash="0.5", currency="USD", ex_date="2024-06-03")
        act(make_instrument(), "SPLIT", ratio=2)
        post(holder, "SELL", instrument=stock, quantity="-5", price="30", occurred_at=at("2024-06-03"))
        assert found(holder) == [("CASH_DIVIDEND", 15, "proposed"), ("CASH_DIVIDEND", 15, "proposed")]

    def test_of_units_sold_before_are_none(self, holder, stock):
        act(stock, "SPLIT", ratio=2)
        post(holder, "SELL", instrument=stock, quantity="-15", price="30", occurred_at=at("2024-06-02"))
        assert found(holder) == []

    def test_wait_for_their_day(self, holder, stock):
        act(stock, "SPLIT", ratio=2, ex_date="2025-03-03")
        act(stock, "CASH_DIVIDEND", cash="1", currency="USD", ex_date="2024-12-30", pay_date="2025-01-15")
        assert [status for *_, status in found(holder)] == ["upcoming", "upcoming"]

    @pytest.mark.parametrize(
        ("kind", "fields", "posted"),
        [
            ("SPLIT", {"ratio": 2}, {"kind": "SPLIT", "data": {"ratio": "2:1"}, "occurred_at": at("2024-06-03")}),
            (
                "CASH_DIVIDEND",
                {"cash": "0.5", "currency": "USD"},
                {"kind": "DIVIDEND", "cash": "7", "occurred_at": at("2024-06-10")},
            ),
        ],
    )
    def test_are_none_for_what_was_posted_by_hand(self, holder, stock, kind, fields, posted):
        posted = dict(posted)
        action = act(stock, kind, **fields)
        entry = post(holder, posted.pop("kind"), instrument=stock, **posted)
        assert found(holder)[0][2] == "posted_by_hand"
        with pytest.raises(NotToPost, match="by hand"):
            apply(holder, action)
        with acting_as(holder.owner_id):
            reverse_entry(entry=entry, actor=holder.owner)
        assert found(holder)[0][2] == "proposed"

    def test_are_left_by_what_was_posted_on_another_day(self, holder, stock):
        act(stock, "CASH_DIVIDEND", cash="0.5", currency="USD", pay_date="2024-06-20")
        post(holder, "DIVIDEND", instrument=stock, cash="7", occurred_at=at("2024-05-20"))
        assert found(holder)[0][2] == "proposed"


class TestApply:
    def test_a_split(self, holder, stock):
        entries, created = apply(holder, act(stock, "SPLIT", ratio=2))
        assert (created, [entry.kind for entry in entries], entries[0].source) == (True, ["SPLIT"], "corporate-actions")
        assert holds(holder) == {stock: (30, 450)}

    def test_a_reverse_split_with_cash_for_the_fraction(self, holder, stock):
        apply(holder, act(stock, "SPLIT", ratio="0.1"), cash_in_lieu=D("140"))
        assert holds(holder) == {stock: (1, 300)}
        closure = Closure.objects.using("system").get(account=holder)
        assert (closure.quantity, closure.cost, closure.proceeds) == (D("0.5"), 150, 140)

    def test_a_stock_dividend(self, holder, stock):
        apply(holder, act(stock, "STOCK_DIVIDEND", ratio="0.2"))
        assert holds(holder) == {stock: (18, 450)}
        assert f"{Lot.objects.using('system').get(account=holder).opened_at:%Y-%m-%d}" == "2024-01-02"

    def test_a_dividend_on_its_pay_day(self, holder, stock):
        (entry,), _ = apply(holder, act(stock, "CASH_DIVIDEND", cash="0.25", currency="USD", pay_date="2024-06-20"))
        assert (entry.kind, entry.cash, entry.occurred_at.date().isoformat()) == ("DIVIDEND", D("3.75"), "2024-06-20")

    def test_a_dividend_owed_on_a_short_position(self, alice, stock):
        account = make_account(owner=alice)
        post(account, "SHORT", instrument=stock, quantity="-10", price="30", occurred_at=at("2024-01-02"))
        (entry,), _ = apply(account, act(stock, "CASH_DIVIDEND", cash="0.25", currency="USD"))
        assert (entry.kind, entry.cash, entry.fee) == ("FEE", D("-2.5"), D("2.5"))

    def test_a_spin_off_with_its_part_of_the_cost(self, holder, stock):
        child = make_instrument()
        apply(holder, act(stock, "SPIN_OFF", ratio="0.2", other=child, cost_fraction="0.1"))
        assert holds(holder) == {stock: (15, 405), child: (3, 45)}

    def test_a_spin_off_by_its_first_prices(self, holder, stock):
        child = make_instrument()
        bars(stock, {"2024-06-03": 24})
        bars(child, {"2024-06-04": 30})
        apply(holder, act(stock, "SPIN_OFF", ratio="0.2", other=child))
        assert holds(holder)[child] == (3, 90)  # 6 of 30 a unit

    def test_a_spin_off_by_prices_in_pence_and_pounds(self, alice):
        parent, child = make_instrument(currency="GBX"), make_instrument(currency="GBP")
        bars(parent, {"2024-01-02": 3000, "2024-06-03": 2400})
        bars(child, {"2024-06-04": 30})
        holder = make_account(owner=alice, base_currency="GBP")
        post(holder, "BUY", instrument=parent, quantity="15", price="3000", currency="GBX", occurred_at=at("2024-01-02"))
        apply(holder, act(parent, "SPIN_OFF", ratio="0.2", other=child))
        assert holds(holder)[child] == (3, 90)

    def test_a_spin_off_without_prices_asks(self, holder, stock):
        child = make_instrument()
        action = act(stock, "SPIN_OFF", ratio="0.2", other=child)
        with pytest.raises(ValidationError, match="cost_fraction"):
            apply(holder, action)
        apply(holder, action, cost_fraction=D("0.5"))
        assert holds(holder)[child] == (3, 225)

    @pytest.mark.parametrize(
        ("cash", "worth", "cost", "gain"),
        [("0", "100", 450, 0), ("10", "100", 450, 150), ("10", "70", 350, 50), ("10", "20", 300, 0)],
    )
    def test_a_merger_with_a_gain_up_to_the_cash(self, holder, stock, cash, worth, cost, gain):
        """15 units at a cost of 450 become 5 of the other, and cash: a gain counts as far as the cash."""
        other = make_instrument()
        bars(other, {"2024-06-03": worth})
        paid = {"cash": cash, "currency": "USD"} if D(cash) else {}
        apply(holder, act(stock, "MERGER", ratio="0.333333333333333333", other=other, **paid))
        (quantity, basis), *_ = holds(holder).values()
        assert (round(quantity, 6), round(basis, 6)) == (5, cost)
        assert round(Position.objects.using("system").get(account=holder, instrument=stock).realized_gain, 6) == gain
        closures = Closure.objects.using("system").filter(account=holder)
        assert round(sum(row.gain for row in closures), 6) == gain
        assert {row.quantity for row in closures} <= {0}

    def test_a_merger_for_cash(self, holder, stock):
        apply(holder, act(stock, "MERGER", cash="40", currency="USD"))
        assert holds(holder) == {}
        assert Closure.objects.using("system").get(account=holder).gain == 150

    def test_a_new_symbol_is_a_note(self, holder, stock):
        (entry,), _ = apply(holder, act(stock, "SYMBOL_CHANGE", new_symbol="NEWNAME"))
        assert (entry.kind, "NEWNAME" in entry.notes) == ("NOTE", True)
        assert holds(holder) == {stock: (15, 450)}

    def test_happens_once(self, holder, stock):
        action = act(stock, "SPLIT", ratio=2)
        first, _ = apply(holder, action)
        again, created = apply(holder, action)
        assert (created, [entry.pk for entry in again]) == (False, [entry.pk for entry in first])
        assert found(holder)[0][2] == "posted"

    def test_not_again_after_it_was_taken_back(self, holder, stock):
        action = act(stock, "SPLIT", ratio=2)
        (entry,), _ = apply(holder, action)
        with acting_as(holder.owner_id):
            reverse_entry(entry=LedgerEntry.objects.get(pk=entry.pk), actor=holder.owner)
        assert found(holder)[0][2] == "dismissed"
        with pytest.raises(NotToPost):
            apply(holder, action)

    def test_not_of_what_was_never_held(self, holder):
        with pytest.raises(NoSuchAction):
            apply(holder, act(make_instrument(), "SPLIT", ratio=2))


class TestDismiss:
    def test_is_a_note_and_may_be_taken_back(self, holder, stock):
        action = act(stock, "SPLIT", ratio=2)
        catch_up(account_id=holder.pk, at=NOW)
        for _ in range(2):
            with acting_as(holder.owner_id):
                note = dismiss_action(account=holder, action_id=action.pk, actor=holder.owner, at=NOW, reason="no")
            assert found(holder)[0][2] == Status.DISMISSED
            with pytest.raises(NotToPost):
                apply(holder, action)
            with acting_as(holder.owner_id):
                reverse_entry(entry=LedgerEntry.objects.get(pk=note.pk), actor=holder.owner)
            assert found(holder)[0][2] == Status.PROPOSED


class TestApplyDue:
    def test_posts_all_in_their_order_with_the_units_each_finds(self, holder, stock):
        act(stock, "SPLIT", ratio=2, ex_date="2024-03-01")
        act(stock, "CASH_DIVIDEND", cash="0.5", currency="USD", ex_date="2024-02-01")
        act(stock, "CASH_DIVIDEND", cash="0.5", currency="USD", ex_date="2024-04-01")
        act(stock, "SPIN_OFF", ratio="0.2", other=make_instrument(), ex_date="2024-05-01")
        assert apply_due(account_id=holder.pk, at=NOW) == "3 posted, 1 to be looked at"
        with acting_as(holder.owner_id):
            entries = LedgerEntry.objects.filter(account=holder, source="corporate-actions").order_by("occurred_at")
            assert [(entry.kind, entry.cash) for entry in entries] == [("DIVIDEND", D("7.5")), ("SPLIT", 0), ("DIVIDEND", 15)]
        assert apply_due(account_id=holder.pk, at=NOW) == "0 posted, 1 to be looked at"

    def test_is_a_job_of_the_account_that_is_off_at_first(self, alice, stock):
        with acting_as(alice.pk):
            account = open_account(owner=alice, name="Main", base_currency="USD", at=NOW)
            job = Job.objects.get(account=account, kind="ACTIONS")
        assert (job.enabled, job.next_run_at) == (False, None)
        post(account, "BUY", instrument=stock, quantity="15", price="30", occurred_at=at("2024-01-02"))
        act(stock, "SPLIT", ratio=2)
        run = JobRun.objects.using("system").create(account_id=account.pk, job_id=job.pk, due_at=NOW, leased_until=NOW)
        run_corporate_actions(run_ids=[str(run.pk)])
        run.refresh_from_db(using="system")
        assert (run.outcome, run.detail) == ("SUCCEEDED", "1 posted")
        assert holds(account)[stock] == (30, 450)
