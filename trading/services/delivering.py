"""Tell addresses what happened: the rows are the queue, each is tried until it is heard or given up.

The database writes the rows together with what happened (`sql/webhooks.sql`), so that nothing is told that did not happen and
nothing that happened is forgotten. Told twice is possible, where a process dies between sending and noting it: the id says so.
"""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Window
from django.db.models.functions import RowNumber

from accounts.domain.roles import Role
from accounts.models import Topic
from portfolio.selectors.market import SYSTEM
from trading.adapters import webhooks
from trading.domain.webhooks import WAITS, sign, wait_after
from trading.models import Delivery, SecretLost, Webhook
from trading.services.telling import tell_members

BATCH = 40
OF_EACH = 4  # of one address at once, one after the other
LEASE = timedelta(minutes=2)  # longer than so many are waited for
ALONE = "SELECT pg_try_advisory_xact_lock(hashtextextended('trading_deliveries', 0))"
GIVES_UP = 30  # failures in a row, after which an address is told no more
KEPT = timedelta(days=30)

Clock = Callable[[], datetime]
Send = Callable[..., int]
NotTold = webhooks.NotHeard | SecretLost
log = logging.getLogger(__name__)


def deliver_due(*, clock: Clock, send: Send = webhooks.send) -> int:
    """Tell what is due, all addresses at once and each a few things in turn; return how many were claimed.

    One process at a time does so: addresses that let us wait must not keep every worker from its work.
    """
    with _alone() as alone:
        claimed = _claim(clock()) if alone else []
        of_each: dict[UUID, list[Delivery]] = defaultdict(list)
        for delivery in claimed:
            of_each[delivery.webhook_id].append(delivery)
        with ThreadPoolExecutor(max(len(of_each), 1)) as threads:
            work = [threads.submit(_tell, rows, clock, send) for rows in of_each.values()]
            for told in as_completed(work):
                for delivery, answer in told.result():
                    _note(delivery, answer, clock())
    return len(claimed)


def due_again(*, delivery: Delivery, now: datetime) -> Delivery:
    """Let a delivery be tried anew, from its first attempt; its id and its content stay."""
    columns: dict[str, Any] = {"next_try_at": now, "attempts": 0, "delivered_at": None, "status_code": None, "last_error": ""}
    with transaction.atomic(using=SYSTEM):
        Delivery.objects.using(SYSTEM).filter(pk=delivery.pk, next_try_at__isnull=True).update(**columns)
    for name, value in columns.items():
        setattr(delivery, name, value)
    return delivery


def forget_deliveries(*, before: datetime) -> int:
    """Throw away what was heard or given up before an instant; return how many."""
    with transaction.atomic(using=SYSTEM):
        old = Delivery.objects.using(SYSTEM).filter(next_try_at__isnull=True, created_at__lt=before)
        return old.delete()[0]


def body_of(delivery: Delivery) -> bytes:
    """Return what is sent: the same bytes, however often."""
    told = {
        "id": str(delivery.event_id),
        "topic": delivery.topic,
        "account": str(delivery.account_id),
        "created_at": delivery.created_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "data": delivery.payload,
    }
    return json.dumps(told, sort_keys=True, separators=(",", ":")).encode()


def headers_of(delivery: Delivery, secret: str, body: bytes, at: datetime) -> Mapping[str, str]:
    """Return the headers of what is sent, the signature among them."""
    return {
        "Content-Type": "application/json",
        "User-Agent": "Bedrock-Webhooks/1",
        "Bedrock-Event": str(delivery.event_id),
        "Bedrock-Topic": delivery.topic,
        "Bedrock-Attempt": str(delivery.attempts),
        "Bedrock-Signature": sign(secret, int(at.timestamp()), body),
    }


@contextmanager
def _alone() -> Iterator[bool]:
    """Say whether nobody else tells anything, and keep it so."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(ALONE)
        yield bool(cursor.fetchone()[0])


def _claim(now: datetime) -> list[Delivery]:
    """Return what is due of addresses that are told; nobody else takes it for a while. What was switched off is given up."""
    place = Window(RowNumber(), partition_by="webhook", order_by=("next_try_at", "pk"))
    with transaction.atomic(using=SYSTEM):
        due = Delivery.objects.using(SYSTEM).filter(next_try_at__lte=now)
        first = due.annotate(place=place).filter(place__lte=OF_EACH).order_by("place", "next_try_at", "pk")
        keys = list(first.values_list("pk", flat=True)[:BATCH])
        mine = due.filter(pk__in=keys).select_for_update(skip_locked=True).values_list("pk", flat=True)
        rows = Delivery.objects.using(SYSTEM).filter(pk__in=list(mine))
        rows.filter(webhook__enabled=False).update(next_try_at=None, last_error="The webhook was switched off.")
        rows = rows.filter(next_try_at__isnull=False)
        rows.update(next_try_at=now + LEASE, attempts=F("attempts") + 1)
        return list(rows.select_related("webhook", "account").order_by("created_at", "pk"))


def _tell(rows: Sequence[Delivery], clock: Clock, send: Send) -> list[tuple[Delivery, int | NotTold | None]]:
    """Tell one address what is due, and return what it answered; once it has not heard, the rest is left for later.

    Nothing is asked of the database here, as it runs beside the others.
    """
    found: list[tuple[Delivery, int | NotTold | None]] = []
    for delivery in rows:
        answer: int | NotTold | None = None
        if not found or isinstance(found[-1][1], int):
            answer = _answer(delivery, clock, send)
        found.append((delivery, answer))
    return found


def _answer(delivery: Delivery, clock: Clock, send: Send) -> int | NotTold:
    """Tell one thing, and return the status of the answer, or why there was none that counts."""
    body = body_of(delivery)
    try:
        headers = headers_of(delivery, delivery.webhook.secret(), body, clock())
        return send(delivery.webhook.url, body, headers, private=settings.WEBHOOKS_TO_PRIVATE_NETWORKS)
    except (webhooks.NotHeard, SecretLost) as failure:
        return failure


def _note(delivery: Delivery, answer: int | NotTold | None, now: datetime) -> None:
    """Note what came of telling something."""
    row = Delivery.objects.using(SYSTEM).filter(pk=delivery.pk)
    if answer is None:
        row.update(next_try_at=now + WAITS[0], attempts=F("attempts") - 1)
    elif isinstance(answer, int):
        with transaction.atomic(using=SYSTEM):
            row.update(delivered_at=now, next_try_at=None, status_code=answer, last_error="")
            Webhook.objects.using(SYSTEM).filter(pk=delivery.webhook_id).update(failures=0, last_error="")
    else:
        _failed(delivery, str(answer), getattr(answer, "status", None), now)


def _failed(delivery: Delivery, detail: str, status: int | None, now: datetime) -> None:
    """Note that something was not heard, when it is tried again, and switch off an address that hears nothing any more."""
    wait = wait_after(delivery.attempts)
    log.warning("The webhook %s did not hear %s: %s", delivery.webhook_id, delivery.event_id, detail)
    with transaction.atomic(using=SYSTEM):
        row = {"next_try_at": None if wait is None else now + wait, "status_code": status, "last_error": detail}
        Delivery.objects.using(SYSTEM).filter(pk=delivery.pk).update(**row)
        hook = Webhook.objects.using(SYSTEM).filter(pk=delivery.webhook_id)
        hook.update(failures=F("failures") + 1, last_error=detail)
        given_up = wait is None and hook.filter(enabled=True, failures__gte=GIVES_UP).update(enabled=False)
    if given_up:
        tell_members(
            account=delivery.account,
            title="a webhook is switched off",
            body=f"{delivery.webhook.url} heard nothing {GIVES_UP} times in a row. {detail}",
            at=now,
            role=Role.OWNER,
            topic=Topic.ALERT,
        )
