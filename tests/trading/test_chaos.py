"""What the chaos run says of orders that are lost, doubled, stuck or wrong, and with what it leaves."""

import argparse
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace

import pytest

from benchmarks.chaos import storm, verdict

NOW = datetime(2024, 5, 6, 15, tzinfo=UTC)
BOUGHT = {"id": "x1", "side": "buy", "qty": "10", "price": "100"}


def order(**fields):
    own = {
        "pk": 1, "client_order_id": "market-0", "status": "FILLED", "sending": "SETTLED", "broker_order_id": "b", "events": 1,
        "filled_quantity": Decimal(10), "is_open": False, "pending_cancel": False, "pending_replace": False,
    }  # fmt: skip
    return SimpleNamespace(**own | fields)


def records(**fields):
    fill = SimpleNamespace(execution_id="x1", order_id=1, quantity=Decimal(10))
    entry = SimpleNamespace(external_id="x1", quantity=Decimal(10), cash=Decimal(-1000), data={"order": "1"})
    event = SimpleNamespace(order_id=1, sequence=1, status="FILLED", kind="FILLED", at=NOW, detail="by hand")
    own = {"orders": [order()], "fills": [fill], "entries": [entry], "events": [event], "held": Decimal(10), "breaks": []}
    return verdict.Records(**own | fields)


def broker(times=1, fills=(BOUGHT,)):
    told = {"client_order_id": "market-0", "filled_qty": "10", "status": "filled"}
    return {"orders": [told] * times, "fills": list(fills)}


def difference(**fields):
    own = {
        "kind": "CASH", "subject": "USD", "ours": Decimal("5.50"), "theirs": Decimal(7), "detail": "", "found_at": NOW,
        "resolved_at": None, "resolution": "",
    }  # fmt: skip
    return SimpleNamespace(**own | fields)


@pytest.fixture
def judged(tmp_path, monkeypatch, capsys):
    """Return what is printed of records and a broker's, and the exit status."""

    def judge(ours, there, *, wanted=("market-0",), changes=(), at_rest=True):
        made = storm.Storm.__new__(storm.Storm)
        made.asked, made.var, made.log = argparse.Namespace(verbose=False), tmp_path, tmp_path / "deaths"
        made.comparisons, made.at_rest = tmp_path / "comparisons", at_rest
        made.account, made.faults, made.wanted, made.changes = None, Counter(), list(wanted), list(changes)
        monkeypatch.setattr(made, "_ask", lambda _path: there)
        monkeypatch.setattr(verdict, "records_of", lambda _account, _now: ours)
        monkeypatch.setattr(verdict, "ledger_faults", dict)
        status = made._judge(1.0, 2.0)
        return status, capsys.readouterr().out

    return judge


def test_what_agrees_passes(judged):
    status, told = judged(records(), broker())
    assert (status, told.splitlines()[-1]) == (0, "passed")


@pytest.mark.parametrize(
    ("ours", "there", "more", "line"),
    [
        (records(), broker(), {"wanted": ["market-0", "market-1"]}, "lost: order market-1 with us"),
        (records(fills=[]), broker(), {}, "lost: fill x1"),
        (records(entries=[]), broker(), {}, "lost: entry of fill x1"),
        (records(), broker(times=2), {}, "doubled: order at the broker market-0"),
        (records(fills=records().fills * 2), broker(), {}, "doubled: fill x1"),
        (records(orders=[order(is_open=True, sending="SENT")]), broker(), {}, "stuck: order market-0: FILLED SENT"),
        (records(), broker(), {"changes": [(3, "cancel-0")]}, "stuck: change of cancel-0"),
        (records(), broker(), {"at_rest": False}, "stuck: the comparison with the broker"),
        (records(held=Decimal(9)), broker(), {}, "wrong: position derived: 9 with us, 10 at the broker"),
        (records(breaks=[difference()]), broker(), {},
         "wrong: break CASH USD at 15:00:00 (5.5 with us, 7 at the broker), open"),
        (records(breaks=[difference(kind="ORDER", ours=None, theirs=None, detail="It is past us.", resolved_at=NOW,
                                    resolution="They agree.")]), broker(), {},
         "wrong: break ORDER USD at 15:00:00 (It is past us.), gone at 15:00:00: They agree."),
    ],
    ids=["order", "fill", "entry", "twice", "fill twice", "open", "change", "compared", "position", "break", "gone"],
)  # fmt: skip
def test_what_is_amiss_is_told_and_fails(judged, ours, there, more, line):
    status, told = judged(ours, there, **more)
    assert status == 1
    assert line in told.splitlines()
    assert told.splitlines()[-1] == "FAILED"
    if "market-0" in line:
        assert "market-0: 15:00:00 FILLED (by hand)" in told.splitlines()
