"""The event log as a file: read tolerantly where the meaning is plain, refused by name where it is not, written exactly."""

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from accounts.adapters.base import NotReadable, StatementFile
from accounts.adapters.event_csv import COLUMNS, EventLog, heading, row
from accounts.domain.ledger import EntryKind
from accounts.domain.statements import Reference, Refusal, StatementLine
from tests.accounts.event_logs import event, log_of

NEW_YORK = ZoneInfo("America/New_York")


def read(text: str | bytes, zone: str = "UTC") -> list[StatementLine | Refusal]:
    return list(EventLog().read(StatementFile(text.encode() if isinstance(text, str) else text), ZoneInfo(zone)))


def one(**cells) -> StatementLine:
    """Return the only line of a log with one deposit, some of whose cells are other ones."""
    (line,) = read(log_of(event(1, "DEPOSIT", {}, "5") | cells))
    assert isinstance(line, StatementLine), line
    return line


def refused(**cells) -> str:
    """Return why the only line of such a log is refused."""
    (line,) = read(log_of(event(1, "DEPOSIT", {}, "5") | cells))
    assert isinstance(line, Refusal), line
    assert line.line == 2
    return line.code


def trade(**data) -> StatementLine:
    """Return the line of a purchase."""
    return one(
        event_type="TRADE",
        data_json=json.dumps({"action": "BUY", "ticker": "AAPL", "shares": 1, "price": 5} | data),
        cash_delta="",
    )


class TestColumns:
    @pytest.mark.parametrize(
        "headings",
        [
            "Event ID,Timestamp,Event Type,Data JSON,Reason JSON,Notes,Tags,Affects Cash,Cash Delta",
            "eventId,timestamp,eventType,dataJson,reasonJson,NOTES,tags_json,affectsCash,cashDelta",
            " id , date , type , data , reason , note , tags , affects-cash , cash ",
        ],
    )
    def test_are_found_however_they_are_spelled(self, headings):
        (line,) = read(f"{headings}\n7,2024-01-02,deposit,,,hello,a;b,yes,5\n")
        found = (line.draft.external_id, line.draft.kind, line.draft.notes, line.draft.tags, line.draft.cash)
        assert found == ("7", "DEPOSIT", "hello", ("a", "b"), 5)

    def test_may_stand_in_any_order_and_be_separated_otherwise(self):
        (line,) = read("cash_delta;event_type;timestamp;event_id\n5;DEPOSIT;2024-01-02;1\n")
        assert line.draft.cash == 5

    def test_of_their_own_name_outweigh_other_spellings(self):
        (line,) = read("id,event_id,timestamp,event_type,cash\n9,1,2024-01-02,DEPOSIT,5\n")
        assert (line.draft.external_id, line.draft.data) == ("1", {"id": "9"})

    def test_that_nobody_knows_are_kept_in_the_data(self):
        (line,) = read("event_id,timestamp,event_type,cash,Broker,,Empty\n1,2024-01-02,DEPOSIT,5,Acme,17,\n")
        assert line.draft.data == {"Broker": "Acme"}

    def test_that_are_missing_are_named(self):
        with pytest.raises(NotReadable, match="event_id, event_type"):
            read("timestamp,cash\n")

    def test_of_another_file_are_not_recognized(self):
        assert EventLog().certainty(StatementFile(b"date,open,high,low,close\n")) == 0
        assert EventLog().certainty(StatementFile(b'"never closed')) == 0
        assert EventLog().certainty(StatementFile(heading().encode())) == 1


class TestRows:
    def test_are_numbered_by_the_line_they_start_on(self):
        text = log_of(event(1, "DEPOSIT", {}, "5", notes="one\ntwo\nthree"), event(2, "NONSENSE")).decode()
        assert [getattr(line, "line", None) or line.number for line in read(text)] == [2, 5]

    def test_that_are_empty_are_passed_over(self):
        assert len(read(log_of(event(1, "DEPOSIT", {}, "5")) + b"\n,,,,,,,,\n")) == 1

    def test_with_windows_line_ends_are_read_and_breaks_in_a_note_become_one_kind(self):
        (line,) = read(log_of(event(1, "DEPOSIT", {}, "5", notes="one\ntwo")).replace(b"\n", b"\r\n"))
        assert line.draft.notes == "one\ntwo"

    @pytest.mark.parametrize(
        ("text", "code"),
        [
            ("1,2024-01-02,DEPOSIT\n", "wrong_number_of_cells"),
            ("1,2024-01-02,DEPOSIT,5,surplus\n", "wrong_number_of_cells"),
            ("1,2024-01-02,DEP\0OSIT,5\n", "bad_character"),
            ('1,2024-01-02,"DEP"OSIT,5\n', "bad_csv"),
            ('1,2024-01-02,DEPOSIT,"5\n', "bad_csv"),
            (f"1,2024-01-02,DEPOSIT,{'5' * 200_000}\n", "bad_csv"),
        ],
    )
    def test_that_are_malformed_are_refused_and_the_next_one_is_read(self, text, code):
        lines = read("event_id,timestamp,event_type,cash\n" + text + ("" if '"5' in text else "2,2024-01-02,DEPOSIT,5\n"))
        assert [line.code for line in lines if isinstance(line, Refusal)] == [code]
        assert len(lines) == (1 if '"5' in text else 2)

    def test_may_end_in_empty_cells(self):
        assert len(read("event_id,timestamp,event_type,cash\n1,2024-01-02,DEPOSIT,5,,\n")) == 1


class TestTimes:
    @pytest.mark.parametrize(
        ("text", "utc"),
        [
            ("2024-07-01T09:30:00Z", "2024-07-01T09:30:00"),
            ("2024-07-01 09:30:00 UTC", "2024-07-01T09:30:00"),
            ("2024-07-01T09:30:00.123456+05:30", "2024-07-01T04:00:00.123456"),
            ("2024-07-01 09:30-0400", "2024-07-01T13:30:00"),
            (" 2024-07-01 ", "2024-07-01T00:00:00"),
        ],
    )
    def test_that_name_their_zone_do_not_ask_for_another(self, text, utc):
        (line,) = read(log_of(event(1, "DEPOSIT", {}, "5", timestamp=text)), "Asia/Tokyo")
        assert (line.draft.occurred_at, line.names_zone) == (datetime.fromisoformat(utc).replace(tzinfo=UTC), True)

    @pytest.mark.parametrize(("zone", "utc"), [("UTC", "09:30"), ("America/New_York", "13:30"), ("Asia/Tokyo", "00:30")])
    def test_that_do_not_are_of_the_zone_given(self, zone, utc):
        (line,) = read(log_of(event(1, "DEPOSIT", {}, "5", timestamp="2024-07-01 09:30:00")), zone)
        assert (f"{line.draft.occurred_at:%H:%M}", line.names_zone) == (utc, False)

    @pytest.mark.parametrize("text", ["2024-11-03 01:30:00", "2024-03-10 02:30:00"], ids=["twice", "never"])
    def test_that_were_twice_or_never_are_refused(self, text):
        (line,) = read(log_of(event(1, "DEPOSIT", {}, "5", timestamp=text)), "America/New_York")
        assert line.code == "ambiguous_time"

    @pytest.mark.parametrize(
        "text", ["", "yesterday", "01/02/2024", "2024-13-01", "2024-01-02 25:00", "1704207600", "2024-01-02T10:00+99:00",
                 "\u0662\u0660\u0662\u0664-01-02", "0001-01-01 00:00+14:00"]
    )  # fmt: skip
    def test_that_are_none_are_refused(self, text):
        assert refused(timestamp=text) == "bad_timestamp"


class TestNumbers:
    def test_in_json_are_read_to_the_last_digit(self):
        line = trade(price=0.1)
        assert line.draft.price == Decimal("0.1")
        exact = one(event_type="BUY", data_json='{"ticker":"A","shares":3,"price":1234567890.1234567891}', cash_delta="")
        assert exact.draft.price == Decimal("1234567890.1234567891")

    def test_written_out_from_a_float_lose_their_noise(self):
        assert one(cash_delta="4449.999999999999").draft.cash == Decimal(4450)
        assert trade(price=0.1 + 0.2).draft.price == Decimal("0.3")

    def test_may_be_texts(self):
        assert trade(shares="2.5", price=" 3 ").draft.quantity == Decimal("2.5")

    @pytest.mark.parametrize(
        ("text", "code"),
        [
            ("1,000", "bad_number"), ("$5", "bad_number"), ("five", "bad_number"), ("1_0", "bad_number"),
            ("\u0665", "bad_number"), ("0x10", "bad_number"), ("Infinity", "bad_number"), ("1e999999", "bad_number"),
            ("1e16", "number_too_large"), ("0.00001234567", "number_too_precise"),
        ],
    )  # fmt: skip
    def test_that_are_none_or_would_lose_digits_are_refused(self, text, code):
        assert refused(cash_delta=text) == code

    @pytest.mark.parametrize("text", ["", "NaN", "nan", "null"])
    def test_that_say_nothing_follow_from_the_figures(self, text):
        assert one(cash_delta=text, data_json='{"amount": 5}').draft.cash == 5

    @pytest.mark.parametrize("value", [[1], {"a": 1}, True, "multiple"])
    def test_of_a_figure_that_are_something_else_are_refused(self, value):
        data = {"action": "BUY", "ticker": "AAPL", "shares": value, "price": 5}
        assert refused(event_type="TRADE", data_json=json.dumps(data)) in {"bad_number", "bad_data"}


class TestJson:
    @pytest.mark.parametrize(
        "text",
        ["{", "[]", '"x"', '{"a": NaN}', '{"a": Infinity}', '{"a": 1, "a": 2}', "{'a': 1}", '{"a": "\\u0000"}',
         '{"a": "\\ud800"}', '{"\\u0000": 1}', '{"a": ' + "[" * 40 + "]" * 40 + "}",
         "[" * 100_000, '{"a": 1e999}', '{"a": ' + "9" * 500 + "}"],
    )  # fmt: skip
    def test_that_nobody_can_keep_is_refused(self, text):
        assert refused(data_json=text) == "bad_json"

    def test_in_other_columns_too(self):
        assert refused(reason_json="{") == "bad_json"
        assert refused(tags="[1]") == "bad_json"
        assert refused(tags='["a"') == "bad_json"
        assert refused(reason_json='{"primary": 5}') == "bad_reason"

    def test_may_be_missing(self):
        line = one(data_json="", reason_json="null", tags="nan", affects_cash="")
        assert (line.draft.data, line.draft.tags) == ({}, ())

    def test_keeps_what_it_does_not_understand(self):
        data = {"source": "Payday", "nested": {"a": [1, 0.1]}, "none": None}
        assert one(data_json=json.dumps(data)).draft.data == data

    def test_keeps_digits_that_no_float_has(self):
        assert one(data_json='{"a": 0.12345678901234567891}').draft.data == {"a": "0.12345678901234567891"}


class TestWords:
    @pytest.mark.parametrize(
        ("action", "kind", "sign"),
        [
            ("buy", "BUY", 1),
            ("SELL", "SELL", -1),
            ("Sell short", "SHORT", -1),
            ("BUY_TO_COVER", "COVER", 1),
            ("sell-to-open", "SHORT", -1),
        ],
    )
    def test_of_a_trade_give_its_kind_and_its_sign(self, action, kind, sign):
        assert (trade(action=action).draft.kind, trade(action=action).draft.quantity) == (kind, sign)

    def test_of_a_trade_that_are_none_are_refused(self):
        assert refused(event_type="TRADE", data_json='{"action": "HODL"}') == "unknown_action"
        assert refused(event_type="TRADE", data_json='{"action": 5}') == "bad_data"

    @pytest.mark.parametrize("kind", [kind for kind in EntryKind if kind not in {"NOTE", "FX", "LIABILITY"}])
    def test_are_also_our_own_kinds(self, kind):
        assert one(event_type=kind, data_json='{"ticker": "AAPL", "shares": 1, "price": 2}', cash_delta="").draft.kind == kind

    @pytest.mark.parametrize(
        "names", [("symbol", "quantity", "price_per_share", "commission"), ("ticker", "qty", "price", "fees")]
    )
    def test_of_figures_have_other_spellings(self, names):
        symbol, quantity, price, fee = names
        data = {"action": "BUY", symbol: "aapl", quantity: 2, price: 3, fee: 0.5}
        line = one(event_type="TRADE", data_json=json.dumps(data), cash_delta="")
        assert (line.instrument, line.draft.quantity, line.draft.price, line.draft.fee) == ("AAPL", 2, 3, Decimal("0.5"))

    def test_of_the_old_logs_that_moved_nothing_are_notes(self):
        data = '{"prices": {"AAPL": 188.25}, "source": "feed"}'
        line = one(event_type="PRICE_UPDATE", data_json=data, cash_delta="0.0", affects_cash="False")
        assert (line.draft.kind, line.draft.notes, line.draft.data["prices"]) == ("NOTE", "PRICE_UPDATE", {"AAPL": 188.25})
        assert ",PRICE_UPDATE," in row(line)

    @pytest.mark.parametrize(("cash", "kind"), [("5", "TRANSFER_IN"), ("-5", "TRANSFER_OUT"), ("0", "NOTE")])
    def test_of_an_adjustment_go_by_its_cash(self, cash, kind):
        line = one(event_type="ADJUSTMENT", cash_delta=cash)
        assert line.draft.kind == kind
        assert ",ADJUSTMENT," in row(line)

    def test_of_the_reason_beyond_ours_are_kept_and_written_back(self):
        reason = {"primary": "GROWTH", "explanation": "Long run", "confidence": "HIGH", "timeframe": ""}
        line = one(reason_json=json.dumps(reason))
        assert (line.draft.reason_primary, line.draft.reason_explanation) == ("GROWTH", "Long run")
        cells = next(csv.DictReader(io.StringIO(heading() + row(line))))
        assert json.loads(cells["reason_json"]) == {name: text for name, text in reason.items() if text}

    def test_of_a_reason_without_json_explain(self):
        assert one(reason_json="Cheap enough").draft.reason_explanation == "Cheap enough"

    def test_that_contradict_each_other_are_refused(self):
        assert refused(affects_cash="False") == "affects_cash"
        assert refused(affects_cash="perhaps") == "bad_affects_cash"
        assert refused(data_json='{"amount": 6}') == "contradicting_amount"
        assert refused(data_json='{"x": 1, "data": {"x": 2}}') == "bad_data"
        assert refused(data_json='{"data": 5}') == "bad_data"

    def test_that_are_too_long_are_refused(self):
        assert refused(event_id="9" * 201) == "too_long"
        assert refused(tags="x" * 51) == "too_long"
        assert refused(reason_json=json.dumps({"primary": "x" * 101})) == "too_long"

    @pytest.mark.parametrize(
        "ledger",
        ['"x"', '{"sauce": "x"}', '{"source": 5}', '{"source": ""}', '{"group": "x"}', '{"reverses": {}}', '{"corrects": ""}'],
    )
    def test_of_the_ledger_that_mean_nothing_are_refused(self, ledger):
        assert refused(data_json=f'{{"ledger": {ledger}}}') == "bad_data"

    def test_of_a_dividend_before_tax(self):
        line = one(event_type="DIVIDEND", data_json='{"ticker": "A", "amount": 10, "tax": 1.5}', cash_delta="")
        assert (line.draft.cash, line.draft.tax) == (Decimal("8.5"), Decimal("1.5"))
        gross = one(event_type="DIVIDEND", data_json='{"ticker": "A", "gross": 10, "tax": 1.5}', cash_delta="8.5")
        assert gross.draft.data == {"gross": "10"}


class TestOptions:
    OPENED = {"position_id": "p1", "ticker": "AAPL", "strategy": "Secured Put", "strike": 180.0, "expiration": "2024-02-16",
              "contracts": 2, "total_premium": 351.0}  # fmt: skip

    def read(self, *events):
        return read(log_of(*events))

    @pytest.mark.parametrize(
        ("action", "cash", "kinds"),
        [("SELL", "351.0", ("SHORT", "COVER")), (None, "351.0", ("SHORT", "COVER")), ("BUY", "-351.0", ("BUY", "SELL"))],
    )
    def test_are_trades_of_contracts(self, action, cash, kinds):
        opened, closed = self.read(
            event(3, "OPTION_OPEN", self.OPENED | ({"action": action} if action else {}), cash),
            event(4, "OPTION_CLOSE", {"option_id": 3, "close_cost": 100.0}, "-100" if kinds[1] == "COVER" else "100"),
        )
        assert (opened.draft.kind, closed.draft.kind) == kinds
        assert opened.instrument == closed.instrument == "AAPL240216P00180000"
        assert (abs(opened.draft.quantity), opened.draft.price, closed.draft.price) == (2, Decimal("1.755"), Decimal("0.5"))
        assert opened.contract == closed.contract
        assert opened.draft.data["underlying"] == "AAPL"

    def test_expire_and_are_assigned(self):
        lines = self.read(
            event(3, "OPTION_OPEN", self.OPENED, "351"),
            event(4, "OPTION_EXPIRE", {"position_id": "p1"}, "0", affects_cash="False"),
            event(5, "OPTION_OPEN", self.OPENED | {"position_id": "p2"}, "351"),
            event(6, "OPTION_ASSIGN", {"position_id": "p2"}, "0"),
        )
        assert [(line.draft.kind, line.draft.quantity) for line in lines[1::2]] == [
            ("OPTION_EXPIRATION", 2),
            ("OPTION_ASSIGNMENT", 2),
        ]

    @pytest.mark.parametrize(
        ("change", "code"),
        [
            ({"strategy": "Iron condor"}, "bad_option"), ({"expiration": "soon"}, "bad_option"), ({"strike": 0}, "bad_option"),
            ({"contracts": 0}, "bad_option"), ({"ticker": "BRK.B"}, "bad_option"), ({"strike": "x"}, "bad_number"),
        ],
    )  # fmt: skip
    def test_without_their_terms_are_refused(self, change, code):
        (line,) = self.read(event(3, "OPTION_OPEN", self.OPENED | change, "351"))
        assert line.code == code

    def test_that_nobody_opened_or_paid_for_are_refused(self):
        codes = [
            line.code
            for line in self.read(event(3, "OPTION_CLOSE", {"option_id": 99}, "-1"), event(4, "OPTION_OPEN", self.OPENED))
        ]
        assert codes == ["unknown_option", "missing_cash"]


class TestWriting:
    LINE = one(data_json='{"currency": "USD"}')

    @pytest.mark.parametrize(
        "text",
        ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\n=1", "=cmd|' /C calc'!A0", "'=1", "''=1",
         "'hello", "-", "\uff1d1", "\uff0b1", "-5", "+5.5",
         "1e5", ' =1', '"=1"', 'a,"b"', ";", "two\nlines", "ünï", "a\u2028b", "\u00a0=1"],
    )  # fmt: skip
    def test_makes_every_text_safe_and_reads_it_back(self, text):
        line = replace(
            self.LINE, draft=replace(self.LINE.draft, notes=text, external_id=text, tags=(text,), reason_explanation=text)
        )
        written = heading() + row(line)
        for cell in next(csv.reader(io.StringIO(row(line), newline=""))):
            dangerous = cell[:1] in {*"=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"}
            assert not dangerous or Decimal(cell).is_finite()
        (again,) = read(written)
        assert again.draft == line.draft
        assert heading() + row(again) == written

    def test_says_everything_in_the_words_of_the_old_log(self):
        draft = replace(
            trade().draft, fee=Decimal("1.50"), currency="USD", cash=Decimal("-6.5"), source="bank", group=uuid4(),
            external_id="b-1", data={"price": "of the day", "total": 5.0},
        )  # fmt: skip
        line = replace(trade(), draft=draft, instrument="AAPL:XNAS", corrects=Reference("manual", "17"))
        cells = next(csv.DictReader(io.StringIO(heading() + row(line))))
        assert tuple(cells) == COLUMNS
        assert (cells["event_type"], cells["affects_cash"], cells["cash_delta"]) == ("TRADE", "True", "-6.5")
        assert json.loads(cells["data_json"]) == {
            "action": "BUY", "instrument": "AAPL:XNAS", "ticker": "AAPL", "shares": 1, "price": 5, "fee": 1.5, "currency": "USD",
            "total": 5, "data": {"price": "of the day"},
            "ledger": {"source": "bank", "group": str(draft.group), "corrects": {"source": "manual", "event_id": "17"}},
        }  # fmt: skip
