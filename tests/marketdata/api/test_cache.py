"""Operators see how the cache does, and empty it."""

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from marketdata.services import cache, ingest
from marketdata.services.cache import QUOTE
from tests.caches import NOWHERE, at
from tests.clients import browser
from tests.factories import LONG_AGO, make_instrument, make_user, unique_symbol

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


LATEST = "/api/v1/quotes/latest/"


class TestLatestQuotes:
    @pytest.fixture
    def quoted(self):
        """Return two instruments with quotes that came in the usual way."""
        found = [make_instrument(), make_instrument()]
        for instrument in found:
            self.send(instrument, LONG_AGO, "10.50")
        return found

    def send(self, instrument, moment, bid, **more):
        rows = [{"timestamp": moment, "bid": bid, "ask": "50"}]
        return ingest.store_quotes(source="test", rows=rows, common={"instrument": instrument}, recorded_at=moment, **more)

    def ask(self, client, names, **more):
        return client.get(LATEST, {"instruments": ",".join(names)} | more)

    def test_come_from_the_cache_the_same_as_from_the_database(self, staff, quoted):
        client, names = browser(staff), [instrument.key for instrument in reversed(quoted)]
        cache.forget(QUOTE, quoted[0].symbol, quoted[0].exchange)
        answers = [self.ask(client, names) for _ in range(2)]
        assert answers[0].json() == answers[1].json()
        assert answers[0]["ETag"] == answers[1]["ETag"]
        with CaptureQueriesContext(connection) as queries:
            self.ask(client, names)
        assert not [query for query in queries if "marketdata_" in query["sql"]]

    def test_are_never_older_than_what_was_stored(self, staff, quoted):
        client, (instrument, other) = browser(staff), quoted
        for second in range(1, 20):
            assert self.send(instrument, LONG_AGO + timedelta(seconds=second), f"{second}").stored == 1
            found = self.ask(client, [instrument.key, other.key]).json()["results"]
            assert [row["bid"] for row in found] == [f"{second}", "10.5"]

    def test_follow_a_correction(self, staff, quoted):
        client, (instrument, _) = browser(staff), quoted
        self.ask(client, [instrument.key])
        assert self.send(instrument, LONG_AGO, "9", correct=True).corrected == 1
        assert self.ask(client, [instrument.key]).json()["results"][0]["bid"] == "9"

    def test_of_a_batch_that_was_undone_are_never_seen(self, staff, quoted):
        client, (instrument, _) = browser(staff), quoted
        with transaction.atomic():
            self.send(instrument, LONG_AGO + timedelta(seconds=1), "11")
            transaction.set_rollback(True)
        assert self.ask(client, [instrument.key]).json()["results"][0]["bid"] == "10.5"

    def test_are_stored_while_redis_is_away(self, staff, quoted, settings):
        client, (instrument, _) = browser(staff), quoted
        settings.CACHES = at(NOWHERE)
        assert self.send(instrument, LONG_AGO + timedelta(seconds=1), "11").stored == 1
        assert self.ask(client, [instrument.key]).json()["results"][0]["bid"] == "11"

    @pytest.mark.parametrize(
        ("query", "status"),
        [({"limit": "1"}, 200), ({"limit": "0"}, 400), ({"limit": "²"}, 400), ({"colour": "red"}, 400), ({"cursor": "x"}, 400)],
    )
    def test_that_are_asked_for_otherwise_are_refused_as_ever(self, staff, quoted, query, status):
        names = [instrument.key for instrument in quoted]
        answer = self.ask(browser(staff), names, **query)
        assert answer.status_code == status
        if status == 200:
            assert (len(answer.json()["results"]), bool(answer.json()["next"])) == (1, True)
        assert self.ask(browser(staff), [*names, "NOSUCH:XTST"]).status_code == 400
        assert self.ask(browser(staff), [names[0].lower()]).status_code in (200, 400)
