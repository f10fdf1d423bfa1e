"""A rate is that of all processes together, and of each by itself while Redis is away."""

import os
import subprocess
import sys
import time

import pytest
from django.core.cache import cache

from config.embedded import ROOT
from marketdata.adapters.pacing import Bucket, SharedBucket, bucket_of
from tests.caches import NOWHERE, at, stub
from tests.factories import unique_symbol
from tests.marketdata.adapters.vendors import Clock

ASK = """
import django; django.setup()
from marketdata.adapters.pacing import SharedBucket
bucket = SharedBucket({name!r}, 60, burst=3)
print(*[bucket.take() for _ in range(4)])
"""


@pytest.fixture
def name() -> str:
    """Return the name of a source that nobody else asks."""
    return f"paced-{unique_symbol()}"


def two(name: str, per_minute: float = 60, burst: float = 3) -> tuple[SharedBucket, SharedBucket]:
    """Return the buckets that two processes would have."""
    return SharedBucket(name, per_minute, burst=burst), SharedBucket(name, per_minute, burst=burst)


def test_two_who_ask_share_one_rate(name):
    one, other = two(name)
    assert [one.take(), other.take(), one.take()] == [0, 0, 0]
    assert 0.8 < other.take() <= 1
    assert 1.8 < one.take() <= 2
    other.give_back()
    assert 1.8 < other.take() <= 2


def test_what_a_source_tells_one_of_them_holds_for_all(name):
    one, other = two(name)
    one.pause(30)
    assert 29 < other.take() <= 30
    one.pause(5)  # a shorter pause does not end a longer one
    assert 29 < other.take() <= 30


def test_what_is_over_is_forgotten(name):
    one, _ = two(name, per_minute=600)
    one.take()
    with cache.talk() as client:
        assert 0 < client.pttl(one.key) <= 1_200


def test_processes_share_it(name):
    command = [sys.executable, "-c", ASK.format(name=name)]
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings", "DATABASE_URL": "postgres://127.0.0.1:1/none"}
    asking = [subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    waits = sorted(float(wait) for each in asking for wait in each.communicate(timeout=60)[0].split())
    assert len(waits) == 8
    assert sum(wait == 0 for wait in waits) < 6  # each alone would have had three at once
    assert waits[-1] > 1


@pytest.mark.parametrize("says", [b"", b"+nonsense\r\n"])
def test_each_keeps_to_it_alone_while_redis_is_away(name, says, settings):
    with stub(says) as url:
        for where in (NOWHERE, url):
            settings.CACHES = at(where)
            one, other = two(f"{name}-{where}", per_minute=6)
            began = time.monotonic()
            assert [one.take() for _ in range(3)] + [other.take() for _ in range(3)] == [0] * 6
            assert one.take() > 0.5
            one.pause(30)
            assert one.take() > 29
            assert other.take() < 29
            assert time.monotonic() - began < 4
        assert url.asked == 1  # and nobody waits for it twice


def test_a_clock_of_its_own_is_nobody_elses(name):
    clock = Clock()
    assert type(bucket_of(name, 60, clock)) is Bucket
    assert type(bucket_of(name, 60)) is SharedBucket
    assert bucket_of(name, 60) is bucket_of(name, 60)
