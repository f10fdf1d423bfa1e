"""The errors of serializers, one by one."""

from collections.abc import Iterator, Mapping
from typing import Any


def flatten(detail: Any, name: str = "") -> Iterator[dict[str, Any]]:
    """Return the errors of nested serializers one by one, each with the dotted path of its field."""
    if isinstance(detail, Mapping):
        for key, value in detail.items():
            yield from flatten(value, name if key == "non_field_errors" else f"{name}.{key}".strip("."))
    elif isinstance(detail, list | tuple):
        for index, value in enumerate(detail):
            yield from flatten(value, name if isinstance(value, str) else f"{name}.{index}".strip("."))
    else:
        yield {"field": name or None, "code": getattr(detail, "code", "invalid"), "detail": str(detail)}
