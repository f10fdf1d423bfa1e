"""An account as a file of beancount."""

from __future__ import annotations

import tempfile

from django.http import FileResponse
from django.utils.text import slugify
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from accounts.api.scoping import AccountScopedViewSet
from portfolio.selectors.beancount import beancount_file


class PlainRenderer(BaseRenderer):
    """Says that a view answers plain text; the view itself writes it."""

    media_type = "text/plain"
    format = "beancount"
    charset = "utf-8"


class BeancountViewSet(AccountScopedViewSet):
    """The ledger of an account in the language of beancount."""

    filter_backends = ()
    pagination_class = None
    renderer_classes = [PlainRenderer]

    @extend_schema(responses={(200, "text/plain"): OpenApiTypes.STR})
    def retrieve(self, request: Request, account_id: str) -> FileResponse:
        """Return a file that `bean-check` accepts, with the lots and the gains of the account's method."""
        # written while the member's transaction is open: rows read later, while the answer is sent, would be nobody's
        file = tempfile.TemporaryFile()  # noqa: SIM115  the answer closes it
        file.writelines(piece.encode() for piece in beancount_file(self.account))
        file.seek(0)
        name = f"{slugify(self.account.name) or 'account'}.beancount"
        return FileResponse(file, as_attachment=True, filename=name, content_type="text/plain; charset=utf-8")
