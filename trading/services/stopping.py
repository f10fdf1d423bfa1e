"""The red button: stop an account's trading, or all of it, and cancel what is open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

from celery import current_app
from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.models import Account, User
from accounts.models.tenancy import acting_as
from trading.models import Door, Order
from trading.selectors.risk import halt
from trading.services.orders import Ordering, cancel_all
from trading.services.pauses import accounts_that_trade, halt_trading, note_canceled, pause_trading

CANCEL = "trading.tasks.cancel_all_orders"


class NotYours(ValidationError):
    """Trading of the whole site is stopped by those who run it alone."""

    status = 403


@dataclass(frozen=True, slots=True)
class Canceled:
    """How many orders were canceled, or asked to be, and in which accounts that failed, with what was said."""

    orders: int
    failed: tuple[tuple[UUID, str], ...]


@transaction.atomic
def stop_account(*, account: Account, actor: User, reason: str, at: datetime, cancel: bool) -> list[Order]:
    """Pause an account's trading at once, and cancel its open orders if that is wished; return those."""
    pause_trading(account=account, reason=reason, at=at, actor=actor)
    return cancel_all(account=account, by=Ordering(actor=actor, door=Door.RISK, at=at)) if cancel else []


def stop_everything(*, actor: User, reason: str, at: datetime, cancel: bool) -> None:
    """Stop all trading on the site at once; the open orders are canceled by a worker if that is wished.

    :raises NotYours: if the person does not run the site
    :raises AlreadyHalted: if it is stopped
    """
    if not (actor.is_active and actor.is_superuser):
        raise NotYours("Superusers alone stop all trading.", code="not_yours")
    halt_trading(reason=reason, at=at, by=actor.email, cancels=cancel)
    if cancel:
        transaction.on_commit(partial(current_app.send_task, CANCEL, ignore_result=True), robust=True)


def cancel_everywhere(*, clock: Callable[[], datetime]) -> Canceled:
    """Cancel the open orders of all accounts, each as its owner; one that fails stops no other, and is tried again."""
    count, failed = 0, []
    for account_id, owner_id in accounts_that_trade():
        try:
            with acting_as(owner_id):
                account = Account.objects.select_related("owner").get(pk=account_id)
                count += len(cancel_all(account=account, by=Ordering(actor=account.owner, door=Door.RISK, at=clock())))
        except Exception as error:  # whatever it is, it must not stop the others
            failed.append((account_id, str(error)))
    if not failed:
        note_canceled(at=clock())
    return Canceled(count, tuple(failed))


def cancel_as_wished(*, clock: Callable[[], datetime]) -> Canceled | None:
    """Cancel what is open where those wished it who stopped all trading, unless that is done; none if there is nothing to do."""
    found = halt()
    return cancel_everywhere(clock=clock) if found is not None and found.cancels and found.canceled_at is None else None
