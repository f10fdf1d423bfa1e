"""The OpenAPI document at `/api/schema/`, made once per process: it changes with the code alone.

Its examples of figures are answers that the product gave about one small account: `config/examples.json`, which the tests ask for
again, word by word (`tests/access/test_examples.py`).
"""

from functools import cache
from pathlib import Path
from typing import Any

import orjson
from django.http import HttpResponse
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

EXAMPLES = Path(__file__).with_name("examples.json")


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
    found = SchemaGenerator().get_schema(public=True)
    for example in orjson.loads(EXAMPLES.read_bytes()):
        show(example, found["paths"][example["path"]][example["method"]])
    return orjson.dumps(found, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_INDENT_2)


def show(example: dict[str, Any], operation: dict[str, Any]) -> None:
    """Put an example into what the document says of its operation: what was asked, and the answer."""
    asked = "&".join(f"{name}={value}" for name, value in example["query"].items())
    told = {"summary": example["summary"]} | ({"description": f"?{asked}"} if asked else {})
    name = example["summary"].replace(" ", "")
    content = operation["responses"][str(example["status"])]["content"]["application/json"]
    content.setdefault("examples", {})[name] = told | {"value": example["answer"]}
    if example["body"] is not None:
        content = operation["requestBody"]["content"]["application/json"]
        content.setdefault("examples", {})[name] = told | {"value": example["body"]}
