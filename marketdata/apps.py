"""The app that keeps what the market said."""

from django.apps import AppConfig


class MarketDataConfig(AppConfig):
    """Instruments, prices and rates: shared by everyone, owned by nobody."""

    name = "marketdata"
    verbose_name = "Market data"
    default_auto_field = "django.db.models.BigAutoField"
