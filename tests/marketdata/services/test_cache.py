"""Values are kept and come back; one computes while others wait; and whatever Redis does, the caller gets its value."""

import pickle
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.core.cache import cache as backend

from config.servers import Valkey
from marketdata.domain.packing import Unpackable
from marketdata.services import cache, cache_counts
from marketdata.services.cache import ANALYSIS, QUOTE, Namespace
from tests.caches import NOWHERE, at, stub, valkey

VALUE = {"price": Decimal("1.10"), "at": datetime(2024, 1, 2, 3, tzinfo=UTC), "on": date(2024, 1, 2), "n": [1, None, "x"]}


def part() -> str:
    """Return a part of a key that no other test uses."""
    return uuid4().hex


def never() -> Any:
    """Fail: the value should have been there."""
    raise AssertionError("It was computed again.")


def plant(space: Namespace, *parts: str, text: bytes) -> None:
    """Put bytes of somebody else's under a key of ours."""
    with backend.talk() as client:
        client.set(space.key(*parts), text, px=60_000)


def raw(space: Namespace, *parts: str) -> bytes | None:
    with backend.talk() as client:
        return client.get(space.key(*parts))


class Computation:
    """Computes slowly, counts how often and by how many at once."""

    def __init__(self, seconds: float = 0.2, value: Any = VALUE) -> None:
        self.seconds, self.value = seconds, value
        self.times = self.now = self.most = 0
        self.lock = threading.Lock()

    def __call__(self) -> Any:
        with self.lock:
            self.times += 1
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(self.seconds)
        with self.lock:
            self.now -= 1
        return self.value


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Valkey]:
    """A Valkey of this module's own."""
    with valkey(tmp_path_factory.mktemp("valkey")) as ours:
        yield ours


@pytest.fixture
def own(server, settings) -> Valkey:
    """Let the cache use that server, empty."""
    settings.CACHES = at(server.url.removesuffix("/0") + "/1", REST=0)
    with backend.talk() as client:
        client.flushall()
        client.config_resetstat()
    cache_counts.reset()
    return server


class TestValues:
    def test_are_computed_once_and_come_back_exactly(self):
        name = part()
        assert cache.get_or_compute(ANALYSIS, name, compute=lambda: VALUE) == VALUE
        again = cache.get_or_compute(ANALYSIS, name, compute=never)
        assert again == VALUE
        assert str(again["price"]) == "1.10"

    @pytest.mark.parametrize("value", [None, 0, "", [], {}, False])
    def test_that_are_empty_are_values_all_the_same(self, value):
        name = part()
        cache.get_or_compute(ANALYSIS, name, compute=lambda: value)
        assert cache.get_or_compute(ANALYSIS, name, compute=never) == value

    def test_live_as_long_as_their_namespace_says_or_as_asked(self, settings):
        settings.CACHE_SECONDS = settings.CACHE_SECONDS | {"analysis": 77}
        name, other = part(), part()
        cache.get_or_compute(ANALYSIS, name, compute=lambda: 1)
        cache.get_or_compute(ANALYSIS, other, compute=lambda: 1, ttl=7)
        with backend.talk() as client:
            assert 70 < client.ttl(ANALYSIS.key(name)) <= 77
            assert 5 < client.ttl(ANALYSIS.key(other)) <= 7

    def test_are_gone_after_their_time(self):
        name = part()
        cache.set_value(ANALYSIS, name, value=1, ttl=0.05)
        time.sleep(0.1)
        assert cache.get_or_compute(ANALYSIS, name, compute=lambda: 2) == 2

    def test_of_another_shape_are_never_read(self):
        name = part()
        cache.set_value(Namespace("analysis", 1), name, value="old")
        assert cache.get_or_compute(Namespace("analysis", 2), name, compute=lambda: "new") == "new"
        assert cache.get_many(Namespace("analysis", 3), [[name]]) == {}

    def test_that_can_not_be_kept_as_json_are_refused_and_nobody_waits_for_them(self):
        name = part()
        for _ in range(2):
            with pytest.raises(Unpackable):
                cache.get_or_compute(ANALYSIS, name, compute=object)

    def test_that_are_too_large_are_handed_out_and_not_kept(self, settings):
        settings.CACHE_LARGEST = 1000
        name, slow = part(), Computation(value="x" * 2000)
        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(lambda _: cache.get_or_compute(ANALYSIS, name, compute=slow), range(8)))
        assert set(answers) == {"x" * 2000}
        assert slow.most > 1  # they don't queue up for what is not kept anyway
        assert cache.set_value(ANALYSIS, part(), value="x" * 2000) is False

    @pytest.mark.parametrize(
        "text",
        [b"", b"{", b"17", b'"text"', b'{"o":"', b'{"o":"%032d","ms":1,"v":{"$what":1}}' % 0, b"\x00\xff", pickle.dumps(VALUE)],
    )
    def test_that_are_damaged_or_foreign_are_as_if_there_were_none(self, text):
        name = part()
        plant(ANALYSIS, name, text=text)
        assert cache.get_many(ANALYSIS, [[name]]) == {}
        assert cache.get_or_compute(ANALYSIS, name, compute=lambda: "ours") == "ours"
        assert cache.get_or_compute(ANALYSIS, name, compute=never) == "ours"

    def test_that_are_no_texts_in_redis_are_computed_each_time(self):
        name = part()
        with backend.talk() as client:
            client.rpush(ANALYSIS.key(name), "a list")
        assert cache.get_or_compute(ANALYSIS, name, compute=lambda: 1) == 1
        assert cache.get_many(ANALYSIS, [[name]]) == {}

    def test_no_pickle_is_ever_loaded(self):
        class Trap:
            def __reduce__(self):
                return (pytest.fail, ("The pickle was loaded.",))

        name = part()
        trap = pickle.dumps(Trap())
        plant(QUOTE, name, text=trap)
        assert cache.get_many(QUOTE, [[name]]) == {}
        assert cache.get_or_compute(QUOTE, name, compute=lambda: 1) == 1
        with backend.talk() as client:
            client.set(backend.make_key(name), trap)
        assert backend.get(name, "nothing") == "nothing"
        assert backend.get_many([name]) == {}

    def test_many_at_once_come_by_their_parts(self):
        names = [part() for _ in range(1200)]
        stored = cache.set_many(QUOTE, {(name, "X"): (cache.NO_ORDER, name) for name in names})
        assert stored == 1200
        found = cache.get_many(QUOTE, [[name, "X"] for name in [*names, "absent"]])
        assert found == {(name, "X"): name for name in names}

    def test_with_an_order_give_way_to_newer_ones_alone(self):
        name = (part(),)
        for order, value, expected in [("2", "b", "b"), ("1", "a", "b"), ("2", "c", "c"), ("3", "d", "d")]:
            cache.set_many(QUOTE, {name: (order.zfill(32), value)})
            assert cache.get_many(QUOTE, [name]) == {name: expected}


class TestKeys:
    def test_parts_pass_neither_for_others_nor_for_patterns(self):
        parts = [("a:b", "c"), ("a", "b:c"), ("a", "b", "c"), ("a*",), ("a",), ("a%3Ab", "c"), ("a~lock",), ("ä",), ("a b\n",)]
        keys = {ANALYSIS.key(*one) for one in parts}
        assert len(keys) == len(parts)
        assert not any(set(key) & set("*?[]\\ \n~") for key in keys)

    def test_are_named_after_symbols(self):
        assert QUOTE.key("BTC/USD", "CRYPTO").endswith(":1:quote:BTC/USD:CRYPTO")


class TestInvalidation:
    def test_takes_what_begins_with_the_parts_and_nothing_that_looks_like_it(self):
        name = part()
        for parts in [(name, "a"), (name, "b", "c"), (name,), (f"{name}x", "a"), (f"x{name}", "a")]:
            cache.set_value(ANALYSIS, *parts, value=1)
        assert cache.invalidate(ANALYSIS, name) == 3
        assert len(cache.get_many(ANALYSIS, [[f"{name}x", "a"], [f"x{name}", "a"], [name, "a"]])) == 2

    @pytest.mark.parametrize("wild", ["*", "?", "[a-z]", "\\", "a*", "^"])
    def test_takes_no_part_for_a_pattern(self, wild):
        name = part()
        cache.set_value(ANALYSIS, name, "abc", value=1)
        assert cache.invalidate(ANALYSIS, name, wild) == 0
        assert cache.invalidate(ANALYSIS, name) == 1

    def test_takes_a_text_in_which_only_a_star_is_wild(self):
        name = part()
        for end in ("AA", "AB", "B?"):
            cache.set_value(ANALYSIS, f"{name}{end}", value=1)
        assert cache.invalidate_matching("analysis", f"{name}?*") == 0
        assert cache.invalidate_matching("analysis", f"{name}[A]*") == 0
        assert cache.invalidate_matching("analysis", f"{name}A*") == 2

    def test_reaches_values_of_every_shape_in_thousands(self):
        name = part()
        for shape in (1, 2):
            cache.set_many(Namespace("analysis", shape), {(name, str(n)): (cache.NO_ORDER, n) for n in range(1100)})
        assert cache.invalidate(ANALYSIS, name) == 2200

    def test_keeps_what_is_computed_meanwhile_from_being_kept(self):
        name = part()

        def overtaken() -> str:
            cache.invalidate(ANALYSIS, name)
            return "old"

        assert cache.get_or_compute(ANALYSIS, name, compute=overtaken) == "old"
        assert cache.get_many(ANALYSIS, [[name]]) == {}

    def test_never_asks_for_all_keys(self, own):
        cache.set_value(ANALYSIS, part(), value=1)
        assert cache.invalidate(ANALYSIS) == 1
        cache_counts.statistics()
        with backend.talk() as client:
            asked = client.info("commandstats")
        assert "cmdstat_scan" in asked
        assert "cmdstat_keys" not in asked


class TestStampede:
    def test_one_computes_and_the_others_wait(self):
        name, slow = part(), Computation()
        with ThreadPoolExecutor(20) as threads:
            answers = list(threads.map(lambda _: cache.get_or_compute(ANALYSIS, name, compute=slow), range(20)))
        assert slow.times == 1
        assert answers == [VALUE] * 20

    def test_the_others_go_on_when_the_one_fails(self):
        name, slow = part(), Computation()
        tried = threading.Event()

        def fail() -> None:
            tried.set()
            time.sleep(0.1)
            raise LookupError

        with ThreadPoolExecutor(5) as threads:
            first = threads.submit(cache.get_or_compute, ANALYSIS, name, compute=fail)
            tried.wait()
            others = [threads.submit(cache.get_or_compute, ANALYSIS, name, compute=slow) for _ in range(4)]
            with pytest.raises(LookupError):
                first.result()
            assert [other.result() for other in others] == [VALUE] * 4
        assert slow.times == 1

    def test_the_others_go_on_when_the_one_is_killed(self, settings):
        settings.CACHE_WAIT = 0.3
        name, slow = part(), Computation()
        with backend.talk() as client:
            client.set(f"{ANALYSIS.key(name)}~lock", "of a process that is no more", px=60_000)
        started = time.monotonic()
        with ThreadPoolExecutor(6) as threads:
            answers = list(threads.map(lambda _: cache.get_or_compute(ANALYSIS, name, compute=slow), range(6)))
        assert answers == [VALUE] * 6
        assert time.monotonic() - started < 3
        assert cache.get_or_compute(ANALYSIS, name, compute=never) == VALUE  # and it is kept from then on

    def test_nobody_waits_longer_than_they_must_for_one_who_is_slow(self, settings):
        settings.CACHE_WAIT = 0.2
        name, begun, go_on = part(), threading.Event(), threading.Event()

        def slow() -> str:
            begun.set()
            go_on.wait(60)
            return "slow"

        with ThreadPoolExecutor(1) as thread:
            first = thread.submit(cache.get_or_compute, ANALYSIS, name, compute=slow)
            begun.wait(60)
            started = time.monotonic()
            assert cache.get_or_compute(ANALYSIS, name, compute=lambda: "quick") == "quick"
            assert time.monotonic() - started < 1
            assert not first.done()
            go_on.set()
            assert first.result() == "slow"
        assert cache.get_or_compute(ANALYSIS, name, compute=never) == "quick"  # who was overtaken keeps nothing

    def test_a_value_near_its_end_is_renewed_by_one_while_the_others_take_it(self):
        name = part()
        slow = Computation(0.3, "new")
        text = b'{"o":"%032d","ms":%d,"v":"old"}' % (0, 10_000_000)  # so dear that its renewal is due
        plant(ANALYSIS, name, text=text)
        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(lambda _: cache.get_or_compute(ANALYSIS, name, compute=slow), range(8)))
        assert slow.times == 1
        assert sorted(set(answers)) == ["new", "old"]
        assert answers.count("old") == 7

    def test_a_cheap_value_with_time_left_is_not_renewed(self):
        name = part()
        cache.get_or_compute(ANALYSIS, name, compute=lambda: 1)
        assert [cache.get_or_compute(ANALYSIS, name, compute=never) for _ in range(50)] == [1] * 50


class TestWithoutRedis:
    def test_values_are_computed(self, settings):
        settings.CACHES = at(NOWHERE)
        assert cache.get_or_compute(ANALYSIS, "x", compute=lambda: 1) == 1
        assert cache.get_many(QUOTE, [["x"]]) == {}
        assert cache.set_value(QUOTE, "x", value=1) is False
        assert cache_counts.statistics().available is False

    @pytest.mark.parametrize("says", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"$x\r\n", b":one\r\n", b"+OK\r\n", b"\x00" * 99])
    def test_one_that_stalls_or_rambles_is_waited_for_once(self, settings, says):
        with stub(says) as url:
            settings.CACHES = at(url)
            started = time.monotonic()
            for _ in range(20):
                assert cache.get_or_compute(ANALYSIS, "x", compute=lambda: 1) == 1
                assert cache.get_many(QUOTE, [["x"], ["y"]]) == {}
                assert backend.get("x", "nothing") == "nothing"
                assert backend.add("x", 1) is False
            assert time.monotonic() - started < 5
            assert url.asked == 1

    def test_what_is_computed_survives_a_redis_that_dies_meanwhile(self, own, settings):
        def compute() -> int:
            own.stop()
            return 1

        try:
            assert cache.get_or_compute(ANALYSIS, "x", compute=compute) == 1
            assert cache.get_or_compute(ANALYSIS, "x", compute=lambda: 2) == 2
        finally:
            own.start()
        assert cache.get_or_compute(ANALYSIS, "x", compute=lambda: 3) == 3
        assert cache.get_or_compute(ANALYSIS, "x", compute=never) == 3

    def test_an_emptied_one_is_filled_again(self, own):
        cache.get_or_compute(ANALYSIS, "x", compute=lambda: 1)
        with backend.talk() as client:
            client.flushall()
        assert cache.get_or_compute(ANALYSIS, "x", compute=lambda: 2) == 2
        assert cache.get_or_compute(ANALYSIS, "x", compute=never) == 2


class TestStatistics:
    def test_count_what_was_asked_and_found_in_each_namespace(self, own):
        for _ in range(4):
            cache.get_or_compute(ANALYSIS, "x", compute=lambda: 1)
        cache.set_value(QUOTE, "a", value="1" * 1000)
        cache.get_many(QUOTE, [["a"], ["b"], ["c"]])
        plant(QUOTE, "d", text=b"nonsense")
        cache.get_or_compute(QUOTE, "d", compute=lambda: 1)
        found = cache_counts.statistics()
        spaces = {space.name: space for space in found.spaces}
        assert set(spaces) == {"quote", "perf", "analysis"}
        assert (spaces["analysis"].hits, spaces["analysis"].misses, spaces["analysis"].rate) == (3, 1, 0.75)
        assert (spaces["quote"].hits, spaces["quote"].misses, spaces["quote"].damaged) == (1, 3, 1)
        assert (spaces["quote"].entries, spaces["analysis"].entries, spaces["perf"].entries) == (2, 1, 0)
        assert spaces["quote"].bytes > 1000
        assert spaces["perf"].rate is None
        assert found.policy == "volatile-lru"
        assert found.memory > 0
        assert found.server.startswith("Valkey ")

    def test_are_those_of_all_threads_and_processes(self, own):
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda n: cache.get_or_compute(ANALYSIS, n, compute=lambda: n), range(40)))
        assert {space.name: space.misses for space in cache_counts.statistics().spaces}["analysis"] == 40

    def test_start_over_when_they_are_reset(self, own):
        cache.get_many(QUOTE, [["a"]])
        cache_counts.statistics()
        cache_counts.reset()
        assert sum(space.misses for space in cache_counts.statistics().spaces) == 0

    def test_say_what_had_to_go_when_the_memory_was_full(self, own):
        with backend.talk() as client:
            client.config_set("maxmemory", client.info("memory")["used_memory"] + 1_500_000)
        try:
            for n in range(100):
                cache.set_value(ANALYSIS, n, value="x" * 50_000)
            found = cache_counts.statistics()
            assert found.evicted > 0
            assert 0 < {space.name: space.entries for space in found.spaces}["analysis"] < 100
        finally:
            with backend.talk() as client:
                client.config_set("maxmemory", "256mb")
