"""Segments of the archive are listed for everybody who is signed in, and written by nobody."""

from tests.clients import program
from tests.factories import make_instrument, make_segment, quiet_day
from tests.marketdata.archives import archive, fill

PATH = "/api/v1/archive-segments/"


def test_a_segment_says_where_its_rows_are(alice):
    day = quiet_day()
    fill(day, make_instrument())
    segment = archive(day).segment
    (found,) = program(alice).get(PATH, {"dataset": "quotes", "day": day.isoformat()}).json()["results"]
    assert found == program(alice).get(f"{PATH}{segment.pk}/").json()
    assert found["file"] == f"quotes/date={day}/part-0.parquet"
    assert (found["rows"], found["sha256"], found["fault"]) == (5, segment.sha256, "")
    assert found["first_at"] == f"{day}T12:00:00Z"


def test_the_last_day_comes_first_and_pages_lead_on(alice):
    days = [make_segment().day for _ in range(3)]
    query = {"day__gte": days[0].isoformat(), "day__lt": "1960-01-01", "limit": "2"}
    first = program(alice).get(PATH, query).json()
    assert [row["day"] for row in first["results"]] == [days[2].isoformat(), days[1].isoformat()]
    second = program(alice).get(first["next"]).json()
    assert [row["day"] for row in second["results"]] == [days[0].isoformat()]


def test_nobody_writes_one(alice):
    segment = make_segment()
    for method in ("post", "put", "patch", "delete"):
        assert getattr(program(alice), method)(f"{PATH}{segment.pk}/", {"rows": 1}).status_code == 405
