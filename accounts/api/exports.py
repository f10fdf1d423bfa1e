"""The ledger taken out as a file."""

import tempfile
from collections.abc import Iterator
from typing import IO

from django.http import FileResponse
from django.utils import timezone
from django.utils.text import slugify
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from accounts.api.scoping import AccountScopedViewSet, caller
from accounts.domain.roles import Role
from accounts.selectors.bundles import bundle_file
from accounts.selectors.exports import event_log
from accounts.selectors.portable import ghostfolio_json, performance_csv

CSV = "text/csv; charset=utf-8"


class CsvRenderer(BaseRenderer):
    """Says that a view answers CSV; the view itself writes it."""

    media_type = "text/csv"
    format = "csv"
    charset = "utf-8"


class JsonFileRenderer(BaseRenderer):
    """Says that a view answers JSON as a file; the view itself writes it."""

    media_type = "application/json"
    format = "json"
    charset = None


class ZipRenderer(BaseRenderer):
    """Says that a view answers a ZIP."""

    media_type = "application/zip"
    format = "zip"
    charset = None


class ExportViewSet(AccountScopedViewSet):
    """An account as a file: its ledger, or all of it."""

    filter_backends = ()
    pagination_class = None
    renderer_classes = [CsvRenderer, ZipRenderer]

    @extend_schema(responses={(200, "text/csv"): OpenApiTypes.STR, (200, "application/zip"): OpenApiTypes.BINARY})
    def retrieve(self, request: Request, account_id: str) -> FileResponse:
        """Return the event log, every entry in the order of recording; or, to its owner, the whole account as a ZIP."""
        if request.accepted_renderer.format == ZipRenderer.format:
            self.require(Role.OWNER)
            zipped = bundle_file(account=self.account, user=caller(request), at=timezone.now())
            return self._answer(zipped, "account.zip", ZipRenderer.media_type)
        return self._written(event_log(self.account), "event-log.csv", CSV)

    @extend_schema(responses={(200, "application/json"): OpenApiTypes.OBJECT})
    def ghostfolio(self, request: Request, account_id: str) -> FileResponse:
        """Return the account as the JSON that Ghostfolio imports, in units of today."""
        return self._written(ghostfolio_json(self.account, at=timezone.now()), "ghostfolio.json", "application/json")

    @extend_schema(responses={(200, "text/csv"): OpenApiTypes.STR})
    def portfolio_performance(self, request: Request, account_id: str) -> FileResponse:
        """Return the account as the CSV that Portfolio Performance imports, in units of today."""
        return self._written(performance_csv(self.account), "portfolio-performance.csv", CSV)

    def _written(self, pieces: Iterator[str], what: str, content_type: str) -> FileResponse:
        """Return a file of pieces of text.

        It is written while the member's transaction is open: rows read later, while the answer is sent, would be nobody's.
        """
        file = tempfile.TemporaryFile()  # noqa: SIM115  the answer closes it
        file.writelines(piece.encode() for piece in pieces)
        return self._answer(file, what, content_type)

    def _answer(self, file: IO[bytes], what: str, content_type: str) -> FileResponse:
        """Return a file that was written, to be kept under the account's name."""
        file.seek(0)
        name = f"{slugify(self.account.name) or 'account'}-{what}"
        return FileResponse(file, as_attachment=True, filename=name, content_type=content_type)
