"""The app of people, accounts and what happened to them."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Who, and what happened: the truth every figure is derived from."""

    name = "accounts"
    verbose_name = "Accounts"
