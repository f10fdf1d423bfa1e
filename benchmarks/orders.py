"""Orders placed over HTTP beside the same rows inserted as they are, fills beside the ledger's batches, and what risk costs.

All doors are of one server, the one that `make run` starts, and stand behind the same middleware: the caller is found by a
token and acts in a transaction. A raw door takes a body, inserts the two rows by SQL, and answers; it knows no risk and no lock.
The goal is held to the barest: it inserts into copies of the tables that have the columns, checks and indexes alone (no foreign
keys, guards, row-level security), past the API's framework. For comparison there is one that inserts where orders are, and one
that does so as a view of the API. All are asked over the same connections in turn; the messages that orders leave go to a Redis
of their own, and as nobody takes them an account leaves one in three seconds.

Fills are held to batches of 100 entries that the ledger posts in the same processes. What the risk check adds is measured in one
process, an account with 100 open positions, placing with the check and with what it once found.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from http import HTTPStatus
from pathlib import Path
from unittest.mock import patch
from urllib.error import URLError
from urllib.request import urlopen

from django.conf import settings
from django.db import connections
from uuid_utils.compat import uuid7

from accounts.models import Account
from accounts.models.tenancy import acting_as
from benchmarks import ledger
from benchmarks.harness import Harness
from benchmarks.making.callers import Line, post, rate
from benchmarks.making.order_desk import Desk, cancel_open_orders, make_desk, make_market
from benchmarks.stream import in_database
from config.celery import app
from config.processes import free_port, tail, wait_until
from config.servers import Valkey
from config.stack import HOST, web
from marketdata.models import Instrument
from trading.adapters.base import BrokerOrder
from trading.domain.drafts import OrderDraft
from trading.domain.fills import Fill
from trading.domain.orders import OrderStatus, OrderType, Side
from trading.models import Door, Order
from trading.services import orders as placing
from trading.services.answers import take_down, take_down_all
from trading.services.fills import Execution, post_fills
from trading.services.order_rows import Origin, write_orders

ROOT = Path(__file__).resolve().parent.parent
CONNECTIONS = (1, 4, 16)
RAW = {"api/": ("by the API", ">= 0.0"), "tables/": ("past its framework", ">= 0.0"), "copies/": ("into bare copies", ">= 0.5")}
SECONDS, QUICK_SECONDS = 3.0, 1.0
DESKS, HELD, POSITIONS = 20, 10, 100
PLACED, QUICK_PLACED = 150, 30
ORDERS, FILLS = 25, 4  # of a batch: what a broker tells of an account that trades much
REQUESTS = 500
USUAL = 100  # batches of each kind that are there before
WHOLE = Decimal(1_000_000_000)  # an order that a benchmark does not fill to its end


def run(harness: Harness) -> None:
    """Measure placing over HTTP, posting fills, and the check."""
    now = datetime.now(UTC)
    with messages_of_its_own() as messages:
        market = make_market(POSITIONS, now)
        measure_placing(harness, market, now, messages)
        measure_check(harness, market, now)
        measure_fills(harness, now)


def measure_placing(harness: Harness, market: Sequence[Instrument], now: datetime, messages: str) -> None:
    """Measure orders a second, as many as are placed at once by 1, 4 and 16 callers."""
    desks = [make_desk(f"bench-desk-{number}", [one.pk for one in market[:HELD]], now) for number in range(DESKS)]
    with connections["owner"].cursor() as cursor:
        for table in ("order", "orderevent"):
            cursor.execute(f"CREATE TABLE bench_{table} (LIKE trading_{table} INCLUDING ALL)")
            cursor.execute(f"GRANT INSERT ON bench_{table} TO bedrock_app")
    asked = {door: requests(desks, market, door) for door in ("", *RAW)}
    seconds = QUICK_SECONDS if harness.quick else SECONDS
    with server(messages) as port:
        rate_of([Line(port)], asked[""], QUICK_SECONDS)
        analyze()
        for number in CONNECTIONS:
            lines = [Line(port) for _ in range(number)]
            found = harness.interleave({name: partial(rate_of, lines, some, seconds) for name, some in asked.items()})
            for door, (rows, goal) in RAW.items():
                case = f"accepted / rows inserted {rows}, {number} connection{'s' * (number > 1)}"
                harness.compare("orders", case, ours=found[""], baseline=found[door], unit="orders/s", goal=goal)


def rate_of(lines: Sequence[Line], asked: Sequence[bytes], seconds: float) -> float:
    """Return how many requests a second are answered, beginning with no order open."""
    cancel_open_orders()
    return rate(lines, asked, seconds)


def analyze() -> None:
    """Let the planner know the tables, as autovacuum does within a minute: of one that was made just now it expects no rows."""
    with connections["owner"].cursor() as cursor:
        cursor.execute("ANALYZE")


def requests(desks: Sequence[Desk], market: Sequence[Instrument], door: str) -> list[bytes]:
    """Return requests for limit orders, from all desks in turn."""
    chance, made = random.Random(5), []
    for number in range(REQUESTS):
        desk, instrument = desks[number % len(desks)], chance.choice(market)
        named = str(instrument.pk) if door else instrument.key
        said = {
            "instrument": named, "side": "BUY", "type": "LIMIT", "time_in_force": "DAY", "quantity": str(chance.randint(1, 9)),
            "limit_price": f"49.{chance.randint(10, 98)}",
        }  # fmt: skip
        address = f"/api/v1/{door}accounts/{desk.account.pk}/orders/"
        made.append(post(address, desk.secret, json.dumps(said).encode()))
    return made


def measure_check(harness: Harness, market: Sequence[Instrument], now: datetime) -> None:
    """Measure what the check adds to placing an order."""
    desk = make_desk("bench-held", [one.pk for one in market], now)
    number = QUICK_PLACED if harness.quick else PLACED
    with acting_as(desk.account.owner_id):
        once = placing.assess(account=desk.account, instrument=market[0], draft=drafted(), at=now)

    def unchecked(**_asked: object) -> placing.Assessment:
        return once

    rounds = [in_turn(desk.account, market[0], number, unchecked) for _ in range(harness.rounds + 1)][1:]  # the first warms up
    adds, checked, without = zip(*rounds, strict=True)
    for case, ours, baseline, goal in (
        (f"the check adds, {POSITIONS} positions / 2 ms", adds, [2.0] * len(adds), "<= 1.0"),
        ("placed with / without the check", checked, without, ">= 0.0"),
    ):
        harness.compare("orders", case, ours=ours, baseline=baseline, unit="ms", goal=goal)


def in_turn(account: Account, instrument: Instrument, number: int, unchecked: Callable[..., object]) -> tuple[float, ...]:
    """Place orders with the check and without it, one after the other, so that both meet the same machine.

    It returns the medians of what the check adds to the one beside it, of those with it and of those without, in milliseconds.
    """
    checked, without = [], []
    for _ in range(number):
        checked.append(seconds_to_place(account, instrument))
        with patch.object(placing, "assess", unchecked):
            without.append(seconds_to_place(account, instrument))
    adds = [one - other for one, other in zip(checked, without, strict=True)]
    return tuple(statistics.median(some) * 1000 for some in (adds, checked, without))


def seconds_to_place(account: Account, instrument: Instrument) -> float:
    """Return the time in which an order is placed, to where its transaction ends; it is canceled afterwards.

    The wait for the disk that comes then is the same with the check and without, and many times what is looked for.
    """
    began = time.perf_counter()
    with acting_as(account.owner_id):
        by = placing.Ordering(actor=account.owner, door=Door.API, at=datetime.now(UTC))
        row = placing.place_order(account=account, instrument=instrument, draft=drafted(), by=by)[0]
        took = time.perf_counter() - began
    with acting_as(account.owner_id):
        placing.cancel_order(order=row, by=by)
    return took


def drafted() -> OrderDraft:
    """Return a limit order."""
    return OrderDraft(side=Side.BUY, type=OrderType.LIMIT, quantity=Decimal(5), limit_price=Decimal("49.5"))


@dataclass(frozen=True)
class Floor:
    """Accounts of the ledger's benchmark, with open orders that take any number of fills."""

    world: ledger.World
    orders: list[list[Order]]


def measure_fills(harness: Harness, now: datetime) -> None:
    """Measure fills posted a second beside entries."""
    world = ledger.make_world()
    floor = Floor(world, [open_orders(account, world, now) for account in world.accounts])
    tasks = {
        "entries": lambda: ledger.post_many(world),
        "fills": partial(post_some, floor),
        "sync": partial(take_down_some, floor),
        "single": partial(post_single, floor),
    }
    for _ in range(USUAL):
        for task in tasks.values():
            task()
    analyze()
    seconds = QUICK_SECONDS if harness.quick else SECONDS
    with ledger.Crew(4, tasks) as crew:
        for number in (1, 4):
            found = harness.interleave({name: partial(crew.rate, name, number, seconds) for name in tasks})
            at = f"{number} connection{'s' * (number > 1)}"
            for name, case, goal in (
                ("fills", f"{ORDERS * FILLS} fills of {ORDERS} orders", ">= 0.5"),
                ("sync", f"{ORDERS} answers of a broker, {FILLS} new fills each", ">= 0.5"),
                ("single", "one fill a commit", ">= 0.0"),
            ):
                told = f"{case} / 100 entries, {at}"
                harness.compare("orders", told, ours=found[name], baseline=found["entries"], unit="per second", goal=goal)


def open_orders(account: Account, world: ledger.World, now: datetime) -> list[Order]:
    """Write down orders that the broker has accepted."""
    made = []
    with acting_as(account.owner_id):
        origin = Origin(actor=account.owner, door=Door.API, broker="alpaca")
        for number in range(ORDERS):
            instrument = Instrument.objects.get(pk=world.instruments[number % len(world.instruments)])
            draft = OrderDraft(side=Side.BUY, quantity=WHOLE)
            order = write_orders(account=account, instrument=instrument, draft=draft, origin=origin, now=now)[0]
            take_down(account=account, order_id=order.pk, answer=answer_of(order, (), now), now=now)
            made.append(order)
    return made


def answer_of(order: Order, fills: tuple[Fill, ...], now: datetime) -> BrokerOrder:
    """Return what a broker says of an order."""
    return BrokerOrder(
        client_order_id=order.client_order_id, broker_order_id=str(order.pk), status=OrderStatus.ACCEPTED, at=now,
        quantity=WHOLE, fills=fills,
    )  # fmt: skip


def filled(now: datetime) -> Fill:
    """Return an execution that nobody knows yet."""
    price = Decimal(random.randrange(1000, 9999)) / 100
    return Fill(str(uuid7()), Decimal(random.randrange(1, 9)), price, now, Decimal("0.35"))


def post_some(floor: Floor, *, orders: int = ORDERS, fills: int = FILLS) -> int:
    """Post fills of some orders of one account in one commit."""
    number, now = random.randrange(len(floor.orders)), datetime.now(UTC)
    account = floor.world.accounts[number]
    executions = [Execution(order.pk, filled(now)) for order in floor.orders[number][:orders] for _ in range(fills)]
    with acting_as(account.owner_id):
        return len(post_fills(account=account, executions=executions, broker="alpaca", actor=account.owner, now=now))


def post_single(floor: Floor) -> int:
    """Post one fill."""
    return post_some(floor, orders=1, fills=1)


def take_down_some(floor: Floor) -> int:
    """Take down what a broker says of an account's orders, as a look at it does."""
    number, now = random.randrange(len(floor.orders)), datetime.now(UTC)
    account = floor.world.accounts[number]
    answers = {order.pk: answer_of(order, tuple(filled(now) for _ in range(FILLS)), now) for order in floor.orders[number]}
    with acting_as(account.owner_id):
        return len(take_down_all(account=account, answers=answers, now=now))


@contextmanager
def messages_of_its_own() -> Iterator[str]:
    """Run a Redis that nobody else listens to, let all messages of this process go there, and lend its address."""
    var = Path(settings.VAR) / f"bench-orders-{os.getpid()}"
    own, before = Valkey(var), (settings.REDIS_URL, app.conf.broker_url)
    own.link.mkdir(parents=True)
    (var / "embedded").mkdir()
    try:
        own.start()
        settings.REDIS_URL = app.conf.broker_url = own.url
        yield own.url
    finally:
        settings.REDIS_URL, app.conf.broker_url = before
        own.stop()
        shutil.rmtree(var)


@contextmanager
def server(messages: str) -> Iterator[int]:
    """Serve the site, with the raw door, as the stack does, from this benchmark's database."""
    name, port = connections["default"].settings_dict["NAME"], free_port()
    addresses = {key: in_database(os.environ[key], name) for key in os.environ if key.startswith("DATABASE_") and os.environ[key]}
    environment = os.environ | addresses | {"REDIS_URL": messages, "API_RATE": "100000000/min", "LOG_LEVEL": "WARNING"}
    log = Path(settings.VAR) / "log" / "bench-orders.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", *web(HOST, port)[:-1], "benchmarks.making.order_server:application"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)  # noqa: S603
    try:
        if not wait_until(partial(answers, port), seconds=180):
            raise RuntimeError(f"The server does not answer.\n{tail(log)}")
        yield port
    finally:
        process.terminate()
        process.wait(timeout=30)


def answers(port: int) -> bool:
    """Say whether the site answers; that its worker does not run is no matter here."""
    with suppress(URLError, OSError):
        try:
            with urlopen(f"http://{HOST}:{port}/api/v1/", timeout=5) as answer:
                return bool(answer.status)
        except URLError as refusal:
            return getattr(refusal, "code", None) in {HTTPStatus.NOT_FOUND, HTTPStatus.UNAUTHORIZED}
    return False
