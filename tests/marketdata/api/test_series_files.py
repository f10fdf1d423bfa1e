"""Staff send files of prices and hear of every line; everybody takes series out as JSON lines or Parquet."""

import io
import json

import pandas as pd
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from marketdata.models import Bar, Quote
from tests.factories import make_bars, make_instrument, make_quotes

URL = "/api/v1/series-files/"
LINES, PARQUET = "application/x-ndjson", "application/vnd.apache.parquet"


@pytest.fixture
def share():
    return make_instrument()


def send(client, content, name, **form):
    return client.post(URL, {"file": SimpleUploadedFile(name, content)} | form, format="multipart")


def taken(answer):
    return b"".join(answer.streaming_content)


class TestSending:
    def test_stores_good_lines_and_names_the_others(self, staff, share):
        content = b'{"timestamp": "2024-01-02T10:00:00", "price": 1.5}\nnothing\n'
        answer = send(staff, content, f"{share.symbol.lower()}_timeseries.jsonl")
        told = answer.json()
        assert (answer.status_code, told["instrument"], told["stored"], told["refusals"]) == (200, share.key, 1, 1)
        assert (told["refused"][0]["line"], told["refused"][0]["rule"]) == (2, "malformed_line")
        assert send(staff, content, f"{share.symbol.lower()}_timeseries.jsonl").json()["known"] == 1

    def test_takes_frames_for_the_instrument_that_is_named(self, staff, share):
        file = io.BytesIO()
        times = pd.date_range("2024-01-01", periods=3, freq="h", tz="UTC", name="timestamp")
        pd.DataFrame(dict.fromkeys(("open", "high", "low", "close"), [1.5] * 3), index=times).to_parquet(file)
        name = "whatever_1h_2024-01-01_2024-01-02.parquet"
        assert send(staff, file.getvalue(), name, instrument=share.key, dry_run="true").json()["stored"] == 3
        assert not Bar.objects.filter(instrument=share).exists()
        assert send(staff, file.getvalue(), name, instrument=share.key).json()["stored"] == 3

    @pytest.mark.parametrize(
        ("name", "content", "form", "status", "code"),
        [
            ("prices.csv", b"", {}, 400, "unreadable_file"),
            ("x_1h_2024-01-01_2024-01-02.parquet", b"nothing", {"instrument": "own"}, 400, "unreadable_file"),
            ("nobody9_timeseries.jsonl", b"", {}, 400, "unknown_instrument"),
            ("x_timeseries.jsonl", b"", {"timeframe": "4h"}, 400, "invalid_choice"),
            ("x_timeseries.jsonl", b"", {"color": "red"}, 400, "unknown_field"),
        ],
    )
    def test_is_refused_by_name(self, staff, share, name, content, form, status, code):
        if form.get("instrument") == "own":
            form = {"instrument": share.key}
        answer = send(staff, content, name, **form)
        assert (answer.status_code, answer.json()["code"]) == (status, code)

    def test_is_refused_when_it_is_too_large(self, staff, share, monkeypatch):
        monkeypatch.setattr("marketdata.api.series_files.MAX_BYTES", 100)
        name = f"{share.symbol}_timeseries.jsonl"
        assert send(staff, b"x" * 101, name).status_code == 413
        assert send(staff, b"x" * 100_000, name).status_code == 413

    def test_is_for_staff_and_takes_no_json(self, reader, staff, share):
        assert send(reader, b"", f"{share.symbol}_timeseries.jsonl").status_code == 403
        assert staff.post(URL, {"file": "x"}, format="json").status_code == 415
        assert staff.post(URL, {}, format="multipart").status_code == 400


class TestTakingOut:
    def test_lines_by_default(self, reader, share):
        make_bars(share, [("2024-01-02", "10"), ("2024-01-03", "11.5")])
        answer = reader.get(URL, {"instrument": share.key, "start": "2024-01-03"})
        assert (answer.status_code, answer["Content-Type"]) == (200, LINES)
        assert f'filename="{share.symbol.lower()}_timeseries.jsonl"' in answer["Content-Disposition"]
        (line,) = taken(answer).splitlines()
        assert json.loads(line) == {
            "symbol": share.symbol,
            "timeframe": "1d",
            "timestamp": "2024-01-03T00:00:00+00:00",
            **dict.fromkeys(("open", "high", "low", "close"), 11.5),
            "volume": 1000,
        }

    def test_frames_for_who_accepts_them(self, reader, share):
        make_bars(share, [("2024-01-02", "10"), ("2024-01-03", "11.5")])
        answer = reader.get(URL, {"instrument": share.key}, HTTP_ACCEPT=PARQUET)
        assert f"{share.symbol.lower()}_1d_2024-01-02_2024-01-03.parquet" in answer["Content-Disposition"]
        frame = pd.read_parquet(io.BytesIO(taken(answer)))
        assert (frame.index.name, list(frame["close"])) == ("timestamp", [10, 11.5])

    def test_quotes(self, reader, staff, share):
        make_quotes(share, [(pd.Timestamp("2024-01-02T10:00Z").to_pydatetime(), "1", "1.5")])
        answer = reader.get(URL, {"instrument": share.key, "dataset": "quotes"})
        content = taken(answer)
        assert json.loads(content)["ask"] == 1.5
        assert send(staff, content, f"{share.symbol}_timeseries.jsonl").json()["known"] == 1
        assert Quote.objects.filter(instrument=share).count() == 1

    def test_is_refused_by_name(self, reader, share):
        assert reader.get(URL).status_code == 400
        assert reader.get(URL, {"instrument": share.key, "end": "soon"}).status_code == 400
        nothing = reader.get(URL, {"instrument": share.key}, HTTP_ACCEPT=PARQUET)
        assert (nothing.status_code, nothing.json()["code"]) == (400, "no_such_series")
        assert taken(reader.get(URL, {"instrument": share.key})) == b""
        assert reader.get(URL, {"instrument": share.key}, HTTP_ACCEPT="text/html").status_code == 406

    def test_is_not_for_nobody(self, nobody, share):
        assert nobody.get(URL, {"instrument": share.key}).status_code == 401
