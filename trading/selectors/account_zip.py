"""What of trading goes along with an account that is taken out as a ZIP: each row as one JSON object a line, and the pictures.

What belongs to this installation alone stays: connections to brokers and webhooks, which hold secrets, what is compared with a
broker, and runs of backtests, which can be run again.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
from django.db.models import DateTimeField, DecimalField, F, Field, ForeignKey, Model, Q, QuerySet, UUIDField

from accounts.domain.bundles import ARCHIVES, PICTURES, TRADING, Out, Writes
from accounts.domain.json_text import write_json
from accounts.models import Account, LedgerEntry, User
from marketdata.domain.money import plain
from marketdata.models import Instrument
from trading.models import (
    Attachment,
    Decision,
    DecisionChange,
    Evaluation,
    Fill,
    Order,
    OrderEvent,
    PerformanceAlert,
    RestrictedInstrument,
    RiskEvent,
    RiskLimits,
    Session,
    Signal,
    Strategy,
    TradeNote,
    TradeTag,
    TradingPause,
)
from trading.selectors.decision_archives import archives_of, files_in
from trading.selectors.pictures import path_of

CHUNK = 1_000
PIECE = 384 * 1024  # bytes of a picture in one line
# in an order in which each comes after what it names
TABLES: tuple[type[Model], ...] = (
    *(Strategy, Session, Signal, Decision, DecisionChange, Order, OrderEvent, Fill, RiskLimits, RestrictedInstrument),
    *(RiskEvent, TradingPause, TradeTag, TradeNote, PerformanceAlert, Evaluation, Attachment),
)
# numbers of the ledger's kind are texts
TELLERS: dict[type[Field], Callable[[Any], Any]] = {DecimalField: plain, DateTimeField: datetime.isoformat, UUIDField: str}
# whose it is follows from the ZIP; how far a worker is with a row means nothing elsewhere
LEFT = {"account", "user", "sending", "claimed_at", "attempts", "evaluated"}


def columns_of(table: type[Model]) -> list[Field]:
    """Return the columns of a table that go along."""
    return [field for field in table._meta.concrete_fields if field.name not in LEFT]


def rows_of(table: type[Model], account: Account, user: User) -> QuerySet:
    """Return the rows of a table that go along with an account: its own, and the strategies of the person who takes it."""
    if table is Strategy:
        ran = Session.objects.filter(account=account, strategy__isnull=False).values("strategy")
        return Strategy.objects.filter(Q(user=user) | Q(pk__in=ran))
    rows: QuerySet = table._default_manager.filter(account=account)
    return rows.annotate(entry_sequence=F("entry__sequence")) if table is Fill else rows


def instruments_of(account: Account, user: User) -> set[UUID]:
    """Return the instruments that the account's trading is about."""
    found: set[UUID] = set()
    for table in TABLES:
        for field in columns_of(table):
            if isinstance(field, ForeignKey) and field.related_model is Instrument:
                found |= set(rows_of(table, account, user).order_by().values_list(field.attname, flat=True).distinct())
    return found - {None}


def write_parts(*, account: Account, user: User, until: int, writer: Writes) -> None:
    """Write what an account has of trading; fills are those of the entries up to a sequence."""
    names = Names(Instrument.objects.in_bulk(instruments_of(account, user)))
    there = {str(one.pk) for one in Attachment.objects.filter(account=account).iterator(CHUNK) if path_of(one).is_file()}
    with writer.part(TRADING) as out:
        for table in TABLES:
            rows = rows_of(table, account, user)
            for told in names.told(rows.filter(entry__sequence__lte=until) if table is Fill else rows):
                if table is not Attachment or told["id"] in there:
                    out.write(write_json(told) + "\n")
    with writer.part(PICTURES) as out:
        for picture in Attachment.objects.filter(account=account).order_by("pk").iterator(CHUNK):
            for piece in _pieces(picture):
                out.write(write_json({"attachment": str(picture.pk), "content": b64encode(piece).decode()}) + "\n")
    with writer.part(ARCHIVES) as out:
        _write_archives(archives_of(account), out)


def _write_archives(archives: Iterable[Path], out: Out) -> None:
    """Write the decisions in archives, one a line."""
    for path in archives:
        for name, held in files_in(path):
            out.write(write_json({"archive": path.stem, "file": name, "decision": orjson.loads(held)}) + "\n")


def _pieces(picture: Attachment) -> Iterator[bytes]:
    """Yield the bytes of a picture; one whose file is gone has none."""
    path = path_of(picture)
    if path.is_file():
        with path.open("rb") as file:
            while piece := file.read(PIECE):
                yield piece


class Names:
    """What rows refer to is called by names that mean the same elsewhere."""

    def __init__(self, instruments: dict[UUID, Instrument]) -> None:
        """Take the instruments that may be named."""
        self.keys = {pk: one.key for pk, one in instruments.items()}
        self.emails: dict[UUID, str] = {}

    def told(self, rows: QuerySet) -> Iterator[dict[str, Any]]:
        """Yield the rows of a table as objects."""
        columns = columns_of(rows.model)
        tellers = [(column.name, self._teller(column)) for column in columns]
        asked = ["entry_sequence" if column.related_model is LedgerEntry else column.attname for column in columns]
        for row in rows.order_by("pk").values_list(*asked).iterator(CHUNK):
            found: dict[str, Any] = {"table": rows.model._meta.model_name}
            for (name, teller), value in zip(tellers, row, strict=True):
                found[name] = value if value is None or teller is None else teller(value)
            yield found

    def _teller(self, column: Field) -> Callable[[Any], Any] | None:
        """Return how a column is told: instruments by their keys, people by their e-mails, entries by their sequences."""
        if not isinstance(column, ForeignKey):
            return next((teller for kind, teller in TELLERS.items() if isinstance(column, kind)), None)
        special = {Instrument: self.keys.__getitem__, User: self._email, LedgerEntry: None}
        return special.get(column.related_model, str)

    def _email(self, pk: UUID) -> str:
        """Return the e-mail of a person, asked once for each."""
        if pk not in self.emails:
            self.emails[pk] = User.objects.values_list("email", flat=True).get(pk=pk)
        return self.emails[pk]
