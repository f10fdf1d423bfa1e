"""The trade journal by REST: trades page by page, what people add, pictures for members alone, and statistics."""

import gzip
import io
import json
import zipfile
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from tests.clients import browser
from tests.factories import make_instrument
from tests.trading.factories import AT, make_fill, make_order, make_png
from tests.trading.journals import BREACH, DECISION, lines, trade
from trading.domain.trade_records import NAMES


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    """Keep pictures in a folder of the test's own."""
    settings.ATTACHMENTS = tmp_path / "pictures"


@pytest.fixture
def root(account):
    return f"/api/v1/accounts/{account.pk}/"


@pytest.fixture
def order(account):
    order = make_order(account, make_instrument())
    make_fill(order)
    return order


def got(client, path, status=200, **query):
    answer = client.get(path, query)
    assert answer.status_code == status, answer.content
    return answer.json()


class TestTrades:
    def test_have_the_27_fields_and_what_follows(self, alice, account, root, order):
        closing = make_order(account, order.instrument, side="SELL", effect="CLOSE")
        make_fill(closing, price="12", at=AT + timedelta(hours=1))
        [row] = got(browser(alice), f"{root}journal/")["results"]
        assert set(row["record"]) == set(NAMES)
        assert (row["id"], row["instrument"], row["direction"]) == (str(order.pk), order.instrument.key, "LONG")
        assert (row["record"]["outcome"], row["record"]["profit_loss"], row["realized"]) == ("win", "20", "20")
        assert got(browser(alice), f"{root}journal/{order.pk}/") == row

    def test_give_their_records_alone(self, alice, account, root, order):
        [trade] = got(browser(alice), f"{root}journal/")["results"]
        [row] = got(browser(alice), f"{root}trade-records/", outcome="open", limit="1")["results"]
        assert row == trade["record"] | {"id": str(order.pk)}
        assert set(row) == {*NAMES, "id"}
        assert got(browser(alice), f"{root}trade-records/{order.pk}/") == row
        assert browser(alice).patch(f"{root}trade-records/{order.pk}/", {}).status_code == 405

    def test_come_page_by_page(self, alice, account, root):
        orders = []
        for minute in range(5):
            orders.append(make_order(account, make_instrument()))
            make_fill(orders[-1], at=AT + timedelta(minutes=minute // 2))
        client, seen, path = browser(alice), [], f"{root}journal/?limit=2"
        while path:
            page = got(client, path)
            seen += [row["id"] for row in page["results"]]
            before, path = page["previous"], page["next"]
        keyed = sorted(orders, key=lambda one: (AT + timedelta(minutes=orders.index(one) // 2), one.pk), reverse=True)
        assert seen == [str(one.pk) for one in keyed]
        assert [row["id"] for row in got(client, before)["results"]] == seen[2:4]
        assert [row["id"] for row in got(client, f"{root}journal/", ordering="opened_at")["results"]] == seen[::-1]

    def test_are_found_by_what_is_asked(self, alice, account, root, order):
        client = browser(alice)
        assert len(got(client, f"{root}journal/", instrument=order.instrument.key, outcome="open", action="BUY")["results"]) == 1
        assert got(client, f"{root}journal/", outcome="win")["results"] == []
        assert got(client, f"{root}journal/", opened_at__gte="2030-01-01T00:00:00Z")["results"] == []
        assert got(client, f"{root}journal/", 400, outcome="draw")["errors"][0]["field"] == "outcome"
        assert got(client, f"{root}journal/", 400, mood="good")["errors"][0]["code"] == "unknown_parameter"

    def test_that_an_order_did_not_open_are_not_there(self, alice, account, root, order):
        closing = make_order(account, order.instrument, side="SELL", effect="CLOSE")
        make_fill(closing)
        for other in (closing, make_order(account, make_instrument())):
            got(browser(alice), f"{root}journal/{other.pk}/", 404)


class TestAdditions:
    def test_are_tags_and_notes_and_nothing_else(self, alice, root, order):
        client, path = browser(alice), f"{root}journal/{order.pk}/"
        answer = client.patch(path, {"tags": ["a+", "late"], "notes": [{"text": "Good."}]}, format="json")
        assert answer.status_code == 200, answer.content
        row = answer.json()
        assert (row["tags"], [note["text"] for note in row["notes"]]) == (["a+", "late"], ["Good."])
        assert row["notes"][0]["author"] == alice.email
        kept = client.patch(path, {"notes": [{"id": row["notes"][0]["id"], "text": "Better."}]}, format="json").json()
        assert (kept["tags"], [note["text"] for note in kept["notes"]]) == (["a+", "late"], ["Better."])
        refused = client.patch(path, {"record": {"profit_loss": "5"}}, format="json")
        assert (refused.status_code, refused.json()["errors"][0]["code"]) == (400, "unknown_field")
        assert len(got(client, f"{root}journal/", tag="late")["results"]) == 1


class TestPictures:
    def test_are_served_to_members_alone_and_as_nothing_else(self, alice, bob, charlie, account, root, order):
        file = SimpleUploadedFile("c.html", make_png("x"), content_type="text/html")
        answer = browser(alice).post(f"{root}journal/{order.pk}/attachments/", {"file": file}, format="multipart")
        assert answer.status_code == 201, answer.content
        path = f"{root}journal/{order.pk}/attachments/{answer.json()['id']}/"
        shown = browser(bob).get(path)
        assert (b"".join(shown.streaming_content), shown.headers["Content-Type"]) == (make_png("x"), "image/png")
        assert shown.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in shown.headers["Content-Security-Policy"]
        assert shown.headers["Content-Disposition"] == 'attachment; filename="c.png"'
        assert browser(charlie).get(path).status_code == 404
        assert browser(bob).delete(path).status_code == 403
        assert got(browser(alice), f"{root}journal/{order.pk}/")["attachments"][0]["name"] == "c.png"
        assert browser(alice).delete(path).status_code == 204
        assert browser(alice).get(path).status_code == 404

    def test_that_are_none_or_too_large_are_refused(self, alice, root, order):
        path = f"{root}journal/{order.pk}/attachments/"
        for content, status in ((b"<svg/>", 400), (b"", 400), (make_png() + b"\0" * 6_000_000, 413)):
            file = SimpleUploadedFile("c.png", content, content_type="image/png")
            assert browser(alice).post(path, {"file": file}, format="multipart").status_code == status

    def test_of_another_trade_are_not_there(self, alice, account, root, order):
        other = make_order(account, make_instrument())
        make_fill(other)
        file = SimpleUploadedFile("c.png", make_png())
        made = browser(alice).post(f"{root}journal/{order.pk}/attachments/", {"file": file}, format="multipart").json()
        assert browser(alice).get(f"{root}journal/{other.pk}/attachments/{made['id']}/").status_code == 404


class TestStatistics:
    def test_are_put_together(self, alice, account, root, order):
        make_fill(make_order(account, order.instrument, side="SELL", effect="CLOSE", quantity=Decimal(10)), price="9")
        client = browser(alice)
        found = got(client, f"{root}journal/statistics/", by="weekday", time_zone="Asia/Tokyo")
        assert (found["by"], found["total"]["net"], found["total"]["losses"]) == ("weekday", "-10", 1)
        assert [group["name"] for group in found["groups"]] == ["Monday"]
        assert got(client, f"{root}journal/statistics/")["groups"][0]["name"] == ""
        assert got(client, f"{root}journal/statistics/", 400, by="mood")["errors"][0]["field"] == "by"
        assert got(client, f"{root}journal/statistics/", outcome="win")["total"]["win_rate"] is None


def send(client, root, name, content, **fields):
    file = SimpleUploadedFile(name, content)
    return client.post(f"{root}trading-files/", {"file": file} | fields, format="multipart")


class TestFiles:
    def test_come_in_and_go_out(self, alice, root):
        symbol, client = make_instrument().symbol, browser(alice)
        assert send(client, root, "trades.jsonl", lines(trade(symbol)), dry_run=True).status_code == 200
        answer = send(client, root, "trades.jsonl", lines(trade(symbol), {"x": 1}))
        assert (answer.status_code, answer.json()["posted"], answer.json()["refused"][0]["line"]) == (201, 1, 2)
        plain = b"".join(client.get(f"{root}trading-files/").streaming_content)
        packed = client.get(f"{root}trading-files/", {"packed": "true", "day": "2024-05-06"})
        assert packed.headers["Content-Disposition"] == 'attachment; filename="2024-05-06.jsonl.gz"'
        assert gzip.decompress(b"".join(packed.streaming_content)) == plain
        assert json.loads(plain)["order_id"] == "bot-1"
        assert b"".join(client.get(f"{root}trading-files/", {"day": "2024-05-07"}).streaming_content) == b""

    def test_of_each_kind_go_out(self, alice, root):
        client = browser(alice)
        symbol = make_instrument().symbol
        send(client, root, "risk-management.jsonl", lines(BREACH))
        send(client, root, "d.json", lines(DECISION | {"asset_pair": symbol}))
        risk = b"".join(client.get(f"{root}trading-files/", {"kind": "risk-management"}).streaming_content)
        assert json.loads(risk) == BREACH
        held = b"".join(client.get(f"{root}trading-files/", {"kind": "decisions"}).streaming_content)
        with zipfile.ZipFile(io.BytesIO(held)) as archive:
            assert archive.namelist() == ["2024-05-06_d-1.json"]
        alerts = client.get(f"{root}trading-files/", {"kind": "performance-alerts"})
        assert b"".join(alerts.streaming_content) == b""

    def test_that_make_no_sense_are_refused_by_name(self, alice, root):
        client = browser(alice)
        answer = send(client, root, "notes.txt", b"hello")
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "unknown_kind")
        assert client.get(f"{root}trading-files/", {"kind": "decisions", "day": "2024-05-06"}).status_code == 400
