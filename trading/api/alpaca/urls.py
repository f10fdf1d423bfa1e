"""The routes of Alpaca's API, relative to /alpaca/; none ends with a slash."""

from django.urls import URLPattern, URLResolver

urlpatterns: list[URLPattern | URLResolver] = []
