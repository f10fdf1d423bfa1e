"""The app of intentions: orders, decisions and their reasons."""

from django.apps import AppConfig
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from trading.domain.strategies.registry import register


class TradingConfig(AppConfig):
    """What we intend, and why."""

    name = "trading"
    verbose_name = "Trading"

    def ready(self) -> None:
        """Take up the strategies that the site has written.

        :raises ImproperlyConfigured: naming what is none
        """
        for path in settings.STRATEGIES:
            try:
                register(import_string(path))
            except (ImportError, ValueError) as error:
                raise ImproperlyConfigured(f"STRATEGIES: {path}: {error}") from error
