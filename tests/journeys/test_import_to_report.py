"""A newcomer uploads an old log, looks at what it would do, lets it in, and reads the figures: right to the cent."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from tests.accounts.event_logs import event, log_of
from tests.by_hand import ByHand
from tests.clients import browser, program
from tests.factories import make_user, unique_symbol

START = date(2024, 1, 2)
CENT = Decimal("0.01")


def weekdays(count):
    days = (START + timedelta(days=number) for number in range(2 * count))
    return [day for day in days if day.weekday() < 5][:count]


@pytest.fixture(scope="module")
def shares():
    """Return the closes of two shares, which an operator has brought in through the API."""
    operator = browser(make_user("operator", is_staff=True, is_superuser=True))
    days = weekdays(90)
    closes = {
        unique_symbol("A"): {day: Decimal(4000 + 37 * number % 900 + 5 * number) / 100 for number, day in enumerate(days)},
        unique_symbol("B"): {day: Decimal(12000 - 53 * number % 1700) / 100 for number, day in enumerate(days) if number % 7},
    }
    for symbol, series in closes.items():
        known = {"symbol": symbol, "exchange": "XTST", "asset_class": "EQUITY", "currency": "USD"}
        assert operator.post("/api/v1/instruments/", known).status_code == 201
        rows = [
            {"timestamp": f"{day}", **dict.fromkeys(("open", "high", "low", "close"), f"{close}")}
            for day, close in series.items()
        ]
        answer = operator.post("/api/v1/bars/", {"instrument": f"{symbol}:XTST", "rows": rows})
        assert (answer.status_code, answer.json()["stored"]) == (200, len(rows))
    return closes


@pytest.fixture(scope="module")
def log(shares) -> bytes:
    """Return an old log: floats, naive times in New York, bare tickers, a typing error, and a line that is no event."""
    first, second = shares

    def trade(number, action, ticker, shares, price, day, fee=1.5):
        cash = (-1 if action == "BUY" else 1) * shares * price - fee
        data = {"action": action, "ticker": ticker, "shares": shares, "price": price, "fees": fee, "total": shares * price}
        return event(
            number, "TRADE", data, repr(cash), timestamp=f"{day} 10:00:00", tags=f"trade;{ticker.lower()}", affects_cash="True"
        )

    rows = [
        event(
            1,
            "DEPOSIT",
            {"amount": 10000.0, "source": "Savings"},
            "10000.0",
            timestamp="2024-01-02 09:00:00",
            affects_cash="True",
        ),
        trade(2, "BUY", first, 100, 40.37, "2024-01-03"),
        event(3, "TRAED", {}, "1", timestamp="2024-01-04 09:00:00"),
        trade(4, "BUY", second, 30, 118.94, "2024-01-08"),
        trade(5, "SELL", first, 40, 44.1, "2024-01-24"),
        event(6, "DIVIDEND", {"ticker": second, "amount": 21.3}, "21.3", timestamp="2024-02-01 08:00:00"),
        event(7, "DEPOSIT", {"amount": 2500.0}, "2500.0", timestamp="2024-02-06 09:00:00"),
        event(8, "SPLIT", {"ticker": first, "ratio": "1:1"}, "0", timestamp="2024-02-20 00:30:00"),
        trade(9, "BUY", first, 12.5, 43.333, "2024-02-21"),
        event(10, "WITHDRAWAL", {"amount": 800.0}, "-800.0", timestamp="2024-03-11 15:00:00"),
        event(11, "FEE", {"amount": 12.0}, "-12.0", timestamp="2024-03-29 15:00:00"),
        trade(12, "SELL", second, 10, 111.25, "2024-04-09", fee=0),
        event(13, "PRICE_UPDATE", {"prices": {first: 45.1}}, "0.0", timestamp="2024-04-10 15:00:00", affects_cash="False"),
    ]
    return log_of(*rows)


@pytest.fixture(scope="module")
def alice(shares, log):
    """Return Alice at her program, with an account into which the log went."""
    return Newcomer(log)


class Newcomer:
    """Somebody who has just opened an account."""

    def __init__(self, log: bytes) -> None:
        self.log = log
        self.api = program(make_user("alice"), ["manage"])
        account = {"name": "Old broker", "base_currency": "USD", "opened_on": "2024-01-01"}
        self.home = f"/api/v1/accounts/{self.api.post('/api/v1/accounts/', account).json()['id']}/"
        self.looked = self.upload(dry_run="true")
        self.entries_after_looking = self.get("entries/")["results"]
        self.report = self.upload()

    def upload(self, content: bytes | None = None, **fields):
        file = SimpleUploadedFile("event_log_enhanced.csv", content or self.log)
        form = {"file": file, "time_zone": "America/New_York"} | fields
        return self.api.post(f"{self.home}imports/", form, format="multipart").json()

    def get(self, path: str, **query):
        return self.api.get(f"{self.home}{path}", query).json()

    def export(self) -> bytes:
        return b"".join(self.api.get(f"{self.home}export/").streaming_content)


@pytest.fixture(scope="module")
def by_hand(alice, shares) -> ByHand:
    return ByHand(alice.export(), shares)


def money(text: str) -> Decimal:
    return Decimal(text).quantize(CENT)


class TestUpload:
    def test_says_beforehand_what_it_would_do_and_does_that(self, alice):
        told = {name: alice.looked[name] for name in ("lines", "posted", "known", "refused", "remarks")}
        assert told == {name: alice.report[name] for name in told}
        assert (alice.looked["status"], alice.report["status"]) == ("PREVIEWED", "PARTIAL")
        assert alice.entries_after_looking == []

    def test_takes_the_good_lines_and_names_the_other(self, alice):
        assert (alice.report["lines"], alice.report["posted"]) == (13, 12)
        assert [(refusal["line"], refusal["code"]) for refusal in alice.report["refused"]] == [(4, "unknown_event_type")]
        assert alice.report["remarks"][0]["code"] == "naive_times"

    def test_again_changes_nothing(self, alice):
        again = alice.upload()
        assert (again["posted"], again["known"], len(again["refused"])) == (0, 12, 1)

    def test_keeps_what_the_old_log_said(self, alice):
        deposit, bought, *_ = alice.get("entries/")["results"]
        assert deposit["data"] == {"source": "Savings"}
        assert (bought["occurred_at"], bought["tags"][0], bought["cash"]) == ("2024-01-03T15:00:00Z", "trade", "-4038.5")
        assert bought["data"]["total"] == 100 * 40.37  # a float, noise and all

    def test_comes_out_again_and_goes_in_elsewhere(self, alice):
        other = Newcomer(alice.export())
        assert (other.report["posted"], other.report["refused"]) == (12, [])
        assert other.export() == alice.export()
        assert other.get("summary/") == alice.get("summary/")


class TestReport:
    def test_of_the_account_is_right_to_the_cent(self, alice, by_hand):
        summary = alice.get("summary/")
        assert summary["as_of"] == f"{by_hand.as_of}"
        expected = {
            "total_value": by_hand.value,
            "net_deposits": by_hand.deposited,
            "gain": by_hand.value - by_hand.deposited,
            "positions_value": by_hand.value - by_hand.cash,
        }
        assert {name: money(summary[name]) for name in expected} == {
            name: figure.quantize(CENT) for name, figure in expected.items()
        }
        assert {currency: money(balance) for currency, balance in summary["cash"].items()} == {"USD": by_hand.cash.quantize(CENT)}
        assert float(summary["twr"]) == pytest.approx(by_hand.twr, abs=1e-9)
        assert float(summary["xirr"]) == pytest.approx(by_hand.xirr, abs=1e-6)
        assert float(summary["max_drawdown"]) == pytest.approx(by_hand.max_drawdown, abs=1e-9)
        assert (summary["missing"], [key.partition(":")[0] for key in summary["stale"]]) == ([], stale(by_hand))

    def test_of_each_position_is_right_to_the_cent(self, alice, by_hand, shares):
        positions = {position["instrument"].partition(":")[0]: position for position in alice.get("positions/")["results"]}
        assert positions.keys() == shares.keys()
        for ticker, position in positions.items():
            assert Decimal(position["quantity"]) == by_hand.quantity(ticker)
            assert money(position["cost_basis"]) == by_hand.cost(ticker).quantize(CENT)
            assert money(position["market_value"]) == by_hand.worth(ticker).quantize(CENT)
            assert money(position["unrealized_gain"]) == (by_hand.worth(ticker) - by_hand.cost(ticker)).quantize(CENT)

    def test_of_performance_is_right(self, alice, by_hand):
        performance = alice.get("performance/")
        assert money(performance["end_value"]) == by_hand.value.quantize(CENT)
        assert money(performance["net_flows"]) == by_hand.deposited.quantize(CENT)
        assert float(performance["twr"]) == pytest.approx(by_hand.twr, abs=1e-9)
        assert float(performance["volatility"]) == pytest.approx(by_hand.volatility, abs=1e-9)

    def test_of_every_day_is_right_to_the_cent(self, alice, by_hand):
        snapshots = alice.get("snapshots/", limit=1000)["results"]
        shown = {date.fromisoformat(snapshot["date"]): money(snapshot["total_value"]) for snapshot in snapshots}
        assert shown == {day: value.quantize(CENT) for day, value in by_hand.values.items()}

    def test_follows_a_correction_made_through_the_api(self, shares, log):
        alice = Newcomer(log)
        before = Decimal(alice.get("summary/")["total_value"])
        fee = next(entry for entry in alice.get("entries/")["results"] if entry["kind"] == "FEE")
        right = {"kind": "FEE", "occurred_at": fee["occurred_at"], "cash": "-2"}
        answer = alice.api.post(f"{alice.home}entries/{fee['id']}/correct/", {"entry": right, "reason": {"primary": "TYPO"}})
        assert answer.status_code == 201
        assert Decimal(alice.get("summary/")["total_value"]) - before == 10
        assert ByHand(alice.export(), shares).value.quantize(CENT) == money(alice.get("summary/")["total_value"])


def stale(by_hand: ByHand) -> list[str]:
    """Return the shares whose last close is older than the last day."""
    return [ticker for ticker, series in by_hand.closes.items() if max(series) < by_hand.as_of]
