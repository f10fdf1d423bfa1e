"""What sessions hold and have ordered, what automatic ones made of bars, and why they do nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from accounts.models import Account, Job, JobKind
from marketdata.domain.adjustment import adjusted_ratio
from marketdata.models import Instrument
from marketdata.selectors.actions import splits
from portfolio.domain.exact import EXACT, ZERO
from trading.domain.fills import exact_sum
from trading.domain.orders import Side
from trading.models import Evaluation, Fill, Order, Session
from trading.selectors.risk import halt, pause_of


@dataclass(frozen=True, slots=True)
class Place:
    """An instrument that an automatic session trades: what it holds of it, and what it made of the last bar, if it saw one."""

    instrument: Instrument
    held: Decimal
    last: Evaluation | None


@dataclass(frozen=True, slots=True)
class SessionStanding:
    """How an automatic session stands: why it does nothing, if it does nothing, and where it stands in each instrument."""

    idle: Sequence[str]
    job: Job | None
    places: Sequence[Place]

    @property
    def working(self) -> bool:
        """Say whether it trades on the next bar."""
        return not self.idle


def standing_of_session(session: Session, *, at: datetime) -> SessionStanding:
    """Return how a session stands."""
    job = Job.objects.filter(account=session.account_id, kind=JobKind.STRATEGIES).first()
    idle = tuple(_why_idle(session, session.account, job))
    ids = [UUID(one) for one in session.configuration.get("instruments", ())] if session.automatic else []
    known = Instrument.objects.in_bulk(ids)
    rows = Evaluation.objects.filter(account=session.account_id, session=session)
    last = {row.instrument_id: row for row in rows.order_by("instrument", "-bar").distinct("instrument")}
    held = held_in(session, at=at)
    places = [Place(known[one], held.get(one, ZERO), last.get(one)) for one in ids if one in known]
    return SessionStanding(idle, job, places)


def _why_idle(session: Session, account: Account, job: Job | None) -> Iterator[str]:
    """Yield why a session does nothing on the next bar."""
    if not session.automatic:
        yield "The session places no orders by itself."
    if session.ended_at is not None:
        yield f"The session ended at {session.ended_at:%Y-%m-%d %H:%M} UTC."
    if job is None or not job.enabled:
        yield "The account's job STRATEGIES is off; an owner turns it on."
    if account.execution_mode != session.execution_mode:
        yield f"The session began on {session.execution_mode}, and the account is {account.execution_mode} now; begin another."
    if (pause := pause_of(account)) is not None:
        yield f"Trading in the account is paused: {pause.reason}"
    if (stopped := halt()) is not None:
        yield f"All trading is stopped: {stopped.reason}"


def held_in(session: Session, *, at: datetime) -> dict[UUID, Decimal]:
    """Return how much of each instrument a session has bought and not sold, below zero what it is short; splits are counted."""
    rows = Fill.objects.filter(account=session.account_id, order__session=session)
    fills = list(rows.values_list("order__instrument", "quantity", "order__side", "at"))
    known = splits(instrument_ids={fill[0] for fill in fills}) if fills else {}
    today = at.astimezone(UTC).date()
    found: dict[UUID, list[Decimal]] = {}
    for instrument_id, quantity, side, filled_at in fills:
        day = filled_at.astimezone(UTC).date()
        ratio = adjusted_ratio(known.get(instrument_id, ()), day=day, adjusted_through=None, as_of=today)
        grown = EXACT.divide(EXACT.multiply(quantity, Decimal(ratio.denominator)), Decimal(ratio.numerator))
        found.setdefault(instrument_id, []).append(grown * Side(side).sign)
    return {instrument_id: exact_sum(amounts) for instrument_id, amounts in found.items()}


def open_orders_of(session: Session, instrument: Instrument) -> list[Order]:
    """Return the orders of a session of which something may still come."""
    rows = Order.objects.open().filter(account=session.account_id, session=session, instrument=instrument)
    return list(rows.select_related("account", "instrument").order_by("pk"))


def last_of(session: Session, instrument: Instrument) -> Evaluation | None:
    """Return what a session made of the last bar that it looked at."""
    rows = Evaluation.objects.filter(account=session.account_id, session=session, instrument=instrument)
    return rows.select_related("decision").order_by("-bar").first()


def first_bar_of(session: Session, instrument: Instrument) -> datetime | None:
    """Return when the first bar began that a session looked at."""
    rows = Evaluation.objects.filter(account=session.account_id, session=session, instrument=instrument)
    return rows.order_by("bar").values_list("bar", flat=True).first()
