"""The routes of Alpaca's API, relative to /alpaca/; none ends with a slash."""

from django.urls import URLPattern, URLResolver

from trading.api.alpaca import market_data_urls

urlpatterns: list[URLPattern | URLResolver] = [*market_data_urls.urlpatterns]
