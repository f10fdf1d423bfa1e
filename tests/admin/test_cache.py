"""The page of the cache: operators see how it does, and act."""

import pytest
from django.core.cache import cache as backend

from config.cachepage import size_text
from marketdata.services import cache
from marketdata.services.cache import ANALYSIS, QUOTE
from tests.admin.world import looks
from tests.caches import NOWHERE, at, valkey
from tests.factories import LONG_AGO, make_instrument, make_quotes, make_user, unique_symbol

PAGE = "/admin/cache/"


@pytest.fixture(scope="module")
def client():
    return looks(make_user("staff", is_staff=True))


def act(client, do, **fields):
    return client.post(PAGE, {"do": do} | fields, follow=True).content.decode()


class TestThePage:
    def test_is_for_operators(self, alice, client):
        assert looks(alice).get(PAGE).status_code == 403
        assert looks(alice).post(PAGE, {"do": "reset"}).status_code == 403
        assert client.get(PAGE).status_code == 200
        assert looks(alice).get("/admin/").content.count(PAGE.encode()) == 0
        assert PAGE.encode() in client.get("/admin/").content

    def test_shows_every_namespace(self, client):
        content = client.get(PAGE).content.decode()
        for name in ("quote", "perf", "analysis"):
            assert f"<code>{name}</code>" in content
        assert "volatile-lru" in content

    def test_says_that_redis_is_away(self, client, settings):
        settings.CACHES = at(NOWHERE)
        assert "Redis does not answer" in client.get(PAGE).content.decode()
        assert "nothing was done" in act(client, "forget", namespace="quote")

    @pytest.mark.parametrize("policy", ["noeviction", "allkeys-lru"])
    def test_warns_of_a_policy_that_drops_nothing_or_messages(self, client, settings, tmp_path, policy):
        with valkey(tmp_path) as server:
            settings.CACHES = at(server.url.removesuffix("/0") + "/1")
            with backend.talk() as redis:
                redis.config_set("maxmemory-policy", policy)
            assert "set <code>maxmemory-policy volatile-lru</code>" in client.get(PAGE).content.decode()
            redis_is = client.get("/health/").json()["redis"]
            assert redis_is["ok"] is True
            assert policy in redis_is["detail"]


class TestItsButtons:
    def test_forget_a_namespace(self, client):
        name = unique_symbol()
        cache.set_value(ANALYSIS, name, value=1)
        cache.set_value(QUOTE, name, value=1)
        assert "values of analysis are forgotten" in act(client, "forget", namespace="analysis")
        assert cache.get_many(ANALYSIS, [[name]]) == {}
        assert cache.get_many(QUOTE, [[name]])

    @pytest.mark.parametrize("fields", [{"do": "forget", "namespace": "*"}, {"do": "forget"}, {"do": "explode"}, {}])
    def test_do_nothing_that_is_not_on_the_page(self, client, fields):
        name = unique_symbol()
        cache.set_value(ANALYSIS, name, value=1)
        assert client.post(PAGE, fields).status_code == 302
        assert cache.get_many(ANALYSIS, [[name]])

    def test_reset_the_counts(self, client):
        cache.get_many(QUOTE, [["x"]])
        assert "The counts start again." in act(client, "reset")

    def test_warm_up_what_is_named(self, client):
        instrument = make_instrument()
        make_quotes(instrument, [(LONG_AGO, "1", "2")])
        assert "of 1 instruments" in act(client, "warm", symbols=f"{instrument.key}, ")
        assert cache.get_many(QUOTE, [[instrument.symbol, instrument.exchange]])

    def test_say_what_is_wrong_with_a_name(self, client):
        assert "No instrument is called NOSUCH" in act(client, "warm", symbols="NOSUCH")
        assert "<script>" not in act(client, "warm", symbols="<script>")
        assert "500 instruments at most" in act(client, "warm", symbols="A " * 501)


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 bytes"), (999, "999 bytes"), (1500, "2 kB"), (2_340_000, "2.3 MB"), (5e12, "5,000.0 GB")]
)
def test_sizes_read_well(size, text):
    assert size_text(size) == text
