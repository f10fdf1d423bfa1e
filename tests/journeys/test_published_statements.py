"""Published files of brokers go in through the API: looked at, asked about, posted; nothing of them goes in twice.

What has to come of them is read from beside the files. All of it is skipped by name where they are not there.
"""

import json
import re
from collections import Counter
from decimal import Decimal

import pytest

from accounts.domain.ledger import EntryKind
from tests.accounts.sending import Sender, instruments_now, rename
from tests.accounts.statement_files import PUBLISHED, published
from tests.factories import make_account, make_user

SAMPLES = PUBLISHED / "broker_samples"
NO_STATEMENTS = {"README.md", "expected_imports.json", "order.json", "ai-import-edge-cases.csv"}
REFUSED = {
    "degiro-export.csv": {"contradicting_amount", "missing_ratio"},  # a figure of it was masked
    "schwab_with_header_row.csv": {"missing_ratio"},  # units came of a share that was never held
    "ibkr-trades-export.csv": {"missing_instrument"},  # its exchanges name no pair
}
FACTS_ALONE = {"positions.json", "account.json"}
SIGNED = re.compile(r"-?\d+(\.\d+)?")
D = Decimal
HALF_A_CENT = D("0.005")


def statements():
    """Return the names of the files, none where they are not there."""
    found = sorted(str(path.relative_to(SAMPLES)) for path in SAMPLES.rglob("*.*") if path.name not in NO_STATEMENTS)
    return found or ["none"]


@pytest.fixture
def names():
    """Let no other test meet the instruments of a published file."""
    before = instruments_now()
    yield
    rename(instruments_now() - before)


def sender(**fields):
    return Sender(make_account(owner=make_user(), **fields))


def accounts_in(problem):
    """Return the accounts that a file holds, by the refusal that asks which one is meant."""
    detail = problem["errors"][0]["detail"] if problem.get("errors") else problem["detail"]
    return re.search(r"holds the accounts (.*?): send", detail)[1].split(", ")


def bring(desk, content, name):
    """Bring a file in, account by account where it holds several; return what became of it each time."""
    first = desk.attempt(content, name, dry_run="true")
    if first.status_code == 200:
        return [desk.bring(content, name)]
    assert "several_accounts" in first.content.decode(), first.content
    return [desk.bring(content, name, statement_account=one) for one in accounts_in(first.json())]


class Ledger:
    """What a file left in the ledger, to be taken out again happening by happening."""

    def __init__(self, entries):
        self.entries = list(entries)

    def take(self, day, amount, kinds=None):
        """Take an entry of a day that moved an amount, whatever its sign; entries of one happening may share it."""
        for one in self.entries:
            if str(one.occurred_at.date()) == day and abs(one.cash) == abs(amount) and (kinds is None or one.kind in kinds):
                self.entries.remove(one)
                return one
        left = [(one.kind, str(one.occurred_at.date()), str(one.cash)) for one in self.entries]
        raise AssertionError(f"nothing moved {amount} on {day}: {left}")


def check_trades(expected, ledger):
    """Check the trades that are listed field by field."""
    for trade in expected:
        net = D(trade.get("net") or trade["net_gbp"])
        found = [one for one in ledger.entries if one.kind == trade["side"] and abs(abs(one.cash) - net) <= HALF_A_CENT]
        assert len(found) == 1, trade
        (one,) = found
        assert abs(one.fee - D(trade.get("fee") or trade["fee_gbp"])) <= HALF_A_CENT, trade
        assert one.currency == trade.get("currency", "GBP"), trade
        if "shares" in trade:
            assert abs(one.quantity) == D(trade["shares"]), trade
        if "price" in trade:
            price = D(trade["price"])
            assert round(one.price, -price.as_tuple().exponent) == price, trade
        if "datetime" in trade:
            assert str(one.occurred_at.date()) == trade["datetime"][:10], trade
        if "isin" in trade:
            assert one.instrument.isin in {trade["isin"], ""}, trade
        if "trade_id" in trade:
            assert one.external_id == trade["trade_id"], trade


def check_moves(expected, ledger):
    """Check what is listed as a day, what it was, and an amount somewhere behind."""
    for day, what, *rest in expected:
        amounts = [D(text) for text in rest if SIGNED.fullmatch(text)]
        texts = [text for text in rest if text.startswith(("EUR ", "GBP ", "USD "))]
        amount = amounts[-1] if amounts else D(texts[-1].split()[-1])
        if " @ " in " ".join(rest):
            quantity, price = next(text for text in rest if " @ " in text).split(" @ ")
            if len(rest) > 2 and rest[-1].startswith("fee"):
                amount = D(rest[-2])
            one = ledger.take(day, amount)
            assert abs(one.quantity) == abs(D(quantity)), (day, what, rest)
            prices = {one.price, one.price * one.instrument.multiplier}  # of bonds, percent of what they are worth
            assert any(abs(mine - D(price)) < D("0.01") for mine in prices) or one.data, (day, what, rest)
        else:
            ledger.take(day, amount)


def check_undo(desk, done):
    """Check that what a file has posted can be taken back, all of it."""
    for one in done:
        address = f"{desk.base}{one['id']}/undo/"
        assert not one["posted"] or desk.client.post(address, {}, format="json").status_code == 200
    assert not sum(one.cash for one in desk.entries())
    standing = Counter()
    for one in desk.entries():
        standing[one.instrument_id] += one.quantity
    assert not any(standing.values())


@pytest.mark.parametrize("name", statements())
@pytest.mark.usefixtures("names")
def test_goes_in_as_is_expected_and_never_twice(name):
    content = published(f"broker_samples/{name}")
    expected = json.loads(published("broker_samples/expected_imports.json")).get(name, {})
    desk = sender(base_currency="USD")
    done = bring(desk, content, name.rpartition("/")[2])
    entries = desk.entries()
    if name.rpartition("/")[2] in FACTS_ALONE:
        assert not entries
        return
    assert entries
    assert {row["code"] for one in done for row in one["refused"]} == REFUSED.get(name.rpartition("/")[2], set())
    assert sum(one["posted"] for one in done) == len(entries)
    again = bring(desk, content, "again.csv")
    assert sum(one["posted"] for one in again) == 0
    assert len(desk.entries()) == len(entries)
    check_undo(desk, done)
    ledger = Ledger(entries)
    check_trades(expected.get("trades", ()), ledger)
    check_moves(expected.get("transactions", ()), ledger)
    check_moves([row for row in expected.get("cash", ())], ledger)
    if "ghostfolio_activities" in expected:
        assert len(entries) >= expected["ghostfolio_activities"]
    if "cash_balance_ignoring_fx_components" in expected:
        rest = sum(one.cash for one in entries if one.kind != EntryKind.FX or "Forex Trade" not in one.notes)
        assert rest == D(expected["cash_balance_ignoring_fx_components"])
    counts = expected.get("counts", {})
    trades = [one for one in entries if one.kind in {"BUY", "SELL", "SHORT", "COVER"}]
    assert len(trades) >= counts.get("trades", 0)
