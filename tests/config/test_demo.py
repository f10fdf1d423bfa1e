"""The demo loads as often as you like, and the figures it prints are those of its files, worked out by hand."""

import csv
import gzip
import io
import re
from collections import defaultdict
from datetime import UTC, date, datetime, time
from decimal import Decimal
from importlib.util import find_spec
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from accounts.domain.roles import Role
from accounts.models import Account, LedgerEntry, Membership, Watchlist
from accounts.models.tenancy import acting_as
from config import demo, demo_trading
from marketdata.models import Bar
from marketdata.selectors.instruments import find_instrument
from portfolio.models import Position
from tests.by_hand import ByHand, Closes
from tests.clients import nobody
from trading.domain.drafts import OrderDraft
from trading.domain.orders import Side
from trading.models import BacktestRun, Door, Fill, Order, RiskEvent, TradeTag, TradingPause
from trading.services.orders import Ordering, preview_order

CENT = Decimal("0.01")
LAST_DAY = date(2013, 3, 1)


@pytest.fixture(scope="module")
def printed() -> list[str]:
    """Return what the demo prints the first time and the second."""
    return [run(), run()]


@pytest.fixture(scope="module")
def closes() -> Closes:
    """Return the sample's closes, read from the package itself."""
    found: dict[str, dict[date, Decimal]] = defaultdict(dict)
    spec = find_spec("bokeh_sampledata")
    assert spec is not None
    with gzip.open(Path(str(spec.origin)).parent / "_data/stocks.csv.gz", "rt") as file:
        for ticker, day, _, _, _, close, *_ in csv.reader(file):
            if ticker in {"AAPL", "GOOG", "IBM", "MSFT"}:
                found[ticker][date.fromisoformat(day)] = Decimal(close)
    return found


@pytest.fixture(scope="module")
def by_hand(closes) -> ByHand:
    return ByHand(log_of(demo.SHOWN), closes)


def run() -> str:
    out = StringIO()
    call_command("demo", stdout=out)
    return out.getvalue()


def log_of(records: demo.Records) -> bytes:
    return (demo.FOLDER / records.file).read_bytes()


def rows(records: demo.Records) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(log_of(records).decode())))


def glance(text: str) -> dict[str, str]:
    """Return the figures of the account in the table, by name."""
    names = "Value|Net deposits|Gain|TWR|XIRR|Volatility|Max drawdown"
    return {name: figure for name, figure in re.findall(rf"^  ({names}) +(-?[\d.,]+)(?: %)?$", text, re.M)}


def positions(text: str) -> dict[str, list[Decimal]]:
    """Return the rows of the table by their names."""
    found = re.findall(r"^  (\w+:\w{4}|Cash USD) +(.+)$", text, re.M)
    return {name: [Decimal(cell.replace(",", "")) for cell in cells.split()] for name, cells in found}


class TestTable:
    def test_says_what_the_files_add_up_to(self, printed, by_hand):
        gain = by_hand.value - by_hand.deposited
        expected = {
            "Value": by_hand.value,
            "Net deposits": by_hand.deposited,
            "Gain": gain,
            "TWR": by_hand.twr * 100,
            "XIRR": by_hand.xirr * 100,
            "Volatility": by_hand.volatility * 100,
            "Max drawdown": by_hand.max_drawdown * 100,
        }
        assert glance(printed[0]) == {name: f"{figure:,.2f}" for name, figure in expected.items()}
        assert f"as of {LAST_DAY}" in printed[0]
        assert by_hand.as_of == LAST_DAY

    def test_has_every_position_with_quantity_cost_value_and_gain(self, printed, by_hand):
        held = {ticker for ticker in by_hand.lots if by_hand.quantity(ticker)}
        shown = positions(printed[0])
        assert shown.pop("Cash USD") == [by_hand.cash.quantize(CENT)]
        assert {key.partition(":")[0] for key in shown} == held == {"AAPL", "GOOG", "IBM", "MSFT"}
        for key, (quantity, cost, value, gain) in shown.items():
            ticker = key.partition(":")[0]
            assert quantity == by_hand.quantity(ticker)
            assert (cost, value) == (by_hand.cost(ticker).quantize(CENT), by_hand.worth(ticker).quantize(CENT))
            assert gain == (by_hand.worth(ticker) - by_hand.cost(ticker)).quantize(CENT)

    def test_is_aligned(self, printed):
        table = printed[0][printed[0].index("  Position") :].split("\n\n")[0].split("\n")
        assert len({len(line.rstrip()) for line in table if line.strip() and not line.startswith("  Cash")}) == 1

    def test_is_the_same_the_second_time(self, printed):
        first, second = (text[text.index(demo.SHOWN.name + ",") :] for text in printed)
        assert first == second

    def test_is_followed_by_logins_that_work(self, printed):
        assert f"password {demo.PASSWORD}" in printed[0]
        for person in demo.PEOPLE:
            assert person.email in printed[0]
            login = {"email": person.email, "password": demo.PASSWORD, "name": "test", "scopes": ["read"]}
            assert nobody().post("/api/v1/auth/token/", login).status_code == 201


class TestRecords:
    @pytest.mark.parametrize("records", demo.ACCOUNTS, ids=lambda records: records.file)
    def test_are_all_in_the_ledger_once(self, printed, records):
        user = demo.user_of(records.owner)
        with acting_as(user.pk):
            account = demo.account_of(records)
            assert LedgerEntry.objects.filter(account=account).count() == len(rows(records))

    @pytest.mark.parametrize("records", demo.ACCOUNTS, ids=lambda records: records.file)
    def test_trade_at_the_closes_of_trading_days_and_within_means(self, records, closes):
        account = ByHand(log_of(records), closes)
        assert account.lowest_cash == 0
        trades = [event for event in account.events if event["type"] == "TRADE"]
        assert trades
        for trade in trades:
            assert abs(trade["data"]["price"] - closes[trade["ticker"]][trade["day"]]) <= Decimal("0.005")

    def test_of_the_account_shown_are_ten_years_of_everything(self):
        events = rows(demo.SHOWN)
        assert len(events) >= 150
        assert {"DEPOSIT", "TRADE", "DIVIDEND", "INTEREST", "FEE", "SPLIT"} <= {row["event_type"] for row in events}
        years = {row["timestamp"][:4] for row in events}
        assert years == {str(year) for year in range(2003, 2014)}
        assert sum('""reverses""' in line for line in log_of(demo.SHOWN).decode().split("\n")) >= 1
        assert sum('""corrects""' in line for line in log_of(demo.SHOWN).decode().split("\n")) >= 1


class TestPeople:
    def test_share_one_of_two_accounts(self, printed):
        alice, bob = demo.user_of(demo.ALICE.email), demo.user_of(demo.BOB.email)
        with acting_as(alice.pk):
            assert Membership.objects.filter(user=alice, role=Role.OWNER).count() == 3
            shared = Membership.objects.get(user=bob, account=demo.account_of(demo.SHOWN))
        assert (shared.role, shared.accepted_at is not None) == (Role.VIEWER, True)
        with acting_as(bob.pk):
            assert Watchlist.objects.get(user=bob).instruments.count() == 4


class TestTrading:
    """An account that trades on paper has lived through two months, once."""

    @pytest.fixture
    def swing(self, printed):
        alice = demo.user_of(demo.ALICE.email)
        with acting_as(alice.pk):
            yield Account.objects.get(owner=alice, name=demo_trading.NAME)

    def test_is_told_and_the_same_the_second_time(self, printed):
        first, second = (
            re.findall(r"^  Swing: (\d+) orders, (\d+) fills, (\d+) trades, (\d+) backtests$", text, re.M) for text in printed
        )
        assert first == second
        ((orders, fills, trades, backtests),) = first
        assert int(orders) >= 10
        assert int(fills) >= 5
        assert int(trades) >= 3
        assert int(backtests) == 2

    def test_leaves_every_kind_of_order(self, swing):
        orders = Order.objects.filter(account=swing)
        assert {"FILLED", "CANCELED", "ACCEPTED"} <= set(orders.values_list("status", flat=True))
        assert {"ADMIN", "STRATEGY"} <= set(orders.values_list("door", flat=True))
        assert not orders.exclude(status="ACCEPTED").filter(ended_at__isnull=True).exists()
        assert set(orders.values_list("sending", flat=True)) == {"SETTLED"}

    def test_knows_no_price_before_its_day(self, swing, closes):
        """Each fill is at a price of its own day; each order was sized by closes of the day before, at the latest."""
        for fill in Fill.objects.filter(account=swing).select_related("order__instrument"):
            bar = Bar.objects.get(instrument=fill.order.instrument, timeframe="1d", timestamp__date=fill.at.date())
            assert bar.low <= fill.price <= bar.high
        for order in Order.objects.filter(account=swing, parent__isnull=True).select_related("instrument"):
            days = closes[order.instrument.symbol]
            last = max(day for day in days if datetime.combine(day, time(20), UTC) < order.created_at)
            assert abs(order.reference_price - days[last]) <= Decimal("0.005")

    def test_has_a_decision_behind_every_order_and_the_chain_ends_in_the_ledger(self, swing):
        entries = Order.objects.filter(account=swing, parent__isnull=True)
        assert not entries.filter(decision__isnull=True).exists()
        assert LedgerEntry.objects.filter(account=swing, source="fill").count() == Fill.objects.filter(account=swing).count()

    def test_was_paused_by_a_limit_and_resumed(self, swing):
        pause = TradingPause.objects.get(account=swing)
        assert (pause.event.type, pause.resumed_by, bool(pause.note)) == ("DAILY_LOSS", swing.owner, True)
        types = set(RiskEvent.objects.filter(account=swing).values_list("type", flat=True))
        assert {"DAILY_LOSS", "POSITION_SHARE"} <= types

    def test_has_notes_tags_and_backtests_that_succeeded(self, swing):
        assert TradeTag.objects.filter(account=swing).count() >= 2
        runs = BacktestRun.objects.filter(account=swing)
        assert set(runs.values_list("status", flat=True)) == {"SUCCEEDED"}
        assert {kind for kind in runs.filter(parent__isnull=True).values_list("kind", flat=True)} == {"RUN", "SWEEP"}


class TestOrdering:
    """Whoever tries the order ticket in an account of the demo is refused nothing but what takes more money than there is."""

    @pytest.mark.parametrize("name", [*(records.name for records in demo.ACCOUNTS), demo_trading.NAME])
    def test_a_share_may_be_bought_and_what_is_held_sold(self, printed, name):
        owner = demo.user_of(next((one.owner for one in demo.ACCOUNTS if one.name == name), demo.ALICE.email))
        with acting_as(owner.pk):
            account = Account.objects.get(owner=owner, name=name)
            by = Ordering(actor=owner, door=Door.ADMIN, at=datetime.now(UTC))
            held = set(Position.objects.open().filter(account=account).values_list("instrument", flat=True))
            refused = set()
            for ticker in ("AAPL:XNAS", "GOOG:XNAS", "IBM:XNYS", "MSFT:XNAS"):
                share = find_instrument(ticker)
                for side in [Side.BUY, Side.SELL] if share.pk in held else [Side.BUY]:
                    draft = OrderDraft(side=side, quantity=Decimal(1))
                    found = preview_order(account=account, instrument=share, draft=draft, by=by)
                    refused |= {(ticker, side.value, breach.rule.value) for breach in found.breaches}
        assert refused <= {("GOOG:XNAS", "BUY", "BUYING_POWER")}


def test_the_prices_came_through_the_provider_once(printed, closes):
    for ticker, series in closes.items():
        bars = Bar.objects.filter(instrument__symbol=ticker, instrument__exchange__in=["XNAS", "XNYS"], timeframe="1d")
        assert bars.count() == len(series)


def test_an_older_demo_stays_as_it_is(printed, tmp_path, monkeypatch):
    for records in demo.ACCOUNTS:
        (tmp_path / records.file).write_bytes(
            log_of(records).replace(b",True,20000\n", b",True,20001\n").replace(b": 20000,", b": 20001,")
        )
    monkeypatch.setattr(demo, "FOLDER", tmp_path)
    err = StringIO()
    call_command("demo", stdout=StringIO(), stderr=err)
    assert "An older demo is here already" in err.getvalue()
    (tmp_path / demo.SHOWN.file).write_bytes(b"event_id,timestamp,event_type\n1,2003-01-01,NONSENSE\n")
    with pytest.raises(CommandError, match="could not be loaded"):
        call_command("demo", stdout=StringIO(), stderr=err)


def test_production_has_no_demo(settings):
    settings.PRODUCTION = True
    with pytest.raises(CommandError, match="not for production"):
        call_command("demo")
