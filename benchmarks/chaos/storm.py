"""The servers, workers, orders and faults of the chaos run."""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

from config import embedded

embedded.provide()

import django  # noqa: E402

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import DatabaseError, connections  # noqa: E402

from accounts.domain.roles import Role  # noqa: E402
from accounts.models import Account, LedgerEntry, Membership, User  # noqa: E402
from accounts.models.tenancy import acting_as  # noqa: E402
from config.processes import free_port, processes_in  # noqa: E402
from config.providers import HOSTS  # noqa: E402
from config.servers import Postgres, Valkey  # noqa: E402
from marketdata.models import Instrument  # noqa: E402
from tests.trading.adapters.alpaca_standin import KEY, SECRET  # noqa: E402
from trading.domain.drafts import OrderDraft  # noqa: E402
from trading.domain.orders import OPEN, Side  # noqa: E402
from trading.models import Break, Door, Fill, Order  # noqa: E402
from trading.services.connections import connect_broker  # noqa: E402
from trading.services.order_rows import Origin, write_orders  # noqa: E402
from trading.services.orders import wake_sender  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60
LASTS = 10
QUANTITY = Decimal(10)


class Storm:
    """One run."""

    def __init__(self, asked: argparse.Namespace, var: Path) -> None:
        self.asked, self.var, self.chance = asked, var, random.Random(asked.seed)
        self.port = free_port()
        self.log, self.over = var / "deaths", var / "over"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.faults: Counter[str] = Counter()
        self.environment = os.environ | {
            "PROVIDER_HOSTS": ",".join([*HOSTS, "127.0.0.1"]), "ALPACA_TRADING_URL": f"http://127.0.0.1:{self.port}",
            "CHAOS_CRASH": str(asked.crash), "CHAOS_SEED": str(asked.seed), "CHAOS_LOG": str(self.log),
            "CHAOS_OVER": str(self.over),
        }  # fmt: skip

    def run(self) -> int:
        """Make everything, let it storm, and count."""
        print(f"seed {self.asked.seed}, {self.asked.orders} orders", flush=True)
        call_command("migrate", verbosity=0)
        self.account, self.stock = self._world()
        self._start("broker", [sys.executable, "-m", "tests.trading.adapters.alpaca_standin", str(self.port)])
        celery = [sys.executable, "-m", "celery", "-A", "benchmarks.chaos.worker"]
        self.worker = [*celery, "worker", "--concurrency", "2", "--without-gossip", "--without-mingle", "--loglevel", "ERROR"]
        self._start("worker", self.worker)
        self._start("beat", [*celery, "beat", "--pidfile=", "--loglevel", "ERROR"])
        began = time.monotonic()
        self._storm()
        self.over.touch()
        stuck = self._settle()
        return self._count(stuck, time.monotonic() - began)

    def end(self) -> None:
        """End what was started here."""
        for process in self.processes.values():
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for connection in connections.all():
            connection.close()
        for server in (Postgres(self.var), Valkey(self.var)):
            server.stop()

    def _world(self) -> tuple[Account, Instrument]:
        now = datetime.now(UTC)
        owner = User.objects.create_user("chaos@example.com", "no password that anybody knows")
        account = Account(owner=owner, name="Chaos", base_currency="USD", opened_on=date(2024, 1, 1), created_at=now)
        with acting_as(owner.pk):
            Membership.objects.create(
                account_id=account.pk, user=owner, email=owner.email, role=Role.OWNER, invited_at=now, accepted_at=now
            )
            account.save(force_insert=True)
            connect_broker(account=account, broker="alpaca", now=now, key=KEY, secret=SECRET)
        stock = Instrument.objects.create(symbol="CHAOS", exchange="XNAS", asset_class="EQUITY", currency="USD")
        return account, stock

    def _storm(self) -> None:
        """Place orders while faults happen between them."""
        plan = ["redis"] * self.asked.redis_wipe + ["postgres"] * self.asked.pg_immediate + ["group"] * self.asked.group_kill
        self.chance.shuffle(plan)
        steps = max(1, self.asked.orders // (len(plan) + 1))
        self._warm_up()
        for number in range(1, self.asked.orders):
            self._until_done(self._place)
            time.sleep(0.25)
            if number % 5 == 0:
                self._market()
            if plan and number % steps == steps - 1:
                fault = plan.pop()
                getattr(self, f"_{fault}")()
                self.faults[fault] += 1
                print(f"  after {number + 1} orders: {fault}", flush=True)

        time.sleep(LASTS)  # what is under way goes on dying

    def _warm_up(self) -> None:
        """Wait until the workers work: what happens before they do is no storm."""
        self._place()
        until = time.monotonic() + 2 * PATIENCE
        while not self._ask("/all")["orders"] and time.monotonic() < until:
            time.sleep(0.5)

    def _place(self) -> None:
        draft = OrderDraft(side=Side.BUY, quantity=QUANTITY, client_order_id=f"chaos-{uuid4()}")
        now = datetime.now(UTC)
        with acting_as(self.account.owner_id):
            origin = Origin(actor=self.account.owner, door=Door.API, broker="alpaca")
            write_orders(account=self.account, instrument=self.stock, draft=draft, origin=origin, now=now)
            wake_sender(self.account.pk)

    def _until_done(self, work: Any) -> Any:
        """Do something until the database takes it, as a client would; one that was taken unheard is one order more."""
        for _ in range(120):
            try:
                return work()
            except DatabaseError:
                connections.close_all()
                time.sleep(0.5)
        raise RuntimeError("The database did not come back.")

    def _market(self) -> None:
        price = self.chance.randint(90, 110)
        self._ask("/market", {"symbol": "CHAOS", "bid": price, "ask": price + 1, "size": self.chance.choice([4, 7, None])})

    def _ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", content)
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return json.load(answer)

    def _start(self, name: str, command: list[str]) -> None:
        with (self.var / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(  # noqa: S603
                command, cwd=ROOT, env=self.environment, start_new_session=True, stdout=log, stderr=log
            )
        if name == "broker":
            for _ in range(100):
                with suppress(OSError):
                    self._ask("/all")
                    return
                time.sleep(0.1)

    def _group(self) -> None:
        """Kill the worker with all its processes, and start another."""
        process = self.processes["worker"]
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self._start("worker", self.worker)

    def _redis(self) -> None:
        """Kill Redis, take away what it kept, and start it."""
        server = Valkey(self.var)
        self._kill(server, signal.SIGKILL)
        shutil.rmtree(server.folder, ignore_errors=True)
        server.start()

    def _postgres(self) -> None:
        """Stop PostgreSQL immediately, and start it."""
        server = Postgres(self.var)
        first = int((server.folder / "postmaster.pid").read_text().split()[0])
        os.kill(first, signal.SIGQUIT)
        while server.runs():
            time.sleep(0.05)
        connections.close_all()
        server.start()

    def _kill(self, server: Any, number: signal.Signals) -> None:
        for process in processes_in(server.folder):
            with suppress(ProcessLookupError):
                os.kill(process, number)
        while server.runs():
            time.sleep(0.05)

    def _settle(self) -> int:
        """Wait for all to end, for a minute; return how many orders did not."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            self._market()
            left = self._until_done(self._left)
            if not left:
                return 0
            time.sleep(1)
        return int(left)

    def _left(self) -> int:
        with acting_as(self.account.owner_id):
            return Order.objects.filter(account=self.account, status__in=OPEN).count()

    def _count(self, stuck: int, seconds: float) -> int:
        """Compare our records with the broker's."""
        there = self._ask("/all")
        at_broker = Counter(order["client_order_id"] for order in there["orders"])
        with acting_as(self.account.owner_id):
            orders = list(Order.objects.filter(account=self.account))
            fills = Counter(Fill.objects.filter(account=self.account).values_list("execution_id", flat=True))
            entries = Counter(
                LedgerEntry.objects.filter(account=self.account, source="fill").values_list("external_id", flat=True)
            )
            breaks = Break.objects.filter(account=self.account).count()
            statuses = Counter(order.status for order in orders)
        said = {fill["id"] for fill in there["fills"]}
        lost = len({order.client_order_id for order in orders} - at_broker.keys()) + len(said - fills.keys())
        doubled = sum(count - 1 for counts in (at_broker, fills, entries) for count in counts.values() if count > 1)
        wrong = len(set(fills) ^ set(entries)) + len(fills.keys() - said) + breaks
        deaths = Counter(self.log.read_text().split()) if self.log.exists() else Counter()
        print(f"faults: {dict(self.faults)}; workers killed at {dict(deaths)}, {deaths.total()} in all")
        print(f"orders {dict(statuses)}, at the broker {at_broker.total()}; fills {fills.total()} of {len(said)}")
        print(f"lost {lost}, doubled {doubled}, stuck {stuck}, otherwise wrong {wrong}; {seconds:.0f} s")
        bad = lost or doubled or stuck or wrong or set(statuses) != {"FILLED"} or len(orders) < self.asked.orders
        for log in sorted(self.var.glob("*.log")) if bad or self.asked.verbose else ():
            print(f"--- {log.name}", *log.read_text().splitlines()[-15:], sep="\n")
        print("FAILED" if bad else "passed")
        return int(bool(bad))
