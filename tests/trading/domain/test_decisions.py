"""Decisions: what they have to say, what changed of them, and the files they come in."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.domain.decisions import DecisionDraft, DecisionRefused, changes, read_file
from trading.domain.outcomes import Choice

AT = datetime(2024, 12, 29, 10, 30, tzinfo=UTC)
FILE = {
    "id": "decision_uuid",
    "timestamp": "2024-12-29T10:30:00.000000",
    "asset_pair": "BTCUSD",
    "action": "BUY",
    "confidence": 0.85,
    "reasoning": "Up.",
    "model": {"name": "m", "votes": [1, 2]},
}


def draft(**fields):
    return DecisionDraft(**{"at": AT, "choice": Choice.BUY, "confidence": Decimal("0.85")} | fields)


class TestDraft:
    @pytest.mark.parametrize("confidence", ["0", "1", "0.123456"])
    def test_is_sure_from_0_to_1(self, confidence):
        draft(confidence=Decimal(confidence)).check()

    @pytest.mark.parametrize(
        ("fields", "field", "code"),
        [
            ({"confidence": Decimal("1.01")}, "confidence", "not_a_share"),
            ({"confidence": Decimal("-0.1")}, "confidence", "not_a_share"),
            ({"confidence": Decimal("NaN")}, "confidence", "not_a_share"),
            ({"confidence": Decimal("0.1234567")}, "confidence", "too_precise"),
            ({"at": AT.replace(tzinfo=None)}, "at", "naive"),
            ({"price": Decimal(0)}, "price", "not_positive"),
            ({"stop_loss": Decimal("1e20")}, "stop_loss", "invalid_number"),
            ({"reasoning": "x" * 10_001}, "reasoning", "invalid"),
            ({"entry_type": "a\x00"}, "entry_type", "invalid"),
            ({"indicators": ("",)}, "indicators", "invalid"),
            ({"indicators": ("x",) * 51}, "indicators", "invalid"),
            ({"indicators": ("x" * 101,)}, "indicators", "invalid"),
            ({"metadata": {"x": float("nan")}}, "metadata", "invalid"),
        ],
    )
    def test_is_refused_by_field(self, fields, field, code):
        with pytest.raises(DecisionRefused) as refused:
            draft(**fields).check()
        assert [(problem.field, problem.code) for problem in refused.value.problems] == [(field, code)]

    def test_says_what_is_to_be_won_for_what_is_risked(self):
        assert draft(price=Decimal(10), stop_loss=Decimal(9), target=Decimal("12.5")).risk_reward == Decimal("2.5")
        assert draft(price=Decimal(10)).risk_reward is None
        assert draft(price=Decimal(10), stop_loss=Decimal(10), target=Decimal(12)).risk_reward is None


class TestChanges:
    def test_are_the_old_and_the_new_value_of_what_differs(self):
        before = {"confidence": Decimal("0.50"), "choice": "BUY", "at": AT, "indicators": ("RSI",)}
        after = {"confidence": Decimal("0.5"), "choice": "SELL", "indicators": ("RSI", "EMA")}
        assert changes(before, after) == {"choice": ["BUY", "SELL"], "indicators": [["RSI"], ["RSI", "EMA"]]}

    @given(st.dictionaries(st.sampled_from("abc"), st.none() | st.booleans() | st.text() | st.decimals(-1000, 1000)))
    def test_of_nothing_are_none_and_always_fit_into_json(self, values):
        assert changes(values, values) == {}
        json.dumps(changes({}, values))


class TestFile:
    def test_comes_in_with_all_else_as_metadata(self):
        filed = read_file(FILE)
        filed.draft.check()
        assert (filed.external_id, filed.pair, filed.file_name) == ("decision_uuid", "BTCUSD", "2024-12-29_decision_uuid.json")
        assert (filed.draft.at, filed.draft.choice, filed.draft.confidence) == (AT, Choice.BUY, Decimal("0.85"))
        assert filed.draft.reasoning == "Up."
        assert filed.draft.metadata == {"reasoning": "Up.", "model": {"name": "m", "votes": [1, 2]}}

    def test_goes_out_as_it_came_in(self):
        assert read_file(FILE).to_file() == FILE
        assert list(read_file(FILE).to_file()) == list(FILE)

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"id": ""}, "id"),
            ({"id": "../x"}, "id"),
            ({"timestamp": "x"}, "timestamp"),
            ({"timestamp": None}, "timestamp"),
            ({"asset_pair": 5}, "asset_pair"),
            ({"action": "buy"}, "action"),
            ({"confidence": "sure"}, "confidence"),
            ({"confidence": True}, "confidence"),
            ({"confidence": 85}, "confidence"),
        ],
    )
    def test_that_is_malformed_is_told_by_field(self, fields, field):
        with pytest.raises(DecisionRefused) as refused:
            read_file(FILE | fields)
        assert [problem.field for problem in refused.value.problems] == [field]
