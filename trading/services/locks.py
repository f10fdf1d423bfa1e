"""Keep two who trade in one account apart: what the second checks, the first has finished with."""

from __future__ import annotations

from django.db import connection

from accounts.models import Account
from accounts.services.accounts import refuse_closed

PURPOSE = 4_207  # tells these locks from others


def hold_trading(account: Account) -> None:
    """Hold an account's trading until the transaction ends: limits are checked and orders stored under it, one after another.

    Traders may not lock the row of the account, which is its owner's to change. Whoever needs the portfolio's lock, or the
    ledger's head, as well takes this one first.

    :raises AccountClosed: if the account is closed
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [PURPOSE, str(account.pk)])
    refuse_closed(account)
