"""JSON in, strictly; JSON out, exactly."""

import json
import math
from collections.abc import Iterable, Mapping
from decimal import Decimal
from itertools import chain
from typing import IO, TYPE_CHECKING, Any, NoReturn

import orjson
from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpRequest
from django.utils.functional import Promise
from rest_framework.exceptions import ParseError
from rest_framework.metadata import BaseMetadata
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from marketdata.domain.money import plain

if TYPE_CHECKING:  # the views' own module reads this one through the settings
    from rest_framework.views import APIView

MAX_DEPTH = 20
INT64 = 2**63
OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z


class StrictJSONParser(BaseParser):
    """Takes one UTF-8 JSON object, of bounded size and depth, that every reader understands alike.

    Refused: a key given twice, NaN and the infinities, whole numbers beyond 64 bits, characters that PostgreSQL can't
    store, more than 20 levels, and (413) more than DATA_UPLOAD_MAX_MEMORY_SIZE bytes.
    """

    media_type = "application/json"

    def parse(
        self, stream: IO[bytes] | HttpRequest, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return the object in the body.

        :raises ParseError: saying what is wrong with it
        """
        # a request keeps the body it gives out, for who has to see the bytes later; Django bounds its size
        raw = stream.body if isinstance(stream, HttpRequest) else stream.read()
        try:
            text = raw.decode("utf-8")
            value = json.loads(
                text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_int=_bounded, parse_float=_finite
            )
        except UnicodeDecodeError as error:
            raise ParseError("The body is not UTF-8.") from error
        except RecursionError as error:
            raise ParseError(f"The body is nested deeper than {MAX_DEPTH} levels.") from error
        except ValueError as error:
            raise ParseError(f"The body is not JSON: {error}") from error
        if not isinstance(value, dict):
            raise ParseError("The body must be a JSON object.")
        _check_levels(value, look_at_text="\\u" in text)
        return value


class JSONRenderer(BaseRenderer):
    """Writes JSON: decimals as plain strings, instants in UTC with Z."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        """Return the JSON of what a view answers."""
        if data is None:
            return b""
        try:
            return orjson.dumps(data, default=_as_text, option=OPTIONS)
        except TypeError:  # a whole number beyond 64 bits, in data that came in by file
            return json.dumps(data, cls=DjangoJSONEncoder, ensure_ascii=False).encode()


class Negotiation(DefaultContentNegotiation):
    """Finds what to answer with. Most clients take anything, or what comes first: nothing is weighed for those."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """Return the renderer and its media type."""
        first = next(iter(renderers))
        if format_suffix is None and request.META.get("HTTP_ACCEPT", "*/*") in {"*/*", first.media_type}:
            return first, str(first.media_type)
        found: tuple[BaseRenderer, str] = super().select_renderer(request, renderers, format_suffix)
        return found


class NoMetadata(BaseMetadata):
    """What OPTIONS tells: nothing but the methods, in the Allow header; the OpenAPI document has the rest."""

    def determine_metadata(self, request: Request, view: "APIView") -> dict[str, Any]:
        """Return nothing."""
        return {}


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the pairs as a dictionary; which of two values of one key is meant, nobody can know."""
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice[:100]!r} is given twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _bounded(digits: str) -> int:
    if len(digits) > 20 or not -INT64 <= int(digits) < INT64:  # noqa: PLR2004
        raise ValueError("a whole number is beyond 64 bits; write it as a string")
    return int(digits)


def _finite(digits: str) -> float:
    if not math.isfinite(number := float(digits)):
        raise ValueError("a number is too large; write it as a string")
    return number


def _check_levels(value: dict[str, Any], *, look_at_text: bool) -> None:
    """Refuse a value nested too deeply, or (escaped) characters that no UTF-8 text may hold or PostgreSQL can't store."""
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        inner = [child for node in level for child in (node.values() if isinstance(node, dict) else node)]
        if look_at_text and not all(map(_storable, chain(inner, *(node for node in level if isinstance(node, dict))))):
            raise ParseError("The body holds a character that can't be stored: NUL or half a surrogate pair.")
        level = [node for node in inner if isinstance(node, dict | list)]
        if not level:
            return
    raise ParseError(f"The body is nested deeper than {MAX_DEPTH} levels.")


def _storable(text: Any) -> bool:
    return not isinstance(text, str) or ("\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text))


def _as_text(value: Any) -> str:
    """Return what orjson does not know by itself."""
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, Promise):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON")
