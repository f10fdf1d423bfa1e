"""The servers, workers, orders and faults of the chaos run."""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from config import embedded

embedded.provide()

import django  # noqa: E402

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import Error, connections  # noqa: E402
from django.db.models import Q  # noqa: E402

from accounts.domain.ledger import EntryDraft, EntryKind  # noqa: E402
from accounts.domain.roles import Role  # noqa: E402
from accounts.models import Account, Membership, User  # noqa: E402
from accounts.models.tenancy import acting_as  # noqa: E402
from accounts.services.ledger import post_entry  # noqa: E402
from benchmarks.chaos import verdict  # noqa: E402
from config.processes import free_port, processes_in  # noqa: E402
from config.providers import HOSTS  # noqa: E402
from config.servers import Postgres, Valkey  # noqa: E402
from marketdata.models import Instrument, LatestQuote  # noqa: E402
from tests.trading.adapters.alpaca_standin import KEY, SECRET  # noqa: E402
from trading.domain.drafts import OrderDraft, Replacement  # noqa: E402
from trading.domain.orders import OPEN, OrderType, Sending, Side  # noqa: E402
from trading.models import Door, Order  # noqa: E402
from trading.models.risk import AMOUNTS, SHARES  # noqa: E402
from trading.services.connections import connect_broker  # noqa: E402
from trading.services.order_rows import ClientOrderIdTaken  # noqa: E402
from trading.services.orders import Ordering, cancel_order, place_order, replace_order  # noqa: E402
from trading.services.refusals import NotAsThingsStand  # noqa: E402
from trading.services.risk import set_limits  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60  # seconds until nothing may be stuck any more
LASTS = 10  # seconds that the storm goes on after the last order
PAUSE = 0.2  # seconds between two orders
QUANTITY = Decimal(10)
MONEY = Decimal(1_000_000)  # with us and at the broker: nothing differs but by what trades
FAR, NEAR = Decimal(10), Decimal(200)  # limits that the market never reaches, and that it is always within
EVERY = 20  # orders between two kills of one process of the worker


class Storm:
    """One run."""

    def __init__(self, asked: argparse.Namespace, var: Path) -> None:
        self.asked, self.var, self.chance = asked, var, random.Random(asked.seed)
        self.port = free_port()
        self.log, self.over, self.comparisons = var / "deaths", var / "over", var / "comparisons"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.faults: Counter[str] = Counter()
        self.placed, self.wanted = 0, list[str]()
        self.settled, self.at_rest = math.inf, False
        self.changes: list[tuple[int, str]] = []  # orders to be canceled or replaced, each once so many are placed
        self.environment = os.environ | {
            "PROVIDER_HOSTS": ",".join([*HOSTS, "127.0.0.1"]), "ALPACA_TRADING_URL": f"http://127.0.0.1:{self.port}",
            "CHAOS_CRASH": str(asked.crash), "CHAOS_SEED": str(asked.seed), "CHAOS_LOG": str(self.log),
            "CHAOS_OVER": str(self.over), "CHAOS_COMPARED": str(self.comparisons),
        }  # fmt: skip

    def run(self) -> int:
        """Make everything, let it storm, and judge."""
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
        ended = time.monotonic()
        self._settle()
        return self._judge(ended - began, self.settled - ended)

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
        """Make an account with money at a broker, whose limits hold nothing back, and what it trades."""
        now = datetime.now(UTC)
        owner = User.objects.create_user("chaos@example.com", "no password that anybody knows")
        account = Account(owner=owner, name="Chaos", base_currency="USD", opened_on=date(2024, 1, 1), created_at=now)
        paid = EntryDraft(kind=EntryKind.DEPOSIT, occurred_at=now, currency="USD", cash=MONEY)
        with acting_as(owner.pk):
            Membership.objects.create(
                account_id=account.pk, user=owner, email=owner.email, role=Role.OWNER, invited_at=now, accepted_at=now
            )
            account.save(force_insert=True)
            connect_broker(account=account, broker="alpaca", now=now, key=KEY, secret=SECRET)
            nothing = dict.fromkeys((*SHARES, *AMOUNTS, "max_consecutive_losses", "max_open_orders"))
            set_limits(account=account, changes=nothing, at=now)
            post_entry(account=account, draft=paid, actor=owner)
        stock = Instrument.objects.create(symbol="CHAOS", exchange="XNAS", asset_class="EQUITY", currency="USD")
        LatestQuote.objects.create(instrument=stock, timestamp=now, bid=100, ask=101, recorded_at=now)
        return account, stock

    def _storm(self) -> None:
        """Place orders, cancel and replace some, while faults happen between them."""
        asked = {"redis": self.asked.redis_wipe, "postgres": self.asked.pg_immediate, "group": self.asked.group_kill}
        plan = [name for name, count in asked.items() for _ in range(count)]
        self.chance.shuffle(plan)
        steps = max(1, self.asked.orders // (len(plan) + 1))
        self._warm_up()
        for number in range(1, self.asked.orders):
            self._until_done(self._place)
            self._change(number)
            time.sleep(PAUSE)
            if number % 5 == 0:
                self._market()
            if number % EVERY == EVERY // 2:
                self._fault("process")
            if plan and number % steps == steps - 1:
                self._fault(plan.pop())
                print(f"  after {number + 1} orders: {dict(self.faults)}", flush=True)
        time.sleep(LASTS)  # what is under way goes on dying

    def _fault(self, name: str) -> None:
        """Let something fail."""
        getattr(self, f"_{name}")()
        self.faults[name] += 1

    def _warm_up(self) -> None:
        """Wait until the workers work: what happens before they do is no storm."""
        self._place()
        until = time.monotonic() + 2 * PATIENCE
        while not self._ask("/all")["orders"] and time.monotonic() < until:
            time.sleep(0.5)

    def _place(self) -> None:
        """Place an order as a client does, who tries again under the same id; most are for the market's price."""
        number = self.placed
        kind = "cancel" if number % 7 == 3 else "replace" if number % 7 == 5 else "market"
        name = f"{kind}-{number}"
        limit = {} if kind == "market" else {"type": OrderType.LIMIT, "limit_price": FAR}
        draft = OrderDraft(side=Side.BUY, quantity=QUANTITY, client_order_id=name, **limit)
        with acting_as(self.account.owner_id), suppress(ClientOrderIdTaken):
            place_order(account=self.account, instrument=self.stock, draft=draft, by=self._by())
        self.wanted.append(name)
        self.placed += 1
        if kind != "market":
            self.changes.append((number + self.chance.randint(1, 6), name))

    def _change(self, number: int) -> None:
        """Cancel or replace the orders whose time has come; what the broker has not answered yet waits."""
        due = [change for change in self.changes if change[0] <= number]
        for change in due:
            if self._until_done(lambda name=change[1]: self._changed(name)):
                self.changes.remove(change)

    def _changed(self, name: str) -> bool:
        """Cancel or replace an order, and say whether that is done."""
        with acting_as(self.account.owner_id):
            order = Order.objects.select_related("account__owner", "instrument").get(account=self.account, client_order_id=name)
            if name.startswith("cancel"):
                cancel_order(order=order, by=self._by())
                return True
            if not Order.objects.filter(account=self.account, client_order_id=f"{name}-anew").exists():
                change = Replacement(limit_price=NEAR, client_order_id=f"{name}-anew")
                try:
                    replace_order(order=order, change=change, by=self._by())
                except NotAsThingsStand:
                    return False
        self.wanted.append(f"{name}-anew")
        return True

    def _by(self) -> Ordering:
        """Return who orders, now."""
        return Ordering(actor=self.account.owner, door=Door.API, at=datetime.now(UTC))

    def _until_done(self, work: Callable[[], Any]) -> Any:
        """Do something until the database takes it, as a client would."""
        for _ in range(120):
            try:
                return work()
            except Error:
                connections.close_all()
                time.sleep(0.5)
        raise RuntimeError("The database did not come back.")

    def _market(self) -> None:
        """Move the broker's market, which fills what it reaches: all of it, or some."""
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

    def _process(self) -> None:
        """Kill one process of the worker, whatever it is at."""
        parent = self.processes["worker"].pid
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        if children:
            with suppress(ProcessLookupError):
                os.kill(int(self.chance.choice(children)), signal.SIGKILL)

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

    def _settle(self) -> None:
        """Wait for all to end, for a minute, and for a comparison with the broker that began after that."""
        until = time.monotonic() + PATIENCE
        wanted = sys.maxsize
        while time.monotonic() < until and self._compared() < wanted:
            if wanted == sys.maxsize:
                self._market()
                self._change(sys.maxsize)
                if not self.changes and not self._until_done(self._left):
                    self.settled, wanted = time.monotonic(), self._compared() + 2  # one may be under way
            time.sleep(1)
        self.at_rest = self._compared() >= wanted

    def _compared(self) -> int:
        """Return how often all has been compared with the broker."""
        return len(self.comparisons.read_text().split()) if self.comparisons.exists() else 0

    def _left(self) -> int:
        """Return how many orders have not come to their end."""
        on_their_way = Q(status__in=OPEN) | ~Q(sending=Sending.SETTLED)
        with acting_as(self.account.owner_id):
            return Order.objects.filter(on_their_way, account=self.account).count()

    def _judge(self, stormed: float, settled: float) -> int:
        """Compare our records with the broker's and with each other, and say what is amiss."""
        there = self._ask("/all")
        ours = verdict.records_of(self.account, datetime.now(UTC))
        found = {
            "lost": verdict.lost(ours, there, self.wanted),
            "doubled": verdict.doubled(ours, there),
            "stuck": [
                *verdict.stuck(ours.orders),
                *(f"change of {name}" for _, name in self.changes),
                *([] if self.at_rest else ["the comparison with the broker"]),
            ],
            "wrong": verdict.wrong(ours, there),
        }
        deaths = Counter(self.log.read_text().split()) if self.log.exists() else Counter()
        statuses = Counter(order.status for order in ours.orders)
        rows = {
            "storm": f"{stormed:.0f} s with {', '.join(f'{count} x {name}' for name, count in sorted(self.faults.items()))}",
            "killed at": f"{deaths.total()} steps: {', '.join(f'{name} {count}' for name, count in sorted(deaths.items()))}",
            "orders": f"{len(ours.orders)}, at the broker {len(there['orders'])}: {dict(sorted(statuses.items()))}",
            "fills": f"{len(ours.fills)}, at the broker {len(there['fills'])}, entries {len(ours.entries)}, held {ours.held:f}",
            "settled": f"{settled:.0f} s after the storm",
            "compared": f"{self._compared()} times with the broker",
        } | {name: str(len(some)) for name, some in found.items()}
        print("\n".join(f"{name:<10} {told}" for name, told in rows.items()))
        bad = [f"{name}: {one}" for name, some in found.items() for one in some]
        print("\n".join(bad[:50]), end="\n" if bad else "")
        print("\n".join(verdict.trails(ours, bad)[:50]), end="\n" if bad else "")
        for log in sorted(self.var.glob("*.log")) if bad or self.asked.verbose else ():
            print(f"--- {log.name}", *log.read_text().splitlines()[-15:], sep="\n")
        print("FAILED" if bad else "passed")
        return int(bool(bad))
