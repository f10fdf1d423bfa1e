"""A period as a file: exact, whole or not at all, safe in a spreadsheet, and nothing but market data."""

import csv
import io
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.exceptions import ValidationError

from marketdata.api.files import CSV, PARQUET, file_of
from marketdata.domain.bars import Timeframe
from marketdata.domain.quality import Dataset
from marketdata.models import ArchiveSegment, Bar, CorporateAction
from marketdata.selectors.series import Asked
from tests.factories import LONG_AGO, make_bars, make_instrument, make_quotes, make_ticks
from tests.marketdata.filing import archive_at, file_away, lonely_day

BARS, QUOTES, TICKS = "/api/v1/bars/", "/api/v1/quotes/", "/api/v1/ticks/"
DAY = timedelta(days=1)


@pytest.fixture
def archive(tmp_path):
    with archive_at(tmp_path):
        yield tmp_path


def body(answer):
    assert answer.status_code == 200, answer.content
    content = b"".join(answer.streaming_content)
    assert int(answer["Content-Length"]) == len(content)
    return content


def lines(answer):
    return list(csv.reader(io.StringIO(body(answer).decode())))


def parquet(answer):
    return pq.read_table(io.BytesIO(body(answer)))


def ask(client, path, accept, instruments, **more):
    names = ",".join(instrument.key for instrument in instruments)
    return client.get(path, {"instrument": names} | more, headers={"Accept": accept})


class TestFormats:
    def test_csv_says_what_json_says(self, reader):
        instrument = make_instrument()
        make_bars(instrument, [("2024-01-02", "0.0000001"), ("2024-01-03", "-37.6300"), ("2024-01-04", "100")])
        answer = ask(reader, BARS, CSV, [instrument])
        assert answer["Content-Type"].startswith("text/csv")
        assert "attachment" in answer["Content-Disposition"]
        head, *rows = lines(answer)
        told = ask(reader, BARS, "application/json", [instrument]).json()["results"]
        assert [dict(zip(head, row, strict=True)) for row in rows] == [
            {name: "" if value is None else str(value) for name, value in row.items()} for row in told
        ]

    def test_parquet_is_exact_and_typed(self, reader):
        instrument = make_instrument()
        make_bars(instrument, [("2024-01-02", "999999999999999.9999999999"), ("2024-01-03", "0.0000000001")])
        answer = ask(reader, BARS, PARQUET, [instrument])
        assert answer["Content-Type"] == PARQUET
        table = parquet(answer)
        assert table["close"].to_pylist() == [Decimal("999999999999999.9999999999"), Decimal("0.0000000001")]
        assert table.schema.field("timestamp").type == pa.timestamp("us", "UTC")
        assert table["instrument"].to_pylist() == [instrument.key] * 2

    @pytest.mark.parametrize("accept", [CSV, PARQUET])
    def test_files_of_nothing_name_the_columns(self, reader, accept):
        answer = ask(reader, QUOTES, accept, [make_instrument()], start="1974-01-01", end="1974-01-02")
        names = lines(answer)[0] if accept == CSV else parquet(answer).column_names
        assert names == ["instrument", "timestamp", "bid", "ask", "bid_size", "ask_size"]

    def test_several_instruments_come_one_after_the_other(self, reader):
        first, second = make_instrument(), make_instrument()
        for instrument in (first, second):
            make_bars(instrument, [("2024-01-02", "1"), ("2024-01-03", "2")])
        rows = lines(ask(reader, BARS, CSV, [second, first, second]))[1:]
        assert [row[0] for row in rows] == [second.key] * 2 + [first.key] * 2

    def test_adjusted_bars(self, reader):
        instrument = make_instrument()
        make_bars(instrument, [("2024-01-02", "400"), ("2024-01-03", "100")])
        CorporateAction.objects.create(
            kind="SPLIT", instrument=instrument, ex_date=date(2024, 1, 3), ratio=Decimal(4), recorded_at=LONG_AGO
        )
        CorporateAction.objects.create(  # one that is only announced
            kind="SPLIT", instrument=instrument, ex_date=date(2199, 1, 3), ratio=Decimal(2), recorded_at=LONG_AGO
        )
        assert [row[5] for row in lines(ask(reader, BARS, CSV, [instrument], adjusted="true"))[1:]] == ["100", "100"]
        assert [row[5] for row in lines(ask(reader, BARS, CSV, [instrument], adjusted="false"))[1:]] == ["400", "100"]
        told = ask(reader, BARS, "application/json", [instrument], adjusted="true").json()["results"]
        assert [row["close"] for row in told] == ["100", "100"]

    def test_texts_are_no_formulas(self, reader):
        start, instrument = lonely_day(), make_instrument()
        staff_texts = ["=1+1", "+1", "-1", "@SUM(A1)", "\t1", "'=1", "plain", 'a "b", c', "\uff1d1", "a;=1"]
        make_ticks(instrument, [(start + timedelta(seconds=number), "1", "1") for number in range(len(staff_texts))])
        set_conditions(instrument, start, staff_texts)
        rows = lines(ask(reader, TICKS, CSV, [instrument], start=start.isoformat(), end=(start + DAY).isoformat()))[1:]
        told = [f"'{text}" if text not in {"plain", 'a "b", c'} else text for text in staff_texts[:-1]]
        assert [row[4] for row in rows] == [*told, "a;'=1"]

    def test_live_and_archived_days_are_one(self, reader, archive):
        start, instrument = lonely_day(), make_instrument()
        make_quotes(instrument, [(start + number * DAY + timedelta(microseconds=number), "1", "2") for number in range(4)])
        period = {"start": start.isoformat(), "end": (start + 4 * DAY).isoformat()}
        before = [ask(reader, QUOTES, accept, [instrument], **period) for accept in (CSV, PARQUET)]
        before = [body(answer) for answer in before]
        for number in (1, 2):
            file_away(Dataset.QUOTES, (start + number * DAY).date())
        assert [body(ask(reader, QUOTES, accept, [instrument], **period)) for accept in (CSV, PARQUET)] == before
        assert before[0].decode().splitlines()[2].split(",")[1].endswith("T00:00:00.000001Z")


def set_conditions(instrument, start, texts):

    with connection.cursor() as cursor:
        for number, text in enumerate(texts):
            cursor.execute(
                "UPDATE marketdata_tick SET conditions = %s WHERE instrument_id = %s AND timestamp = %s",
                [text, instrument.pk, start + timedelta(seconds=number)],
            )


class TestNegotiation:
    @pytest.mark.parametrize("accept", ["*/*", "text/html,application/xhtml+xml,*/*;q=0.8", "application/json", "application/*"])
    def test_json_is_the_rule(self, reader, accept):
        assert ask(reader, BARS, accept, [make_instrument()])["Content-Type"] == "application/json"

    @pytest.mark.parametrize("accept", ["application/xml", "text/html", "image/*", "nonsense"])
    def test_other_formats_are_refused_as_a_problem(self, reader, accept):
        answer = ask(reader, BARS, accept, [make_instrument()])
        assert (answer.status_code, answer["Content-Type"]) == (406, "application/problem+json")

    @pytest.mark.parametrize("accept", [CSV, PARQUET])
    def test_refusals_are_problems_whatever_is_accepted(self, reader, accept):
        for query in ({"instrument": "NOSUCH:XTST"}, {"instrument": make_instrument().key, "start": "yesterday"}, {}):
            answer = reader.get(BARS, query, headers={"Accept": accept})
            assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")

    def test_only_lists_are_files(self, reader):
        answer = reader.get(f"{QUOTES}latest/", {"instruments": make_instrument().key}, headers={"Accept": CSV})
        assert answer.status_code == 406
        assert reader.get("/api/v1/fx-rates/", headers={"Accept": PARQUET}).status_code == 406

    def test_a_stranger_gets_no_file(self, nobody):
        assert ask(nobody, BARS, CSV, [make_instrument()]).status_code == 401

    def test_what_was_seen_before_is_not_sent_again(self, reader):
        instrument = make_instrument()
        make_bars(instrument, [("2024-01-02", "1")])
        first = ask(reader, BARS, PARQUET, [instrument])
        body(first)
        again = {"Accept": PARQUET, "If-None-Match": first["ETag"]}
        assert reader.get(BARS, {"instrument": instrument.key}, headers=again).status_code == 304
        Bar.objects.filter(instrument=instrument).update(vwap=1)
        assert reader.get(BARS, {"instrument": instrument.key}, headers=again).status_code == 200

    def test_head_says_how_long_it_would_be(self, reader):
        instrument = make_instrument()
        make_bars(instrument, [("2024-01-02", "1")])
        answer = reader.head(BARS, {"instrument": instrument.key}, headers={"Accept": CSV})
        assert answer.status_code == 200
        assert int(answer["Content-Length"]) == len(body(ask(reader, BARS, CSV, [instrument])))


class TestBounds:
    def fill(self):
        instrument = make_instrument()
        make_bars(instrument, [(f"2024-01-{day:02}", str(day)) for day in range(1, 21)])
        return instrument

    def test_a_limit_gives_the_first_rows(self, reader):
        assert len(lines(ask(reader, BARS, CSV, [self.fill(), self.fill()], limit="25"))) == 26

    @pytest.mark.parametrize(("name", "value"), [("limit", "0"), ("limit", "1001"), ("limit", "x"), ("ordering", "-timestamp")])
    def test_what_a_file_does_not_have_is_refused(self, reader, name, value):
        answer = ask(reader, BARS, CSV, [self.fill()], **{name: value})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, name)

    def test_more_rows_than_a_file_holds_are_refused_whole(self):
        asked = Asked(Dataset.BARS, (self.fill(),), timeframe=Timeframe.DAY)
        assert file_of(asked, media_type=CSV, name="bars", most=20).status_code == 200
        with pytest.raises(ValidationError) as refused:
            file_of(asked, media_type=PARQUET, name="bars", most=19)
        assert refused.value.get_codes() == {"end": ["too_many_rows"]}

    @pytest.mark.parametrize("accept", [CSV, PARQUET, "application/json"])
    def test_an_archive_that_cannot_be_read_is_no_empty_file(self, reader, archive, accept):
        start, instrument = lonely_day(), make_instrument()
        make_quotes(instrument, [(start, "1", "2"), (start + DAY, "1", "2")])
        file_away(Dataset.QUOTES, (start + DAY).date())
        segment = ArchiveSegment.objects.get(dataset="quotes", day=(start + DAY).date())
        (archive / segment.file).unlink()
        answer = ask(reader, QUOTES, accept, [instrument], start=start.isoformat(), end=(start + 2 * DAY).isoformat())
        assert (answer.status_code, answer.json()["code"]) == (503, "archive_unreadable")
        segment.delete()

    def test_names_are_bounded_and_each_wrong_one_is_named(self, reader):
        good = make_instrument()
        answer = reader.get(BARS, {"instrument": f"{good.key},NOSUCH:XTST,aapl"})
        assert [error["field"] for error in answer.json()["errors"]] == ["instrument.1", "instrument.2"]
        assert reader.get(BARS, {"instrument": ",".join([good.key] * 51)}).json()["code"] in {"too_many", "max_length"}


class TestPagesOfSeveral:
    def test_go_by_time_and_then_by_instrument(self, reader):
        instruments = [make_instrument() for _ in range(3)]
        for instrument in instruments:
            make_bars(instrument, [(f"2024-01-{day:02}", str(day)) for day in range(1, 6)])
        url = f"{BARS}?instrument={','.join(each.key for each in instruments)}&limit=4&ordering=-timestamp"
        found, before = [], None
        while url:
            page = reader.get(url).json()
            assert (page["previous"] is None) == (before is None)
            found += [(row["timestamp"], row["instrument"]) for row in page["results"]]
            before, url = url, page["next"]
        names = [each.key for each in sorted(instruments, key=lambda each: each.pk, reverse=True)]
        assert found == [(f"2024-01-{day:02}T00:00:00Z", name) for day in range(5, 0, -1) for name in names]
        assert reader.get(page["previous"]).json()["results"][-1]["timestamp"] == found[-4][0]

    def test_back_and_forth_over_live_and_archive(self, reader, archive):
        start, instrument = lonely_day(), make_instrument()
        make_ticks(instrument, [(start + number * DAY, price, "1") for number in range(3) for price in ("1", "2")])
        file_away(Dataset.TICKS, (start + DAY).date())
        query = {"instrument": instrument.key, "start": start.isoformat(), "end": (start + 3 * DAY).isoformat(), "limit": "4"}
        first = reader.get(TICKS, query).json()
        second = reader.get(first["next"]).json()
        assert [row["price"] for row in first["results"] + second["results"]] == ["1", "2"] * 3
        assert second["next"] is None
        assert reader.get(second["previous"]).json()["results"] == first["results"]


class TestLatest:
    @pytest.mark.parametrize(("path", "make"), [(QUOTES, make_quotes), (TICKS, make_ticks)])
    def test_of_many_cost_no_more_queries_than_of_one(self, reader, path, make):
        names, counts = [], []
        for number in range(8):
            instrument = make_instrument()
            make(instrument, [(LONG_AGO, "1", "2")])
            names.append(instrument.key)
            if number in {0, 1, 7}:
                with CaptureQueriesContext(connection) as queries:
                    answer = reader.get(f"{path}latest/", {"instruments": ",".join(names)})
                assert [row["instrument"] for row in answer.json()["results"]] == names
                counts.append(len(queries))
        assert counts[1] == counts[2]


class TestTicks:
    def test_are_sent_read_and_the_latest_found(self, staff, reader):
        instrument = make_instrument()
        moment = datetime(2024, 1, 2, 15, tzinfo=UTC)
        row = {"timestamp": moment.isoformat(), "price": "10.5", "size": "3"}
        sent = {
            "instrument": instrument.key,
            "rows": [row, row | {"price": "10.6", "conditions": "@ T"}, row, row | {"price": "x"}],
        }
        told = staff.post(TICKS, sent).json()
        assert (told["stored"], told["known"], len(told["refused"])) == (2, 1, 1)
        listed = reader.get(TICKS, {"instrument": instrument.key, "start": "2024-01-02", "end": "2024-01-03"}).json()["results"]
        first = {
            "instrument": instrument.key,
            "timestamp": "2024-01-02T15:00:00Z",
            "price": "10.5",
            "size": "3",
            "conditions": "",
        }
        assert listed == [first, first | {"price": "10.6", "conditions": "@ T"}]
        latest = reader.get(f"{TICKS}latest/", {"instruments": f"{instrument.key},{make_instrument().key}"}).json()["results"]
        assert latest == [listed[1]]
        assert reader.post(TICKS, sent).status_code == 403
