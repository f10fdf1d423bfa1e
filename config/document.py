"""The OpenAPI document at `/api/schema/`, made once per process: it changes with the code alone."""

from functools import cache

import orjson
from django.http import HttpResponse
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView


class DocumentView(APIView):
    """What the API takes and answers, for everybody."""

    authentication_classes = ()
    permission_classes = ()

    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponse:
        """Return the document."""
        return HttpResponse(document(), content_type="application/json")


@cache
def document() -> bytes:
    """Return the OpenAPI document as JSON."""
    return orjson.dumps(SchemaGenerator().get_schema(public=True), option=orjson.OPT_NON_STR_KEYS | orjson.OPT_INDENT_2)
