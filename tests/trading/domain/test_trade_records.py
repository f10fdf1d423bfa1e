"""The 27 fields of a trade, line by line: what goes out comes in again, and what is malformed is told by field."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.domain.trade_records import NAMES, RecordRefused, TradeRecord, read_line, read_record

PUBLISHED = (
    '{"timestamp": "2025-10-26T14:32:15.123Z", "symbol": "AAPL", "action": "BUY", "quantity": 50, "price": "150.25", '
    '"total_value": "7512.50", "order_id": "abc-123-def", "execution_mode": "PAPER", "account_id": null, '
    '"strategy_name": "bull-flag-breakout", "entry_type": "breakout", "stop_loss": "148.50", "target": "155.00", '
    '"decision_reasoning": "Bull flag breakout above $150 resistance, strong premarket volume (300% of avg)", '
    '"indicators_used": ["VWAP", "EMA-9", "Volume"], "risk_reward_ratio": 2.3, "outcome": "open", "profit_loss": null, '
    '"hold_duration_seconds": null, "exit_timestamp": null, "exit_reasoning": null, "slippage": "0.05", '
    '"commission": "0.00", "net_profit_loss": null, "session_id": "550e8400-e29b-41d4-a716-446655440000", '
    '"bot_version": "1.0.0", "config_hash": "5d41402abc4b2a76b9719d911017c592"}'
)
RECORD = read_line(PUBLISHED)
texts = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=20)
amounts = st.decimals("-100000", "100000", places=4)
times = st.datetimes(datetime(2000, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))


def said(**fields):
    return json.dumps(json.loads(PUBLISHED) | fields)


@st.composite
def records(draw):
    at = draw(times)
    return TradeRecord(
        timestamp=at,
        symbol=draw(st.sampled_from(["AAPL", "BRK.B", "BTC/USD"])),
        action=draw(st.sampled_from(["BUY", "SELL"])),
        quantity=draw(st.decimals("0.0001", "10000", places=4)),
        price=draw(st.decimals("0.0001", "10000", places=4)),
        total_value=draw(amounts),
        order_id=draw(texts),
        execution_mode=draw(st.sampled_from(["PAPER", "LIVE"])),
        strategy_name=draw(texts),
        entry_type=draw(texts),
        decision_reasoning=draw(texts),
        indicators_used=tuple(draw(st.lists(texts, max_size=3))),
        risk_reward_ratio=draw(st.none() | st.decimals("0", "20", places=2)),
        profit_loss=draw(st.none() | amounts),
        hold_duration_seconds=draw(st.none() | st.integers(0, 10**9)),
        exit_timestamp=draw(st.none() | times.map(lambda end: max(at, end))),
        session_id=draw(texts),
        bot_version="1.0.0",
        config_hash="",
    )


class TestLine:
    def test_has_the_27_fields_in_the_order_of_the_files(self):
        assert list(json.loads(PUBLISHED)) == list(NAMES)
        assert len(NAMES) == 27

    def test_that_was_published_comes_in_and_goes_out_as_it_was(self):
        RECORD.check()
        assert RECORD.to_line() == PUBLISHED
        assert (RECORD.quantity, RECORD.risk_reward_ratio) == (50, Decimal("2.3"))
        assert RECORD.timestamp == datetime(2025, 10, 26, 14, 32, 15, 123000, UTC)

    @given(records())
    def test_brings_back_what_went_out(self, record):
        record.check()
        line = record.to_line()
        assert "\n" not in line
        assert read_line(line) == record

    def test_of_an_older_version_lacks_what_came_later(self):
        old = json.loads(PUBLISHED)
        for name in ("slippage", "commission", "net_profit_loss", "account_id"):
            del old[name]
        assert read_record(old).slippage is None

    def test_without_a_zone_is_utc(self):
        assert read_line(said(timestamp="2025-10-26T14:32:15.123")).timestamp == RECORD.timestamp
        assert read_line(said(timestamp="2025-10-26T10:32:15.123-04:00")).timestamp == RECORD.timestamp

    @pytest.mark.parametrize("quantity", [50, "50", "50.0", 50.0])
    def test_takes_numbers_as_numbers_and_as_texts(self, quantity):
        assert read_line(said(quantity=quantity)).quantity == 50


class TestMalformedLine:
    @pytest.mark.parametrize("line", ["", "{", "[]", '"x"', '{"a": 1, "a": 2}', "[" * 1000])
    def test_is_no_record(self, line):
        with pytest.raises(RecordRefused) as refused:
            read_line(line)
        assert refused.value.codes == {"bad_json"}

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"timestamp": "yesterday"}, "timestamp"),
            ({"timestamp": None}, "timestamp"),
            ({"timestamp": 5}, "timestamp"),
            ({"quantity": "many"}, "quantity"),
            ({"quantity": True}, "quantity"),
            ({"quantity": "1_000"}, "quantity"),
            ({"price": {}}, "price"),
            ({"price": None}, "price"),
            ({"order_id": 7}, "order_id"),
            ({"indicators_used": "VWAP"}, "indicators_used"),
            ({"indicators_used": [1]}, "indicators_used"),
            ({"hold_duration_seconds": 1.5}, "hold_duration_seconds"),
            ({"mood": "good"}, "mood"),
        ],
    )
    def test_is_told_by_field(self, fields, field):
        with pytest.raises(RecordRefused) as refused:
            read_line(said(**fields))
        assert [problem.field for problem in refused.value.problems] == [field]

    def test_tells_all_that_is_wrong(self):
        with pytest.raises(RecordRefused) as refused:
            read_line("{}")
        required = {problem.field for problem in refused.value.problems}
        assert required == {
            *("timestamp", "symbol", "action", "quantity", "price", "total_value", "order_id", "execution_mode"),
            *("strategy_name", "entry_type", "decision_reasoning", "indicators_used", "session_id"),
        }


class TestRules:
    @pytest.mark.parametrize(
        ("fields", "field", "code"),
        [
            ({"symbol": "aapl"}, "symbol", "bad_symbol"),
            ({"symbol": ""}, "symbol", "required"),
            ({"action": "HODL"}, "action", "unknown_word"),
            ({"execution_mode": "DEMO"}, "execution_mode", "unknown_word"),
            ({"outcome": "draw"}, "outcome", "unknown_word"),
            ({"quantity": Decimal(0)}, "quantity", "not_positive"),
            ({"quantity": Decimal("10000.5")}, "quantity", "too_much"),
            ({"price": Decimal(-1)}, "price", "not_positive"),
            ({"total_value": Decimal("NaN")}, "total_value", "invalid_number"),
            ({"decision_reasoning": ""}, "decision_reasoning", "required"),
            ({"strategy_name": "a\x07"}, "strategy_name", "invalid"),
            ({"hold_duration_seconds": -1}, "hold_duration_seconds", "negative"),
            ({"exit_timestamp": RECORD.timestamp - timedelta(seconds=1)}, "exit_timestamp", "before_entry"),
        ],
    )
    def test_are_broken_by_name(self, fields, field, code):
        with pytest.raises(RecordRefused) as refused:
            replace(RECORD, **fields).check()
        assert (field, code) in {(problem.field, problem.code) for problem in refused.value.problems}

    def test_tell_the_largest_quantity_as_it_was_set(self):
        with pytest.raises(RecordRefused) as refused:
            replace(RECORD, quantity=Decimal(11)).check(most=Decimal("10.000000000000"))
        assert "of 10 units" in refused.value.problems[0].detail

    def test_of_the_largest_quantity_can_be_lifted(self):
        replace(RECORD, quantity=Decimal(10_000)).check()
        replace(RECORD, quantity=Decimal(1_000_000)).check(most=None)
