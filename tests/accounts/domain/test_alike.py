"""Trades of one order are passed at a glance, and none that `check` refuses is."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from uuid import uuid4

import pytest

from accounts.domain import ledger
from accounts.domain.alike import as_good_as, check_all
from accounts.domain.ledger import EntryDraft, EntryKind, EntryRefused, cash_of_trade

AT = datetime(2024, 5, 6, 14, 31, tzinfo=UTC)
DATA = {"order": str(uuid4())}
INSTRUMENT = uuid4()


def trade(kind=EntryKind.BUY, quantity="4", price="10.25", fee="0.35", **fields):
    """Return a good trade, changed."""
    quantity, price, fee = Decimal(quantity), Decimal(price), Decimal(fee)
    cash = cash_of_trade(quantity, price, Decimal(1), fee) if quantity.is_finite() and price.is_finite() else Decimal(0)
    made = EntryDraft(
        kind=kind, occurred_at=AT, currency="USD", instrument_id=INSTRUMENT, quantity=quantity, price=price, cash=cash, fee=fee,
        data=DATA, source="fill", external_id="a",
    )  # fmt: skip
    return replace(made, **fields)


BROKEN = {
    "no quantity": trade(quantity="0"),
    "the other way": trade(quantity="-4"),
    "too large a quantity": trade(quantity="1e12"),
    "too precise a quantity": trade(quantity="1e-13"),
    "a quantity that is none": replace(trade(), quantity=Decimal("NaN")),
    "too large a price": trade(price="1e15"),
    "too precise a price": trade(price="1.00000000001"),
    "a price that is none": replace(trade(), price=Decimal("Infinity")),
    "no price": replace(trade(), price=None),
    "a price below zero": trade(price="-1"),
    "a fee below zero": trade(fee="-1"),
    "too precise a fee": trade(fee="0.00000000001"),
    "a fee that is none": replace(trade(), fee=Decimal("NaN")),
    "another cash": replace(trade(), cash=Decimal(-7)),
    "a cash that is none": replace(trade(), cash=Decimal("NaN")),
    "too large a cash": trade(quantity="99999999999", price="99999"),
    "a tax below zero": trade(tax=Decimal(-1)),
    "a time without offset": trade(occurred_at=datetime(2024, 5, 6, 14, 31)),
    "a time before all": trade(occurred_at=datetime(1969, 5, 6, tzinfo=UTC)),
    "too long an id": trade(external_id="x" * 201),
    "an id with a bell": trade(external_id="bell\x07"),
    "another currency": trade(currency="dollar"),
    "no instrument": trade(instrument_id=None),
    "other data": trade(data={"order": object()}),
    "too long a note": trade(notes="x" * 10_001),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_refused_alone_is_refused_after_a_good_one(what):
    with pytest.raises(EntryRefused) as alone:
        BROKEN[what].check()
    with pytest.raises(EntryRefused) as after:
        check_all([trade(), BROKEN[what]])
    assert after.value.problems == alone.value.problems


@pytest.mark.parametrize(
    ("kind", "first", "second"),
    [(EntryKind.BUY, "4", "2.5"), (EntryKind.COVER, "1", "7"), (EntryKind.SELL, "-4", "-0.5"), (EntryKind.SHORT, "-1", "-9")],
)
def test_a_trade_like_the_one_before_is_passed_at_a_glance(kind, first, second):
    good = trade(kind, first)
    like = trade(kind, second, price="11.1250", fee="0", external_id="b")
    good.check()
    like.check()
    assert as_good_as(like, good)
    assert not as_good_as(trade(kind, second, data={**DATA}), good)
    check_all([good, like])


def test_good_ones_that_are_not_alike_are_looked_at_in_full(monkeypatch):
    looked, full = [], ledger._problems_of_shape
    monkeypatch.setattr(ledger, "_problems_of_shape", lambda draft: looked.append(draft) or full(draft))
    drafts = [trade(), trade(quantity="1"), trade(EntryKind.SELL, "-1"), trade(EntryKind.SELL, "-2"), trade(data={"order": "b"})]
    check_all(drafts)
    assert looked == [drafts[0], drafts[2], drafts[4]]
