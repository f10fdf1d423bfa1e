"""Query parameters: known ones, once each, read strictly."""

from datetime import timedelta

import pytest

from accounts.models.tenancy import acting_as
from accounts.services.notifications import notify
from tests.clients import browser
from tests.factories import LONG_AGO

BOX = "/api/v1/notifications/"


@pytest.fixture
def reader(alice):
    """Return Alice's client; she has three messages a day apart, of each level one."""
    with acting_as(alice.pk):
        for n, level in enumerate(("INFO", "WARNING", "CRITICAL")):
            notify(user=alice, title=level, level=level, at=LONG_AGO + timedelta(days=n))
    return browser(alice)


class TestFilters:
    @pytest.mark.parametrize(
        ("query", "titles"),
        [
            ({"level": "INFO"}, {"INFO"}),
            ({"level__in": "INFO,CRITICAL"}, {"INFO", "CRITICAL"}),
            ({"created_at__gte": "2020-01-03T15:00:00Z"}, {"WARNING", "CRITICAL"}),
            ({"created_at__lt": "2020-01-03T15:00:00Z"}, {"INFO"}),
            ({"created_at__gte": "2020-01-03T16:00:00+01:00", "created_at__lt": "2020-01-04T00:00:00Z"}, {"WARNING"}),
            ({"read_at__isnull": "true"}, {"INFO", "WARNING", "CRITICAL"}),
            ({"read_at__isnull": "false"}, set()),
        ],
    )
    def test_they_keep_what_they_name(self, reader, query, titles):
        answer = reader.get(BOX, query)
        assert answer.status_code == 200, answer.content
        assert {row["title"] for row in answer.json()["results"]} == titles

    @pytest.mark.parametrize(
        ("query", "code"),
        [
            ("nothing=1", "unknown_parameter"),
            ("level__gte=INFO", "unknown_parameter"),
            ("user=1", "unknown_parameter"),
            ("user__email=x", "unknown_parameter"),
            ("format=api", "unknown_parameter"),
            ("LEVEL=INFO", "unknown_parameter"),
            ("level=INFO&level=WARNING", "repeated_parameter"),
            ("level=", "blank"),
            ("level__in=", "blank"),
            ("level=%00", "invalid"),
            ("level=LOUD", "invalid_choice"),
            ("level__in=INFO,LOUD", "invalid_choice"),
            ("level__in=INFO,,", None),
            ("level__in=" + ",".join(["INFO"] * 101), "too_many"),
            ("created_at__gte=2020-01-03", "bad_time"),
            ("created_at__gte=2020-01-03T15:00:00", "naive_time"),
            ("created_at__gte=2020-01-03T15:00:00%2B24:30", "bad_offset"),
            ("created_at__gte=x", "bad_time"),
            ("read_at__isnull=yes", "invalid_choice"),
        ],
    )
    def test_what_they_cannot_mean_is_refused_by_name(self, reader, query, code):
        refused = reader.get(f"{BOX}?{query}")
        assert refused.status_code == 400, refused.content
        (error,) = refused.json()["errors"]
        assert error["field"].lower() == query.partition("=")[0].lower()
        assert code is None or error["code"] == code

    @pytest.mark.parametrize("path", ["/api/v1/me/", "/api/v1/accounts/{account}/", "/api/v1/accounts/{account}/jobs/{account}/"])
    def test_a_parameter_nobody_reads_is_refused_everywhere(self, reader, account, path):
        refused = reader.get(path.format(account=account.pk) + "?as_off=2024-01-01")
        assert (refused.status_code, refused.json()["code"]) == (400, "unknown_parameter")

    def test_a_write_with_a_misspelled_parameter_is_refused(self, reader):
        assert reader.post("/api/v1/watchlists/?dry-run=1", {"name": "Real"}).status_code == 400
        assert reader.get("/api/v1/watchlists/").json()["results"] == []
