"""The ledger: entries that are added and never changed, chained by their hashes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
from django.contrib.postgres.fields import ArrayField
from django.db import connection, models
from uuid_utils.compat import uuid7

from accounts.domain.ledger import EntryDraft, EntryKind
from accounts.models.accounts import Account
from accounts.models.tenancy import AccountScoped
from accounts.models.users import User
from marketdata.models import Instrument
from marketdata.models.fields import MoneyField, PriceField, QuantityField, UUIDv7Field


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of one draft: `created`, `known`, `conflicting`, `reversed`, `unknown` or `skipped`.

    `reversed`: the entry was taken back before; `unknown`: there is nothing to take back; `skipped`: another draft was refused.
    `followed` is false where nobody has asked yet for the prices of the draft's instrument.
    """

    entry_id: UUID | None
    sequence: int | None
    outcome: str
    recorded_at: datetime | None = None
    previous_hash: bytes = b""
    hash: bytes = b""
    followed: bool = True


@dataclass(frozen=True, slots=True)
class Link:
    """The entries a new entry takes back or replaces."""

    reverses: UUID | None = None
    corrects: UUID | None = None


NO_LINK = Link()


class LedgerQuerySet(AccountScoped):
    """Entries of ledgers; written by one SQL function alone."""

    def append(
        self,
        *,
        account_id: UUID,
        actor_id: UUID,
        drafts: Sequence[EntryDraft],
        links: Sequence[Link] = (),
        partial: bool = False,
    ) -> list[Appended]:
        """Write drafts at the head of an account's ledger, all or none unless `partial`; one round trip, one lock.

        `links` names, draft by draft, the entry that a draft reverses or corrects. Drafts of one call must not share an id.
        """
        rows = [as_row(draft, links[index] if links else NO_LINK) for index, draft in enumerate(drafts)]
        with connection.cursor() as cursor:
            cursor.execute("select ledger_append(%s, %s, %s, %s)", [account_id, actor_id, f"[{','.join(rows)}]", partial])
            return [appended(*answer) for answer in json.loads(cursor.fetchone()[0])]


def appended(
    outcome: str,
    entry_id: str = "",
    sequence: int | None = None,
    recorded_at: str = "",
    previous_hash: str = "",
    digest: str = "",
    followed: bool = True,
) -> Appended:
    """Return an answer of `ledger_append`."""
    return Appended(
        entry_id=UUID(entry_id) if entry_id else None,
        sequence=sequence,
        outcome=outcome,
        recorded_at=datetime.fromisoformat(recorded_at) if recorded_at else None,
        previous_hash=bytes.fromhex(previous_hash),
        hash=bytes.fromhex(digest),
        followed=followed,
    )


def as_row(draft: EntryDraft, link: Link = NO_LINK, *, entry_id: UUID | str | None = None) -> str:
    """Return a draft as the JSON object that `ledger_append` reads: the columns by name, numbers as texts, few that are empty."""
    row: dict[str, Any] = {
        "id": entry_id or uuid7(),
        "kind": draft.kind.value,
        "occurred_at": draft.occurred_at,
        "currency": draft.currency,
        "instrument_id": draft.instrument_id,
        "quantity": str(draft.quantity),
        "price": draft.price,
        "cash": str(draft.cash),
        "fee": str(draft.fee),
        "data": draft.data,
        "source": draft.source,
        "external_id": draft.external_id,
    }
    if draft.tax:
        row["tax"] = str(draft.tax)
    if draft.reason_primary or draft.reason_explanation or draft.notes or draft.tags:
        row["reason_primary"], row["reason_explanation"] = draft.reason_primary, draft.reason_explanation
        row["notes"], row["tags"] = draft.notes, draft.tags
    if draft.group or link is not NO_LINK:
        row["group_id"], row["reverses_id"], row["corrects_id"] = draft.group, link.reverses, link.corrects
    try:
        return orjson.dumps(row, default=str).decode()
    except TypeError:  # a whole number beyond 64 bits, in data that came in by file
        return json.dumps(row, default=str, ensure_ascii=False)


class LedgerEntry(models.Model):
    """One happening in an account, signed and for good; a mistake is taken back by a reversal."""

    id = UUIDv7Field()
    # the writer has locked the account's head, read the actor's membership and found the linked entry: the database need not
    # look again, entry by entry, at rows that can't be deleted (the head holds the account, a trigger holds the actor)
    account = models.ForeignKey(Account, models.PROTECT, related_name="entries", db_index=False, db_constraint=False)
    sequence = models.BigIntegerField(editable=False)
    kind = models.CharField(
        max_length=20, choices=[(kind.value, kind.value.replace("_", " ").capitalize()) for kind in EntryKind]
    )
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField(editable=False)
    group = models.UUIDField(null=True, blank=True, db_column="group_id", help_text="Shared by the legs of one happening.")
    instrument = models.ForeignKey(Instrument, models.PROTECT, null=True, blank=True, related_name="+", db_index=False)
    quantity = QuantityField(default=Decimal(0))
    price = PriceField(null=True, blank=True)
    cash = MoneyField(default=Decimal(0))
    currency = models.CharField(max_length=3)
    fee = MoneyField(default=Decimal(0))
    tax = MoneyField(default=Decimal(0))
    data = models.JSONField(default=dict, blank=True)
    reason_primary = models.CharField(max_length=100, blank=True)
    reason_explanation = models.TextField(blank=True)
    notes = models.TextField(blank=True)
    tags = ArrayField(models.CharField(max_length=50), default=list, blank=True)
    source = models.CharField(max_length=50, default="manual")
    external_id = models.CharField(max_length=200, blank=True)
    reverses = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="reversals", db_index=False, db_constraint=False
    )
    corrects = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="corrections", db_index=False, db_constraint=False
    )
    actor = models.ForeignKey(User, models.PROTECT, related_name="+", db_index=False, db_constraint=False)
    previous_hash = models.BinaryField(editable=False)
    hash = models.BinaryField(editable=False)

    objects = LedgerQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "ledger entries"
        constraints = [
            models.UniqueConstraint(fields=["account", "sequence"], name="entry_sequence_once"),
            models.UniqueConstraint(
                fields=["account", "source", "external_id"],
                condition=~models.Q(external_id=""),
                name="entry_posted_once",
            ),
            models.UniqueConstraint(
                fields=["account", "reverses"], condition=models.Q(reverses__isnull=False), name="entry_reversed_once"
            ),
        ]
        indexes = [models.Index(fields=["account", "occurred_at"], name="entry_by_time")]

    def __str__(self) -> str:
        return f"{self.kind} #{self.sequence}"

    @classmethod
    def as_appended(
        cls, draft: EntryDraft, done: Appended, *, account_id: UUID, actor_id: UUID, link: Link = NO_LINK
    ) -> LedgerEntry:
        """Return the entry that a draft has become, without reading it back."""
        values = (
            *(done.entry_id, account_id, done.sequence, draft.kind.value, draft.occurred_at, done.recorded_at, draft.group),
            *(draft.instrument_id, draft.quantity, draft.price, draft.cash, draft.currency, draft.fee, draft.tax, draft.data),
            *(draft.reason_primary, draft.reason_explanation, draft.notes, list(draft.tags), draft.source, draft.external_id),
            *(link.reverses, link.corrects, actor_id, done.previous_hash, done.hash),
        )
        return cls.from_db(connection.alias, FIELDS, values)


FIELDS = [field.attname for field in LedgerEntry._meta.concrete_fields]


class LedgerHead(models.Model):
    """Where an account's ledger stands: the sequence and hash of its last entry, kept by the database."""

    account = models.OneToOneField(Account, models.PROTECT, primary_key=True, related_name="head")
    sequence = models.BigIntegerField(default=0)
    hash = models.BinaryField(default=b"")
    recorded_at = models.DateTimeField(null=True)

    objects = AccountScoped.as_manager()

    def __str__(self) -> str:
        return f"{self.account_id} at {self.sequence}"
