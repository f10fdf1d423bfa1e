"""The outside sources of prices, each in a file of its own, and the registry that settings fill."""

from collections.abc import Iterator, Mapping
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from marketdata.adapters.base import PriceProvider


def provider_named(name: str) -> PriceProvider:
    """Return a provider that the setting MARKETDATA_PROVIDERS names.

    :raises LookupError: if it names none of that name
    :raises ImproperlyConfigured: if what is written there makes no provider
    """
    configured: Mapping[str, Mapping[str, Any]] = settings.MARKETDATA_PROVIDERS
    if name not in configured:
        raise LookupError(f"No provider is named {name}; there are {', '.join(configured) or 'none'}.")
    options = dict(configured[name])
    try:
        provider: PriceProvider = import_string(options.pop("class"))(name=name, **options)
    except (ImportError, KeyError, TypeError, ValueError) as error:
        raise ImproperlyConfigured(f"MARKETDATA_PROVIDERS[{name!r}]: {error}") from error
    return provider


def providers() -> Iterator[PriceProvider]:
    """Yield every provider, in the order in which they are asked."""
    for name in settings.MARKETDATA_PROVIDERS:
        yield provider_named(name)
