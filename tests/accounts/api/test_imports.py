"""Files go in and come out through the API."""

import csv
import io
from datetime import UTC, datetime

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from accounts.models import LedgerEntry
from accounts.models.tenancy import acting_as
from tests.accounts.event_logs import event, log_of, take_out
from tests.clients import browser, program
from tests.factories import make_account, post

DEPOSIT = event(1, "DEPOSIT", {"amount": 5})


def send(client, account, content=None, **fields):
    """Send a file as a form."""
    file = SimpleUploadedFile("my log.csv", log_of(DEPOSIT) if content is None else content)
    return client.post(f"/api/v1/accounts/{account.pk}/imports/", {"file": file} | fields, format="multipart")


def errors(answer) -> tuple[int, str, list[tuple[str, str]]]:
    """Return the status of a refusal, its code and the fields it names."""
    problem = answer.json()
    return answer.status_code, problem["code"], [(error["field"], error["code"]) for error in problem["errors"]]


@pytest.fixture
def client(alice):
    return browser(alice)


class TestImport:
    def test_answers_with_what_became_of_the_lines(self, account, alice, client):
        before = datetime.now(UTC)
        answer = send(client, account, log_of(DEPOSIT, event(2, "TRAED")))
        report = answer.json()
        assert answer.status_code == 201
        assert (report["status"], report["format"], report["lines"], report["posted"], report["known"]) == (
            "PARTIAL",
            "event_log",
            2,
            1,
            0,
        )
        assert [(refusal["line"], refusal["code"]) for refusal in report["refused"]] == [(3, "unknown_event_type")]
        assert (report["questions"], report["remarks"], report["file_name"], report["actor"]) == (
            [],
            [],
            "my log.csv",
            str(alice.pk),
        )
        assert before <= datetime.fromisoformat(report["created_at"]) <= datetime.now(UTC)

    def test_is_kept_and_listed_the_latest_first(self, account, client):
        first, second = send(client, account).json(), send(client, account).json()
        listed = client.get(f"/api/v1/accounts/{account.pk}/imports/").json()["results"]
        assert [batch["id"] for batch in listed] == [second["id"], first["id"]]
        assert (second["posted"], second["known"]) == (0, 1)
        assert client.get(f"/api/v1/accounts/{account.pk}/imports/{first['id']}/").json() == first
        found = client.get(f"/api/v1/accounts/{account.pk}/imports/", {"status": "REFUSED"}).json()["results"]
        assert found == []

    def test_in_a_dry_run_is_not(self, account, client):
        answer = send(client, account, dry_run="true")
        assert (answer.status_code, answer.json()["status"], answer.json()["id"], answer.json()["posted"]) == (
            200,
            "PREVIEWED",
            None,
            1,
        )
        assert client.get(f"/api/v1/accounts/{account.pk}/imports/").json()["results"] == []
        assert client.get(f"/api/v1/accounts/{account.pk}/entries/").json()["results"] == []

    def test_reads_naive_times_in_the_zone_that_is_named(self, account, client):
        report = send(
            client, account, log_of(DEPOSIT | {"timestamp": "2024-07-01 09:30:00"}), time_zone="America/New_York"
        ).json()
        assert report["remarks"] == [
            {"code": "naive_times", "detail": "1 times without an offset were read as America/New_York."}
        ]
        (entry,) = client.get(f"/api/v1/accounts/{account.pk}/entries/").json()["results"]
        assert entry["occurred_at"] == "2024-07-01T13:30:00Z"

    def test_under_a_key_is_done_once(self, account, alice):
        client = browser(alice)
        client.credentials(HTTP_IDEMPOTENCY_KEY="k")
        assert send(client, account).json() == send(client, account).json()
        assert send(client, account, log_of()).status_code == 409

    @pytest.mark.parametrize(
        ("fields", "named"),
        [
            ({"format": "quicken"}, ("format", "invalid_choice")),
            ({"time_zone": "Mars"}, ("time_zone", "unknown_time_zone")),
            ({"dry_run": "perhaps"}, ("dry_run", "invalid")),
            ({"dryrun": "1"}, ("dryrun", "unknown_field")),
            ({"format": ["auto", "event_log"]}, ("format", "repeated")),
            ({"file": "text"}, ("file", "invalid")),
            ({"file": SimpleUploadedFile("a.csv", b"")}, ("file", "empty")),
            ({"file": SimpleUploadedFile("a.csv", b"a,b\n1,2\n")}, ("file", "unknown_format")),
            ({"file": SimpleUploadedFile("a.csv", b"\xff\xfea")}, ("file", "not_utf8")),
        ],
    )
    def test_with_a_wrong_field_is_refused_by_its_name(self, account, client, fields, named):
        assert errors(send(client, account, **fields)) == (400, named[1], [named])

    def test_without_a_file_is_refused(self, account, client):
        answer = client.post(f"/api/v1/accounts/{account.pk}/imports/", {"format": "auto"}, format="multipart")
        assert errors(answer) == (400, "required", [("file", "required")])

    def test_as_json_is_refused(self, account, client):
        assert client.post(f"/api/v1/accounts/{account.pk}/imports/", {"file": "x"}).status_code == 415

    def test_of_a_broken_form_is_refused(self, account, client):
        kind = "multipart/form-data; boundary=x"
        answer = client.generic("POST", f"/api/v1/accounts/{account.pk}/imports/", b"--y\r\nnonsense", content_type=kind)
        assert answer.status_code == 400

    def test_that_is_too_large_is_refused(self, account, client, monkeypatch):
        monkeypatch.setattr("accounts.api.imports.MAX_BYTES", 100)
        assert send(client, account).status_code == 413
        monkeypatch.setattr("accounts.api.imports.AROUND_THE_FILE", 0)
        assert send(client, account).status_code == 413

    def test_of_a_limited_token_stays_in_its_account(self, account, alice):
        other = make_account(owner=alice)
        assert send(program(alice, ["trade"], [account.pk]), account).status_code == 201
        assert send(program(alice, ["trade"], [account.pk]), other).status_code == 404


class TestExport:
    def test_is_the_event_log_as_a_file(self, account, client):
        post(account, "DEPOSIT", cash=5, notes="=1+1")
        answer = client.get(f"/api/v1/accounts/{account.pk}/export/")
        content = b"".join(answer.streaming_content)
        assert answer.status_code == 200
        assert answer["Content-Type"] == "text/csv; charset=utf-8"
        assert answer["Content-Disposition"] == 'attachment; filename="main-event-log.csv"'
        assert int(answer["Content-Length"]) == len(content)
        assert content == take_out(account)
        (row,) = csv.DictReader(io.StringIO(content.decode()))
        assert (row["event_type"], row["notes"], row["cash_delta"]) == ("DEPOSIT", "'=1+1", "5")

    def test_goes_in_again(self, account, alice, client):
        post(account, "DEPOSIT", cash=5)
        other = make_account(owner=alice)
        content = b"".join(client.get(f"/api/v1/accounts/{account.pk}/export/", headers={"Accept": "text/csv"}).streaming_content)
        assert send(client, other, content).json()["posted"] == 1
        with acting_as(alice.pk):
            assert LedgerEntry.objects.get(account=other).cash == 5
        assert b"".join(client.get(f"/api/v1/accounts/{other.pk}/export/").streaming_content) == content

    def test_is_csv_alone(self, account, client):
        answer = client.get(f"/api/v1/accounts/{account.pk}/export/", headers={"Accept": "application/json"})
        assert (answer.status_code, answer["Content-Type"]) == (406, "application/problem+json")
