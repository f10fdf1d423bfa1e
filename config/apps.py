"""The project itself as an app, for its checks, and the admin with a site of our own."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig as DjangoAdminConfig

from config import celery, checks, instants  # noqa: F401  importing them registers them: the checks, and the app that tasks are sent through


class ConfigConfig(AppConfig):
    """How it runs."""

    name = "config"
    verbose_name = "Bedrock"

    def ready(self) -> None:
        """Let times be read fast."""
        instants.register()


class AdminConfig(DjangoAdminConfig):
    """The admin, on the site of `config.site`."""

    default_site = "config.site.Site"
