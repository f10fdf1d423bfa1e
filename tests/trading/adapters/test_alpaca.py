"""Alpaca keeps the promises of brokers, through its own library, against a server that speaks its wire format."""

import threading
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal

import pytest

from marketdata.domain.addresses import BadAddress
from marketdata.domain.instruments import AssetClass
from tests.contracts.broker import EVER, BrokerContract
from tests.trading.adapters.alpaca_standin import KEY, SECRET, AlpacaStandIn, hangs_up, status
from trading.adapters.alpaca import AlpacaBroker
from trading.adapters.base import BrokerAway, BrokerFailed, BrokerRefused, OutcomeUnknown
from trading.domain.orders import OrderType, Side

HOSTS = ["127.0.0.1"]


@contextmanager
def serving(server):
    """Serve until the test is over."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@pytest.fixture
def server():
    with serving(AlpacaStandIn()) as made:
        yield made


def speaking_to(server, kind=AlpacaBroker, **more):
    return kind(**{"key": KEY, "secret": SECRET, "url": server.url, "hosts": HOSTS, "patience": (2, 0.5)} | more)


class TestAlpaca(BrokerContract):
    @pytest.fixture
    def broker(self, server):
        self.server = server
        return speaking_to(server)

    def market(self, bid, ask, size=None):
        self.server.market("AAPL", bid, ask, size)

    def test_what_left_and_was_not_answered_is_sent_once(self, broker, server):
        self.market(99, 100)
        server.after.append(hangs_up)
        ticket = self.ticket()
        with pytest.raises(OutcomeUnknown):
            broker.submit(ticket)
        assert [verb for verb, *_ in server.seen] == ["POST"]
        assert broker.find(ticket.client_order_id).filled_quantity == 10

    @pytest.mark.parametrize("fault", [hangs_up, status(500), status(503), status(504)], ids=["reset", "500", "503", "504"])
    def test_what_may_have_arrived_is_unknown(self, broker, server, fault):
        server.before.append(fault)
        ticket = self.ticket()
        with pytest.raises(OutcomeUnknown):
            broker.submit(ticket)
        assert [verb for verb, *_ in server.seen] == ["POST"]
        assert broker.find(ticket.client_order_id) is None

    def test_what_cannot_be_read_is_unknown(self, broker, server):
        for body in (b"", b"<html>", b"[1]", b'{"id": 1}', b"null"):
            server.before.append(status(200, body))
            with pytest.raises(OutcomeUnknown):
                broker.submit(self.ticket())

    def test_what_did_not_leave_may_be_sent_again(self, broker, server):
        server.before.append(status(429))
        with pytest.raises(BrokerAway):
            broker.submit(self.ticket())
        nobody = AlpacaBroker(key=KEY, secret=SECRET, url="http://127.0.0.1:9", hosts=HOSTS)
        with pytest.raises(BrokerAway):
            nobody.submit(self.ticket())

    def test_a_question_that_is_not_answered_is_no_answer(self, broker, server):
        server.always = hangs_up
        for ask in (lambda: broker.find("x"), broker.holdings, broker.cash, lambda: broker.look({"x": ""}, since=EVER)):
            with pytest.raises(BrokerFailed):
                ask()

    def test_a_no_is_a_no(self, broker):
        nofunds = self.ticket()
        with pytest.raises(BrokerRefused, match="not trade"):
            broker.submit(_listed(nofunds, "SAP", "XETR"))
        with pytest.raises(BrokerRefused, match="insufficient buying power") as refused:
            broker.submit(_listed(nofunds, "NOFUNDS", "XNAS"))
        assert not refused.value.duplicate

    @pytest.mark.parametrize(
        ("symbol", "exchange", "kind", "theirs"),
        [
            ("AAPL240119C00100000", "OPRA", AssetClass.OPTION, "AAPL240119C00100000"),
            ("BTCUSDT", "CRYPTO", AssetClass.CRYPTO, "BTC/USDT"),
            ("ETHUSD", "CRYPTO", AssetClass.CRYPTO, "ETH/USD"),
        ],
    )
    def test_it_is_asked_for_things_by_its_own_names(self, broker, symbol, exchange, kind, theirs):
        ticket = self.ticket()
        listing = replace(ticket.listing, symbol=symbol, exchange=exchange, asset_class=kind)
        assert broker.submit(replace(ticket, listing=listing)).symbol == theirs

    def test_a_wrong_key_is_told_without_it(self, server):
        broker = speaking_to(server, secret="wrong-canary")
        with pytest.raises(BrokerRefused) as refused:
            broker.submit(self.ticket())
        assert refused.value.code == "unauthorized"
        assert "canary" not in str(refused.value)
        with pytest.raises(BrokerFailed, match="no key"):
            speaking_to(server, key="")

    def test_it_asks_the_hosts_of_the_list_alone(self, server):
        with pytest.raises(BadAddress):
            speaking_to(server, url="https://example.com")
        with pytest.raises(BadAddress):
            speaking_to(server, hosts=["paper-api.alpaca.markets"])

    def test_every_digit_of_a_number_is_sent(self, broker, server):
        broker.submit(
            self.ticket(type=OrderType.LIMIT, limit_price=Decimal("1234567.0123456789"), quantity=Decimal("0.123456789012"))
        )
        assert (server.seen[0][2]["limit_price"], server.seen[0][2]["qty"]) == ("1234567.0123456789", "0.123456789012")

    def test_executions_that_come_later_are_missing_until_then(self, broker, server):
        self.market(99, 100)
        ticket, server.hides_fills = self.placed(broker), True
        assert broker.find(ticket.client_order_id).missing == 10
        server.hides_fills = False
        assert broker.find(ticket.client_order_id).missing == 0

    def test_a_second_exit_by_itself_would_be_refused(self, broker, server):
        self.exits(broker)
        with pytest.raises(BrokerRefused, match="insufficient qty"):
            broker.submit(self.ticket(side=Side.SELL, type=OrderType.STOP, stop_price=Decimal(80)))
        sent = [body for verb, _, body in server.seen if verb == "POST"][1]
        assert (sent["order_class"], sent["type"], "limit_price" in sent) == ("oco", "limit", False)
        assert (sent["take_profit"], sent["stop_loss"]) == ({"limit_price": "110"}, {"stop_price": "90"})

    def test_many_executions_come_page_by_page(self, broker):
        ticket = self.placed(broker, quantity=Decimal(230))
        for number in range(230):
            self.market(99, 100 + number, 1)
        assert len(broker.find(ticket.client_order_id).fills) == 230

    def test_other_activities_are_told(self, broker, server):
        server.others.append(
            {"id": "20240506000000000::x", "activity_type": "DIV", "date": "2024-05-06", "net_amount": "1.02", "symbol": "AAPL",
             "transaction_time": "2024-05-06T00:00:00Z"}
        )  # fmt: skip
        (one,) = broker.activities(since=EVER)
        assert (one.kind, one.amount, one.symbol) == ("DIV", Decimal("1.02"), "AAPL")


def _listed(ticket, symbol, exchange):
    return replace(ticket, listing=replace(ticket.listing, symbol=symbol, exchange=exchange))
