"""The paper broker keeps the promises of brokers, on records and a market of this test."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tests.contracts.broker import BrokerContract
from tests.trading.domain.test_fills import sum_of
from trading.adapters.paper import Known, PaperBroker
from trading.domain.hours import Hours
from trading.domain.orders import OrderState
from trading.domain.paper import Look

OPEN = datetime(2024, 5, 6, 13, 30, tzinfo=UTC)


class Records:
    """What an account has written down of its orders, and what a market showed."""

    def __init__(self):
        self.rows, self.shown, self.now = {}, [], OPEN + timedelta(hours=1)

    def known(self, client_order_ids):
        return [self.rows[each] for each in client_order_ids if each in self.rows]

    def looks(self, known, start, end):
        return [look for look in self.shown if start <= look.at <= end]

    def sessions(self, ticket, start, end):
        return [Hours(OPEN, OPEN + timedelta(hours=6, minutes=30))]

    def split(self, ticket, first, last):
        return None


class TestPaper(BrokerContract):
    @pytest.fixture
    def broker(self):
        self.records = Records()
        return PaperBroker(book=self.records, market=self.records, clock=self._now)

    def _now(self):
        self.records.now += timedelta(milliseconds=1)
        return self.records.now

    def market(self, bid, ask, size=None):
        self.records.now += timedelta(seconds=1)
        number = None if size is None else Decimal(size)
        self.records.shown.append(Look.quote(self.records.now, Decimal(bid), Decimal(ask), number, number))
        self.records.now += timedelta(seconds=1)

    def told(self, ticket, answer):
        known = self.records.rows.get(ticket.client_order_id)
        state = OrderState(
            answer.status,
            answer.quantity,
            sum_of(answer.fills),
            triggered=answer.triggered,
            high_water_mark=answer.mark,
        )
        kept = known or Known(ticket=ticket, state=state, accepted_at=answer.at, since=answer.at)
        self.records.rows[ticket.client_order_id] = replace(kept, state=state, since=answer.at, fills=answer.fills)
