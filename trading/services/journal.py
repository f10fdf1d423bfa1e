"""What people add to their trades: tags, notes and pictures. A trade's own figures are derived, and written by nobody."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from tempfile import mkstemp
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.domain.limits import problem_of_text
from accounts.models import User
from accounts.services.accounts import refuse_closed
from trading.domain.orders import PositionEffect
from trading.domain.pictures import picture_of, safe_name
from trading.models import Attachment, Order, TradeNote, TradeTag
from trading.selectors.pictures import path_of
from trading.services.refusals import told, unless_taken

MOST_TAGS, LONGEST_TAG = 20, 50
MOST_NOTES, LONGEST_NOTE = 50, 10_000
MOST_PICTURES = 20


class NoTrade(ValidationError):
    """The order opened no trade: nothing of it was filled, or it closed one."""


class AttachedBefore(ValidationError):
    """The same picture hangs on the trade already."""


@transaction.atomic
def tag_trade(*, order: Order, tags: Sequence[str], at: datetime) -> None:
    """Let a trade have these tags and no others.

    :raises ValidationError: if there are too many, or one is empty, too long or holds control characters
    """
    _refuse_no_trade(order)
    wanted = list(dict.fromkeys(tag.strip() for tag in tags))
    if len(wanted) > MOST_TAGS:
        raise _wrong("tags", "too_many", f"A trade has at most {MOST_TAGS} tags.")
    for tag in wanted:
        problem = "A tag can't be empty." if not tag else problem_of_text(tag, most=LONGEST_TAG)
        if problem or "\n" in tag or "\t" in tag:
            raise _wrong("tags", "invalid", problem or "A tag is one line.")
    kept = TradeTag.objects.filter(account=order.account_id, order=order)
    kept.exclude(tag__in=wanted).delete()
    known = set(kept.values_list("tag", flat=True))
    rows = [TradeTag(account_id=order.account_id, order=order, tag=tag, created_at=at) for tag in wanted if tag not in known]
    TradeTag.objects.bulk_create(rows, ignore_conflicts=True)


@transaction.atomic
def note_trade(*, order: Order, notes: Sequence[Mapping[str, Any]], actor: User, at: datetime) -> None:
    """Let a trade have these notes and no others: what has an id stays, and its author alone lets it say something else.

    :raises ValidationError: if there are too many, or one is empty, too long, of another trade, or changed by somebody else
    """
    _refuse_no_trade(order)
    if len(notes) > MOST_NOTES:
        raise _wrong("notes", "too_many", f"A trade has at most {MOST_NOTES} notes.")
    known = {row.pk: row for row in TradeNote.objects.select_for_update().filter(account=order.account_id, order=order)}
    kept: set[UUID] = set()
    for said in notes:
        text, key = said["text"], said.get("id")
        if problem := ("A note can't be empty." if not text.strip() else problem_of_text(text, most=LONGEST_NOTE)):
            raise _wrong("notes", "invalid", problem)
        if key is None:
            row = TradeNote(account_id=order.account_id, order=order, text=text, author=actor, created_at=at, updated_at=at)
            row.save(force_insert=True)
        elif key not in known:
            raise _wrong("notes", "does_not_exist", f"The trade has no note {key}.")
        elif known[key].text != text and known[key].author_id != actor.pk:
            raise _wrong(
                "notes", "not_the_author", "Somebody else wrote that note; leave it as it is, and write one of your own."
            )
        elif known[key].text != text:
            known[key].text, known[key].updated_at = text, at
            known[key].save(update_fields=["text", "updated_at"])
        kept.add(key if key is not None else row.pk)
    TradeNote.objects.filter(account=order.account_id, order=order, pk__in=known.keys() - kept).delete()


@transaction.atomic
def attach_picture(*, order: Order, name: str, content: bytes, actor: User, at: datetime) -> Attachment:
    """Hang a picture on a trade: a PNG, JPEG, WebP or GIF by its own bytes, of 5 MB at most.

    :raises ValidationError: if it is none, or the trade has too many
    :raises AttachedBefore: if it hangs there already
    """
    _refuse_no_trade(order)
    with told():
        picture = picture_of(content)
    if Attachment.objects.filter(account=order.account_id, order=order).count() >= MOST_PICTURES:
        raise _wrong("file", "too_many", f"A trade has at most {MOST_PICTURES} pictures.")
    made = Attachment(
        account_id=order.account_id,
        order=order,
        name=safe_name(name, picture.content_type),
        content_type=picture.content_type,
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        author=actor,
        created_at=at,
    )
    with unless_taken(AttachedBefore("The same picture hangs on the trade already.", code="attached_before")):
        made.save(force_insert=True)
    keep_picture(path_of(made), content)
    return made


@transaction.atomic
def remove_picture(*, attachment: Attachment) -> None:
    """Take a picture off its trade; its file goes once that is certain."""
    refuse_closed(attachment.account)
    path = path_of(attachment)
    attachment.delete()
    transaction.on_commit(lambda: path.unlink(missing_ok=True))


def keep_picture(path: Path, content: bytes) -> None:
    """Write a file that is there as a whole or not at all, before the row that names it is committed."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = mkstemp(dir=path.parent, prefix=".")
    draft = Path(name)
    try:
        with open(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _refuse_no_trade(order: Order) -> None:
    """Refuse to hang something on what is no trade, or in an account that is closed.

    :raises NoTrade: if the order opened none
    """
    refuse_closed(order.account)
    if order.effect != PositionEffect.OPEN or not order.filled_quantity:
        raise NoTrade("The order has opened no trade.", code="no_trade")


def _wrong(name: str, code: str, detail: str) -> ValidationError:
    """Return the refusal of a field."""
    return ValidationError({name: ValidationError(detail, code=code)})
