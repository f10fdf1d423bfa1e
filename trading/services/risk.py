"""The one place where orders are held against the limits of their account, and where a broken limit has its consequences."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.domain.roles import Role
from accounts.models import Account, User
from accounts.services.accounts import refuse_closed
from marketdata.models import Instrument
from portfolio.domain.exact import EXACT, ZERO, money
from trading.domain.drafts import OrderDraft
from trading.domain.orders import PositionEffect
from trading.domain.problems import Refused
from trading.domain.reserves import effect_beside, price_expected
from trading.domain.risk import Action, Breach, Proposal, RiskRefused, Rule, check_account, check_order, with_remedy
from trading.models import RestrictedInstrument, RiskEvent, RiskLimits, terms_of
from trading.models.risk import AMOUNTS, SHARES
from trading.selectors.risk import LIMITS, Standing, halt, limits_of, pause_of, restricted_in
from trading.services.locks import hold_trading
from trading.services.pauses import pause_trading
from trading.services.refusals import told, unless_taken
from trading.services.standing import standing_now
from trading.services.telling import tell_members

STOPPED = frozenset({Rule.TRADING_PAUSED, Rule.TRADING_HALTED})  # members know
TOLD_EVERY = timedelta(hours=1)  # of orders refused for the same reason
MOST_RESTRICTED = 1_000
COUNTS = ("max_consecutive_losses", "max_open_orders")


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """What risk says of an order: what it does to the position, the price it was reckoned at, and which limits it would break."""

    draft: OrderDraft
    standing: Standing
    price: Decimal | None
    proposal: Proposal
    breaches: Sequence[Breach]

    @property
    def value(self) -> Decimal | None:
        """What the order is worth in the account's currency; none where no price or rate is known."""
        return self.proposal.value


def assess(
    *,
    account: Account,
    instrument: Instrument,
    draft: OrderDraft,
    at: datetime,
    without: Collection[UUID] = (),
    holding: bool = False,
    stands: str | None = None,
    effect: PositionEffect | None = None,
) -> Assessment:
    """Hold an order against the rules of its kind and the limits of its account; broken limits are in the answer.

    `without` are open orders whose place it is to take. `holding`: nobody else trades in the account until the transaction ends;
    `stands` is how it was found to stand then, if it was asked already.
    `effect` is what it does to the position where that does not follow from what is held: an exit's that waits for its entry.

    :raises ValidationError: by field, if it breaks a rule of its kind
    :raises NotAsThingsStand: if it would cross from a long to a short position, or what it closes is spoken for
    """
    standing = standing_now(account=account, at=at, instrument=instrument, without=without, holding=holding, stands=stands)
    market = standing.price.to(draft.side) if standing.price else None
    with told():
        size = _size(draft, market, instrument.multiplier)
        try:
            effect = effect or effect_beside(
                draft.side, size, held=standing.held, instrument_id=instrument.pk, reserves=standing.reserves
            )  # fmt: skip
        except Refused:  # a rule of its kind that is broken is said before how things stand
            draft.check_either_way(terms_of(instrument))
            raise
        draft = replace(draft, effect=effect)
        draft.check(terms_of(instrument))
    price = price_expected(
        side=draft.side, effect=effect, type=draft.type, limit_price=draft.limit_price, stop_price=draft.stop_price, market=market
    )
    value = _value(draft, standing, price, instrument)
    lacking = f"{instrument.money} in {account.base_currency}" if standing.rate is None else ""
    proposal = Proposal(
        instrument_id=instrument.pk, side=draft.side, effect=effect, quantity=size or None, value=value, rate_missing=lacking
    )
    breaches = check_order(standing.limits, standing.exposure, proposal)
    return Assessment(draft=draft, standing=standing, price=price, proposal=proposal, breaches=breaches)


@transaction.atomic
def record_breaches(
    *,
    account: Account,
    breaches: Sequence[Breach],
    standing: Standing,
    at: datetime,
    actor: User | None = None,
    instrument: Instrument | None = None,
) -> list[RiskEvent]:
    """Write down which limits were broken, with the limits as they are; pause the account if one asks for it; tell members."""
    types = [breach.rule.value for breach in breaches]
    lately = set(RiskEvent.objects.filter(account=account, at__gt=at - TOLD_EVERY, type__in=types).values_list("type", flat=True))
    exposure, configuration = standing.exposure, _configuration(account, standing)
    share = exposure.day_gain_share
    events = [
        RiskEvent(  # type: ignore[misc]  # it may be null
            account=account,
            at=at,
            type=breach.rule,
            severity=breach.severity,
            action_taken=breach.action,
            detail=breach.detail,
            value=None if breach.value is None else money(breach.value),
            limit=breach.limit,
            day_gain=None if exposure.day_gain is None else money(exposure.day_gain),
            day_gain_share=None if share is None else money(share),
            consecutive_losses=exposure.losing_streak,
            configuration=configuration,
            instrument=instrument,
            actor=actor,
            recorded_at=at,
        )
        for breach in breaches
    ]
    RiskEvent.objects.bulk_create(events)
    for breach, event in zip(breaches, events, strict=True):
        if breach.action is Action.PAUSE:
            pause_trading(account=account, reason=breach.detail, at=at, event=event)
        elif breach.rule not in STOPPED | lately:
            tell_members(account=account, title="an order was refused", body=breach.detail, at=at, role=Role.OWNER)
    return events


def _configuration(account: Account, standing: Standing) -> dict[str, Any]:
    """Return the limits as an event keeps them; all that is restricted by name, for an order is asked about its own alone."""
    return standing.limits.as_record() | {"restricted": [one.instrument.key for one in restricted_in(account)]}


def watch(*, account: Account, at: datetime) -> list[RiskEvent]:
    """Look whether an account has run into a limit without anybody ordering: then it is paused. Who looks second sees it so."""
    if account.closed_on is not None:
        return []
    hold_trading(account)
    standing = standing_now(account=account, at=at)
    if standing.exposure.paused:
        return []
    breaches = check_account(standing.limits, standing.exposure)
    return record_breaches(account=account, breaches=breaches, standing=standing, at=at) if breaches else []


def refuse_stopped(*, account: Account, closing: bool = False) -> None:
    """Refuse to go on where trading is stopped: for those who send what was ordered before; `closing` orders may pass a pause.

    :raises NotAsThingsStand: if it is halted, or paused
    """
    stopped, paused = halt(), pause_of(account)
    with told():
        if stopped is not None:
            raise RiskRefused((Breach(Rule.TRADING_HALTED, f"All trading is stopped: {stopped.reason}"),))
        if paused is not None and not (closing and limits_of(account).close_while_paused):
            raise RiskRefused((Breach(Rule.TRADING_PAUSED, f"Trading in the account is paused: {with_remedy(paused.reason)}"),))


@transaction.atomic
def set_limits(
    *,
    account: Account,
    changes: Mapping[str, Any],
    at: datetime,
    restricted: Sequence[Instrument] | None = None,
    anew: bool = False,
) -> RiskLimits:
    """Set an account's limits; `anew` puts those that are not given back to what the house holds for right.

    `restricted` are the instruments that may not be opened; the list is taken as a whole. Owners alone may.

    :raises ValidationError: by field
    :raises AccountClosed: if the account is closed
    """
    refuse_closed(account)
    limits = RiskLimits(account=account) if anew else limits_of(account)
    for name in LIMITS:
        if name in changes:
            setattr(limits, name, changes[name])
    limits.updated_at = at
    if problems := _problems(limits):
        raise ValidationError({name: ValidationError(text, code="invalid") for name, text in problems.items()})
    limits.clean_fields(exclude={"account"})
    RiskLimits.objects.update_or_create(
        account=account, defaults={name: getattr(limits, name) for name in (*LIMITS, "updated_at")}
    )
    if restricted is not None or anew:
        _restrict(account, list(dict.fromkeys(restricted or ())), at)
    return limits


def _restrict(account: Account, wanted: Sequence[Instrument], at: datetime) -> None:
    """Let exactly these instruments be restricted."""
    if len(wanted) > MOST_RESTRICTED:
        detail = f"At most {MOST_RESTRICTED} instruments can be restricted."
        raise ValidationError({"restricted": ValidationError(detail, code="too_many")})
    RestrictedInstrument.objects.filter(account=account).exclude(instrument__in=wanted).delete()
    known = set(RestrictedInstrument.objects.filter(account=account).values_list("instrument_id", flat=True))
    fresh = [RestrictedInstrument(account=account, instrument=one, created_at=at) for one in wanted if one.pk not in known]
    with unless_taken(ValidationError("The list was changed meanwhile; try again.")):
        RestrictedInstrument.objects.bulk_create(fresh)


def _problems(limits: RiskLimits) -> dict[str, str]:
    """Return which limits make no sense."""
    problems = {}
    for name in SHARES:
        value, most = getattr(limits, name), 100 if name == "max_position_share" else 1
        if value is not None and not 0 <= value <= most:
            problems[name] = f"Give a share from 0 to {most}, such as 0.25; null: not watched."
    for name in (*AMOUNTS, *COUNTS):
        value = getattr(limits, name)
        if value is not None and value < 0:
            problems[name] = "Give zero or more; null: not watched."
    return problems


def _size(draft: OrderDraft, market: Decimal | None, multiplier: Decimal) -> Decimal:
    """Return how many units an order is for, estimated where it is for an amount; zero where it makes no sense."""
    asked = draft.quantity if draft.quantity is not None else draft.notional
    if asked is None or not asked.is_finite() or asked <= 0:
        return ZERO
    if draft.quantity is not None:
        return asked
    price = market or draft.limit_price
    return EXACT.divide(asked, EXACT.multiply(price, multiplier)) if price else ZERO


def _value(draft: OrderDraft, standing: Standing, price: Decimal | None, instrument: Instrument) -> Decimal | None:
    """Return what an order is worth in the account's currency, none where no price or rate is known."""
    if draft.quantity is None:
        return standing.worth(Decimal(1), draft.notional or ZERO, Decimal(1))
    return None if price is None else standing.worth(draft.quantity, price, instrument.multiplier)
