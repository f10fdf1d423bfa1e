"""Automatic sessions look at new bars: each bar of each instrument once, whoever looks, however often, and whatever dies.

What a bar came to is one row, and its signal, decision and orders commit with it, under the account's trading lock: whoever is
killed leaves nothing, and whoever comes second finds the row. Bars that come late, or are corrected, are behind what was looked
at, and change nothing; of several that come at once the newest counts.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.db.models import Exists, OuterRef, Q

from accounts.models import Account, JobKind
from accounts.models.tenancy import acting_as
from accounts.services.jobs import make_due
from marketdata.domain.bars import EPOCH, Timeframe
from marketdata.models import Instrument
from portfolio.domain.exact import ZERO
from portfolio.selectors.market import SYSTEM
from trading.domain.automation import automation_of
from trading.domain.following import Outcome, before_of, nearer, see, sign
from trading.models import Evaluation, Order, Session
from trading.selectors.automation import NewBar, columns_until, newest_bar, newest_starts
from trading.selectors.sessions import first_bar_of, last_of
from trading.services.automation_orders import Desk, act
from trading.services.locks import hold_trading

AGAIN = timedelta(minutes=5)  # after which what waits is looked at though nothing was heard of its orders
Clock = Callable[[], datetime]

log = logging.getLogger(__name__)


class SessionsFailed(Exception):
    """Some instruments of automatic sessions could not be looked at; the others were."""


def wake_sessions(*, at: datetime) -> int:
    """Make the jobs of the accounts due whose automatic sessions have something to do; return how many were not due yet."""
    accounts = accounts_to_look_at(at=at)
    return make_due(kind=JobKind.STRATEGIES, account_ids=accounts, at=at) if accounts else 0


def accounts_to_look_at(*, at: datetime) -> list[UUID]:
    """Return the accounts with automatic sessions for which there are new bars, or whose orders have moved that they wait for."""
    rows = Session.objects.using(SYSTEM).running().filter(automatic=True, account__closed_on__isnull=True)
    looks = [
        (account_id, UUID(name), Timeframe(told["timeframe"]), seen.get(name))
        for account_id, told, seen in rows.values_list("account_id", "configuration", "evaluated")
        for name in told.get("instruments", ())
    ]
    newest = newest_starts([(instrument, length) for _, instrument, length, _ in looks], at=at) if looks else {}
    found = {
        account_id
        for account_id, instrument, length, seen in looks
        if (start := newest.get((instrument, length))) and (seen is None or start > datetime.fromisoformat(seen))
    }
    moved = Order.objects.using(SYSTEM).filter(
        account=OuterRef("account"), session=OuterRef("session"), instrument=OuterRef("instrument")
    )
    waiting = Evaluation.objects.using(SYSTEM).filter(outcome=Outcome.WAITING, session__ended_at__isnull=True)
    waiting = waiting.filter(Exists(moved.filter(updated_at__gt=OuterRef("updated_at"))) | Q(updated_at__lte=at - AGAIN))
    return sorted(found | set(waiting.values_list("account_id", flat=True)))


def evaluate_account(*, account_id: UUID, clock: Clock, on_step: Callable[[str], None] = lambda _step: None) -> str:
    """Let the automatic sessions of an account look at new bars, as its owner, and say what came of it.

    :raises SessionsFailed: if an instrument could not be looked at, after the others
    """
    account = Account.objects.using(SYSTEM).get(pk=account_id)
    with acting_as(account.owner_id):
        rows = Session.objects.running().filter(account=account_id, automatic=True).order_by("pk")
        places = [(session.pk, UUID(one)) for session in rows for one in session.configuration.get("instruments", ())]
    outcomes: Counter[str] = Counter()
    failed = []
    for session_id, instrument_id in places:
        try:
            found = evaluate(
                owner_id=account.owner_id, session_id=session_id, instrument_id=instrument_id, at=clock(), on_step=on_step
            )
        except Exception as error:  # one instrument does not hold the others up
            log.exception("Session %s could not look at instrument %s", session_id, instrument_id)
            failed.append(f"{session_id} {instrument_id}: {type(error).__name__}: {error}")
            continue
        if found is not None:
            outcomes[found.outcome.lower()] += 1
    if failed:
        raise SessionsFailed("; ".join(failed))
    return ", ".join(f"{count} {word}" for word, count in sorted(outcomes.items())) or "no new bars"


def evaluate(
    *,
    owner_id: UUID,
    session_id: UUID,
    instrument_id: UUID,
    at: datetime,
    on_step: Callable[[str], None] = lambda _step: None,
) -> Evaluation | None:
    """Let a session look at an instrument: at its newest bar, or go on with what waits; none if there is nothing to look at."""
    with acting_as(owner_id):
        account = Account.objects.select_related("owner").get(sessions=session_id)
        hold_trading(account)
        session = _locked(session_id)
        instrument = Instrument.objects.get(pk=instrument_id)
        if session is None:
            return None
        assert session.strategy is not None  # noqa: S101  # automatic sessions have one
        automation = automation_of(session.strategy.kind, session.configuration)
        desk = Desk(session, account, instrument, automation, at, on_step)
        last = last_of(session, instrument)
        new = newest_bar(instrument, automation.timeframe, after=last.bar if last else None, at=at)
        on_step("looked")
        row = _look(desk, last, new) if new is not None else _go_on(desk, last)
        on_step("done")
    on_step("committed")
    return row


def _locked(session_id: UUID) -> Session | None:
    """Return a session that goes on, locked so that it does until the transaction ends."""
    rows = Session.objects.select_for_update(of=("self",)).select_related("strategy", "actor")
    return rows.filter(pk=session_id, automatic=True, ended_at__isnull=True).first()


def _look(desk: Desk, last: Evaluation | None, new: NewBar) -> Evaluation:
    """Let a session look at a bar, do what follows, and keep what came of it."""
    session, instrument, bar = desk.session, desk.instrument, new.bar
    waits = last is not None and last.outcome == Outcome.WAITING
    if last is not None and waits:
        _settle(desk, last, Outcome.MISSED, f"The next bar came first. {last.detail}")
    strategy = desk.automation.strategy
    bars = columns_until(session, instrument, desk.automation.timeframe, bar=bar.timestamp, warm_up=strategy.warm_up)
    first = first_bar_of(session, instrument) or bar.timestamp
    seen = see(strategy, bars, shorts=desk.automation.shorts, begin=(first - EPOCH) // timedelta(microseconds=1))
    goes_on = last is not None and sign(last.target) == sign(seen.target) != 0
    row = Evaluation(
        account=desk.account,
        session=session,
        instrument=instrument,
        bar=bar.timestamp,
        close=Decimal(repr(float(bars.close[-1]))),
        before=before_of(last.target, last.before, waiting=waits) if last is not None else ZERO,
        target=seen.target,
        stop=nearer(seen.stop, last.stop, seen.target) if goes_on and last is not None else seen.stop,
        passed_over=new.passed_over,
        outcome=Outcome.NOTHING,
        at=desk.at,
        updated_at=desk.at,
    )
    act(desk, row, bar)
    row.save(force_insert=True)
    session.evaluated = {**session.evaluated, str(instrument.pk): bar.timestamp.isoformat()}
    session.save(update_fields=["evaluated"])
    return row


def _go_on(desk: Desk, last: Evaluation | None) -> Evaluation | None:
    """Go on with what waited for orders."""
    if last is None or last.outcome != Outcome.WAITING:
        return None
    act(desk, last)
    _settle(desk, last, Outcome(last.outcome), last.detail)
    return last


def _settle(desk: Desk, row: Evaluation, outcome: Outcome, detail: str) -> None:
    """Keep what came of a bar."""
    row.outcome, row.detail, row.updated_at = outcome.value, detail, desk.at
    row.save(update_fields=["outcome", "detail", "updated_at", "stop"])
