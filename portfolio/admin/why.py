"""The page that says why a figure is what it is: its steps, and the entries, prices and rates they rest on."""

from typing import Any

from django.contrib.admin.utils import unquote
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from unfold.decorators import action

from accounts.models import TradeThresholds
from marketdata.admin.base import find, page_of
from portfolio.admin.derived import DerivedAdmin
from portfolio.domain.explain import Explanation
from portfolio.domain.trades import WINDOW
from portfolio.models import Alert, Closure, Lot, Performance, Position, Snapshot
from portfolio.selectors.explained import Explained
from portfolio.selectors.explained_lots import explained_lots
from portfolio.selectors.explained_plans import explained_checks
from portfolio.selectors.figures import Figures, KeptFigures
from portfolio.selectors.policies import checks_of
from portfolio.selectors.trades import last_trades
from portfolio.selectors.why_page import shown
from portfolio.services.projections import catch_up


class Why:
    """A page of a record that says why its figures are what they are."""

    def has_why_permission(self: Any, request: HttpRequest, obj: Any = None) -> bool:
        """Let everybody ask who may look."""
        return bool(self.has_view_permission(request))

    @action(description="Why?", permissions=["why"], url_path="why", icon="help")
    def why(self: Any, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show why the figures of a record are what they are, after they were brought up to date."""
        row = find(self.get_queryset(request), unquote(object_id))
        catch_up(account_id=row.account_id, at=timezone.now())
        found = explanation_of(row)
        if found is None:
            raise Http404
        context = {
            **self.admin_site.each_context(request),
            "title": f"Why? {named(row)}",
            "back": page_of(row),
            **shown(found),
        }
        return TemplateResponse(request, "bedrock/why.html", context)


class WhyAdmin(Why, DerivedAdmin):
    """Derived records whose figures can be asked why."""


Row = Position | Lot | Closure | Snapshot | Performance | Alert


def explanation_of(row: Row) -> Explanation | None:
    """Return why the figures of a record are what they are, none if it is gone or nothing was valued."""
    figures = KeptFigures(row.account)
    explained = Explained(figures)
    match row:
        case Position():
            held = [one for one in figures.positions() if one.instrument_id == row.instrument_id]
            found = explained.positions(held)
            explained.gains(found, figures.currency, last_day=False)
            return found.get(str(row.instrument_id))
        case Lot():
            opened = {name: getattr(row, name) for name in ("instrument", "opened_at", "sequence", "number")}
            return next(iter(explained_lots(figures, list(figures.lots().filter(**opened)))), None)
        case Alert():
            return _of_alert(row, figures)
        case Closure():
            closed = list(figures.closures().filter(number=row.number))
            return explained.closures(closed).get(row.number)
        case Snapshot():
            return explained.days([row.date]).get(row.date)
    period = explained.period()
    return period[0] if period else None


def _of_alert(alert: Alert, figures: Figures) -> Explanation:
    """Return why a bound is broken: that of the last closed trades, or one of the account as a whole."""
    if alert.subject != "trades":
        return explained_checks(figures, checks_of(figures))
    thresholds = TradeThresholds.objects.filter(pk=alert.account_id).first()
    window = thresholds.window if thresholds else WINDOW
    return last_trades(figures.closures(), account=alert.account, window=window, figures=figures).explanation()


def named(row: Row) -> str:
    """Return what a record is called above its explanation."""
    match row:
        case Position():
            return f"{row.instrument.key} in {row.account.name}"
        case Lot():
            return f"{row.instrument.key} opened on {row.opened_at:%Y-%m-%d} in {row.account.name}"
        case Alert():
            return f"{row.message} in {row.account.name}"
        case Closure():
            return f"{row.instrument.key} closed on {row.closed_at:%Y-%m-%d} in {row.account.name}"
        case Snapshot():
            return f"{row.account.name} on {row.date}"
    return f"The returns of {row.account.name}"
