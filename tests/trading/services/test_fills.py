"""Fills are posted exactly once: the fill, its ledger entry and how its order stands are all there, or none of them."""

from datetime import UTC, datetime
from decimal import Decimal
from threading import Thread

import pytest
from django.db import connection

from accounts.models import LedgerEntry
from accounts.models.tenancy import acting_as
from tests.factories import make_instrument, post
from tests.trading.factories import AT, make_order, move_order
from trading.domain.fills import Fill as Filled
from trading.domain.orders import Event, EventKind
from trading.models import Fill, Order, OrderEvent
from trading.services.fills import ConflictingFill, Execution, post_fills
from trading.services.refusals import NotAsThingsStand

NOW = datetime(2024, 5, 7, tzinfo=UTC)


@pytest.fixture
def instrument():
    return make_instrument()


def execution(order, name="x", quantity="10", price="10", fee="0", **fields):
    return Execution(order.pk, Filled(name, Decimal(quantity), Decimal(price), AT, Decimal(fee)), **fields)


def posted(account, *executions):
    """Post executions as the account's owner."""
    with acting_as(account.owner_id):
        return post_fills(account=account, executions=executions, broker="paper", actor=account.owner, now=NOW)


def found(account):
    """Return how many fills, entries of fills, and events an account has."""
    with acting_as(account.owner_id):
        entries = LedgerEntry.objects.filter(account=account, source="fill")
        return Fill.objects.filter(account=account).count(), entries.count(), OrderEvent.objects.filter(account=account).count()


class TestPost:
    def test_leaves_fill_entry_and_order_that_agree(self, account, instrument):
        order = make_order(account, instrument)
        one, two = posted(account, execution(order, "a", "4", "10", "0.5"), execution(order, "b", "6", "11"))
        with acting_as(account.owner_id):
            order = Order.objects.get(pk=order.pk)
            entry = LedgerEntry.objects.get(pk=one.entry_id)
        assert (order.status, order.filled_quantity, order.average_price, order.filled_fee) == (
            "FILLED", 10, Decimal("10.6"), Decimal("0.5"),
        )  # fmt: skip
        assert (entry.kind, entry.quantity, entry.price, entry.cash, entry.fee) == (
            "BUY",
            4,
            10,
            Decimal("-40.5"),
            Decimal("0.5"),
        )
        assert (entry.source, entry.external_id, entry.occurred_at, entry.data) == ("fill", "a", AT, {"order": str(order.pk)})
        assert two.entry_id != one.entry_id
        assert order.ended_at == AT

    @pytest.mark.parametrize(
        ("side", "effect", "kind", "quantity", "cash"),
        [
            ("BUY", "OPEN", "BUY", 10, -100),
            ("SELL", "CLOSE", "SELL", -10, 100),
            ("SELL", "OPEN", "SHORT", -10, 100),
            ("BUY", "CLOSE", "COVER", 10, -100),
        ],
    )
    def test_posts_the_kind_that_side_and_effect_mean(self, account, instrument, side, effect, kind, quantity, cash):
        posted(account, execution(make_order(account, instrument, side=side, effect=effect)))
        with acting_as(account.owner_id):
            entry = LedgerEntry.objects.get(account=account, source="fill")
        assert (entry.kind, entry.quantity, entry.cash) == (kind, quantity, cash)

    def test_counts_the_multiplier_of_contracts(self, account):
        option = make_instrument(multiplier=100)
        posted(account, execution(make_order(account, option), price="1.5"))
        with acting_as(account.owner_id):
            assert LedgerEntry.objects.get(account=account).cash == -1500

    def test_takes_a_rebate_into_the_cash(self, account, instrument):
        posted(account, execution(make_order(account, instrument), fee="-0.25"))
        with acting_as(account.owner_id):
            entry = LedgerEntry.objects.get(account=account)
        assert (entry.cash, entry.fee, entry.data["rounding"]) == (Decimal("-99.75"), 0, "The market paid 0.25 for the trade.")

    def test_ends_an_order_by_amount_when_the_broker_says_so(self, account, instrument):
        order = make_order(account, instrument, notional=Decimal(100))
        posted(account, execution(order, "a", "4"), execution(order, "b", "5.99", complete=True))
        with acting_as(account.owner_id):
            assert Order.objects.get(pk=order.pk).status == "FILLED"

    def test_of_nothing_posts_nothing(self, account):
        assert posted(account) == []

    def test_of_several_orders_is_one_transaction(self, account, instrument):
        orders = [make_order(account, instrument) for _ in range(3)]
        assert len(posted(account, *(execution(order, str(n)) for n, order in enumerate(orders)))) == 3
        assert found(account) == (3, 3, 6)


class TestAgain:
    def test_posts_nothing(self, account, instrument):
        order = make_order(account, instrument)
        first = execution(order, "a", "4")
        assert len(posted(account, first, first)) == 1
        assert posted(account, first) == []
        assert len(posted(account, first, execution(order, "b", "6"))) == 1
        assert found(account) == (2, 2, 3)

    def test_with_other_figures_is_refused(self, account, instrument):
        order = make_order(account, instrument)
        posted(account, execution(order, "a", "4"))
        for other in (execution(order, "a", "5"), execution(make_order(account, instrument), "a", "4")):
            with pytest.raises(ConflictingFill):
                posted(account, other)
        assert found(account)[:2] == (1, 1)

    def test_of_what_the_ledger_has_otherwise_is_refused(self, account, instrument):
        post(account, "BUY", instrument=instrument, quantity="4", price="12", source="fill", external_id="a")
        with pytest.raises(ConflictingFill):
            posted(account, execution(make_order(account, instrument), "a", "4"))
        assert found(account) == (0, 1, 1)

    def test_by_several_at_once_posts_once(self, account, instrument):
        order, failures = make_order(account, instrument), []
        executions = [execution(order, str(n), "1") for n in range(10)]

        def work():
            try:
                posted(account, *executions)
            except Exception as error:
                failures.append(error)
            finally:
                connection.close()

        threads = [Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert found(account) == (10, 10, 11)


class TestRefused:
    def test_beyond_the_quantity_leaves_nothing(self, account, instrument):
        order = make_order(account, instrument)
        with pytest.raises(NotAsThingsStand) as refused:
            posted(account, execution(order, "a", "4"), execution(order, "b", "7"))
        assert refused.value.code == "overfilled"
        assert found(account) == (0, 0, 1)

    def test_of_a_rejected_order_leaves_nothing(self, account, instrument):
        order = move_order(make_order(account, instrument), Event(EventKind.REJECTED))
        with pytest.raises(NotAsThingsStand):
            posted(account, execution(order))
        assert found(account) == (0, 0, 2)

    def test_that_come_late_are_posted(self, account, instrument):
        order = move_order(make_order(account, instrument), Event(EventKind.CANCELED))
        posted(account, execution(order, "a", "4"))
        with acting_as(account.owner_id):
            assert Order.objects.get(pk=order.pk).status == "CANCELED"
        assert found(account) == (1, 1, 3)
