"""The reports of an account as files: CSV, XLSX or JSON, whatever `Accept` asks for.

As the files of prices are, a report is finished before the answer starts: it is spooled to a temporary file inside the request's
transaction, part by part, so nothing is read when the transaction (and with it, who asks) is over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from hashlib import blake2b
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from django.http import FileResponse, HttpResponseBase
from django.utils.text import slugify
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Account
from marketdata.api.fields import DayField
from marketdata.api.files import BLOCK, CSV, IN_MEMORY, CsvRenderer, FileRenderer
from portfolio.adapters.report_files import WRITERS, XLSX, as_json
from portfolio.api.base import KNOWN_AT, PAST, FiguresViewSet, currency_asked
from portfolio.api.explain import EXPLAIN, MOST_EXPLAINED, as_told, explains, few_explained
from portfolio.domain.explain import Explanation
from portfolio.domain.explain_reports import explain_total
from portfolio.domain.reports import FIRST, LAST, Period, Report, year_of
from portfolio.selectors import reports
from portfolio.selectors.explained import Explained
from portfolio.selectors.explained_reports import closed_within, explained_closed, explained_held
from portfolio.selectors.past import figures_of

NAME = 40
FILES = {"csv": CSV, "xlsx": XLSX}
SECTIONS = {
    "realized": ("rows", "totals"),
    "income": ("rows", "totals", "months", "instruments"),
    "fees": ("rows", "totals", "kinds"),
    "holdings": ("rows", "totals", "cash"),
    "activity": ("rows", "totals", "kinds"),
}
YEAR = OpenApiParameter("year", int, description="A calendar year (UTC).")
DAYS = [
    YEAR,
    OpenApiParameter("start", OpenApiTypes.DATE, description="Instead of a year: the first day, as of a tax year."),
    OpenApiParameter("end", OpenApiTypes.DATE, description="The day after the last."),
]
CURRENCY = OpenApiParameter(
    "currency", str, description="`account`, `user` or a code: at the rates of the days. Without it each amount is in its own."
)  # fmt: skip


def section(name: str) -> OpenApiParameter:
    """Return the parameter that chooses the table of a CSV file."""
    return OpenApiParameter("section", str, enum=SECTIONS[name], description="The table of a CSV file; XLSX and JSON have all.")


class XlsxRenderer(FileRenderer):
    """A workbook of a spreadsheet."""

    media_type, format = XLSX, "xlsx"


class ReportQuery(serializers.Serializer):
    """Which days a report is of: a year, or [start, end)."""

    year = serializers.IntegerField(min_value=FIRST, max_value=LAST, required=False, default=None)
    start = DayField(required=False, default=None)
    end = DayField(required=False, default=None)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse two periods at once, and one that ends before it starts."""
        if attrs["year"] and (attrs["start"] or attrs["end"]):
            raise refused("year", "Ask for a year, or for start and end.")
        if attrs["start"] and attrs["end"] and attrs["end"] <= attrs["start"]:
            raise refused("end", "The end must come after the start.")
        return attrs

    def period(self) -> Period:
        """Return the days asked for."""
        asked = self.validated_data
        return year_of(asked["year"]) if asked["year"] else Period(asked["start"], asked["end"])


def refused(field: str, detail: str) -> serializers.ValidationError:
    """Return the refusal of a parameter."""
    return serializers.ValidationError({field: [ErrorDetail(detail, code="invalid")]})


def file_of(report: Report, *, media_type: str, account: Account, label: str, section: str = "rows") -> FileResponse:
    """Return a report as a file, named after the account, the report and its period."""
    spool: IO[bytes] = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115  the answer closes it
    write, ending, content_type = WRITERS[media_type]
    try:
        write(spool, report, section)
        tag = blake2b(digest_size=16)
        spool.seek(0)
        while block := spool.read(BLOCK):
            tag.update(block)
        spool.seek(0)
    except BaseException:
        spool.close()
        raise
    part = "" if section == "rows" else f"-{section}"
    name = f"{slugify(account.name)[:NAME] or 'account'}-{report.name}{part}-{label}.{ending}"
    response = FileResponse(spool, as_attachment=ending != "json", filename=name, content_type=content_type)
    response.block_size = BLOCK
    response["ETag"] = f'"{tag.hexdigest()}"'
    return response


def described(name: str, parameters: list[OpenApiParameter], row: dict[str, Any], total: dict[str, Any]) -> Callable[..., Any]:
    """Describe a report in the OpenAPI document."""
    example = OpenApiExample("JSON", value={"report": name, "rows": [row], "totals": [total]}, response_only=True)
    return extend_schema(
        parameters=[*parameters, section(name)],
        responses={
            (200, "application/json"): OpenApiTypes.OBJECT,
            (200, CSV): OpenApiTypes.STR,
            (200, XLSX): OpenApiTypes.BINARY,
        },
        examples=[example],
    )


class ReportViewSet(FiguresViewSet):
    """Reports on an account over a calendar year or any period."""

    serializer_class = ReportQuery
    filter_backends = ()
    pagination_class = None

    def get_renderers(self) -> list[BaseRenderer]:
        """Return the formats a report is answered in."""
        return [*super().get_renderers(), CsvRenderer(), XlsxRenderer()]

    @described(
        "realized",
        [*DAYS, CURRENCY, KNOWN_AT, EXPLAIN],
        {"instrument": "ACME:XNYS", "quantity": "12", "cost": "140", "proceeds": "300", "gain": "160", "term": "SHORT"},
        {"currency": "USD", "count": 1, "taxable_gain": "160", "short_term": "160", "long_term": "0"},
    )
    def realized(self, request: Request, account_id: str) -> HttpResponseBase:
        """Return the gains realized by closing lots, for a tax year: term, wash sales, and what counts of each."""
        period, figures, shown = self.period(), figures_of(self.account, known_at=self.known_at), self.shown()
        report = reports.realized(figures, period, shown)
        if not self.explains():
            return self.answer(report, period.label)
        closed = closed_within(figures, period, most=MOST_EXPLAINED)
        few_explained(self.request, len(closed))
        return self.with_reasons(report, explained_closed(figures, closed, shown))

    @described(
        "income",
        [*DAYS, CURRENCY, KNOWN_AT],
        {"date": "2024-03-15", "kind": "DIVIDEND", "instrument": "ACME:XNYS", "gross": "100", "tax": "15", "net": "85"},
        {"currency": "USD", "count": 1, "gross": "100", "tax": "15", "fee": "0", "net": "85"},
    )
    def income(self, request: Request, account_id: str) -> HttpResponseBase:
        """Return dividends, interest and staking rewards: gross, tax and net, by month and by instrument, too."""
        return self.over_period("income")

    @described(
        "fees",
        [*DAYS, CURRENCY, KNOWN_AT],
        {"date": "2024-03-15", "kind": "BUY", "instrument": "ACME:XNYS", "fee": "1.5", "tax": "0", "currency": "USD"},
        {"currency": "USD", "count": 1, "fee": "1.5", "tax": "0"},
    )
    def fees(self, request: Request, account_id: str) -> HttpResponseBase:
        """Return fees and taxes, those inside trades and payments among them."""
        return self.over_period("fees")

    @described(
        "holdings",
        [YEAR, CURRENCY, *PAST, EXPLAIN],
        {"instrument": "ACME:XNYS", "quantity": "18", "cost_basis": "460", "market_value": "540", "currency": "USD"},
        {"currency": "USD", "count": 1, "cost_basis": "460", "market_value": "540", "unrealized_gain": "80"},
    )
    def holdings(self, request: Request, account_id: str) -> HttpResponseBase:
        """Return what is held, with costs and values: at the end of a year or of a day, or now."""
        query = ReportQuery(data={"year": request.query_params["year"]} if "year" in request.query_params else {})
        query.is_valid(raise_exception=True)
        year, past = query.validated_data["year"], self.past
        if year and "as_of" in past:
            raise refused("year", "Ask for a year, or for a day (as_of).")
        day = date(year, 12, 31) if year else past.get("as_of")
        figures = figures_of(self.account, as_of=day, known_at=self.known_at)
        report, shown = reports.holdings(figures, day, self.shown()), self.shown()
        if not self.explains():
            return self.answer(report, str(day or "now"))
        few_explained(self.request, sum(bool(one.quantity) for one in figures.positions()), "the positions page by page")
        return self.with_reasons(report, explained_held(figures, shown), Explained(figures).summary())

    @described(
        "activity",
        [*DAYS, KNOWN_AT],
        {"sequence": 1, "occurred_at": "2024-01-02T15:00:00Z", "kind": "BUY", "quantity": "10", "cash": "-100"},
        {"currency": "USD", "count": 1, "cash": "-100", "fee": "0", "tax": "0"},
    )
    def activity(self, request: Request, account_id: str) -> HttpResponseBase:
        """Return everything that was recorded, in the order of happening; reversals and what they took back, too."""
        period = self.period()
        return self.answer(
            reports.report_of(self.account, "activity", period, self.shown(), known_at=self.known_at), period.label
        )

    def explains(self) -> bool:
        """Say whether an explanation is asked for; it is no part of a table, so that files have none."""
        asked = explains(self.request)
        if asked and self.request.accepted_renderer.media_type in FILES.values():
            raise refused("explain", "A file has no explanations: ask for JSON.")
        return asked

    def with_reasons(self, report: Report, why: Sequence[Explanation], whole: Explanation | None = None) -> Response:
        """Return a report as JSON with why its rows and their totals are what they are; `whole` is about all of it."""
        answer = as_json(report)
        rows = [*zip(answer["rows"], why, strict=True)]
        for total in answer["totals"]:
            own = [row for row in answer["rows"] if row["currency"] == total["currency"]]
            rows.append((total, explain_total(total, own)))
        for row, explanation in rows:
            row["explanation"] = as_told(explanation, self.account, self.past)
        if report.name == "holdings":
            answer["explanation"] = as_told(whole, self.account, self.past) if whole else None
        return Response(answer)

    def period(self) -> Period:
        """Return the days asked for."""
        if "as_of" in self.past:
            raise refused("as_of", "Ask for a year, or for start and end.")
        asked = {name: self.request.query_params[name] for name in ("year", "start", "end") if name in self.request.query_params}
        query = ReportQuery(data=asked)
        query.is_valid(raise_exception=True)
        return query.period()

    @property
    def known_at(self) -> Any:
        """The time until which entries were recorded that count; none if all do."""
        return self.past.get("known_at")

    def over_period(self, name: str) -> HttpResponseBase:
        """Return the report of a name over the days asked for."""
        period = self.period()
        report = reports.report_of(self.account, name, period, self.shown(), known_at=self.known_at)
        return self.answer(report, period.label)

    def shown(self) -> str:
        """Return the currency asked for, empty if each amount is wanted in its own."""
        return currency_asked(self.request, "", account=self.account.base_currency, instrument="")

    def answer(self, report: Report, label: str) -> HttpResponseBase:
        """Return a report in the format that was agreed on."""
        known = SECTIONS[report.name]
        asked = self.request.query_params.get("section", "rows")
        media_type = self.request.accepted_renderer.media_type
        if asked not in known or (asked != "rows" and media_type != CSV):
            raise refused("section", f"A CSV file has one of these tables: {', '.join(known)}; other formats have all of them.")
        return file_of(report, media_type=media_type, account=self.account, label=label, section=asked)
