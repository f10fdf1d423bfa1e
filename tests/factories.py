"""The things tests need, each with names of its own: the database is never emptied."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from random import randrange
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import factory
import pyarrow as pa
from django.conf import settings
from django.db import connection
from django.db.models import Max

from accounts.domain.ledger import EntryDraft, EntryKind, with_cash
from accounts.domain.roles import Role
from accounts.models import Account, LedgerEntry, Membership, User
from accounts.models.tenancy import acting_as
from marketdata.domain.archive import SegmentWriter, arrow_schema, name_of
from marketdata.domain.quality import Dataset
from marketdata.models import ArchiveSegment, Bar, Instrument, LatestQuote, LatestTick

COMPUTERS = date(1800, 1, 1)
LONG_AGO = datetime(2020, 1, 2, 15, 0, tzinfo=UTC)
PASSWORD = "correct horse battery"
_letters = count()


def unique_symbol(prefix: str = "Z") -> str:
    """Return a symbol that no other test uses."""
    number = int(datetime.now(UTC).timestamp() * 1_000_000) + next(_letters)
    letters = ""
    while number:
        number, digit = divmod(number, 26)
        letters = chr(65 + digit) + letters
    return prefix + letters


class UserFactory(factory.django.DjangoModelFactory):
    """A person with a password that tests know."""

    class Meta:
        model = User
        skip_postgeneration_save = True

    class Params:
        called = "person"

    email = factory.LazyAttributeSequence(lambda user, n: f"{user.called}-{n}-{_run()}@example.com")
    display_name = factory.LazyAttribute(lambda user: user.called.title())
    password = factory.PostGenerationMethodCall("set_password", PASSWORD)

    @classmethod
    def _after_postgeneration(cls, instance: User, create: bool, results: Any = None) -> None:
        if create:
            instance.save()


class InstrumentFactory(factory.django.DjangoModelFactory):
    """An equity nobody else trades."""

    class Meta:
        model = Instrument

    symbol = factory.LazyFunction(unique_symbol)
    exchange = "XTST"
    name = factory.LazyAttribute(lambda instrument: f"{instrument.symbol} Inc.")
    asset_class = "EQUITY"
    currency = "USD"


def _run() -> str:
    """Return what tells one run of the suite from another on a kept database."""
    return f"{datetime.now(UTC).timestamp():.6f}".replace(".", "")


def make_user(called: str = "person", **fields: Any) -> User:
    """Store a user; the password is `PASSWORD`."""
    return UserFactory(called=called, **fields)


def make_instrument(**fields: Any) -> Instrument:
    """Store an instrument with a symbol of its own."""
    return InstrumentFactory(**fields)


def make_account(*, owner: User, **fields: Any) -> Account:
    """Store an account with its owner as a member, as the service would."""
    account = Account(
        **{"owner": owner, "name": "Main", "base_currency": "USD", "opened_on": date(2020, 1, 1), "created_at": LONG_AGO} | fields
    )
    with acting_as(owner.pk):
        Membership.objects.create(
            account_id=account.pk, user=owner, email=owner.email, role=Role.OWNER, invited_at=LONG_AGO, accepted_at=LONG_AGO
        )
        account.save(force_insert=True)
    return account


def share(account: Account, user: User, role: Role = Role.VIEWER) -> User:
    """Make a user a member of an account, and return the user."""
    with acting_as(account.owner_id):
        Membership.objects.create(
            account=account, user=user, email=user.email, role=role, invited_at=LONG_AGO, accepted_at=LONG_AGO
        )
    return user


def draft(kind: str, **fields: Any) -> EntryDraft:
    """Return a draft; numbers may be strings, `instrument` a row, and cash is filled in where it follows."""
    for name in ("quantity", "price", "cash", "fee", "tax"):
        if name in fields and fields[name] is not None:
            fields[name] = Decimal(str(fields[name]))
    instrument = fields.pop("instrument", None)
    if instrument is not None:
        fields |= {"instrument_id": instrument.pk, "multiplier": instrument.multiplier}
    entry = EntryDraft(**{"kind": EntryKind(kind), "occurred_at": LONG_AGO, "currency": "USD"} | fields)
    return entry if "cash" in fields else with_cash(entry)


def post(account: Account, kind: str, *, actor: User | None = None, **fields: Any) -> LedgerEntry:
    """Write one entry to an account's ledger as its owner, and return it."""
    entry = draft(kind, **fields)
    entry.check()
    with acting_as((actor or account.owner).pk):
        done = LedgerEntry.objects.append(account_id=account.pk, actor_id=(actor or account.owner).pk, drafts=[entry])[0]
        return LedgerEntry.objects.get(pk=done.entry_id)


def day(text: str | date) -> datetime:
    """Return the start of a day in UTC."""
    return datetime.combine(date.fromisoformat(text) if isinstance(text, str) else text, time(), UTC)


def make_bars(instrument: Instrument, closes: Iterable[tuple[str | date, str | Decimal]], *, at: datetime = LONG_AGO) -> None:
    """Store daily bars that open, trade and close at one price."""
    Bar.objects.bulk_create(
        Bar(
            instrument=instrument,
            timeframe="1d",
            timestamp=day(when),
            open=close,
            high=close,
            low=close,
            close=close,
            volume=Decimal(1000),
            recorded_at=at,
        )
        for when, close in closes
    )


def make_quotes(instrument: Instrument, rows: Iterable[tuple[datetime, str, str]], *, at: datetime = LONG_AGO) -> None:
    """Store quotes of (time, bid, ask), past the rules; what is the latest goes where the latest are."""
    columns = ("instrument_id", "timestamp", "bid", "ask", "bid_size", "ask_size", "recorded_at")
    values = [(instrument.pk, when, Decimal(bid), Decimal(ask), Decimal(100), Decimal(200), at) for when, bid, ask in rows]
    _insert_days("quotes", columns, values)
    newest = max(values, key=lambda row: row[1])
    LatestQuote.objects.update_or_create(instrument=instrument, defaults=dict(zip(columns[1:], newest[1:], strict=True)))


def make_ticks(instrument: Instrument, rows: Iterable[tuple[datetime, str, str]], *, at: datetime = LONG_AGO) -> None:
    """Store trades of (time, price, size), past the rules; what is the latest goes where the latest are."""
    columns = ("instrument_id", "timestamp", "price", "size", "conditions", "recorded_at")
    values = [(instrument.pk, when, Decimal(price), Decimal(size), "", at) for when, price, size in rows]
    _insert_days("ticks", columns, values)
    newest = max(values, key=lambda row: row[1])
    LatestTick.objects.update_or_create(instrument=instrument, defaults=dict(zip(columns[1:], newest[1:], strict=True)))


def make_segment(**fields: Any) -> ArchiveSegment:
    """Store the row of a segment of a day nobody else has, long before there were computers; its rows are of nothing there is."""
    known = ArchiveSegment.objects.filter(dataset="quotes", day__lt=COMPUTERS).aggregate(last=Max("day"))["last"]
    on = (known or date(1500, 1, 1)) + timedelta(days=1)
    first = datetime.combine(on, time(14, 30), UTC)
    made: dict[str, Any] = {
        "dataset": "quotes",
        "day": on,
        "file": name_of(Dataset.QUOTES, on, 0),
        "rows": 3,
        "first_at": first,
        "last_at": first + timedelta(hours=6),
        "bytes": 4000,
        "sha256": "0" * 64,
        "content": "3 0",
        "schema_version": 1,
        "recorded_at": LONG_AGO,
        "verified_at": LONG_AGO,
    }
    file = Path(unquote(urlsplit(settings.ARCHIVE_URL).path)) / str(made["file"])
    file.parent.mkdir(parents=True, exist_ok=True)
    quote = {"instrument": str(uuid4()), "bid": 10, "ask": 11, "bid_size": None, "ask_size": None, "recorded_at": LONG_AGO}
    rows = [quote | {"timestamp": first + timedelta(hours=hours)} for hours in (0, 3, 6)]
    with SegmentWriter(file, Dataset.QUOTES) as writer:
        writer.write(pa.RecordBatch.from_pylist(rows, schema=arrow_schema(Dataset.QUOTES)))
    return ArchiveSegment.objects.create(**made | fields)


def _insert_days(dataset: str, columns: tuple[str, ...], values: list[tuple[Any, ...]]) -> None:
    """Insert rows into a table that has a partition for every day."""
    with connection.cursor() as cursor:
        for each in {row[1].astimezone(UTC).date() for row in values}:
            cursor.execute("SELECT marketdata_add_day(%s, %s)", [dataset, each])
        places = ", ".join(["%s"] * len(columns))
        table = f"marketdata_{dataset.removesuffix('s')}"
        cursor.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})", values)


def taken_days(dataset: str) -> set[date]:
    """Return the days on which anybody has rows, live or archived."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT marketdata_days(%s)", [dataset])
        live = {row[0] for row in cursor.fetchall()}
    return live | set(ArchiveSegment.objects.filter(dataset=dataset).values_list("day", flat=True))


def quiet_day(dataset: str = "quotes") -> date:
    """Return a day of long ago on which nobody has any rows, live or archived."""
    taken = taken_days(dataset)
    return next(day for day in iter(lambda: date(1971, 1, 1) + timedelta(days=randrange(7000)), None) if day not in taken)
