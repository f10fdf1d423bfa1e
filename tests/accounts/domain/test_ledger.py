"""A draft knows the rules of its kind, and names the field that breaks one."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal, localcontext
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.domain.ledger import (
    RULES,
    EntryDraft,
    EntryKind,
    EntryRefused,
    Need,
    Sign,
    expected_cash,
    from_magnitudes,
    ratio_of,
    with_cash,
)
from tests.factories import LONG_AGO

AAPL = uuid4()
# one good draft of every kind, by what it needs
GOOD = {
    "DEPOSIT": {"cash": 100},
    "WITHDRAWAL": {"cash": -100},
    "BUY": {"instrument_id": AAPL, "quantity": 10, "price": 12, "cash": -120},
    "SELL": {"instrument_id": AAPL, "quantity": -10, "price": 12, "cash": 120},
    "SHORT": {"instrument_id": AAPL, "quantity": -10, "price": 12, "cash": 120},
    "COVER": {"instrument_id": AAPL, "quantity": 10, "price": 12, "cash": -120},
    "DIVIDEND": {"instrument_id": AAPL, "cash": 5},
    "INTEREST": {"cash": 5},
    "FEE": {"cash": -5},
    "TAX": {"cash": -5},
    "TRANSFER_IN": {"instrument_id": AAPL, "quantity": 10},
    "TRANSFER_OUT": {"cash": -50},
    "FX": {"cash": -100, "price": 1.1, "group": uuid4()},
    "SPLIT": {"instrument_id": AAPL, "quantity": 10, "data": {"ratio": "2:1"}},
    "SPIN_OFF": {"instrument_id": AAPL, "quantity": 10},
    "MERGER": {"instrument_id": AAPL, "quantity": -10},
    "RETURN_OF_CAPITAL": {"instrument_id": AAPL, "cash": 5},
    "OPTION_EXERCISE": {"instrument_id": AAPL, "quantity": -1},
    "OPTION_ASSIGNMENT": {"instrument_id": AAPL, "quantity": 1},
    "OPTION_EXPIRATION": {"instrument_id": AAPL, "quantity": -1},
    "STAKING": {"instrument_id": AAPL, "quantity": "0.5"},
    "VALUATION": {"instrument_id": AAPL, "price": 250_000},
    "LIABILITY": {"price": 100_000, "data": {"name": "Mortgage"}},
    "NOTE": {"notes": "Remember this."},
}
AMOUNTS = ("quantity", "price", "cash", "fee", "tax")


def make(kind, **change):
    """Return the good draft of a kind, changed."""
    fields = GOOD[kind] | change
    numbers = {name: Decimal(str(fields.pop(name))) for name in AMOUNTS if fields.get(name) is not None}
    return EntryDraft(**{"kind": EntryKind(kind), "occurred_at": LONG_AGO, "currency": "USD"} | fields | numbers)


def problems(draft):
    """Return what is wrong with a draft, by field."""
    with pytest.raises(EntryRefused) as refusal:
        draft.check()
    return refusal.value.problems


@pytest.mark.parametrize("kind", EntryKind)
class TestEveryKind:
    def test_its_good_draft_passes(self, kind):
        make(kind).check()

    @pytest.mark.parametrize("field", ["quantity", "cash"])
    def test_the_wrong_sign_is_refused_and_the_field_named(self, kind, field):
        sign = getattr(RULES[kind], field)
        wrong = {
            Sign.POSITIVE: [-1, 0],
            Sign.NEGATIVE: [1, 0],
            Sign.NOT_NEGATIVE: [-1],
            Sign.NOT_ZERO: [0],
            Sign.NONE: [1, -1],
            Sign.ANY: [],
        }
        for amount in wrong[sign]:
            assert field in problems(make(kind, **{field: amount}))

    @pytest.mark.parametrize("field", ["instrument", "price"])
    def test_a_field_it_needs_and_one_it_does_not_take_are_named(self, kind, field):
        need = getattr(RULES[kind], field)
        name, value = ("instrument_id", AAPL) if field == "instrument" else ("price", 10)
        if need is Need.REQUIRED:
            assert field in problems(make(kind, **{name: None}))
        if need is Need.REFUSED:
            assert field in problems(make(kind, **{name: value}))

    @pytest.mark.parametrize("field", ["fee", "tax"])
    def test_costs_are_never_below_zero(self, kind, field):
        assert field in problems(make(kind, **{field: -1}))

    @pytest.mark.parametrize("field", AMOUNTS)
    @pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e15", "1e-13", "sNaN"])
    def test_what_is_no_number_or_can_t_be_stored_is_named(self, kind, field, number):
        assert field in problems(make(kind, **{field: number}))

    @pytest.mark.parametrize("field", ["notes", "reason_primary", "reason_explanation", "source", "external_id"])
    @pytest.mark.parametrize("text", ["nul\0", "bell\a", "esc\x1b[31m", "turned\u202e", "half\ud800", "x" * 10_001])
    def test_what_is_no_text_is_named(self, kind, field, text):
        assert field in problems(make(kind, **{field: text}))

    @pytest.mark.parametrize("when", [datetime(2024, 1, 1), datetime(1969, 12, 31, tzinfo=LONG_AGO.tzinfo)])
    def test_a_time_without_offset_or_before_1970_is_named(self, kind, when):
        assert "occurred_at" in problems(make(kind, occurred_at=when))

    @pytest.mark.parametrize("currency", ["", "usd", "US", "USDT", "ÜSD", "US\n"])
    def test_what_is_no_currency_is_named(self, kind, currency):
        assert "currency" in problems(make(kind, currency=currency))


@pytest.mark.parametrize(
    ("kind", "change", "field"),
    [
        ("SPLIT", {"data": {}}, "data.ratio"),
        ("SPLIT", {"data": {"ratio": "0:1"}}, "data.ratio"),
        ("SPLIT", {"data": {"ratio": "2:0"}}, "data.ratio"),
        ("SPLIT", {"data": {"ratio": "-2:1"}}, "data.ratio"),
        ("SPLIT", {"data": {"ratio": "1e999999:1"}}, "data.ratio"),
        ("SPLIT", {"data": {"ratio": "٢:1"}}, "data.ratio"),
        ("SPLIT", {"data": {"ratio": None}}, "data.ratio"),
        ("LIABILITY", {"data": {}}, "data.name"),
        ("NOTE", {"notes": ""}, "notes"),
        ("FX", {"group": None}, "group"),
        ("TRANSFER_IN", {"instrument_id": None}, "instrument"),
        ("TRANSFER_IN", {"quantity": 0}, "instrument"),
        ("TRANSFER_IN", {"quantity": -1}, "quantity"),
        ("TRANSFER_OUT", {"cash": 0}, "cash"),
        ("TRANSFER_OUT", {"cash": 1}, "cash"),
        ("TRANSFER_OUT", {"quantity": 1}, "quantity"),
        ("DIVIDEND", {"data": {"gross": 5.0}}, "data.gross"),
        ("DIVIDEND", {"data": {"gross": "five"}}, "data.gross"),
        ("DIVIDEND", {"data": {"gross": "NaN"}}, "data.gross"),
        ("DIVIDEND", {"data": {"gross": "6"}, "tax": "0.9"}, "cash"),
        ("BUY", {"cash": -121}, "cash"),
        ("BUY", {"cash": "-120.006"}, "cash"),
        ("BUY", {"cash": 120, "data": {"rounding": "no"}}, "cash"),
        ("SELL", {"cash": -1, "data": {"rounding": "no"}}, "cash"),
        ("BUY", {"tags": ("",)}, "tags"),
        ("BUY", {"tags": ("x" * 51,)}, "tags"),
        ("BUY", {"tags": ("a\nb\0",)}, "tags"),
        ("BUY", {"tags": tuple(map(str, range(51)))}, "tags"),
    ],
)
def test_what_one_kind_asks_is_named(kind, change, field):
    assert list(problems(make(kind, **change))) == [field]


@pytest.mark.parametrize(
    "data",
    [
        {"a": float("nan")},
        {"a": [float("inf")]},
        {"a": Decimal(1)},
        {"a": LONG_AGO},
        {1: "a"},
        {"a": {"b": "nul\0"}},
        {"nul\0": 1},
        {"a": "x" * 70_000},
        {"a": ["x" * 100] * 700},
    ],
)
def test_data_that_json_does_not_carry_are_refused(data):
    assert "data" in problems(make("DEPOSIT", data=data))


def test_data_are_refused_below_their_tenth_level():
    deep = {"level": 10}
    for level in range(9, 0, -1):
        deep = {"level": level, "below": deep}
    make("DEPOSIT", data=deep).check()
    assert "data" in problems(make("DEPOSIT", data={"below": deep}))
    assert "data" in problems(make("DEPOSIT", data={"list": [[[[[[[[[[[]]]]]]]]]]]}))


def test_all_that_is_wrong_is_told_at_once():
    assert set(problems(make("BUY", quantity=-1, price=None, fee=-1, currency="x"))) == {"quantity", "price", "fee", "currency"}


class TestCash:
    def test_it_follows_from_the_trade(self):
        bought = with_cash(make("BUY", cash=0, quantity="2.5", price="10.01", fee=1, tax="0.5"))
        assert bought.cash == Decimal("-26.525")
        sold = with_cash(make("SELL", cash=0, quantity="-2.5", price="10.01", fee=1, tax="0.5"))
        assert sold.cash == Decimal("23.525")

    def test_a_contract_stands_for_many_units(self):
        assert with_cash(replace(make("BUY", quantity=2, price="1.5"), multiplier=Decimal(100))).cash == -300

    def test_it_follows_from_the_gross_amount_less_tax(self):
        assert with_cash(make("DIVIDEND", data={"gross": "10.00"}, tax="1.5")).cash == Decimal("8.5")

    @pytest.mark.parametrize("kind", ["FEE", "TAX"])
    def test_a_cost_alone_is_its_cash(self, kind):
        assert with_cash(make(kind, cash=0, **{kind.lower(): 3})).cash == -3

    @pytest.mark.parametrize("kind", ["DEPOSIT", "WITHDRAWAL", "DIVIDEND", "INTEREST", "FEE", "FX", "RETURN_OF_CAPITAL"])
    def test_where_it_does_not_follow_it_has_to_be_given(self, kind):
        with pytest.raises(EntryRefused, match="cash"):
            with_cash(make(kind, cash=0))

    def test_half_a_cent_of_rounding_passes_and_more_with_a_reason(self):
        make("BUY", cash="-120.005").check()
        make("BUY", cash="-120.5", data={"rounding": "The broker rounds up."}).check()

    @given(
        st.decimals(min_value="0.000000000001", max_value="999999999999.999999999999", places=12),
        st.decimals(min_value=0, max_value="999999999999999.9999999999", places=10),
    )
    def test_no_size_is_too_large_to_be_multiplied(self, quantity, price):
        with localcontext() as exact:
            exact.prec = 100
            worth = (quantity * price).quantize(Decimal("1e-10"))
            assert expected_cash(make("BUY", quantity=quantity, price=price)) == -worth

    @pytest.mark.parametrize("field", ["quantity", "price", "fee"])
    @pytest.mark.parametrize("number", ["NaN", "Infinity", "sNaN"])
    def test_what_is_no_number_is_refused_before_it_is_multiplied(self, field, number):
        with pytest.raises(EntryRefused, match=field):
            with_cash(make("BUY", **{field: number}))
        with pytest.raises(EntryRefused, match=field):
            from_magnitudes(make("BUY", **{field: number}), cash=None)


class TestMagnitudes:
    @pytest.mark.parametrize(
        ("kind", "sign"), [("BUY", 1), ("SELL", -1), ("SHORT", -1), ("COVER", 1), ("TRANSFER_OUT", -1), ("STAKING", 1)]
    )
    def test_the_kind_gives_the_sign(self, kind, sign):
        assert from_magnitudes(make(kind, quantity=7, cash=0), cash=Decimal(0)).quantity == 7 * sign
        with pytest.raises(EntryRefused, match="quantity"):
            from_magnitudes(make(kind, quantity=-7), cash=None)

    @pytest.mark.parametrize(("kind", "sign"), [("OPTION_EXERCISE", -1), ("OPTION_ASSIGNMENT", 1)])
    @pytest.mark.parametrize("given", [7, -7])
    def test_who_exercises_holds_and_who_is_assigned_wrote(self, kind, sign, given):
        assert from_magnitudes(make(kind, quantity=given), cash=Decimal(0)).quantity == 7 * sign

    @pytest.mark.parametrize("kind", ["SPLIT", "MERGER", "OPTION_EXPIRATION"])
    def test_where_either_is_possible_the_given_sign_stays(self, kind):
        assert from_magnitudes(make(kind, quantity=-7), cash=Decimal(0)).quantity == -7


@pytest.mark.parametrize(("written", "ratio"), [("2:1", "2"), ("1:8", "0.125"), ("1.5", "1.5"), ("3:2", "1.5"), (7, "7")])
def test_ratios_are_read_in_every_spelling(written, ratio):
    assert ratio_of({"ratio": written}) == Decimal(ratio)


def test_every_offset_on_earth_is_an_instant():
    east = LONG_AGO.astimezone(timezone(timedelta(hours=14)))
    make("DEPOSIT", occurred_at=east).check()
