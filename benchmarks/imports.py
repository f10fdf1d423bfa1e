"""A table of 100,000 lines read by a mapping, matched and previewed, beside the csv module; and posted, beside the ledger.

The preview is the whole service: the file is unpacked, read, its instruments are matched, the fate of every line and what cash
and holdings would be are found, and the file is kept with that. The baseline reads the same bytes with `csv.DictReader` and
makes `Decimal`s of the four columns of numbers, no more. Posting is what the worker does, in chunks with progress; its baseline
are the batches of the ledger's own benchmark, in this process as well. Memory is the peak of a process of its own.
"""

import csv
import io
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from django.db import connection

from accounts.models import Account, ImportBatch, User
from accounts.models.tenancy import acting_as
from accounts.services.import_posting import start_posting, work_on
from accounts.services.imports import ReadOptions, discard_preview, preview_file
from benchmarks.harness import Harness
from benchmarks.ledger import BATCH, INSTRUMENTS, World, make_world, post_many

LINES, QUICK_LINES = 100_000, 20_000
POSTED, QUICK_POSTED = 10_000, 5_000
NUMBERS = ("Quantity", "Price", "Amount", "Fee")
COLUMNS = ("Date", "Type", "Symbol", *NUMBERS, "Currency", "Notes")
MAPPING = {"columns": {"kind" if name == "Type" else name.lower(): name for name in COLUMNS}}
FIRST, DAYS = date(2014, 1, 2), 4_000
AT = datetime(2026, 1, 12, 12, tzinfo=UTC)
SYMBOLS = [f"B{number:03}" for number in range(INSTRUMENTS)]  # those of the ledger's benchmark
ONE_IN = 1_000  # one line in so many is bad

CHILD = """
import os, django
django.setup()
from benchmarks.__main__ import point_at
point_at(dict.fromkeys(("default", "system", "owner"), os.environ["BENCH_DATABASE"]))
from benchmarks import imports
print(imports.look_alone({number}))
"""


def run(harness: Harness) -> None:
    """Measure preview, posting and memory."""
    world, fresh = make_world(), count()
    lines, posted = (QUICK_LINES, QUICK_POSTED) if harness.quick else (LINES, POSTED)
    content = table(lines, seed=0)
    account, known = world.accounts[0], world.accounts[1]
    posting_rate(known, table(posted, seed=0), posted)
    measured = harness.interleave(
        {
            "csv": partial(timed, read_by_csv, content),
            "preview": partial(timed, look, account, content),
            "preview where lines are known": partial(timed, look, known, content),
        }
    )
    for name, goal in (("preview", "<= 3.0"), ("preview where lines are known", "<= 5.0")):
        harness.compare("imports", f"{name}, {lines:,} lines", ours=measured[name], baseline=measured["csv"], unit="s", goal=goal)
    rates = harness.interleave(
        {
            "ledger": partial(ledger_rate, world, posted),
            "post": lambda: posting_rate(world.accounts[2 + next(fresh)], table(posted, seed=0), posted),
        }
    )
    harness.compare("imports", "posting", ours=rates["post"], baseline=rates["ledger"], unit="entries/s", goal=">= 0.5")
    memory = harness.interleave({"all": partial(peak, lines), "a tenth": partial(peak, lines // 10)}, warm_up=False)
    case = f"memory of a preview, {lines:,} lines beside {lines // 10:,}"
    harness.compare("imports", case, ours=memory["all"], baseline=memory["a tenth"], unit="MB", goal="<= 1.25")


def table(number: int, *, seed: int) -> bytes:
    """Return an invented history as a table."""
    chance, text = random.Random(seed), io.StringIO()
    text.write(",".join(COLUMNS) + "\n")
    for line in range(number):
        day = FIRST + timedelta(days=line * DAYS // number)
        quantity, cents, fee = chance.randrange(1, 500), chance.randrange(100, 50_000), chance.randrange(500)
        symbol, kind = chance.choice(SYMBOLS), chance.random()
        if line % ONE_IN == 0:
            text.write(f"{day},Moon landing,{symbol},,,1.00,,USD,\n")
        elif kind < 0.8:
            word, sign = ("Buy", -1) if kind < 0.45 else ("Sell", 1)
            amount = sign * quantity * cents - fee
            text.write(f"{day},{word},{symbol},{quantity},{cents / 100:.2f},{amount / 100:.2f},{fee / 100:.2f},USD,\n")
        elif kind < 0.9:
            text.write(f"{day},Dividend,{symbol},,,{cents / 100:.2f},,USD,\n")
        else:
            text.write(
                f"{day},{'Deposit' if cents % 2 else 'Withdrawal'},,,,{cents / (100 if cents % 2 else -100):.2f},,USD,Savings\n"
            )
    return text.getvalue().encode()


def timed(do: Callable[..., Any], *given: Any) -> float:
    """Return how many seconds something takes."""
    start = time.perf_counter()
    do(*given)
    return time.perf_counter() - start


def read_by_csv(content: bytes) -> int:
    """Read a table into dicts with decimals; return how many there are."""
    number = 0
    for row in csv.DictReader(io.TextIOWrapper(io.BytesIO(content), encoding="utf-8", newline="")):
        made: dict[str, Any] = dict(row)
        for name in NUMBERS:
            made[name] = Decimal(row[name]) if row[name] else None
        number += 1
    return number


def look(account: Account, content: bytes) -> None:
    """Preview a table, and throw the preview away."""
    with acting_as(account.owner_id):
        batch = preview(account, content)
        if batch.posted + batch.known + len(batch.refused) != batch.lines:
            raise AssertionError("not every line has a fate")
        discard_preview(batch=batch)


def preview(account: Account, content: bytes) -> ImportBatch:
    """Return the preview of a table."""
    options = ReadOptions(mapping=MAPPING)
    return preview_file(account=account, actor=account.owner, file_name="bench.csv", content=content, at=AT, options=options)


def posting_rate(account: Account, content: bytes, number: int) -> float:
    """Post a table as a worker does; return the lines a second."""
    with acting_as(account.owner_id):
        batch = start_posting(batch=preview(account, content), actor=account.owner)
    start = time.perf_counter()
    done = work_on(batch_id=batch.pk, clock=lambda: AT)
    if done is None or done.posted + len(done.refused) != done.lines:
        raise AssertionError("not every line was posted")
    return number / (time.perf_counter() - start)


def ledger_rate(world: World, number: int) -> float:
    """Return the entries a second that the ledger takes in batches."""
    return number / timed(lambda: [post_many(world) for _ in range(number // BATCH)])


def peak(number: int) -> float:
    """Return the megabytes that a process of its own needs at most to preview a table of so many lines."""
    environment = os.environ | {"BENCH_DATABASE": str(connection.settings_dict["NAME"])}
    done = subprocess.run(  # noqa: S603  our own interpreter and text
        [sys.executable, "-c", CHILD.format(number=number)], env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    return float(done.stdout)


def look_alone(number: int) -> float:
    """Preview a table, and return the megabytes that this process needed at most."""
    owner = User.objects.using("system").get(email="bench-0@example.com")
    with acting_as(owner.pk):
        account = Account.objects.select_related("owner").get(owner=owner)
    content = table(number, seed=0)
    Path("/proc/self/clear_refs").write_text("5")  # forget what starting took
    look(account, content)
    status = Path("/proc/self/status").read_text()
    return float(status.partition("VmHWM:")[2].split()[0]) / 1024
