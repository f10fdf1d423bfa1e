"""Paths as Alpaca's clients write them: with a slash too many at either end, where the address that they were given had one."""

from __future__ import annotations

from typing import Any

from django.urls import URLPattern
from django.urls.resolvers import RoutePattern
from rest_framework.views import APIView


class Lenient(RoutePattern):
    """A route that a slash before or behind it makes no difference to."""

    def match(self, path: str) -> Any:
        """Return what is left of a path and the arguments that it holds, none if it is another one."""
        return super().match(path.strip("/"))


def route(pattern: str, view: type[APIView], name: str) -> URLPattern:
    """Return the route to a view, relative to /alpaca/."""
    return URLPattern(Lenient(pattern, name=name, is_endpoint=True), view.as_view(), None, name)
