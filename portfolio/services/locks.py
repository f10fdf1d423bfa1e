"""Keep two who decide from what an account holds apart: the second waits until the first has posted."""

from __future__ import annotations

from django.db import connection

from accounts.models import Account
from accounts.services.accounts import refuse_closed

PURPOSE = 4_205  # tells these locks from others


def hold(*accounts: Account) -> None:
    """Hold accounts until the transaction ends, always in the same order.

    Traders may not lock the rows of accounts, which are their owners' to change.

    :raises AccountClosed: if one of them is closed
    """
    with connection.cursor() as cursor:
        for account in sorted(accounts, key=lambda one: one.pk):
            cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [PURPOSE, str(account.pk)])
    for account in accounts:
        refuse_closed(account)
