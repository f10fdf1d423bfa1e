"""How much to order, from how the account stands and what its limits leave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.core.exceptions import ValidationError

from accounts.models import Account
from marketdata.domain.instruments import AssetClass
from marketdata.models import Instrument
from portfolio.domain.exact import EXACT, ONE, ZERO
from trading.domain.orders import PositionEffect, Side
from trading.domain.risk import Breach, Proposal, check_order
from trading.domain.sizing import Size, SizeRequest, size
from trading.services.refusals import told
from trading.services.standing import standing_now

RISK_SHARE = Decimal("0.01")  # what a stop may cost of the account, unless somebody says otherwise
STEPS = {AssetClass.CRYPTO: Decimal("0.00000001")}


@dataclass(frozen=True, slots=True)
class Sized:
    """How much to order, what it was reckoned from, and which limits such an order would break however small it were."""

    size: Size
    request: SizeRequest
    breaches: Sequence[Breach]


def size_of(
    *,
    account: Account,
    instrument: Instrument,
    side: Side,
    stop: Decimal,
    at: datetime,
    entry: Decimal | None = None,
    target: Decimal | None = None,
    risk_share: Decimal | None = None,
    fees: Decimal = ZERO,
) -> Sized:
    """Return the size of a trade that keeps to the risk and to the account's limits.

    What is held of the instrument, and what open orders will buy of it, takes up its part of the position's limit.

    :raises ValidationError: by field
    """
    standing = standing_now(account=account, at=at, instrument=instrument)
    limits, exposure = standing.limits, standing.exposure
    price = entry or (standing.price.to(side) if standing.price else None)
    if price is None:
        raise ValidationError({"entry": ValidationError("No price of the instrument is known; give one.", code="required")})
    if standing.rate is None:
        detail = f"No rate of {instrument.money}/{account.base_currency} is known."
        raise ValidationError({"instrument": ValidationError(detail, code="no_rate")})
    equity = exposure.equity or ZERO
    taken = abs(exposure.positions.get(instrument.pk, ZERO)) + exposure.opening.get(instrument.pk, ZERO)
    left = limits.max_position_share
    if left is not None and equity > 0:
        left = max(EXACT.subtract(left, EXACT.divide(taken, equity)), ZERO)
    request = SizeRequest(
        side=side,
        entry=price,
        stop=stop,
        equity=equity,
        risk_share=risk_share if risk_share is not None else RISK_SHARE,
        target=target,
        multiplier=instrument.multiplier,
        rate=EXACT.multiply(standing.rate, standing.unit),
        fees=fees,
        step=STEPS.get(AssetClass(instrument.asset_class), ONE),
        max_position_share=left,
        max_order_quantity=limits.max_order_quantity,
        max_order_value=limits.max_order_value,
        buying_power=exposure.buying_power,
    )
    with told():
        found = size(request)
    order = Proposal(
        instrument_id=instrument.pk, side=side, effect=PositionEffect.OPEN, quantity=found.quantity, value=found.value
    )  # fmt: skip
    return Sized(found, request, check_order(limits, exposure, order))
