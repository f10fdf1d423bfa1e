"""The addresses of the admin's pages, worked out once for each kind of record: a list has hundreds of them."""

from functools import cache
from typing import Any
from urllib.parse import quote as quote_url

from django.contrib.admin.utils import quote
from django.db.models import Model
from django.urls import get_script_prefix, reverse
from django.utils.http import RFC3986_SUBDELIMS, urlencode

SAFE = RFC3986_SUBDELIMS + "/~:@"  # what Django leaves as it is in an address
PLACE = "~key~"


def page_of(target: Model) -> str:
    """Return the address of an object's admin page."""
    head, tail = _around(target._meta.label_lower, get_script_prefix())
    return f"{head}{quote_url(str(quote(target.pk)), safe=SAFE)}{tail}"


def list_of(model: type[Model], **filters: Any) -> str:
    """Return the address of a model's list, filtered by exact values."""
    address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    return f"{address}?{urlencode({f'{name}__exact': value for name, value in filters.items()})}" if filters else address


@cache
def _around(label: str, prefix: str) -> tuple[str, str]:
    """Return what stands before and after the key in the addresses of a kind of record, below a prefix of the site."""
    head, tail = reverse(f"admin:{label.replace('.', '_')}_change", args=[PLACE]).split(PLACE)
    return head, tail
