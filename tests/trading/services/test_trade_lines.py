"""Lines of trades, many at a time: splits between their ends, parts of them, and what is wrong among what is right."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import LedgerEntry
from accounts.models.tenancy import acting_as
from marketdata.models import CorporateAction
from tests.factories import make_account, make_instrument
from tests.trading.factories import AT, make_decision, make_fill, make_order
from tests.trading.journals import lines, still_open, trade
from trading.models import Decision, Order, Session
from trading.selectors.trading_files import trade_lines
from trading.services import trade_imports
from trading.services.file_runs import AT_ONCE
from trading.services.trading_files import import_trading_file

NOW = datetime(2024, 6, 1, tzinfo=UTC)


@pytest.fixture
def owner(account):
    """Act as the account's owner."""
    with acting_as(account.owner_id):
        yield account.owner


@pytest.fixture
def instrument():
    return make_instrument()


@pytest.fixture
def take(account, owner):
    """Return a way to bring lines in."""

    def bring(*rows, to=account):
        content = rows[0] if isinstance(rows[0], bytes) else lines(*rows)
        made = import_trading_file(account=to, actor=owner, file_name="trades.jsonl", content=content, at=NOW)
        return made.posted, made.known, [one["code"] for one in made.refused]

    return bring


def written(account):
    return [json.loads(line) for line in trade_lines(account)]


def split(instrument, day, ratio):
    CorporateAction.objects.create(kind="SPLIT", instrument=instrument, ex_date=day, ratio=ratio, recorded_at=AT)


def sold(account):
    rows = LedgerEntry.objects.filter(account=account, kind="SELL").order_by("sequence")
    return [(-row.quantity, row.price) for row in rows]


class TestSplit:
    OVER = {"exit_timestamp": "2024-05-10T16:00:00.000Z", "hold_duration_seconds": 4 * 86400 + 5400}

    def test_between_the_ends_of_a_trade_sells_the_units_of_the_last_day(self, take, account, instrument):
        split(instrument, date(2024, 5, 8), 4)  # 30 at 12.34 are 120 at 3.085, and 10 more than that is 380.20 / 120
        row = trade(instrument.symbol, **self.OVER)
        assert take(row) == (1, 0, [])
        sales = sold(account)
        assert (sum(quantity for quantity, _ in sales), sum(quantity * price for quantity, price in sales)) == (
            120,
            Decimal("380.20"),
        )
        assert written(account) == [row | {"account_id": str(account.pk)}]
        assert take(row) == (0, 1, [])

    def test_counts_for_the_record_of_the_order_that_closed_it(self, take, account, instrument):
        split(instrument, date(2024, 5, 8), 4)
        end = {"action": "SELL", "commission": "0"}
        early = still_open(instrument.symbol, timestamp="2024-05-07T16:00:00Z", quantity=20, price="13", total_value="260", **end)
        late = still_open(instrument.symbol, timestamp="2024-05-09T16:00:00Z", quantity=40, price="3", total_value="120", **end)
        much = early | {"timestamp": "2024-05-07T17:00:00Z"}  # 20 of 10 that were left on that day
        assert take(still_open(instrument.symbol), early, much, late) == (3, 0, ["contradicts"])
        [row] = written(account)
        assert (row["outcome"], row["quantity"], row["profit_loss"]) == ("win", 30, "9.80")  # 260 + 120 - 370.20

    def test_by_thirds_leaves_nothing_over(self, take, account, instrument):
        split(instrument, date(2024, 5, 8), Decimal("0.333333333333"))
        row = trade(instrument.symbol, quantity=10, total_value="123.40", **self.OVER)
        assert take(row) == (1, 0, [])
        assert written(account) == [row | {"account_id": str(account.pk)}]


class TestParts:
    @pytest.fixture
    def part(self, instrument):
        said = {"action": "SELL", "quantity": 10, "price": "13", "total_value": "130", "commission": "0.50"}
        return still_open(instrument.symbol, timestamp="2024-05-06T16:00:00Z", **said) | {"exit_reasoning": "Half of it."}

    def test_go_out_beside_their_trade_and_come_in_elsewhere(self, take, account, alice, instrument, part):
        take(still_open(instrument.symbol), part)
        opening, closing = written(account)
        assert (opening["outcome"], opening["quantity"], opening["commission"]) == ("open", 30, "1.50")
        assert (closing["order_id"], closing["action"], closing["quantity"], closing["outcome"]) == ("bot-1", "SELL", 10, "win")
        assert (closing["profit_loss"], closing["net_profit_loss"], closing["commission"]) == ("6.60", "6.10", "0.50")
        assert (closing["timestamp"], closing["exit_reasoning"]) == ("2024-05-06T16:00:00.000Z", "Half of it.")
        assert take("".join(trade_lines(account)).encode()) == (0, 2, [])
        other = make_account(owner=alice)
        assert take("".join(trade_lines(account)).encode(), to=other) == (2, 0, [])
        assert "".join(trade_lines(other)).replace(str(other.pk), str(account.pk)) == "".join(trade_lines(account))

    def test_of_the_accounts_own_are_known(self, take, account, instrument):
        order = make_order(account, instrument)
        make_fill(order)
        closing = make_order(account, instrument, side="SELL", effect="CLOSE", quantity=Decimal(4))
        make_fill(closing, "4", "12", at=AT.replace(hour=20))
        before = Order.objects.filter(account=account).count()
        assert take("".join(trade_lines(account)).encode()) == (0, 2, [])
        assert Order.objects.filter(account=account).count() == before

    def test_are_followed_by_the_line_that_tells_the_whole(self, take, account, instrument, part):
        take(still_open(instrument.symbol), part)
        whole = trade(instrument.symbol, commission="2.50", profit_loss="20", net_profit_loss="17.50")
        whole["exit_reasoning"] = "Half of it.\nThe rest."
        assert take(whole) == (1, 0, [])
        assert written(account) == [whole | {"account_id": str(account.pk), "profit_loss": "20.00"}]
        assert sold(account)[0] == (10, 13)
        last = Order.objects.filter(account=account, effect="CLOSE").order_by("pk").last()
        assert last.decision.reasoning == "The rest."


class TestMany:
    def test_are_stored_together(self, take, account, instrument):
        rows = [trade(instrument.symbol, order_id=f"many-{number}") for number in range(AT_ONCE // 2)]
        with CaptureQueriesContext(connection) as queries:
            assert take(*rows) == (len(rows), 0, [])
        assert len(queries) < 60
        with CaptureQueriesContext(connection) as queries:
            assert take(*rows) == (0, len(rows), [])
        assert len(queries) < 40
        assert [row["order_id"] for row in written(account)] == [row["order_id"] for row in rows]

    def test_that_are_known_are_derived_once_for_all_of_an_instrument(self, take, account, owner, instrument, monkeypatch):
        """Closed by orders that were placed for none of them in particular, each follows from all that was traded of it."""
        for number in range(12):
            at = AT + timedelta(minutes=number)
            for side, effect in (("BUY", "OPEN"), ("SELL", "CLOSE")):
                order = make_order(account, instrument, side=side, effect=effect, quantity=Decimal(10), created_at=at)
                make_fill(order, "10", str(100 + number), at=at)
        derivations = []
        derive = trade_imports.derived
        monkeypatch.setattr(trade_imports, "derived", lambda *about: derivations.append(about) or derive(*about))
        assert take(*written(account)) == (0, 12, [])
        assert len(derivations) == 1

    def test_are_read_on_beyond_those_that_are_stored_together(self, take, account, instrument):
        rows = [still_open(instrument.symbol, order_id=f"{number}") for number in range(AT_ONCE + 3)]
        ends = [trade(instrument.symbol, order_id=f"{number}") for number in range(AT_ONCE + 3)]
        assert take(*rows, *ends) == (2 * len(rows), 0, [])
        assert {row["outcome"] for row in written(account)} == {"win"}

    def test_lose_none_by_what_the_database_alone_refuses(self, take, account, owner, instrument):
        make_decision(account, instrument, source="trades.jsonl", external_id="three")  # of an order that is not there
        rows = [trade(instrument.symbol, order_id=name, session_id=f"s-{name}") for name in ("one", "two", "three", "four")]
        assert take(*rows) == (3, 0, ["refused_by_database"])
        assert {row["order_id"] for row in written(account)} == {"one", "two", "four"}
        assert set(Session.objects.filter(account=account).values_list("external_id", flat=True)) == {"s-one", "s-two", "s-four"}
        assert Decision.objects.filter(account=account, source="trades.jsonl").count() == 7

    def test_name_line_field_and_remedy_of_each_that_is_wrong(self, account, owner, instrument):
        good = json.dumps(trade(instrument.symbol)).encode()
        wrong = [
            json.dumps(trade(instrument.symbol, order_id=str(n)) | fields).encode()
            for n, fields in enumerate(
                (
                    {"quantity": 20_000, "total_value": "246800"},
                    {"action": "HOLD"},
                    {"timestamp": "soon"},
                    {"price": "1e3"},
                )
            )
        ]
        content = b"\n".join([wrong[0], b"", good, wrong[1], b"{", wrong[2], wrong[3]])
        made = import_trading_file(account=account, actor=owner, file_name="trades.jsonl", content=content, at=NOW)
        assert (made.lines, made.posted) == (6, 1)
        assert [(one["line"], one["detail"].partition(":")[0]) for one in made.refused] == [
            (1, "quantity"),
            (4, "action"),
            (5, "The line is no JSON"),
            (6, "timestamp"),
            (7, "price"),
        ]
        assert all(len(one["detail"]) > 20 for one in made.refused)
