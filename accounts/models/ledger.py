"""The ledger: entries that are added and never changed, chained by their hashes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
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
    """What became of one draft: `created`, `known`, `conflicting`, `reversed` (already) or `unknown` (nothing to reverse)."""

    entry_id: UUID | None
    sequence: int | None
    outcome: str


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

        `links` names, draft by draft, the entry that a draft reverses or corrects.
        """
        rows = [as_row(draft, links[index] if links else Link()) for index, draft in enumerate(drafts)]
        with connection.cursor() as cursor:
            cursor.execute(
                "select entry_id, entry_sequence, outcome from ledger_append(%s, %s, %s, %s) order by ordinal",
                [account_id, actor_id, f"[{','.join(rows)}]", partial],
            )
            return [Appended(*row) for row in cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class Link:
    """The entries a new entry takes back or replaces."""

    reverses: UUID | None = None
    corrects: UUID | None = None


def as_row(draft: EntryDraft, link: Link) -> str:
    """Return a draft as the JSON object that `ledger_append` reads: numbers as strings, instants in ISO 8601."""
    row: dict[str, Any] = {
        "kind": draft.kind.value,
        "occurred_at": draft.occurred_at.isoformat(),
        "currency": draft.currency,
        "quantity": str(draft.quantity),
        "cash": str(draft.cash),
        "fee": str(draft.fee),
        "tax": str(draft.tax),
        "data": draft.data,
        "tags": list(draft.tags),
        "source": draft.source,
    }
    optional = {
        "instrument_id": draft.instrument_id,
        "price": draft.price,
        "group": draft.group,
        "reverses": link.reverses,
        "corrects": link.corrects,
    }
    row |= {name: str(value) for name, value in optional.items() if value is not None}
    texts = ("reason_primary", "reason_explanation", "notes", "external_id")
    row |= {name: text for name in texts if (text := getattr(draft, name))}
    return json.dumps(row, cls=DjangoJSONEncoder, ensure_ascii=False)


class LedgerEntry(models.Model):
    """One happening in an account, signed and for good; a mistake is taken back by a reversal."""

    id = UUIDv7Field()
    account = models.ForeignKey(Account, models.PROTECT, related_name="entries")
    sequence = models.BigIntegerField(editable=False)
    kind = models.CharField(max_length=20, choices=[(kind.value, kind.value.replace("_", " ").capitalize()) for kind in EntryKind])
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


class LedgerHead(models.Model):
    """Where an account's ledger stands: the sequence and hash of its last entry, kept by the database."""

    account = models.OneToOneField(Account, models.PROTECT, primary_key=True, related_name="head")
    sequence = models.BigIntegerField(default=0)
    hash = models.BinaryField(default=b"")
    recorded_at = models.DateTimeField(null=True)

    objects = AccountScoped.as_manager()

    def __str__(self) -> str:
        return f"{self.account_id} at {self.sequence}"
