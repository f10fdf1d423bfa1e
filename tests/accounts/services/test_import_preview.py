"""What a mapped table would change is worked out by columns, and ends with what posting it ends with."""

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import LedgerEntry
from accounts.models.tenancy import acting_as
from accounts.selectors.standing_figures import standing
from tests.accounts.kept_files import begin, keep, undo, work
from tests.factories import make_account, make_instrument, post, unique_symbol

COLUMNS = ("Date", "Type", "Symbol", "Currency", "Quantity", "Price", "Amount", "Fee", "Tax", "Id")
MAPPING = {"columns": {"kind" if name == "Type" else name.lower(): name for name in COLUMNS}}


def table(*rows):
    """Return rows as a table; cells that are not given are empty."""
    return "".join(",".join((*row, *[""] * (len(COLUMNS) - len(row)))) + "\n" for row in (COLUMNS, *rows)).encode()


def look(account, content, **mapping):
    """Preview a table as the account's owner."""
    return keep(account, content, mapping=MAPPING | mapping)


def shown(batch):
    """Return what a preview tells, without the numbers of entries that it took back again."""
    return (
        *(batch.fates, batch.lines, batch.posted, batch.known, batch.figures["cash"], batch.figures["holdings"], batch.remarks),
        [(one["line"], one["code"]) for one in batch.refused],
        [(one["why"], one["lines"], one["first_line"]) for one in batch.asked],
    )


def posted(monkeypatch, account, content, **mapping):
    """Preview a table by posting it and taking that back."""
    with monkeypatch.context() as patch:
        patch.setattr("accounts.services.imports.foreseen", lambda *args: None)
        return shown(look(account, content, **mapping))


def alike(monkeypatch, account, content, **mapping):
    """Check that both ways tell the same, and return the preview."""
    batch = look(account, content, **mapping)
    assert shown(batch) == posted(monkeypatch, account, content, **mapping)
    return batch


@pytest.fixture
def only_by_columns(monkeypatch):
    """Refuse to post what columns could tell."""

    def refused(*args, **kwargs):
        raise AssertionError("the preview posted something")

    monkeypatch.setattr("accounts.services.import_run.Run.take", refused)


class TestPreview:
    def test_tells_fates_cash_and_holdings_and_posts_nothing(self, account, only_by_columns):
        known = make_instrument(symbol=unique_symbol())
        content = table(
            ("2024-01-02", "deposit", "", "USD", "", "", "1000"),
            ("2024-01-03", "buy", known.symbol, "USD", "3", "10", "-31", "1"),
            ("2024-01-04", "moon landing", "", "USD", "", "", "1"),
            ("2024-01-05", "sell", known.symbol, "USD", "1", "12"),
            ("2024-01-06", "deposit", "", "EUR", "", "", "5"),
        )
        batch = look(account, content)
        assert batch.fates == [[2, 3, "posted"], [4, 4, "refused"], [5, 6, "posted"]]
        assert batch.figures["cash"] == [
            {"currency": "EUR", "before": "0", "after": "5"},
            {"currency": "USD", "before": "0", "after": "981"},
        ]
        assert batch.figures["holdings"] == [{"instrument": known.key, "before": "0", "after": "2"}]
        with acting_as(account.owner_id):
            assert not LedgerEntry.objects.filter(account=account).exists()

    def test_of_an_overlapping_file_says_what_is_known(self, account, monkeypatch):
        rows = [("2024-01-02", "deposit", "", "USD", "", "", str(one)) for one in (1, 1, 2)]
        assert work(begin(look(account, table(*rows)))).posted == 3
        batch = alike(monkeypatch, account, table(rows[0], *rows, ("2024-01-03", "deposit", "", "USD", "", "", "9")))
        assert (batch.posted, batch.known) == (2, 3)

    def test_of_an_id_with_other_figures_says_which(self, account, monkeypatch):
        row = ["2024-01-02", "deposit", "", "USD", "", "", "1", "", "", "A1"]
        work(begin(look(account, table(row))))
        row[6] = "2"
        batch = alike(monkeypatch, account, table(row))
        assert [one["code"] for one in batch.refused] == ["conflicting_entry"]
        assert "#1 already, with another cash" in batch.refused[0]["detail"]

    def test_after_an_undo_says_that_the_lines_come_anew(self, account, monkeypatch):
        content = table(*(("2024-01-02", "deposit", "", "USD", "", "", str(one)) for one in (1, 2)))
        undo(work(begin(look(account, content))))
        more = content + b"2024-01-03,deposit,,USD,,,7,,,\n"
        assert alike(monkeypatch, account, more).posted == 3
        work(begin(look(account, more)))
        assert alike(monkeypatch, account, more + b"2024-01-03,deposit,,USD,,,8,,,\n").known == 3

    def test_asks_what_is_not_sure_and_writes_down_what_nobody_knows(self, account, monkeypatch):
        symbol, fresh = unique_symbol(), unique_symbol()
        for exchange in ("XETR", "XFRA"):
            make_instrument(symbol=symbol, exchange=exchange, currency="USD")
        rows = [("2024-01-02", "buy", name, "USD", "1", "10", "-10") for name in (fresh, symbol, fresh, symbol, "B" * 40)]
        batch = alike(monkeypatch, account, table(*rows))
        assert batch.fates == [[2, 2, "posted"], [3, 3, "question"], [4, 4, "posted"], [5, 5, "question"], [6, 6, "refused"]]
        assert (batch.asked[0]["lines"], batch.asked[0]["first_line"]) == (2, 3)
        assert batch.figures["holdings"] == [{"instrument": f"{fresh}:XXXX", "before": "0", "after": "2"}]

    def test_of_splits_and_repeated_ids_asks_the_ledger(self, account, monkeypatch):
        held = make_instrument(symbol=unique_symbol())
        post(account, "BUY", instrument=held, quantity="10", price="1", cash="-10")
        post(account, "SPLIT", instrument=held, data={"ratio": "2:1"})
        assert alike(monkeypatch, account, table(("2023-01-02", "buy", held.symbol, "USD", "1", "10", "-10")))
        assert alike(monkeypatch, account, table(("2024-06-02", "split", held.symbol, "USD", "20", "", "")))
        row = ("2024-01-02", "deposit", "", "USD", "", "", "1", "", "", "A1")
        assert alike(monkeypatch, account, table(row, row)).known == 1

    def test_completes_what_a_file_leaves_open(self, account, monkeypatch):
        euro = make_instrument(symbol=unique_symbol(), currency="EUR")
        future = make_instrument(symbol=unique_symbol(), multiplier=Decimal(50))
        content = table(
            ("2024-01-02", "buy", euro.symbol, "", "3", "10.333333", "", "1"),
            ("2024-01-02", "sell", euro.symbol, "", "0.00000003", "10.33333333", "", "1"),
            ("2024-01-02", "buy", future.symbol, "", "2", "10", "-1000"),
            ("2024-01-02", "buy", future.symbol, "", "2", "10"),
            ("2024-01-02", "deposit", "", "", "", "", "-4"),
            ("2050-01-02", "deposit", "", "", "", "", "4"),
            ("1950-01-02", "deposit", "", "", "", "", "4"),
            ("2024-01-02", "buy", euro.symbol, "", "999999999", "99999999"),
        )
        batch = alike(monkeypatch, account, content)
        assert {one["code"] for one in batch.refused} == {"invalid_entry", "future_time", "contradicting_amount"}


CELLS = st.tuples(
    st.sampled_from(["2024-01-02", "2024-01-03 10:00:00", "1960-01-01", "2050-01-01", "someday"]),
    st.sampled_from(
        ["buy", "sell", "dividend", "deposit", "withdrawal", "interest", "fee", "tax", "short", "staking", "", "gift"]
    ),
    st.sampled_from(["", "ONE", "TWO", "BOTH", "NEW", "BTC-USD", "?"]),
    st.sampled_from(["", "USD", "EUR", "GBX"]),
    st.sampled_from(["", "1", "-2", "3.5", "1e3"]),
    st.sampled_from(["", "10", "3.333", "0"]),
    st.sampled_from(["", "10", "-10", "-20.01", "35", "0"]),
    st.sampled_from(["", "1", "-0.5"]),
    st.sampled_from(["", "0.25"]),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(rows=st.lists(CELLS, min_size=1, max_size=25), again_=st.lists(CELLS, max_size=5), signed=st.booleans())
def test_ends_with_what_posting_ends_with(alice, monkeypatch, rows, again_, signed):
    account = make_account(owner=alice)
    names = {name: unique_symbol() for name in ("ONE", "TWO", "BOTH", "NEW")}
    make_instrument(symbol=names["ONE"])
    make_instrument(symbol=names["TWO"], currency="EUR")
    for exchange in ("XETR", "XFRA"):
        make_instrument(symbol=names["BOTH"], exchange=exchange)
    rows, more = ([(row[0], row[1], names.get(row[2], row[2]), *row[3:]) for row in some] for some in (rows, [*again_, *rows]))
    batch = alike(monkeypatch, account, table(*rows), signed=signed)
    done = work(begin(batch))
    assert (done.posted, done.known, done.fates) == (batch.posted, batch.known, batch.fates)
    with acting_as(account.owner_id):
        cash = {currency: total.normalize() for currency, total in standing(account).cash.items()}
    assert {row["currency"]: Decimal(row["after"]).normalize() for row in batch.figures["cash"]} == cash
    alike(monkeypatch, account, table(*more), signed=signed)
