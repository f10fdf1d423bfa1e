"""What of trading goes along with an account that is taken out as a ZIP: each row as one JSON object a line, and the pictures.

What belongs to this installation alone stays: connections to brokers and webhooks, which hold secrets, what is compared with a
broker, and runs of backtests, which can be run again.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import F, Field, ForeignKey, Model, Q, QuerySet

from accounts.domain.bundles import PICTURES, TRADING, Writes
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
from trading.selectors.pictures import path_of

CHUNK = 1_000
PIECE = 384 * 1024  # bytes of a picture in one line
# in an order in which each comes after what it names
TABLES: tuple[type[Model], ...] = (
    *(Strategy, Session, Signal, Decision, DecisionChange, Order, OrderEvent, Fill, RiskLimits, RestrictedInstrument),
    *(RiskEvent, TradingPause, TradeTag, TradeNote, PerformanceAlert, Evaluation, Attachment),
)
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
    with writer.part(TRADING) as out:
        for table in TABLES:
            rows = rows_of(table, account, user)
            for row in (rows.filter(entry__sequence__lte=until) if table is Fill else rows).order_by("pk").iterator(CHUNK):
                if not isinstance(row, Attachment) or path_of(row).is_file():
                    out.write(write_json(names.told(row)) + "\n")
    with writer.part(PICTURES) as out:
        for picture in Attachment.objects.filter(account=account).order_by("pk").iterator(CHUNK):
            for piece in _pieces(picture):
                out.write(write_json({"attachment": str(picture.pk), "content": b64encode(piece).decode()}) + "\n")


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

    def told(self, row: Model) -> dict[str, Any]:
        """Return a row as an object."""
        found: dict[str, Any] = {"table": row._meta.model_name}
        for field in columns_of(type(row)):
            found[field.name] = self._value(row, field, getattr(row, field.attname))
        return found

    def _value(self, row: Model, field: Field, value: Any) -> Any:
        """Return one value of a row: instruments by their keys, people by their e-mails, entries by their sequences."""
        if value is None or not isinstance(field, ForeignKey):
            return _text(value)
        if field.related_model is Instrument:
            return self.keys[value]
        if field.related_model is User:
            return self._email(value)
        return row.entry_sequence if field.related_model is LedgerEntry else str(value)  # type: ignore[attr-defined]

    def _email(self, pk: UUID) -> str:
        """Return the e-mail of a person, asked once for each."""
        if pk not in self.emails:
            self.emails[pk] = User.objects.values_list("email", flat=True).get(pk=pk)
        return self.emails[pk]


def _text(value: Any) -> Any:
    """Return a value as JSON carries it: numbers of the ledger's kind as texts."""
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value
