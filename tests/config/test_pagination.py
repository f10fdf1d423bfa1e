"""Pages by key: every row once, in order, both ways, at the same cost."""

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Notification
from accounts.models.tenancy import acting_as
from tests.clients import browser
from tests.factories import LONG_AGO, make_user

BOX = "/api/v1/notifications/"


@pytest.fixture
def reader():
    """Return the client of somebody with 25 messages, five at each instant."""
    user = make_user()
    with acting_as(user.pk):
        Notification.objects.bulk_create(
            Notification(
                user=user, title=f"{n:02}", level="INFO" if n % 2 else "WARNING", created_at=LONG_AGO + timedelta(days=n // 5)
            )
            for n in range(25)
        )
    return browser(user)


def walk(client, address, link="next") -> list[list[str]]:
    pages = []
    while address:
        page = client.get(address).json()
        assert set(page) == {"results", "next", "previous"}
        pages.append([row["id"] for row in page["results"]])
        address = page[link]
    return pages


def flat(pages) -> list[str]:
    return [row for page in pages for row in page]


class TestKeyset:
    @pytest.mark.parametrize("ordering", ["created_at", "-created_at"])
    @pytest.mark.parametrize("limit", [1, 4, 5, 25, 100])
    def test_every_row_comes_once_and_in_order(self, reader, ordering, limit):
        everything = reader.get(BOX, {"ordering": ordering}).json()["results"]
        pages = walk(reader, f"{BOX}?ordering={ordering}&limit={limit}")
        assert flat(pages) == [row["id"] for row in everything]
        assert len({row["id"] for row in everything}) == 25
        times = [row["created_at"] for row in everything]
        assert times == sorted(times, reverse=ordering.startswith("-"))

    @pytest.mark.parametrize("limit", [1, 4, 24])
    def test_the_way_back_shows_the_same_pages(self, reader, limit):
        address = f"{BOX}?limit={limit}"
        forth = walk(reader, address)
        page = reader.get(address).json()
        while page["next"]:
            page = reader.get(page["next"]).json()
        back = walk(reader, page["previous"], "previous")[::-1]
        assert flat(back) == flat(forth[:-1])

    def test_the_first_page_has_nothing_before_it_and_the_last_nothing_after(self, reader):
        first = reader.get(BOX, {"limit": 13}).json()
        last = reader.get(first["next"]).json()
        assert first["previous"] is None
        assert last["next"] is None
        assert last["previous"]

    def test_rows_that_arrive_meanwhile_shift_nothing(self, reader):
        first = reader.get(BOX, {"limit": 10}).json()
        seen = {row["id"] for row in first["results"]}
        reader.delete(f"{BOX}{first['results'][0]['id']}/")
        assert not seen & {row["id"] for row in reader.get(first["next"]).json()["results"]}

    def test_filters_stay_in_the_links(self, reader):
        page = reader.get(BOX, {"level": "INFO", "limit": 5}).json()
        query = parse_qs(urlsplit(page["next"]).query)
        assert (query["level"], query["limit"]) == (["INFO"], ["5"])
        assert len(flat(walk(reader, f"{BOX}?level=INFO&limit=5"))) == 12

    def test_a_page_is_one_query_without_a_count(self, reader):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            reader.get(BOX, {"limit": 5})
        rows = [query["sql"] for query in queries if "accounts_notification" in query["sql"]]
        assert len(rows) == 1
        assert "COUNT" not in rows[0]

    def test_a_page_far_in_reads_its_own_rows_alone(self):
        user = make_user()
        with acting_as(user.pk):
            Notification.objects.bulk_create(
                Notification(user=user, title="x", created_at=LONG_AGO + timedelta(minutes=n)) for n in range(3000)
            )
        client = browser(user)
        page = client.get(BOX, {"limit": 1000}).json()
        page = client.get(client.get(page["next"]).json()["next"].replace("limit=1000", "limit=10"))
        with CaptureQueriesContext(connection) as queries:
            client.get(page.json()["next"])
        (read,) = [query["sql"] for query in queries if "accounts_notification" in query["sql"]]
        with acting_as(user.pk), connection.cursor() as cursor:
            for way in ("seqscan", "bitmapscan", "sort"):  # so few rows would be read as a whole, or sorted
                cursor.execute(f"set local enable_{way} = off")
            cursor.execute(f"explain (analyze, format json) {read}")
            plan = cursor.fetchone()[0][0]["Plan"]
        while "Plans" in plan:
            plan = plan["Plans"][-1]
        assert plan["Index Name"] == "notification_by_time"
        assert plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0) <= 15

    def test_an_empty_list_is_a_page(self):
        assert browser(make_user()).get(BOX).json() == {"results": [], "next": None, "previous": None}


class TestRefusals:
    @pytest.mark.parametrize("limit", ["0", "-1", "1001", "1.5", "x", "٣", "1e2", " 5", "99999999999999999999"])
    def test_a_limit_out_of_bounds_is_refused(self, reader, limit):
        refused = reader.get(BOX, {"limit": limit})
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "limit")

    @pytest.mark.parametrize("ordering", ["title", "user", "-", "created_at,id", "?", "created_at--", "read_at"])
    def test_an_order_that_is_not_offered_is_refused(self, reader, ordering):
        refused = reader.get(BOX, {"ordering": ordering})
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "ordering")

    @pytest.mark.parametrize("cursor", ["x", "WyJ4Il0:1abc:def", "a:b:c", "é", "=" * 3000])
    def test_a_cursor_of_another_make_is_refused(self, reader, cursor):
        refused = reader.get(BOX, {"cursor": cursor})
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "cursor")

    def test_a_cursor_of_another_list_or_order_is_refused(self, reader):
        page = reader.get(BOX, {"limit": 5}).json()
        cursor = parse_qs(urlsplit(page["next"]).query)["cursor"][0]
        assert reader.get("/api/v1/watchlists/", {"cursor": cursor}).status_code == 400
        assert reader.get(BOX, {"cursor": cursor, "ordering": "created_at"}).status_code == 400
        assert reader.get(BOX, {"cursor": cursor[:-1] + ("a" if cursor[-1] != "a" else "b")}).status_code == 400
