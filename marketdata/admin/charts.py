"""The picture of an instrument's prices on its page, and the bars that the browser draws it from."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, path, reverse

from marketdata.admin.base import BaseAdmin, find
from marketdata.domain.bars import Timeframe
from marketdata.domain.display import NOTHING, price_text, quantity_text
from marketdata.domain.money import round_to
from marketdata.selectors import charts

LISTED = 20


class ChartMixin(BaseAdmin):
    """A page of an instrument with the chart of its bars above."""

    change_form_outer_before_template = "bedrock/chart.html"

    def get_urls(self) -> list[URLPattern]:
        """Return the addresses, with that of the bars."""
        view = self.admin_site.admin_view(self.chart_view)
        return [path("<path:object_id>/bars/", view, name="marketdata_instrument_bars"), *super().get_urls()]

    def chart_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Return bars for the chart: those before a time, the newest without one."""
        if not self.has_view_permission(request):
            raise Http404
        instrument = find(self.model._default_manager.all(), object_id)
        timeframe, before = _asked(request)
        adjusted = request.GET.get("adjusted", "1") == "1"
        bars = charts.chart_bars(instrument=instrument, timeframe=timeframe, before=before, adjusted=adjusted)
        return JsonResponse({"bars": [bar.point for bar in bars], "more": len(bars) == charts.MOST})

    def render_change_form(self, request: HttpRequest, context: Any, **kwargs: Any) -> HttpResponse:
        """Return the page with what the chart begins with, and the last bars as a table."""
        instrument = kwargs.get("obj")
        if instrument is not None:
            timeframes = charts.charted_timeframes(instrument=instrument)
            rows = charts.chart_bars(instrument=instrument, timeframe=timeframes[0], most=LISTED) if timeframes else []
            context["chart"] = {
                "address": reverse("admin:marketdata_instrument_bars", args=[instrument.pk]),
                "timeframes": timeframes,
                "rows": _as_texts(rows[::-1], daily=timeframes[:1] == [Timeframe.DAY]),
                "listed": LISTED,
            }
        return super().render_change_form(request, context, **kwargs)


def _asked(request: HttpRequest) -> tuple[Timeframe, datetime | None]:
    """Return which bars the browser wants.

    :raises Http404: if there can be no such bars
    """
    try:
        before = request.GET.get("before")
        moment = datetime.fromtimestamp(int(before), UTC) if before else None
        return Timeframe(request.GET.get("timeframe", Timeframe.DAY.value)), moment
    except (ValueError, OverflowError, OSError) as error:
        raise Http404 from error


def _as_texts(bars: Sequence[charts.ChartBar], *, daily: bool) -> list[list[str]]:
    """Return bars as the rows of a table."""
    form = "%Y-%m-%d" if daily else "%Y-%m-%d %H:%M"
    return [
        [
            bar.starts_at.strftime(form),
            *[price_text(Decimal(str(number))) for number in (bar.open, bar.high, bar.low, bar.close)],
            NOTHING if bar.volume is None else quantity_text(round_to(Decimal(str(bar.volume)), 4)),
        ]
        for bar in bars
    ]
