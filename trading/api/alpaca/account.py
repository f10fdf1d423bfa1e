"""The account itself: what it is worth and may spend, and how it is set up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.domain.roles import Role
from accounts.models import Account, AccountKind, Scope
from portfolio.domain.exact import EXACT, ZERO
from portfolio.models import Snapshot
from trading.api.alpaca.authentication import refuse_scope
from trading.api.alpaca.base import AccountView
from trading.api.alpaca.errors import UNPROCESSABLE, Refusal
from trading.api.alpaca.positions import rounded
from trading.api.alpaca.words import flag, stamp
from trading.domain.fills import exact_sum
from trading.selectors.holdings import held_in
from trading.selectors.risk import Standing, limits_of, pause_of
from trading.services.pauses import pause_trading, resume_trading
from trading.services.risk import set_limits

MULTIPLIERS = {AccountKind.MARGIN: Decimal(2)}
MAINTENANCE = Decimal("0.25")
OPTIONS_LEVEL = 2  # what is held may be sold, and bought; spreads are not known here
# what Alpaca lets one set, and is one way here
FIXED: Mapping[str, Any] = {
    "dtbp_check": "entry",
    "fractional_trading": True,
    "max_margin_multiplier": "1",
    "max_options_trading_level": OPTIONS_LEVEL,
    "pdt_check": "entry",
    "ptp_no_exception_entry": False,
    "trade_confirm_email": "none",
    "disable_overnight_trading": True,
}
BY_CLIENT = "The client paused trading."


class AccountInfoView(AccountView):
    """The account at a glance."""

    def get(self, request: Request) -> Response:
        """Return what the account is worth now, in its own currency."""
        return Response(account_row(self.account, self.standing()))


class ConfigurationsView(AccountView):
    """How the account is set up: whether it trades at all, and whether it sells short."""

    write_role = Role.TRADER

    def get(self, request: Request) -> Response:
        """Return the settings."""
        return Response(self.configured())

    def patch(self, request: Request) -> Response:
        """Change settings. A trader may suspend trading; an owner alone lets it go on, or allows to sell short."""
        known = self.configured()
        asked = {name: value for name, value in self.body.items() if name in known and value not in (None, "")}
        for name in FIXED.keys() & asked.keys():
            if str(asked[name]).lower() != str(known[name]).lower():
                raise Refusal(UNPROCESSABLE, f"{name} is always {known[name]} here")
        for name, change in self.changes().items():
            if name in asked and (wanted := flag(asked[name], name)) != known[name]:
                change(wanted)
        return Response(self.configured())

    def configured(self) -> dict[str, Any]:
        """Return how the account is set up."""
        return {
            **FIXED,
            "max_margin_multiplier": str(multiplier_of(self.account)),
            "no_shorting": not limits_of(self.account).allow_short,
            "suspend_trade": pause_of(self.account) is not None,
        }

    def changes(self) -> dict[str, Callable[[bool], None]]:
        """Return what changes each of the settings that can be changed."""
        return {"no_shorting": self.forbid_shorting, "suspend_trade": self.suspend}

    def forbid_shorting(self, wanted: bool) -> None:
        """Forbid to sell short, or allow it."""
        self.as_owner()
        set_limits(account=self.account, changes={"allow_short": not wanted}, at=timezone.now())

    def suspend(self, wanted: bool) -> None:
        """Stop trading, or let it go on."""
        by = self.by
        if wanted:
            pause_trading(account=self.account, reason=BY_CLIENT, at=by.at, actor=by.actor)
            return
        self.as_owner()
        resume_trading(account=self.account, actor=by.actor, at=by.at)

    def as_owner(self) -> None:
        """Refuse whoever may not manage the account."""
        self.require(Role.OWNER)
        refuse_scope(self.request.auth, Scope.MANAGE)


def account_row(account: Account, standing: Standing) -> dict[str, Any]:
    """Return the account as Alpaca tells it: equity is cash and what positions are worth now; margins are estimates."""
    days = list(Snapshot.objects.filter(account=account).order_by("-date").defer("moves", "held")[:2])
    cash = days[0].cash if days else ZERO
    values = [one.value_in_base or ZERO for one in held_in(account)]
    long, short = exact_sum(v for v in values if v > 0), exact_sum(v for v in values if v < 0)
    net = EXACT.add(long, short)
    equity = EXACT.add(cash, net)
    last = days[1].total_value if len(days) > 1 else ZERO
    power = standing.exposure.buying_power or ZERO
    multiplier, gross = multiplier_of(account), EXACT.subtract(long, short)
    exposure = standing.exposure
    return {
        "id": account.pk,
        "admin_configurations": {},
        "user_configurations": None,
        "account_number": account.pk.hex[-12:].upper(),
        "status": "ACTIVE" if account.closed_on is None else "ACCOUNT_CLOSED",
        "crypto_status": "ACTIVE" if account.closed_on is None else "ACCOUNT_CLOSED",
        "options_approved_level": OPTIONS_LEVEL,
        "options_trading_level": OPTIONS_LEVEL,
        "currency": account.base_currency,
        **dict.fromkeys(("buying_power", "regt_buying_power", "effective_buying_power", "options_buying_power"), rounded(power)),
        "non_marginable_buying_power": rounded(min(power, max(cash, ZERO))),
        **dict.fromkeys(("daytrading_buying_power", "bod_dtbp", "accrued_fees", "pending_reg_taf_fees"), "0"),
        **dict.fromkeys(("intraday_adjustments", "sma"), "0"),
        "cash": rounded(cash),
        "portfolio_value": rounded(equity),
        "equity": rounded(equity),
        "last_equity": rounded(last),
        "long_market_value": rounded(long),
        "short_market_value": rounded(short),
        "position_market_value": rounded(net),
        "initial_margin": rounded(EXACT.divide(gross, multiplier)),
        "maintenance_margin": rounded(EXACT.multiply(gross, MAINTENANCE)) if multiplier > 1 else rounded(gross),
        "last_maintenance_margin": "0",
        "pattern_day_trader": False,
        "daytrade_count": 0,
        "trading_blocked": bool(exposure.halted),
        "transfers_blocked": False,
        "account_blocked": account.closed_on is not None,
        "trade_suspended_by_user": bool(exposure.paused),
        "created_at": stamp(account.created_at),
        "balance_asof": days[0].date if days else None,
        "multiplier": str(multiplier),
        "shorting_enabled": standing.limits.allow_short,
        "crypto_tier": 0,
    }


def multiplier_of(account: Account) -> Decimal:
    """Return how many times its own money an account may spend."""
    return MULTIPLIERS.get(AccountKind(account.kind), Decimal(1))
