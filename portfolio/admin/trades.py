"""The pages of what owners want to be told of their last closed trades, and of what members are warned of now."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from unfold.decorators import display

from accounts.admin.base import BY_ACCOUNT, MemberAdmin
from accounts.domain.roles import Role
from accounts.models import Policy, PolicyKind, TradeThresholds
from accounts.services.trade_thresholds import FIELDS, set_thresholds
from marketdata.admin.base import ServiceForm, figure, link, list_of, when
from portfolio.admin.why import Why
from portfolio.models import Alert
from portfolio.tasks import watch_trades


class ThresholdsForm(ServiceForm):
    """Bounds for the last closed trades of an account."""

    class Meta:
        model = TradeThresholds
        fields = ("account", *FIELDS)

    def perform(self) -> TradeThresholds:
        """Set the bounds, and have the trades looked at."""
        account = self.cleaned_data.get("account") or self.instance.account
        changes = {name: self.cleaned_data[name] for name in FIELDS if name in self.cleaned_data}
        found = set_thresholds(account=account, changes=changes)
        watch_trades.delay_on_commit(account_ids=[str(account.pk)])
        return found


@admin.register(TradeThresholds)
class TradeThresholdsAdmin(MemberAdmin):
    """When the last closed trades of the user's accounts are reason to worry; an empty bound is none."""

    form = ThresholdsForm
    add_role = change_role = Role.OWNER
    list_display = (
        link("account", "Account"),
        "window",
        figure("min_win_rate", "Win rate from", style="percent"),
        figure("min_profit_factor", "Profit factor from", style="quantity"),
        figure("min_expectancy", "Expectancy from", currency="account__base_currency"),
        figure("max_drawdown_pct", "Drawdown up to", style="percent"),
        "max_consecutive_losses",
    )
    blank = "Set from where on the last closed trades are reason to worry: win rate, losses in a row and the like."
    list_display_links = ("window",)
    list_filter = (BY_ACCOUNT,)
    ordering = ("-account_id",)
    list_select_related = ("account",)
    fieldsets = (
        (
            None,
            {
                "fields": ("account", *FIELDS),
                "description": "Members are told once when a bound is broken, and once when all are kept again. "
                "What is at its bound keeps it.",
            },
        ),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Let the account stay."""
        return [*super().get_readonly_fields(request, obj), *(("account",) if obj else ())]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let owners change it while the account is open."""
        return super().has_change_permission(request, obj) and (obj is None or obj.account.closed_on is None)


@admin.register(Alert)
class AlertAdmin(Why, MemberAdmin):
    """The bounds of the user's accounts that are broken now."""

    list_display = ("about", link("account", "Account"), when("since", "Since"), "message")
    readonly_fields = ("about", "bounds")
    actions_detail = ("why",)
    blank = "No bound is broken. Bounds are set for an account as a whole, and for its last closed trades."
    list_filter = (BY_ACCOUNT,)
    ordering = ("-id",)
    list_select_related = ("account",)
    fieldsets = ((None, {"fields": ("account", ("about", when("since", "Since")), "message", "bounds")}),)

    @display(description="About")
    def about(self, alert: Alert) -> str:
        """Return what is watched."""
        kind = alert.subject.removeprefix("policy:")
        return str(dict(PolicyKind.choices).get(kind, "The last closed trades" if alert.subject == "trades" else kind))

    @display(description="Where it is set")
    def bounds(self, alert: Alert) -> str:
        """Return the way to the bounds of the account."""
        model = TradeThresholds if alert.subject == "trades" else Policy
        address = list_of(model, account__id=alert.account_id)
        return format_html('<a class="go" href="{}">Bounds</a>', address)
