"""A folder and a bucket keep the same promises: what is published was read back, and is never written over."""

import os
import stat
import threading
from datetime import timedelta
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import uuid4

import boto3
import pyarrow.parquet as pq
import pytest
import requests
from django.core.exceptions import ImproperlyConfigured
from moto.server import ThreadedMotoServer

from marketdata.adapters.store import AlreadyThere, BucketStore, FolderStore, StoreFailed, archive_store
from marketdata.domain.quality import Dataset
from marketdata.selectors.archive import has_archived
from marketdata.services.rollover import RolloverFailed
from tests.factories import make_instrument, quiet_day
from tests.marketdata.archives import archive, filed, fill, live

NAME = "quotes/date=2024-01-02/part-0.parquet"
SECRET = "not-a-real-secret-0123456789"


@pytest.fixture(scope="module")
def service():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(service, settings):
    name = f"bedrock-{uuid4().hex[:12]}"
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": SECRET, "region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=service, **keys).create_bucket(Bucket=name)
    settings.ARCHIVE_URL = f"s3://{name}/a/prefix"
    settings.ARCHIVE_S3 = {"endpoint": service, "region": "us-east-1", "access_key_id": "key", "secret_access_key": SECRET}
    return name


@pytest.fixture(params=["folder", "bucket"])
def store(request, settings, tmp_path):
    if request.param == "bucket":
        request.getfixturevalue("bucket")
    else:
        settings.ARCHIVE_URL = (tmp_path / "an archive").as_uri()
    return archive_store()


def put(store, name, content, label="quotes-2024-01-02"):
    """Write a file as the rollover does."""
    with store.incoming(label) as path:
        path.write_bytes(content)
        staged = store.stage(path)
        store.publish(staged.name, name)
    return staged


class TestEveryStore:
    def test_gives_back_what_was_put_in(self, store):
        content = os.urandom(3 << 20)
        staged = put(store, NAME, content)
        kept = store.look(NAME)
        assert (kept.bytes, kept.sha256) == (len(content), sha256(content).hexdigest()) == (staged.bytes, staged.sha256)
        source = store.open(NAME)
        source.seek(1 << 20)
        assert bytes(source.read(5)) == content[1 << 20 : (1 << 20) + 5]
        source.close()
        assert list(store.names()) == [NAME]
        assert store.exists(NAME)
        assert store.is_protected(NAME)

    def test_never_writes_over_a_file(self, store):
        put(store, NAME, b"first")
        with pytest.raises(AlreadyThere, match="already"):
            put(store, NAME, b"second")
        assert store.look(NAME).sha256 == sha256(b"first").hexdigest()
        assert list(store.names()) == [NAME]

    def test_has_nothing_under_a_name_before_it_is_published(self, store):
        with store.incoming("quotes-2024-01-02") as path:
            path.write_bytes(b"half")
            assert not store.exists(NAME)
            store.stage(path)
            assert list(store.names()) == []
        with pytest.raises(FileNotFoundError):
            store.look(NAME)
        with pytest.raises(FileNotFoundError):
            store.open(NAME)

    def test_clears_away_what_a_dead_run_left_and_nothing_else(self, store):
        dead, alive = store.incoming("quotes-2024-01-02"), store.incoming("quotes-2024-01-03")
        with alive as other:
            other.write_bytes(b"other")
            still = store.stage(other)
            staged = []
            with dead as path:
                path.write_bytes(b"dead")
                staged.append(store.stage(path))
                store.remove_incoming("quotes-2024-01-02")
                assert not store.exists(staged[0].name)
            assert store.exists(still.name)

    def test_sets_aside_and_removes(self, store):
        put(store, NAME, b"one")
        store.set_aside(NAME, f"set-aside/{NAME}")
        assert list(store.names()) == [f"set-aside/{NAME}"]
        store.remove(f"set-aside/{NAME}")
        store.remove(f"set-aside/{NAME}")
        assert list(store.names()) == []

    @pytest.mark.parametrize("dataset", [Dataset.QUOTES, Dataset.TICKS])
    def test_serves_a_rollover_and_what_is_read_after_it(self, store, dataset):
        day, one = quiet_day(dataset), make_instrument()
        fill(day, one, rows=100, dataset=dataset)
        segment = archive(day, dataset).segment
        assert live(day, one, dataset=dataset) == 0
        assert has_archived(dataset, [day]) == {day}
        assert filed(day, one, dataset=dataset).height == 100
        assert list(store.names()) == [segment.file]
        assert store.look(segment.file).sha256 == segment.sha256
        segment.delete()


class TestAFolder:
    def test_lets_nobody_write_to_its_files(self, tmp_path):
        put(FolderStore(tmp_path), NAME, b"x")
        assert stat.S_IMODE((tmp_path / NAME).stat().st_mode) == 0o444
        (tmp_path / NAME).chmod(0o644)
        assert not FolderStore(tmp_path).is_protected(NAME)

    def test_says_what_it_could_not_do(self, tmp_path):
        (tmp_path / "quotes").write_text("in the way")
        with pytest.raises(StoreFailed, match=f"Could not give {NAME} its name: "):
            put(FolderStore(tmp_path), NAME, b"x")
        assert [path.name for path in (tmp_path / ".incoming").iterdir()] == []

    def test_may_be_anywhere_an_url_can_say(self, settings, tmp_path):
        settings.ARCHIVE_URL = (tmp_path / "with space & ünicode").as_uri()
        put(archive_store(), NAME, b"x")
        assert (tmp_path / "with space & ünicode" / NAME).read_bytes() == b"x"


class TestABucket:
    def test_keeps_its_files_below_the_prefix_and_anybody_can_read_them(self, bucket, service):
        day, one = quiet_day(), make_instrument()
        fill(day, one)
        segment = archive(day).segment
        keys = {"aws_access_key_id": "key", "aws_secret_access_key": SECRET, "region_name": "us-east-1"}
        client = boto3.client("s3", endpoint_url=service, **keys)
        listed = client.list_objects_v2(Bucket=bucket)["Contents"]
        assert [each["Key"] for each in listed] == [f"a/prefix/{segment.file}"]
        assert isinstance(archive_store(), BucketStore)
        assert pq.read_table(archive_store().open(segment.file)).num_rows == 5
        segment.delete()

    def test_that_is_away_or_missing_is_told_without_the_secret(self, bucket, settings, caplog):
        settings.ARCHIVE_URL = "s3://no-such-bucket/prefix"
        day, one = quiet_day(), make_instrument()
        fill(day, one)
        with pytest.raises(StoreFailed, match="Could not") as failure:
            archive(day)
        assert SECRET not in str(failure.value) + caplog.text
        assert live(day, one) == 5


class Relay(BaseHTTPRequestHandler):
    """Hands requests on to the service, but for those that `trouble` takes: it says what happens to them instead."""

    protocol_version = "HTTP/1.1"
    trouble = None
    service = ""

    def relay(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        kind = "COPY" if "x-amz-copy-source" in self.headers else self.command
        happens = type(self).trouble and type(self).trouble(kind, self.path, body)
        if happens == "cut":
            self.close_connection = True
            return
        if isinstance(happens, bytes):
            body, happens = happens, None
        if happens is None:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in {"host", "content-md5"}}
            answer = requests.request(self.command, self.service + self.path, data=body, headers=headers, timeout=20)
            happens = (answer.status_code, answer.headers, answer.content)
        status, headers, content = happens
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in {"content-length", "connection", "server", "date", "transfer-encoding", "content-encoding"}:
                self.send_header(name, value)
        length = headers.get("Content-Length") if self.command == "HEAD" else None
        self.send_header("Content-Length", length or str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = relay  # noqa: N815  what the server calls

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def relay(service, bucket, settings):
    """Put a relay between the archive and the service, and return the class whose `trouble` may be set."""
    kind = type("OwnRelay", (Relay,), {"service": service})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings.ARCHIVE_S3 = settings.ARCHIVE_S3 | {"endpoint": f"http://127.0.0.1:{server.server_port}"}
    yield kind
    server.shutdown()
    server.server_close()


ERROR = b"<?xml version='1.0'?><Error><Code>InternalError</Code><Message>We had an internal error.</Message></Error>"


def fails_at(wanted, answer):
    """Return a trouble of one kind of request."""
    return lambda kind, path, body: answer if kind == wanted else None


def flips_a_bit(kind, path, body):
    return body[:100] + bytes([body[100] ^ 1]) + body[101:] if kind == "PUT" and len(body) > 100 else None


def cuts_downloads_short(kind, path, body):
    return (200, {"Content-Type": "binary/octet-stream"}, b"PAR1") if kind == "GET" and "part-" not in path else None


class TestAServiceInTrouble:
    @pytest.mark.parametrize(
        "trouble",
        [
            fails_at("PUT", (500, {}, ERROR)),
            fails_at("PUT", (403, {}, ERROR)),
            fails_at("PUT", "cut"),
            flips_a_bit,
            cuts_downloads_short,
            fails_at("COPY", (500, {}, ERROR)),
            fails_at("COPY", (200, {"Content-Type": "application/xml"}, ERROR)),
            fails_at("HEAD", (500, {}, b"")),
        ],
        ids=["put-500", "put-403", "put-cut", "bit", "short", "copy-500", "copy-200", "head-500"],
    )
    def test_keeps_the_day_where_it_is_until_it_is_well(self, relay, monkeypatch, trouble):
        monkeypatch.setattr("marketdata.adapters.store.RETRIES", {"max_retries": 1, "retry_timeout": timedelta(seconds=5)})
        day, one = quiet_day(), make_instrument()
        fill(day, one, rows=100)
        relay.trouble = staticmethod(trouble)
        with pytest.raises((StoreFailed, RolloverFailed), match=r"\w{3}"):
            archive(day)
        assert (live(day, one), has_archived(Dataset.QUOTES, [day])) == (100, set())
        relay.trouble = None
        segment = archive(day).segment
        assert (live(day, one), filed(day, one).height) == (0, 100)
        assert list(archive_store().names()) == [segment.file]
        assert archive_store().look(segment.file).sha256 == segment.sha256
        segment.delete()

    def test_is_asked_again_where_it_stumbles(self, relay):
        day, one = quiet_day(), make_instrument()
        fill(day, one, rows=100)
        stumbles = iter([(503, {}, ERROR), "cut"])
        relay.trouble = staticmethod(lambda kind, path, body: next(stumbles, None) if kind == "PUT" else None)
        segment = archive(day).segment
        assert (live(day, one), filed(day, one).height) == (0, 100)
        segment.delete()


@pytest.mark.parametrize(
    "url", ["", "archive", "/var/archive", "file://host/path", "s3://", "http://127.0.0.1/x", "memory:///", "s3:///x"]
)
def test_what_names_no_archive_is_refused_by_its_setting(settings, url):
    settings.ARCHIVE_URL = url
    with pytest.raises(ImproperlyConfigured, match="ARCHIVE_URL"):
        archive_store()
