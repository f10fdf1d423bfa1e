"""What an order costs and leaves behind, as far as can be said before it is placed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.conf import settings

from marketdata.models import Instrument
from portfolio.domain.exact import EXACT, ONE, ZERO, money
from trading.domain.orders import PositionEffect
from trading.domain.paper import Model
from trading.domain.risk_checks import Check, checks_of
from trading.selectors.open_orders import exact_product
from trading.selectors.risk import PAPER
from trading.services.orders import Preview


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What an order comes to, in the account's currency; what is not known is none.

    `fee` is by the model of paper trading; what a broker charges, it says when it has filled.
    """

    quantity: Decimal | None
    price: Decimal | None
    value: Decimal | None
    fee: Decimal | None
    cost: Decimal | None
    held: Decimal
    held_after: Decimal | None
    power: Decimal | None
    power_after: Decimal | None
    checks: Sequence[Check]


def estimate_of(*, instrument: Instrument, preview: Preview) -> Estimate:
    """Return what an order that was looked at comes to, and how every rule comes out."""
    found = preview.assessment
    draft, standing = found.draft, found.standing
    quantity = draft.quantity
    if quantity is None and found.price and draft.notional is not None:
        quantity = money(EXACT.divide(draft.notional, EXACT.multiply(found.price, instrument.multiplier)))
    fee = None
    if preview.broker == PAPER and quantity is not None and found.price is not None:
        charged = Model(**settings.PAPER_TRADING).fee(quantity, exact_product(found.price, instrument.multiplier), first=True)
        fee = standing.worth(ONE, charged, ONE)
    opens = draft.effect is PositionEffect.OPEN
    power, value = standing.exposure.buying_power, found.proposal.value
    return Estimate(
        quantity=quantity,
        price=found.price,
        value=value,
        fee=fee,
        cost=None if value is None else EXACT.add(value if draft.side.sign > 0 else EXACT.minus(value), fee or ZERO),
        held=standing.held,
        held_after=None if quantity is None else EXACT.add(standing.held, EXACT.multiply(Decimal(draft.side.sign), quantity)),
        power=power,
        power_after=_power_after(power, value, fee or ZERO, opens=opens),
        checks=checks_of(standing.limits, standing.exposure, found.proposal),
    )


def _power_after(power: Decimal | None, value: Decimal | None, fee: Decimal, *, opens: bool) -> Decimal | None:
    """Return what can be spent once the order is filled: less by what it takes, or more by what it brings."""
    if power is None or value is None:
        return None
    left = EXACT.subtract(power, value) if opens else EXACT.add(power, value)
    return EXACT.subtract(left, fee)
