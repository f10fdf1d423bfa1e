"""Operators see how the cache does, and empty it."""

import pytest

from marketdata.services import cache
from marketdata.services.cache import QUOTE
from tests.caches import NOWHERE, at
from tests.clients import browser
from tests.factories import make_user, unique_symbol

CACHE = "/api/v1/cache/"


@pytest.fixture(scope="module")
def staff():
    return make_user("staff", is_staff=True)


def keep(*names):
    for name in names:
        cache.set_value(QUOTE, name, "XTST", value=1)


def there(*names):
    return [name for name in names if cache.get_many(QUOTE, [[name, "XTST"]])]


class TestStatistics:
    def test_tell_how_each_namespace_does(self, staff):
        keep(name := unique_symbol())
        there(name, unique_symbol())
        answer = browser(staff).get(CACHE).json()
        assert answer["available"] is True
        spaces = {space["name"]: space for space in answer["namespaces"]}
        assert set(spaces) == {"quote", "perf", "analysis"}
        assert spaces["quote"]["entries"] >= 1
        assert spaces["quote"]["hits"] >= 1
        assert 0 < spaces["quote"]["rate"] < 1
        assert spaces["quote"]["seconds"] == 300

    def test_without_redis_say_that_it_is_away(self, staff, settings):
        settings.CACHES = at(NOWHERE)
        answer = browser(staff).get(CACHE)
        assert answer.status_code == 200
        assert (answer.json()["available"], answer.json()["namespaces"]) == (False, [])


class TestForgetting:
    def test_takes_what_matches(self, staff):
        name = unique_symbol()
        keep(f"{name}A", f"{name}B", f"{name}.A")
        answer = browser(staff).post(CACHE, {"namespace": "quote", "keys": f"{name}A:*"})
        assert (answer.status_code, answer.json()) == (200, {"forgotten": 1})
        assert there(f"{name}A", f"{name}B", f"{name}.A") == [f"{name}B", f"{name}.A"]
        assert browser(staff).post(CACHE, {"namespace": "quote", "keys": f"{name}*"}).json() == {"forgotten": 2}

    @pytest.mark.parametrize("keys", ["?????????????????:XTST", "[A-Z]*", "\\*", "ZZ^*"])
    def test_takes_all_but_a_star_for_itself(self, staff, keys):
        keep(name := unique_symbol())
        assert browser(staff).post(CACHE, {"namespace": "quote", "keys": keys}).json() == {"forgotten": 0}
        assert there(name) == [name]

    @pytest.mark.parametrize(
        ("body", "field"),
        [({}, "namespace"), ({"namespace": "throttle"}, "namespace"), ({"namespace": "quote", "keys": "x" * 201}, "keys")],
    )
    def test_refuses_what_it_does_not_understand(self, staff, body, field):
        answer = browser(staff).post(CACHE, body)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, field)

    def test_reaches_no_key_of_another_kind(self, staff):
        cache.backend.set("throttle:quote:x", 1)
        browser(staff).post(CACHE, {"namespace": "quote"})
        assert cache.backend.get("throttle:quote:x") == 1

    def test_without_redis_says_that_nothing_was_done(self, staff, settings):
        settings.CACHES = at(NOWHERE)
        answer = browser(staff).post(CACHE, {"namespace": "quote"})
        assert (answer.status_code, answer.json()["code"]) == (503, "cache_away")
