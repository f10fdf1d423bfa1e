"""What of trading comes with an account that is brought as a ZIP: every row as it was, but for what must not go on here.

Orders that were open are canceled here, and sessions that ran are ended: where they came from they go on, and nothing may be
ordered twice. Who wrote what is the person who brings it, as in the ledger.
"""

from __future__ import annotations

import binascii
import hashlib
from base64 import b64decode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import DateTimeField, Field, ForeignKey, JSONField, Model

from accounts.domain.bundles import PICTURES, TRADING, BundleRefused, Reads, Said
from accounts.domain.json_text import storable
from accounts.models import Account, LedgerEntry, User
from accounts.services.bundle_market import Known
from marketdata.models import Instrument
from trading.domain.orders import EventKind, OrderStatus, Sending
from trading.domain.pictures import LARGEST, picture_of
from trading.domain.problems import Refused
from trading.models import Attachment, Door, Fill, Order, OrderEvent, Session, Strategy
from trading.selectors.account_zip import TABLES, columns_of
from trading.selectors.pictures import path_of
from trading.services.decision_archives import take_archives, throw_out
from trading.services.journal import keep_picture

BATCH = 1_000  # rows stored at once, or fewer of more characters
MOST_WAITING = 1024**2
MOST_PICTURES = 20_000
BY_NAME = {table._meta.model_name: table for table in TABLES}
LOW, VARIANT = 2**62 - 1, 2**63
LONGEST_NAME = 100
LONGEST = 512 * 1024
CLOSED = "It was open when the account was taken out; what becomes of it is known where it was placed."
Note = Callable[[str, str], None]


def take_parts(*, reader: Reads, account: Account, actor: User, known: Known, at: datetime, note: Note) -> None:
    """Store what a ZIP holds of trading in the account that was just opened for it.

    Rows keep their ids where nothing here has them, so that entries which name their orders still do.

    :raises BundleRefused: if something in it is none of its kind
    """
    if TRADING not in reader.manifest.parts:
        return
    taking = Taking(account, actor, known, at)
    try:
        with transaction.atomic():
            taking.take(reader)
    except IntegrityError:  # the account is here already, as somebody's
        taking = Taking(account, actor, known, at, anew=True)
        try:
            with transaction.atomic():
                taking.take(reader)
        except DatabaseError as error:
            raise _refused(error) from error
    except DatabaseError as error:
        raise _refused(error) from error
    taking.tell(note)


def _refused(error: DatabaseError) -> BundleRefused:
    """Return the refusal of rows that break a rule of the database."""
    return BundleRefused("bad_file", f"{TRADING} can't be stored: {str(error).splitlines()[0][:200]}")


@dataclass(slots=True)
class Taking:
    """The rows of a ZIP on their way into an account; with `anew` they get ids of their own, in the order of the old ones.

    `strategies` are those that the person has already, by the ids that the ZIP gives them.
    """

    account: Account
    actor: User
    known: Known
    at: datetime
    anew: bool = False
    strategies: dict[str, UUID] = field(default_factory=dict)
    canceled: int = 0
    ended: int = 0
    pictures: dict[str, Attachment] = field(default_factory=dict)

    def take(self, reader: Reads) -> None:
        """Store all rows, keep the archives, and hang the pictures on their trades."""
        for table, rows in groupby(self._rows(reader), key=lambda one: type(one[0])):
            waiting: list[Model] = []
            size = 0
            for row, length in rows:
                waiting.append(row)
                size += length
                if len(waiting) == BATCH or size > MOST_WAITING:
                    self._store(table, waiting)
                    waiting, size = [], 0
            self._store(table, waiting)
        archives = take_archives(reader=reader, account=self.account)
        try:
            self._hang(reader)
        except BaseException:
            throw_out(archives)
            raise

    def tell(self, note: Note) -> None:
        """Say what was changed."""
        if self.canceled:
            note("orders_canceled", f"Open orders: {self.canceled:,}. They are canceled here, and go on where they were placed.")
        if self.ended:
            note("sessions_ended", f"Running sessions: {self.ended:,}. They are ended here: begin new ones to go on.")

    def _rows(self, reader: Reads) -> Iterator[tuple[Model, int]]:
        """Yield the rows that are to be stored, and how long each was; pictures wait for their bytes."""
        for said in reader.objects(TRADING, longest=LONGEST):
            table = BY_NAME.get(said.text("table"))
            if table is None:
                raise said.refusal("table", "a table of trading")
            row = self._row(table, said)
            if isinstance(row, Attachment):
                self.pictures[said.text("id")] = row
                if len(self.pictures) > MOST_PICTURES:
                    raise BundleRefused("too_large", f"{TRADING} tells of more than {MOST_PICTURES:,} pictures.")
            elif not isinstance(row, Strategy) or self._is_new(row, said):
                self._settle(row)
                yield row, said.size

    def _row(self, table: type[Model], said: Said) -> Model:
        """Return a row as it is to be stored."""
        row = table(**{one.attname: self._value(one, said) for one in columns_of(table)})
        if isinstance(row, Strategy):
            row.user = self.actor
        else:
            row.account = self.account  # type: ignore[attr-defined]
        return row

    def _value(self, column: Field, said: Said) -> Any:
        """Return one value of a row.

        :raises BundleRefused: if it is none of its kind
        """
        value = said.value.get(column.name)
        if value is None and column.null:
            return None
        if column.primary_key:
            return self._own(said, column.name)
        if isinstance(column, ForeignKey):
            return self._named(column, said)
        try:
            value = storable(value) if isinstance(column, JSONField) else column.clean(value, None)
        except (ValidationError, TypeError, ValueError, ArithmeticError) as error:
            raise said.refusal(column.name, "a value that can be kept") from error
        if isinstance(column, DateTimeField) and value.tzinfo is None:
            raise said.refusal(column.name, "a time with its zone")
        return value

    def _named(self, column: ForeignKey, said: Said) -> Any:
        """Return the key of what a row names."""
        if column.related_model is User:
            return self.actor.pk
        if column.related_model is Instrument:
            return self.known.of(said, column.name).pk
        if column.related_model is LedgerEntry:
            return said.whole(column.name)  # its sequence: looked up for many at once
        return self._own(said, column.name)

    def _own(self, said: Said, name: str) -> UUID:
        """Return the id of a row here."""
        old = said.text(name)
        if old in self.strategies:
            return self.strategies[old]
        try:
            key = UUID(old)
        except ValueError as error:
            raise said.refusal(name, "an id") from error
        if not self.anew:
            return key
        own = hashlib.sha256(self.account.pk.bytes + key.bytes).digest()[:8]
        return UUID(int=(key.int >> 64 << 64) | VARIANT | int.from_bytes(own) & LOW)  # as old as it was, and another one

    def _is_new(self, strategy: Strategy, said: Said) -> bool:
        """Say whether a strategy is to be written down; the person's own of the same name is the same if it trades alike."""
        mine = Strategy.objects.filter(user=self.actor, name=strategy.name).first()
        if mine is not None and (mine.kind, mine.parameters) == (strategy.kind, strategy.parameters):
            self.strategies[said.text("id")] = mine.pk
            return False
        number = 1
        while mine is not None:
            number += 1
            name = f"{strategy.name[: LONGEST_NAME - 10]} ({number})"
            mine = Strategy.objects.filter(user=self.actor, name=name).first()
            strategy.name = name if mine is None else strategy.name
        return True

    def _settle(self, row: Model) -> None:
        """Let nothing go on here that goes on where it came from."""
        if isinstance(row, Session) and row.ended_at is None:
            row.ended_at = max(self.at, row.started_at)
            self.ended += 1
        if isinstance(row, Order):
            row.sending = Sending.SETTLED

    def _cancel(self, order: Order) -> OrderEvent:
        """Let an open order be canceled, and return the event of it."""
        self.canceled += 1
        order.status, order.events, order.ended_at, order.updated_at = OrderStatus.CANCELED, order.events + 1, self.at, self.at
        order.pending_cancel = order.pending_replace = False
        return OrderEvent(
            account=self.account,
            order=order,
            sequence=order.events,
            kind=EventKind.CANCELED,
            status=OrderStatus.CANCELED,
            at=self.at,
            recorded_at=self.at,
            door=Door.IMPORT,
            actor=self.actor,
            detail=CLOSED,
        )

    def _store(self, table: type[Model], rows: list[Any]) -> None:
        """Store rows of a table: fills with the entries they were posted as, open orders with their end."""
        if table is Fill:
            self._name_entries(rows)
        canceled = [self._cancel(row) for row in rows if row.is_open] if table is Order else []
        table._default_manager.bulk_create(rows)
        OrderEvent.objects.bulk_create(canceled)

    def _name_entries(self, fills: list[Fill]) -> None:
        """Give fills the entries that stand where theirs stood."""
        entries = LedgerEntry.objects.filter(account=self.account, sequence__in=[fill.entry_id for fill in fills])
        by_sequence: dict[Any, UUID] = dict(entries.values_list("sequence", "pk"))
        for fill in fills:
            if fill.entry_id not in by_sequence:
                raise BundleRefused("bad_file", f"{TRADING}: a fill names the entry {fill.entry_id}, which is not there.")
            fill.entry_id = by_sequence[fill.entry_id]

    def _hang(self, reader: Reads) -> None:
        """Keep the pictures, and the rows that tell of them.

        :raises BundleRefused: if one lacks its bytes, or is none
        """
        if PICTURES not in reader.manifest.parts and self.pictures:
            raise BundleRefused("missing_file", f"{PICTURES} is not in the ZIP: export the account once more.")
        waiting, written = dict(self.pictures), []
        try:
            with connection.cursor() as cursor:  # what is checked at the end is to be refused by name, too
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")
            for key, pieces in groupby(reader.objects(PICTURES) if PICTURES in reader.manifest.parts else (), key=_of):
                row = waiting.pop(key, None)
                if row is None:
                    raise BundleRefused("bad_file", f"{PICTURES}: nothing tells of the picture {key[:40]!r}, or it comes twice.")
                content = _joined(pieces)
                _check(row, content)
                written.append(path_of(row))
                row.save(force_insert=True)
                keep_picture(path_of(row), content)
            if waiting:
                raise BundleRefused("bad_file", f"{PICTURES}: {len(waiting):,} pictures that {TRADING} tells of are not in it.")
        except BaseException:
            for path in written:
                path.unlink(missing_ok=True)
            raise


def _of(said: Said) -> str:
    """Return which picture a line is of."""
    return said.text("attachment")


def _joined(pieces: Iterator[Said]) -> bytes:
    """Return the bytes of a picture.

    :raises BundleRefused: if they are none, or too many
    """
    content = bytearray()
    for said in pieces:
        try:
            content += b64decode(said.text("content", most=1024**2), validate=True)
        except binascii.Error as error:
            raise said.refusal("content", "a picture") from error
        if len(content) > LARGEST:
            raise said.refusal("content", "a picture of 5 MB or less")
    return bytes(content)


def _check(row: Attachment, content: bytes) -> None:
    """Refuse bytes that are not the picture that their row tells of.

    :raises BundleRefused: if they are another one, or none
    """
    try:
        kind = picture_of(content).content_type
    except Refused as refusal:
        raise BundleRefused("bad_file", f"{PICTURES}: {refusal}") from refusal
    if (kind, len(content), hashlib.sha256(content).hexdigest()) != (row.content_type, row.size, row.sha256):
        raise BundleRefused("bad_file", f"{PICTURES}: {row.name[:40]!r} is not the picture that {TRADING} tells of.")
