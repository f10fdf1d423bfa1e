"""The ledger: entries that are added and never changed, chained by their hashes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, models

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
    previous_hash: bytes | None = None
    hash: bytes | None = None
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
            cursor.execute("select * from ledger_append(%s, %s, %s, %s)", [account_id, actor_id, f"[{','.join(rows)}]", partial])
            return [Appended(*row) for row in cursor.fetchall()]


def as_row(draft: EntryDraft, link: Link = NO_LINK) -> str:
    """Return a draft as the JSON object that `ledger_append` reads: the columns by name, numbers as texts."""
    row: dict[str, Any] = {
        "kind": draft.kind.value,
        "occurred_at": draft.occurred_at.isoformat(),
        "currency": draft.currency,
        "quantity": str(draft.quantity),
        "cash": str(draft.cash),
        "fee": str(draft.fee),
        "tax": str(draft.tax),
        "source": draft.source,
    }
    optional = {
        "instrument_id": draft.instrument_id,
        "price": draft.price,
        "group_id": draft.group,
        "reverses_id": link.reverses,
        "corrects_id": link.corrects,
    }
    row |= {name: str(value) for name, value in optional.items() if value is not None}
    row |= {name: value for name in ROUGH if (value := getattr(draft, name))}
    return json.dumps(row, cls=DjangoJSONEncoder, ensure_ascii=False)


# the fields of a draft that an entry has under the same name
COPIED = (
    *("occurred_at", "currency", "instrument_id", "quantity", "price", "cash", "fee", "tax", "data"),
    *("reason_primary", "reason_explanation", "notes", "source", "external_id", "group"),
)
# what JSON carries as it is, and the table has empty where it is left out
ROUGH = ("data", "tags", "reason_primary", "reason_explanation", "notes", "external_id")


class LedgerEntry(models.Model):
    """One happening in an account, signed and for good; a mistake is taken back by a reversal."""

    id = UUIDv7Field()
    account = models.ForeignKey(Account, models.PROTECT, related_name="entries", db_index=False)
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
    reverses = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="reversals", db_index=False)
    corrects = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="corrections", db_index=False)
    actor = models.ForeignKey(User, models.PROTECT, related_name="+", db_index=False)
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
        copied = {name: getattr(draft, name) for name in COPIED}
        entry = cls(
            id=done.entry_id,
            account_id=account_id,
            sequence=done.sequence,
            kind=draft.kind.value,
            recorded_at=done.recorded_at,
            tags=list(draft.tags),
            reverses_id=link.reverses,
            corrects_id=link.corrects,
            actor_id=actor_id,
            previous_hash=done.previous_hash,
            hash=done.hash,
            **copied,
        )
        entry._state.adding, entry._state.db = False, connection.alias
        return entry


class LedgerHead(models.Model):
    """Where an account's ledger stands: the sequence and hash of its last entry, kept by the database."""

    account = models.OneToOneField(Account, models.PROTECT, primary_key=True, related_name="head")
    sequence = models.BigIntegerField(default=0)
    hash = models.BinaryField(default=b"")
    recorded_at = models.DateTimeField(null=True)

    objects = AccountScoped.as_manager()

    def __str__(self) -> str:
        return f"{self.account_id} at {self.sequence}"
