"""Posting to the ledger beside a raw INSERT of the same row, and the walk along every chain.

Posting goes through the service, as every door does. The baseline inserts the same row, with all its columns given, into a
copy of the table that has the columns, checks and indexes and none of the guards: no lock, no sequence, no hash, no head, no
look-up of the id, no foreign keys, no row-level security. Both use the same processes, connections and drafts, in turn.
"""

import multiprocessing
import random
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from multiprocessing.connection import Connection
from typing import Any
from uuid import UUID

from django.db import connection, connections
from uuid_utils.compat import uuid7

from accounts.domain.ledger import EntryDraft, EntryKind
from accounts.domain.roles import Role
from accounts.models import Account, LedgerEntry, LedgerHead, Membership, User
from accounts.models.tenancy import acting_as
from accounts.selectors.ledger import ledger_faults
from accounts.services.ledger import post_entries, post_entry
from benchmarks.harness import Harness
from marketdata.models import FollowedInstrument, Instrument

ACCOUNTS, INSTRUMENTS, BATCH = 100, 20, 100
CONNECTIONS = (1, 4, 16)
SECONDS, QUICK_SECONDS = 2.0, 0.5
VERIFIED_PER_SECOND = 200_000
ENTRIES_TO_VERIFY = 200_000
START = datetime(2024, 1, 2, 15, tzinfo=UTC)
COLUMNS = [field.column for field in LedgerEntry._meta.local_fields]
RAW_INSERT = f"insert into bench_raw ({', '.join(COLUMNS)}) values ({', '.join(['%s'] * len(COLUMNS))})"


def run(harness: Harness) -> None:
    """Measure single posts, batches and verification."""
    world = make_world()
    seconds = QUICK_SECONDS if harness.quick else SECONDS
    tasks = {name: partial(task, world) for name, task in TASKS.items()}
    with Crew(max(CONNECTIONS), tasks) as crew:
        for number in CONNECTIONS:
            measured = harness.interleave({name: partial(crew.rate, name, number, seconds) for name in tasks})
            at = f"{number} connection{'s' * (number > 1)}"
            raw = measured["raw insert"]
            # one connection alone is shown and held to nothing: most of its time is the wait for the disk
            floor = ">= 0.6" if number > 1 else ">= 0.0"
            harness.compare(
                "ledger", f"single post, {at}", ours=measured["single post"], baseline=raw, unit="entries/s", goal=floor
            )
            harness.compare(
                "ledger", f"batch of {BATCH}, {at}", ours=measured["batch of 100"], baseline=raw, unit="entries/s", goal=">= 6.0"
            )
        while entries() < ENTRIES_TO_VERIFY and not harness.quick:
            crew.rate("batch of 100", 4, seconds)
    verified = harness.interleave({"verify": verify})["verify"]
    demanded = [float(VERIFIED_PER_SECOND)] * len(verified)
    harness.compare("ledger", "verification", ours=verified, baseline=demanded, unit="entries/s", goal=">= 1.0")


@dataclass(frozen=True)
class World:
    """Accounts with their owners, and what they trade."""

    accounts: list[Account]
    instruments: list[UUID]


def make_world() -> World:
    """Make a hundred people with an account each, the instruments they trade, and the table without guards."""
    accounts = []
    for number in range(ACCOUNTS):
        owner = User.objects.create_user(f"bench-{number}@example.com")
        account = Account(owner=owner, name="Bench", base_currency="USD", opened_on=date(2020, 1, 1), created_at=START)
        with acting_as(owner.pk):
            Membership.objects.create(
                account_id=account.pk, user=owner, email=owner.email, role=Role.OWNER, invited_at=START, accepted_at=START
            )
            account.save(force_insert=True)
        accounts.append(account)
    instruments = [
        Instrument.objects.create(symbol=f"B{number:03}", exchange="XTST", asset_class="EQUITY", currency="USD")
        for number in range(INSTRUMENTS)
    ]
    FollowedInstrument.objects.bulk_create(FollowedInstrument(instrument=each, since=START) for each in instruments)
    with connections["owner"].cursor() as cursor:
        cursor.execute("create table bench_raw (like accounts_ledgerentry including all)")
        cursor.execute("grant insert on bench_raw to bedrock_app")
    return World(accounts, [each.pk for each in instruments])


class Crew:
    """Processes with a connection each, told what to do and for how long; a task says how much it has written."""

    def __init__(self, size: int, tasks: Mapping[str, Callable[[], int]]) -> None:
        connections.close_all()  # a connection does not survive being shared by processes
        self.lines: list[Connection] = []
        self.processes: list[Any] = []
        context = multiprocessing.get_context("fork")
        for _ in range(size):
            mine, theirs = context.Pipe()
            process = context.Process(target=work, args=(theirs, tasks), daemon=True)
            process.start()
            self.lines.append(mine)
            self.processes.append(process)

    def __enter__(self) -> "Crew":
        return self

    def __exit__(self, *_: object) -> None:
        for line, process in zip(self.lines, self.processes, strict=True):
            with suppress(OSError):  # it has died
                line.send(None)
            process.join(timeout=10)
            process.terminate()

    def rate(self, task: str, number: int, seconds: float) -> float:
        """Let so many processes do a task at once; return the entries written a second by all of them."""
        start = time.monotonic() + 0.05
        for line in self.lines[:number]:
            line.send((task, start, start + seconds))
        return sum(written / taken for written, taken in (line.recv() for line in self.lines[:number]))


def work(line: Connection, tasks: Mapping[str, Callable[[], int]]) -> None:
    """Do what comes down the line until nothing more does."""
    random.seed()
    connection.ensure_connection()
    while order := line.recv():
        task, start, end = order
        do, written = tasks[task], 0
        time.sleep(max(0.0, start - time.monotonic()))
        while (now := time.monotonic()) < end:
            written += do()
        line.send((written, now - start))


def make_draft(world: World) -> EntryDraft:
    """Return a purchase with an id of its own, and all that an entry usually carries."""
    quantity, price = Decimal(random.randrange(1, 1000)), Decimal(random.randrange(100, 50_000)) / 100
    return EntryDraft(
        kind=EntryKind.BUY,
        occurred_at=START + timedelta(seconds=random.randrange(10_000_000)),
        currency="USD",
        instrument_id=random.choice(world.instruments),
        quantity=quantity,
        price=price,
        cash=-(quantity * price + 1),
        fee=Decimal(1),
        data={"venue": "XTST"},
        reason_primary="REBALANCE",
        notes="Back to the target weight.",
        tags=("core",),
        source="bench",
        external_id=str(uuid7()),
    )


def post_one(world: World) -> int:
    """Post one entry."""
    account = random.choice(world.accounts)
    post_entry(account=account, draft=make_draft(world), actor=account.owner)
    return 1


def post_many(world: World) -> int:
    """Post a batch."""
    account = random.choice(world.accounts)
    post_entries(account=account, drafts=[make_draft(world) for _ in range(BATCH)], actor=account.owner)
    return BATCH


def insert_raw(world: World) -> int:
    """Insert one row as it is."""
    account, draft = random.choice(world.accounts), make_draft(world)
    made: dict[str, Any] = {field.name: getattr(draft, field.name) for field in fields(draft)} | {
        "id": uuid7(),
        "account_id": account.pk,
        "sequence": time.monotonic_ns(),
        "kind": draft.kind.value,
        "recorded_at": START + timedelta(days=365),
        "group_id": None,
        "data": '{"venue": "XTST"}',
        "tags": list(draft.tags),
        "reverses_id": None,
        "corrects_id": None,
        "actor_id": account.owner_id,
        "previous_hash": bytes(32),
        "hash": bytes(32),
    }
    with connection.cursor() as cursor:
        cursor.execute(RAW_INSERT, [made[column] for column in COLUMNS])
    return 1


TASKS: dict[str, Callable[[World], int]] = {"raw insert": insert_raw, "single post": post_one, "batch of 100": post_many}


def entries() -> int:
    """Count the entries of all ledgers."""
    return sum(LedgerHead.objects.using("system").values_list("sequence", flat=True))


def verify() -> float:
    """Walk all chains; return the entries verified a second."""
    number, start = entries(), time.perf_counter()
    if ledger_faults():
        raise AssertionError("a chain is broken")
    return number / (time.perf_counter() - start)
