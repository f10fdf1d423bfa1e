"""What strategies and scanners saw: recorded once, then taken, dismissed, or over."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from accounts.models import Account
from accounts.models.tenancy import acting_as
from accounts.services.accounts import refuse_closed
from marketdata.models import Instrument
from portfolio.selectors.market import SYSTEM
from trading.domain.signals import SignalDraft, SignalStatus, moved, status_at
from trading.models import Session, Signal
from trading.services.refusals import told
from trading.services.sessions import refuse_ended


@transaction.atomic
def record_signal(
    *, account: Account, instrument: Instrument, draft: SignalDraft, now: datetime, session: Session | None = None
) -> tuple[Signal, bool]:
    """Record a signal, and return it and whether it is new: what a source saw of an instrument at one time is recorded once.

    :raises ValidationError: by field
    :raises SessionEnded: if the session has ended
    :raises AccountClosed: if the account is closed
    """
    refuse_closed(account)
    refuse_ended(session)
    with told():
        draft.check()
    seen = {"account": account, "source": draft.source, "instrument": instrument, "kind": draft.kind, "at": draft.at}
    said = {"session": session, "strength": draft.strength, "expires_at": draft.expires_at, "data": dict(draft.data)}
    status = status_at(SignalStatus.ACTIVE, draft.expires_at, now)
    settled = None if status is SignalStatus.ACTIVE else now
    return Signal.objects.get_or_create(**seen, defaults=said | {"status": status, "settled_at": settled, "created_at": now})


@transaction.atomic
def settle_signal(*, signal: Signal, status: SignalStatus, at: datetime) -> Signal:
    """Say what became of a signal.

    :raises NotAsThingsStand: if that was said before, or its time is over
    """
    refuse_closed(signal.account)
    signal = Signal.objects.select_for_update(of=("self",)).get(pk=signal.pk)
    with told():
        signal.status = moved(status_at(SignalStatus(signal.status), signal.expires_at, at), status)
    signal.settled_at = at
    signal.save(update_fields=["status", "settled_at"])
    return signal


def expire_signals(*, at: datetime) -> int:
    """Put an end to the signals whose time is over, in each account as its owner; return how many."""
    over = Signal.objects.using(SYSTEM).filter(status=SignalStatus.ACTIVE, expires_at__lte=at)
    done = 0
    for account_id, owner_id in over.values_list("account_id", "account__owner_id").distinct():
        with acting_as(owner_id):
            rows = Signal.objects.filter(account=account_id, status=SignalStatus.ACTIVE, expires_at__lte=at)
            done += rows.update(status=SignalStatus.EXPIRED, settled_at=at)
    return done
