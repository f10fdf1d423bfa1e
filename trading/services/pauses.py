"""Stop trading and let it go on: in one account, or everywhere at once."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import connections, transaction

from accounts.models import Account, Level, User
from portfolio.selectors.market import SYSTEM
from trading.domain.risk import sentence, with_remedy
from trading.models import RiskEvent, TradingHalt, TradingPause
from trading.selectors.risk import halt, pause_of
from trading.services.refusals import unless_taken
from trading.services.standing import standing_now
from trading.services.telling import tell_members

REASON = 1_000


class NotPaused(ValidationError):
    """Trading in the account goes on: there is nothing to resume."""


class AlreadyHalted(ValidationError):
    """All trading is stopped already."""


class NotHalted(ValidationError):
    """Trading is not stopped: there is nothing to end."""


def pause_trading(
    *, account: Account, reason: str, at: datetime, actor: User | None = None, event: RiskEvent | None = None
) -> tuple[TradingPause, bool]:
    """Stop an account's trading, and return the pause and whether it is new; its members are told.

    It may be paused when it is closed, too. An owner alone resumes it.
    """
    reason = reason.strip()[:REASON] or "A member paused it."
    known = pause_of(account)
    if known is not None:
        return known, False
    made = TradingPause(account=account, event=event, reason=reason, started_at=at, started_by=actor)
    try:
        with unless_taken(ValidationError("paused")):
            made.save(force_insert=True)
    except ValidationError:  # somebody else was quicker
        known = pause_of(account)
        assert known is not None  # noqa: S101  # a pause at a time
        return known, False
    said = f"{sentence(reason)} By {actor}." if actor else reason
    tell_members(account=account, title="trading is paused", body=with_remedy(said), at=at, level=Level.CRITICAL)
    return made, True


@transaction.atomic
def resume_trading(*, account: Account, actor: User, at: datetime, note: str = "") -> TradingPause:
    """Let an account trade again: what led to a pause counts anew from now on. Owners alone may; the database says so, too.

    :raises NotPaused: if it is not paused
    """
    pause = TradingPause.objects.select_for_update(of=("self",)).filter(account=account, resumed_at__isnull=True).first()
    if pause is None:
        raise NotPaused("Trading in the account is not paused.", code="not_paused")
    pause.resumed_at, pause.resumed_by, pause.note = max(at, pause.started_at), actor, note.strip()[:REASON]
    standing = standing_now(account=account, at=at)
    pause.day_gain, pause.twr_index = standing.day_gain, standing.index
    pause.save(update_fields=["resumed_at", "resumed_by", "note", "day_gain", "twr_index"])
    tell_members(account=account, title="trading is resumed", body=pause.note or f"By {actor}.", at=at, level=Level.INFO)
    return pause


def halt_trading(*, reason: str, at: datetime, by: str = "", cancels: bool = False) -> TradingHalt:
    """Stop all trading on the site at once: from now on no order is placed, and none that waits is sent.

    `cancels`: open orders are to be canceled, by whoever looks after it.

    :raises AlreadyHalted: if it is stopped
    """
    if halt() is not None:
        raise AlreadyHalted("All trading is stopped already.", code="already_halted")
    said = {"reason": reason.strip()[:REASON], "started_at": at, "started_by": by[:100], "cancels": cancels}
    with transaction.atomic(using=SYSTEM):
        return TradingHalt.objects.using(SYSTEM).create(**said)


def note_canceled(*, at: datetime) -> None:
    """Note that open orders were canceled in all accounts, as those wished who stopped trading."""
    with transaction.atomic(using=SYSTEM):
        TradingHalt.objects.using(SYSTEM).filter(ended_at__isnull=True, cancels=True).update(canceled_at=at)


def end_halt(*, at: datetime, by: str = "") -> TradingHalt:
    """Let trading go on everywhere; accounts that are paused stay so.

    :raises NotHalted: if it is not stopped
    """
    with transaction.atomic(using=SYSTEM):
        found = TradingHalt.objects.using(SYSTEM).select_for_update().filter(ended_at__isnull=True).first()
        if found is None:
            raise NotHalted("Trading is not stopped.", code="not_halted")
        found.ended_at, found.ended_by = max(at, found.started_at), by[:100]
        found.save(using=SYSTEM, update_fields=["ended_at", "ended_by"])
        return found


def accounts_that_trade() -> list[tuple[UUID, UUID]]:
    """Return the accounts with open orders, whoever's they are, each with its owner."""
    with connections[SYSTEM].cursor() as cursor:
        cursor.execute(
            "SELECT id, owner_id FROM accounts_account WHERE id IN "
            "(SELECT account_id FROM trading_order WHERE ended_at IS NULL) ORDER BY id"
        )
        return list(cursor.fetchall())
