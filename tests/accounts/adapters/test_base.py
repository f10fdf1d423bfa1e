"""Files before they are read: which encoding they are in, and which are refused as a whole, in little time and memory."""

import pytest

from accounts.adapters import detect, reader_for
from accounts.adapters.base import LONGEST_LINE, MAX_BYTES, NotReadable, StatementFile, encoding_of
from tests.accounts.statement_files import format_of, items

SCHWAB = "Date,Action,Symbol,Description,Quantity,Price,Fees & Comm,Amount\n"


def code_of(content: bytes, form: str = "auto") -> str:
    """Return why a file is refused as a whole."""
    with pytest.raises(NotReadable) as refusal:
        items(content, form)
    return refusal.value.code


class TestEncoding:
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "utf-32"])
    def test_of_a_file_is_found_and_its_letters_are_right(self, encoding):
        file = StatementFile("Datum;Gebühr;Straße €\n1;2;3\n".encode(encoding))
        assert file.open().read() == "Datum;Gebühr;Straße €\n1;2;3\n"
        assert file.mentions("Gebühr")

    def test_that_is_two_at_once_is_refused(self):
        assert code_of("Gebühr\n".encode() + "Gebühr\n".encode("cp1252")) == "mixed_encodings"

    def test_that_is_none_names_the_line(self):
        with pytest.raises(NotReadable, match="Line 2 is not UTF-8"):
            encoding_of(b"a,b\n\x81\x8d\n")


class TestFiles:
    @pytest.mark.parametrize(
        ("content", "code"),
        [
            (b"", "empty_file"),
            (b"\xef\xbb\xbf \r\n", "empty_file"),
            (b"PK\x03\x04rest", "not_text"),
            (b"%PDF-1.7", "not_text"),
            (b"SQLite format 3\0", "not_text"),
            (bytes(range(256)) * 4, "not_utf8"),
            (b"\0" * 100, "not_text"),
            (b"a,b\n1,2\n", "unknown_format"),
            (b"x" * (LONGEST_LINE + 5), "unknown_format"),
        ],
    )
    def test_that_are_no_statements_are_refused_with_what_to_do(self, content, code):
        assert code_of(content) == code

    def test_that_are_too_large_are_refused(self):
        with pytest.raises(NotReadable, match="50 MB"):
            StatementFile(b"x" * (MAX_BYTES + 1))

    @pytest.mark.parametrize(
        ("content", "form", "code"),
        [
            (SCHWAB.encode() + b"a" * (LONGEST_LINE + 5), "auto", "line_too_long"),
            (b",".join([b"a"] * 1_000_000), "schwab", "too_many_columns"),
            (SCHWAB.encode() + b"," * 1_000_000 + b"\n", "auto", "too_many_columns"),
            (SCHWAB.encode() + b"\n" * 1_000_010, "auto", "too_many_lines"),
            (b'{"activities":' + b"[" * 1_000_000, "ghostfolio_json", "broken_json"),
            (b'{"activities": [{"a": NaN}], "dataSource": 1}', "ghostfolio_json", "broken_json"),
            (b'{"activities": [{"a": 1, "a": 2}], "dataSource": 1}', "ghostfolio_json", "broken_json"),
            (b'{"activities": [1, 2', "ghostfolio_json", "broken_json"),
            (b'{"other": []}', "ghostfolio_json", "missing_activities"),
            (b"<FlexQueryResponse><FlexStatement>", "ibkr_flex_xml", "broken_xml"),
            (b"<FlexQueryResponse></FlexQueryResponse>", "ibkr_flex_xml", "no_statement"),
            (b"<FlexQueryResponse>" + b"<a>" * 100_000, "ibkr_flex_xml", "unsafe_xml"),
            (b"<FlexQueryResponse><FlexStatement a='" + b"x" * 6_000_000 + b"'/></FlexQueryResponse>", "auto", "line_too_long"),
            (b"OFXHEADER:100\n<OFX><STMTTRN><NAME>" + b"a" * 3_000_000, "auto", "broken_ofx"),
            (b"OFXHEADER:100\n<OFX><STMTTRN><TRNAMT>1", "auto", "broken_ofx"),
            (b"OFXHEADER:100\n<OFX>", "auto", "no_statement"),
            (b"notes\n", "event_log", "missing_columns"),
            (b"a\n", "schwab", "missing_columns"),
            (b"a\n", "degiro", "missing_columns"),
        ],
    )
    def test_that_are_hostile_are_refused_by_name(self, content, form, code):
        assert code_of(content, form) == code

    @pytest.mark.parametrize(
        "content",
        [
            '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "&c;&c;"><!ENTITY c "lol">]><FlexQueryResponse a="&b;"/>',
            '<!DOCTYPE a SYSTEM "file:///etc/passwd"><FlexQueryResponse/>',
            '<?xml version="1.0"?><!DOCTYPE OFX [<!ENTITY x SYSTEM "http://127.0.0.1/">]><OFX><STMTTRN><NAME>&x;</STMTTRN></OFX>',
        ],
    )
    def test_with_entities_of_their_own_are_never_read(self, content):
        for form in ("ibkr_flex_xml", "ofx"):
            assert code_of(content.encode(), form) in {"unsafe_xml", "no_statement"}
        assert "unsafe_xml" in {code_of(content.encode(), form) for form in ("ibkr_flex_xml", "ofx")}

    def test_with_a_quote_that_is_never_closed_lose_one_line(self):
        rows = '01/02/2024,Buy,AAPL,"Apple,1,1,,-1\n' + "01/02/2024,Buy,AAPL,Apple,1,1,,-1\n" * 60
        found = items(SCHWAB + rows)
        assert [getattr(item, "code", "") for item in found[:2]] == ["bad_csv", ""]
        assert len(found) == 61


class TestDetection:
    def test_goes_by_content_alone(self):
        assert format_of(SCHWAB) == "schwab"
        assert format_of("x;y\n" + SCHWAB) == "schwab"
        assert format_of("date,open,close\n") == ""

    def test_names_the_candidates_where_it_is_unsure(self):
        unsure = b"Date;Type;Value;Note\n2024-01-02;Deposit;5;\n"
        found = detect(StatementFile(unsure))
        assert (found.reader, [name for name, _ in found.candidates]) == (None, ["portfolio_performance"])
        with pytest.raises(NotReadable, match="say which") as refusal:
            reader_for("auto", StatementFile(unsure))
        assert (refusal.value.code, refusal.value.candidates) == ("unsure_format", ("portfolio_performance",))

    def test_of_an_unknown_name_is_refused(self):
        with pytest.raises(NotReadable, match="There is no format quicken"):
            reader_for("quicken", StatementFile(b"a"))
