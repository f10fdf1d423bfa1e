"""What every broker promises: subclass the suite and say which broker is meant, and how its market moves.

What a broker answers is handed to `told`: whoever keeps nothing of its own (paper) finds it in the records.
"""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from uuid import uuid4

import pytest

from marketdata.domain.instruments import AssetClass, Listing
from trading.adapters.base import BrokerOrder, BrokerRefused, Ticket
from trading.domain.drafts import OrderDraft
from trading.domain.orders import OPEN, OrderStatus, OrderType, Side, TimeInForce

EVER = datetime(2020, 1, 1, tzinfo=UTC)
APPLE = Listing("AAPL", "XNAS", "Apple Inc.", AssetClass.EQUITY, "USD")


class BrokerContract:
    """The promises of `Broker`, one test each."""

    @pytest.fixture
    def broker(self):
        """Return the broker."""
        raise NotImplementedError

    def market(self, bid, ask, size=None):
        """Let the market of the instrument move."""
        raise NotImplementedError

    def told(self, ticket, answer):
        """Take down what the broker said of an order."""

    def ticket(self, **asked):
        """Return an order to buy ten."""
        draft = OrderDraft(**{"side": Side.BUY} | ({} if "notional" in asked else {"quantity": Decimal(10)}) | asked)
        return Ticket(order_id=uuid4(), client_order_id=f"ours-{uuid4()}", listing=APPLE, draft=draft, at=EVER)

    def placed(self, broker, **asked):
        """Place an order and return its ticket."""
        ticket = self.ticket(**asked)
        self.told(ticket, broker.submit(ticket))
        return ticket

    def found(self, broker, ticket) -> BrokerOrder:
        """Ask for an order."""
        found = broker.find(ticket.client_order_id)
        assert found is not None
        self.told(ticket, found)
        return found

    def test_it_has_a_name_and_shows_no_secret(self, broker):
        assert broker.name
        assert "canary" not in repr(broker) + str(broker)

    def test_an_order_is_known_by_our_id(self, broker):
        ticket = self.ticket(type=OrderType.LIMIT, limit_price=Decimal(5))
        answer = broker.submit(ticket)
        self.told(ticket, answer)
        assert (answer.client_order_id, answer.status in OPEN) == (ticket.client_order_id, True)
        assert answer.broker_order_id
        assert self.found(broker, ticket).broker_order_id == answer.broker_order_id

    def test_an_id_is_taken_once(self, broker):
        ticket = self.placed(broker, type=OrderType.LIMIT, limit_price=Decimal(5))
        with pytest.raises(BrokerRefused) as refused:
            broker.submit(ticket)
        assert refused.value.duplicate
        other = replace(ticket, order_id=uuid4(), draft=replace(ticket.draft, quantity=Decimal(3)))
        with pytest.raises(BrokerRefused):
            broker.submit(other)
        assert self.found(broker, ticket).quantity == 10

    def test_an_id_it_never_heard_of_is_not_there(self, broker):
        assert broker.find(f"never-{uuid4()}") is None
        assert [one for one in broker.look({f"never-{uuid4()}": ""}, since=EVER) if one.client_order_id.startswith("never")] == []

    def test_at_the_market_it_is_filled_whole(self, broker):
        self.market("99.5", "100.25")
        found = self.found(broker, self.placed(broker))
        assert (found.status, found.filled_quantity, found.missing) == (OrderStatus.FILLED, 10, 0)
        assert [(fill.quantity, fill.price) for fill in found.fills] == [(10, Decimal("100.25"))]
        assert all(fill.execution_id for fill in found.fills)

    def test_a_limit_waits_and_is_kept(self, broker):
        self.market(99, 100)
        ticket = self.placed(broker, type=OrderType.LIMIT, limit_price=Decimal(98))
        assert self.found(broker, ticket).status is OrderStatus.ACCEPTED
        self.market(96, 97)
        found = self.found(broker, ticket)
        assert found.status is OrderStatus.FILLED
        assert all(fill.price <= 98 for fill in found.fills)

    def test_a_stop_waits_until_it_is_touched(self, broker):
        self.market(99, 100)
        ticket = self.placed(broker, type=OrderType.STOP, stop_price=Decimal(105))
        assert self.found(broker, ticket).status is OrderStatus.ACCEPTED
        self.market(105, 106)
        assert self.found(broker, ticket).status is OrderStatus.FILLED

    def test_it_is_filled_by_what_there_is(self, broker):
        self.market(99, 100, 4)
        ticket = self.placed(broker)
        first = self.found(broker, ticket)
        assert (first.status, first.filled_quantity) == (OrderStatus.PARTIALLY_FILLED, 4)
        self.market(99, 101, 4)
        self.market(99, 102, 4)
        last = self.found(broker, ticket)
        assert (last.status, last.filled_quantity) == (OrderStatus.FILLED, 10)
        assert [(fill.quantity, fill.price) for fill in last.fills] == [(4, 100), (4, 101), (2, 102)]
        assert len({fill.execution_id for fill in last.fills}) == 3
        assert last.fills[0] == first.fills[0]

    def test_asked_again_it_says_the_same(self, broker):
        self.market(99, 100, 4)
        ticket = self.placed(broker)
        assert self.found(broker, ticket) == self.found(broker, ticket)
        assert (
            next(one for one in broker.look({ticket.client_order_id: ""}, since=EVER)).fills == self.found(broker, ticket).fills
        )

    def test_an_open_order_is_canceled_and_nothing_more_comes(self, broker):
        self.market(99, 100, 4)
        ticket = self.placed(broker)
        found = self.found(broker, ticket)
        gone = broker.cancel(ticket, found.broker_order_id)
        self.told(ticket, gone)
        assert (gone.status, gone.filled_quantity) == (OrderStatus.CANCELED, 4)
        self.market(98, 99)
        assert self.found(broker, ticket).filled_quantity == 4

    def test_what_has_ended_is_not_canceled(self, broker):
        self.market(99, 100)
        ticket = self.placed(broker)
        found = self.found(broker, ticket)
        with pytest.raises(BrokerRefused):
            broker.cancel(ticket, found.broker_order_id)

    def test_an_order_takes_the_place_of_another(self, broker):
        self.market(99, 100)
        old = self.placed(broker, type=OrderType.LIMIT, limit_price=Decimal(90))
        stands = self.found(broker, old)
        new = self.ticket(type=OrderType.LIMIT, limit_price=Decimal(95), quantity=Decimal(7))
        answer = broker.replace(new, stands.broker_order_id)
        self.told(new, answer)
        self.told(old, replace(stands, status=OrderStatus.REPLACED))
        assert answer.client_order_id == new.client_order_id
        assert self.found(broker, old).status is OrderStatus.REPLACED
        self.market(93, 94)
        assert (self.found(broker, new).filled_quantity, self.found(broker, old).filled_quantity) == (7, 0)

    def test_a_replacement_for_as_much_keeps_what_is_not_named(self, broker):
        self.market(99, 100)
        old = self.placed(broker, type=OrderType.LIMIT, limit_price=Decimal(90))
        stands = self.found(broker, old)
        new = replace(self.ticket(type=OrderType.LIMIT, limit_price=Decimal(95)), keeps_quantity=True)
        self.told(new, broker.replace(new, stands.broker_order_id))
        self.told(old, replace(stands, status=OrderStatus.REPLACED))
        assert self.found(broker, new).quantity == 10

    def test_both_exits_of_a_position_stand_beside_each_other(self, broker):
        profit, loss = self.exits(broker)
        assert [self.stands(broker, *one).status for one in (profit, loss)] == [OrderStatus.ACCEPTED] * 2
        self.market(89, 90)
        ended = self.stands(broker, *loss)
        assert (ended.status, ended.filled_quantity) == (OrderStatus.FILLED, 10)
        other = self.stands(broker, *profit)
        assert (other.status, other.filled_quantity) == (OrderStatus.CANCELED if broker.pairs else OrderStatus.ACCEPTED, 0)
        if not broker.pairs:
            assert broker.cancel(*profit).status is OrderStatus.CANCELED

    def test_an_exit_that_is_partly_filled_leaves_the_rest_to_the_other(self, broker):
        profit, loss = self.exits(broker)
        self.market(111, 112, 4)
        assert self.stands(broker, *profit).filled_quantity == 4
        if broker.pairs:
            assert self.stands(broker, *loss).quantity == 6
            self.market(89, 90)
            assert self.stands(broker, *loss).filled_quantity == 6

    def test_an_exit_is_replaced_and_canceled_by_itself(self, broker):
        profit, loss = self.exits(broker)
        new = replace(self.ticket(side=Side.SELL, type=OrderType.STOP, stop_price=Decimal(95)), keeps_quantity=True)
        stands = self.stands(broker, *loss)
        answer = broker.replace(new, loss[1])
        self.told(new, answer)
        self.told(loss[0], replace(stands, status=OrderStatus.REPLACED))
        assert (answer.client_order_id, self.stands(broker, *profit).status) == (new.client_order_id, OrderStatus.ACCEPTED)
        gone = broker.cancel(new, answer.broker_order_id)
        self.told(new, gone)
        assert gone.status is OrderStatus.CANCELED
        if broker.pairs:  # they go together, and who asks again hears the same
            assert broker.cancel(*profit).status is OrderStatus.CANCELED

    def exits(self, broker):
        """Hold ten, with a take profit at 110 and a stop at 90; return each ticket with the broker's id."""
        self.market(99, 100)
        self.found(broker, self.placed(broker))
        profit = self.ticket(side=Side.SELL, type=OrderType.LIMIT, limit_price=Decimal(110))
        loss = self.ticket(side=Side.SELL, type=OrderType.STOP, stop_price=Decimal(90))
        if broker.pairs:
            answer = broker.submit(replace(profit, partner=loss))
            first, second = answer, *answer.legs
            assert broker.find(profit.client_order_id).legs[0].broker_order_id == second.broker_order_id
        else:
            first, second = broker.submit(profit), broker.submit(loss)
        self.told(profit, first)
        self.told(loss, replace(second, client_order_id=loss.client_order_id))
        return (profit, first.broker_order_id), (loss, second.broker_order_id)

    def stands(self, broker, ticket, broker_order_id) -> BrokerOrder:
        """Look at an order of which the broker's id is known."""
        known = {ticket.client_order_id: broker_order_id}
        (found,) = [one for one in broker.look(known, since=EVER) if one.client_order_id == ticket.client_order_id]
        self.told(ticket, found)
        return found

    def test_at_once_means_now_or_not_at_all(self, broker):
        self.market(99, 100, 4)
        ticket = self.placed(broker, time_in_force=TimeInForce.IOC)
        self.market(99, 100, 50)
        found = self.found(broker, ticket)
        assert (found.status, found.filled_quantity) == (OrderStatus.CANCELED, 4)

    def test_an_amount_buys_parts(self, broker):
        self.market(7, 8)
        found = self.found(broker, self.placed(broker, notional=Decimal(100)))
        assert (found.status, found.filled_quantity, found.complete) == (OrderStatus.FILLED, Decimal("12.5"), True)

    def test_its_numbers_are_exact_and_its_times_aware(self, broker):
        self.market("99.123456789", "100.123456789")
        found = self.found(broker, self.placed(broker))
        assert [(str(fill.price), fill.at.tzinfo) for fill in found.fills] == [("100.123456789", UTC)]
        assert isinstance(found.filled_quantity, Decimal)

    def test_all_that_is_asked_for_is_looked_at_together(self, broker):
        self.market(99, 100)
        tickets = [self.placed(broker) for _ in range(3)]
        stands = {
            one.client_order_id: one
            for one in broker.look(dict.fromkeys([one.client_order_id for one in tickets], ""), since=EVER)
        }
        assert [stands[one.client_order_id].status for one in tickets] == [OrderStatus.FILLED] * 3

    def test_what_it_holds_is_what_was_filled(self, broker):
        self.market(99, 100)
        self.found(broker, self.placed(broker))
        held, cash = broker.holdings(), broker.cash()
        if held is not None:
            assert [(one.symbol, one.quantity) for one in held] == [("AAPL", 10)]
            assert cash == {"USD": Decimal(999_000)}
        assert list(broker.activities(since=EVER)) == []
