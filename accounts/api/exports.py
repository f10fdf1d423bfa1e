"""The ledger taken out as a file."""

import tempfile

from django.http import FileResponse
from django.utils.text import slugify
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from accounts.api.scoping import AccountScopedViewSet
from accounts.selectors.exports import event_log


class CsvRenderer(BaseRenderer):
    """Says that a view answers CSV; the view itself writes it."""

    media_type = "text/csv"
    format = "csv"
    charset = "utf-8"


class ExportViewSet(AccountScopedViewSet):
    """The ledger of an account as a file."""

    filter_backends = ()
    pagination_class = None
    renderer_classes = [CsvRenderer]

    @extend_schema(responses={(200, "text/csv"): OpenApiTypes.STR})
    def retrieve(self, request: Request, account_id: str) -> FileResponse:
        """Return the event log: every entry in the order of recording, ready to be imported anywhere."""
        # written while the member's transaction is open: rows read later, while the answer is sent, would be nobody's
        file = tempfile.TemporaryFile()  # noqa: SIM115  the answer closes it
        file.writelines(row.encode() for row in event_log(self.account))
        file.seek(0)
        name = f"{slugify(self.account.name) or 'account'}-event-log.csv"
        return FileResponse(file, as_attachment=True, filename=name, content_type="text/csv; charset=utf-8")
