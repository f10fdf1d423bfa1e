"""A process of its own that takes accounts to the next day one by one: `python -m ... DATABASE ACCOUNT ...`."""

import os
import sys
from uuid import UUID

from config import embedded

embedded.provide()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django  # noqa: E402

django.setup()

from django.db import connections  # noqa: E402

from portfolio.services.end_of_day import advance  # noqa: E402


def main(database: str, *account_ids: str) -> None:
    """Take the accounts on in the database of a test."""
    for connection in connections.all():
        connection.settings_dict["NAME"] = database
    advance(account_ids=list(map(UUID, account_ids)), chunk=1)


if __name__ == "__main__":
    main(*sys.argv[1:])
