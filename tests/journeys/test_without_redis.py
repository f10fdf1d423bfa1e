"""Redis dies, stalls, rambles or is emptied: every page still answers, soon, and every task still does its work."""

import time
from contextlib import ExitStack

import pytest
from django.conf import settings as configured
from django.core.cache import cache
from django.urls import reverse
from kombu.exceptions import OperationalError

from config.celery import app as celery
from tests.access.doors import DOORS
from tests.access.test_doors import knock
from tests.access.world import World
from tests.admin.world import AdminWorld, looks, pages, to
from tests.caches import NOWHERE, Address, at, stub
from tests.clients import nobody
from tests.factories import PASSWORD

LOOKS = [door for door in DOORS if door[1] == "get"]
PERSON = "operator"
COLUMN = 5  # where the table says what an operator hears
TROUBLES = {
    "dead": None,
    "stalling": b"",
    "rambling": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "loading": b"-LOADING Valkey is loading the dataset in memory\r\n",
    "full": b"-OOM command not allowed when used memory > 'maxmemory'.\r\n",
    "locked": b"-NOAUTH Authentication required.\r\n",
}
SOON = 6.0  # seconds for a page: the patience with Redis, once, and the page itself on a busy machine
PATIENCE = 2  # how often a page may wait for a Redis that stalls: once for the cache, once for messages
BEAT = sorted({entry["task"] for entry in celery.conf.beat_schedule.values()})


@pytest.fixture(scope="module")
def world() -> AdminWorld:
    return AdminWorld()


@pytest.fixture(params=TROUBLES)
def trouble(request, settings):
    """Put something in Redis's place, for the cache and for messages, and return its address."""
    with ExitStack() as stack:
        says = TROUBLES[request.param]
        url = Address(NOWHERE) if says is None else stack.enter_context(stub(says))
        settings.CACHES = at(url, OPTIONS=configured.CACHES["default"]["OPTIONS"] | {"socket_timeout": 1})
        celery.loader.import_default_modules()
        lost = celery.conf.broker_url
        with ExitStack() as broker:
            broker.callback(point_at, lost)
            point_at(url)
            yield url


def point_at(url: str) -> None:
    """Let messages be sent elsewhere from now on."""
    celery._pool = celery.amqp._producer_pool = None
    celery.silent_until = 0.0
    celery.conf.broker_url = celery.conf.broker_write_url = celery.conf.broker_read_url = url


class Watch:
    """Tells what asked a Redis in trouble too often, for each may be a wait, and what took too long."""

    def __init__(self, trouble: Address) -> None:
        self.trouble, self.before, self.started = trouble, trouble.asked, time.monotonic()
        self.impatient: list[str] = []

    def __call__(self, what: str, most: int = PATIENCE, soon: float = SOON) -> None:
        asked, took = self.trouble.asked - self.before, time.monotonic() - self.started
        patient = asked <= most or self.trouble.says == TROUBLES["full"]  # that one is well enough to be asked again
        if not patient or took > soon:
            self.impatient.append(f"{what}: asked {asked} times in {took:.1f} s")
        self.before, self.started = self.trouble.asked, time.monotonic()


class TestWithoutRedis:
    def test_every_route_answers_as_ever(self, world, trouble):
        watch, heard = Watch(trouble), {}
        for door in LOOKS:
            heard[door[0]] = knock(world, PERSON, door[0], "get").status_code
            watch(door[0])
        assert heard == {door[0]: door[COLUMN] for door in LOOKS}
        assert watch.impatient == []

    def test_every_page_answers_as_ever(self, world, trouble):
        watch, heard = Watch(trouble), {}
        client, owner = looks(world.operator), looks(world.alice)
        addresses = [
            ("/admin/", owner),
            ("/admin/", client),
            *((reverse(f"admin:{name}"), client) for name in ("health", "cache")),
        ]
        for model in pages():
            addresses += [(to(model, "changelist"), client), (to(model, "changelist"), owner)]
            addresses += [(to(model, "change", world.records[model].pk), owner)]
        for address, who in addresses:
            heard[address] = who.get(address).status_code
            watch(address)
        assert {address: status for address, status in heard.items() if status not in (200, 302, 403)} == {}
        assert watch.impatient == []

    @pytest.mark.parametrize("name", BEAT)
    @pytest.mark.parametrize("trouble", ["dead", "stalling"], indirect=True)
    def test_every_task_of_the_clock_does_its_work(self, trouble, name):
        watch = Watch(trouble)
        celery.tasks[name]()
        watch(name, most=5, soon=60)
        assert watch.impatient == []

    def test_whoever_asks_often_waits_once(self, world, trouble):
        client = looks(world.operator)
        client.get("/admin/cache/")
        watch = Watch(trouble)
        for _ in range(10):
            assert client.get("/api/v1/instruments/").status_code == 200
        watch("ten questions")
        assert watch.impatient == []

    def test_logins_alone_are_refused(self, world, trouble):
        body = {"email": world.alice.email, "password": PASSWORD, "name": "x", "scopes": ["read"]}
        assert nobody().post("/api/v1/auth/token/", body).status_code == 429
        answer = nobody().post("/admin/login/", {"username": world.alice.email, "password": PASSWORD})
        assert b"Too many tries" in answer.content

    def test_what_is_posted_is_recorded(self, world, trouble):
        watch = Watch(trouble)
        for route in ("entry-list", "watchlist-list"):
            assert knock(world, "owner", route, "post").status_code == 201
            watch(route, soon=2 * SOON)
        assert watch.impatient == []


class TestEmptied:
    def test_in_between_every_route_answers_as_ever(self):
        world = World(derived=True)
        for door in LOOKS:
            before = knock(world, PERSON, door[0], "get")
            cache.unlink("*")
            after = knock(world, PERSON, door[0], "get")
            assert (before.status_code, after.status_code) == (door[COLUMN],) * 2, door[0]
        owner = looks(world.alice)
        for route in ("summary", "performance"):
            url = f"/api/v1/accounts/{world.account.pk}/{route}/"
            kept = [owner.get(url).json() for _ in range(2)]
            cache.unlink("*")
            assert [owner.get(url).json() for _ in range(2)] == kept


def test_the_broker_is_the_one_in_trouble(trouble):
    """Else the tests above would prove nothing of messages."""
    if trouble == NOWHERE or trouble.says == TROUBLES["locked"]:
        with pytest.raises(OperationalError):
            celery.send_task("nobody.takes.this")
        assert celery.tasks[BEAT[0]].delay() is None
