"""The app of what it all means: wholly derived, and derived again at any time."""

from django.apps import AppConfig


class PortfolioConfig(AppConfig):
    """What it means: positions, lots, snapshots and returns, read from the ledger and the prices."""

    name = "portfolio"
    verbose_name = "Portfolio"
    default_auto_field = "django.db.models.BigAutoField"
