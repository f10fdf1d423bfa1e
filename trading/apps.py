"""The app of intentions: orders, decisions and their reasons."""

from django.apps import AppConfig


class TradingConfig(AppConfig):
    """What we intend, and why."""

    name = "trading"
    verbose_name = "Trading"
