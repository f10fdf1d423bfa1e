"""What people add to their trades. A trade is known by the order that opened it; its figures are derived, these rows are not."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from accounts.models import Account, User
from accounts.models.tenancy import AccountScoped
from accounts.models.users import NO_CONTROL_CHARACTERS
from marketdata.models.fields import UUIDv7Field
from trading.models.orders import Order

LARGEST = 5 * 1024 * 1024
CONTENT_TYPES = ("image/png", "image/jpeg", "image/webp", "image/gif")


class TradeTag(models.Model):
    """A word that somebody put on a trade; statistics can be asked for by it."""

    id = UUIDv7Field()
    account = models.ForeignKey(Account, models.CASCADE, related_name="+", db_index=False)
    order = models.ForeignKey(Order, models.PROTECT, related_name="trade_tags", db_index=False, db_constraint=False)
    tag = models.CharField(max_length=50, validators=[NO_CONTROL_CHARACTERS])
    created_at = models.DateTimeField()

    objects = AccountScoped.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "order", "tag"], name="trade_tagged_once"),
            models.CheckConstraint(condition=~Q(tag=""), name="trade_tag_says_something"),
        ]
        indexes = [models.Index(fields=["account", "tag"], name="trade_by_tag")]

    def __str__(self) -> str:
        return self.tag


class TradeNote(models.Model):
    """What somebody had to say of a trade."""

    id = UUIDv7Field()
    account = models.ForeignKey(Account, models.CASCADE, related_name="+", db_index=False)
    order = models.ForeignKey(Order, models.PROTECT, related_name="trade_notes", db_index=False, db_constraint=False)
    text = models.TextField()
    author = models.ForeignKey(User, models.PROTECT, related_name="+", db_index=False)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    objects = AccountScoped.as_manager()

    class Meta:
        constraints = [models.CheckConstraint(condition=~Q(text=""), name="trade_note_says_something")]
        indexes = [models.Index(fields=["account", "order", "created_at"], name="note_of_trade")]

    def __str__(self) -> str:
        return self.text[:50]


class Attachment(models.Model):
    """A picture to a trade, kept in the database so that it is in every backup; its type is what its bytes say it is."""

    id = UUIDv7Field()
    account = models.ForeignKey(Account, models.CASCADE, related_name="+", db_index=False)
    order = models.ForeignKey(Order, models.PROTECT, related_name="attachments", db_index=False, db_constraint=False)
    name = models.CharField(max_length=200, validators=[NO_CONTROL_CHARACTERS])
    content_type = models.CharField(max_length=20)
    size = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    content = models.BinaryField(editable=False)
    author = models.ForeignKey(User, models.PROTECT, related_name="+", db_index=False)
    created_at = models.DateTimeField()

    objects = AccountScoped.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "order", "sha256"], name="attached_once"),
            models.CheckConstraint(condition=Q(size__gt=0, size__lte=LARGEST), name="attachment_is_not_too_large"),
            models.CheckConstraint(condition=Q(content_type__in=CONTENT_TYPES), name="attachment_is_a_picture"),
        ]

    def __str__(self) -> str:
        return self.name
