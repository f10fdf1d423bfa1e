"""Members hear once that a bound is broken and once that it is kept again, whoever looks at the same time, and whoever dies."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from threading import Event, Thread
from typing import Any

import pytest
from django.db import connections, transaction

from accounts.models import Notification
from accounts.models.tenancy import acting_as
from accounts.services.policies import create_policy
from portfolio.models import Alert, Projection
from portfolio.services.policies import watch
from portfolio.services.projections import catch_up
from tests.factories import make_instrument, post
from tests.portfolio.market import bars, sql

SYSTEM = "system"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def at(day: str) -> datetime:
    return datetime.fromisoformat(f"{day}T15:00").replace(tzinfo=UTC)


@pytest.fixture
def rich(account, alice):
    """Return an account of nothing but cash, of which half may be."""
    with acting_as(alice.pk):
        create_policy(account=account, kind="CASH", threshold=Decimal("0.5"), at=NOW)
    post(account, "DEPOSIT", cash="1000", occurred_at=at("2024-01-02"))
    catch_up(account_id=account.pk, at=NOW)
    return account


@pytest.fixture
def house():
    """Return something that is worth more than all the cash."""
    house = make_instrument()
    bars(house, {"2024-01-02": 9000})
    return house


def told(account) -> list[str]:
    """Return what the owner was told, in the order of telling."""
    with acting_as(account.owner_id):
        rows = Notification.objects.filter(user=account.owner, title__startswith=account.name).order_by("pk")
        return ["broken" if "is broken" in title else "kept" for title in rows.values_list("title", flat=True)]


def heal(account, house) -> None:
    """Post what makes the cash a smaller share."""
    data = {"cost": "9000"}
    post(account, "TRANSFER_IN", instrument=house, quantity="1", data=data, occurred_at=at("2024-01-02"))


def hurt(account, house) -> None:
    """Post what makes the cash a larger share."""
    post(account, "TRANSFER_OUT", instrument=house, quantity="-1", occurred_at=at("2024-01-02"))


def elsewhere(work: Callable[[], Any]) -> Thread:
    """Do something in a thread with connections of its own."""

    def run() -> None:
        try:
            work()
        finally:
            connections.close_all()

    thread = Thread(target=run)
    thread.start()
    return thread


@contextmanager
def holding(lock: Callable[[], Any], last: Callable[[], Any] = lambda: None) -> Iterator[None]:
    """Hold a lock of the database in a transaction of a thread of its own, which does one more thing in the end."""
    held, done = Event(), Event()

    def hold() -> None:
        with transaction.atomic(using=SYSTEM):
            lock()
            held.set()
            done.wait(60)
            last()

    thread = elsewhere(hold)
    assert held.wait(60)
    try:
        yield
    finally:
        done.set()
        thread.join()


def waiting_for_a_lock(thread: Thread) -> list[int]:
    """Return the backends of this database that wait for a lock, as soon as there is one; none if the thread ended before."""
    query = """
        SELECT pid FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND datname = current_database()
    """
    found: list[int] = []
    while not found and thread.is_alive():
        found = [pid for (pid,) in sql(query)]
    return found


def kill(pids: list[int]) -> None:
    """End backends as if their processes had died."""
    with connections[SYSTEM].cursor() as cursor:
        cursor.execute("SET ROLE NONE")
        cursor.execute("SELECT pg_terminate_backend(pid) FROM unnest(%s::int[]) AS pid", [pids])
    connections[SYSTEM].close()


def test_many_who_look_at_once_tell_it_once(rich, house):
    def look(_: int) -> None:
        try:
            watch(account_ids=[rich.pk], at=NOW)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(look, range(18)))
    assert told(rich) == ["broken"]
    with ThreadPoolExecutor(6) as pool:
        work = [pool.submit(look, number) for number in range(9)]
        heal(rich, house)
        catch_up(account_id=rich.pk, at=NOW)
        work += [pool.submit(look, number) for number in range(9)]
        for one in work:
            one.result()
    assert told(rich) == ["broken", "kept"]


def test_nobody_who_looked_at_older_figures_has_the_last_word(rich, house):
    heal(rich, house)  # and while that is being derived, somebody looks

    def row() -> None:
        Projection.objects.using(SYSTEM).select_for_update().get(pk=rich.pk)

    with holding(row, last=lambda: catch_up(account_id=rich.pk, at=NOW)):
        late = elsewhere(lambda: watch(account_ids=[rich.pk], at=NOW))
        waiting_for_a_lock(late)
    late.join()
    assert told(rich) == []


def test_whoever_dies_while_telling_it_has_told_nothing(rich):
    def table() -> None:
        with connections[SYSTEM].cursor() as cursor:
            cursor.execute("LOCK TABLE accounts_notification IN SHARE ROW EXCLUSIVE MODE")

    with holding(table):
        dying = elsewhere(lambda: watch(account_ids=[rich.pk], at=NOW))
        waiting = waiting_for_a_lock(dying)
        assert waiting
        kill(waiting)
        dying.join()
    assert (told(rich), Alert.objects.using(SYSTEM).filter(account=rich.pk).count()) == ([], 0)
    for _ in range(3):
        watch(account_ids=[rich.pk], at=NOW)
    assert told(rich) == ["broken"]


def test_in_any_course_of_things_what_is_told_alternates(rich, house):
    def look(_: int) -> None:
        try:
            catch_up(account_id=rich.pk, at=NOW)
            watch(account_ids=[rich.pk], at=NOW)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        for turn in (heal, hurt, heal, hurt):
            work = [pool.submit(look, number) for number in range(4)]
            turn(rich, house)
            work += [pool.submit(look, number) for number in range(4)]
            for one in work:
                one.result()
    look(0)
    found = told(rich)
    assert all(one != other for one, other in pairwise(found))
    assert (found[0], found[-1]) == ("broken", "broken")
    assert Alert.objects.using(SYSTEM).filter(account=rich.pk).exists()
