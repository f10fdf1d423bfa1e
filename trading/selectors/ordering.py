"""What whoever places an order asks first: the account, the instrument, and how the account stands, all in one trip."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection

from accounts.domain.roles import Role
from accounts.models import Account, User
from accounts.models.prepared import prepared
from accounts.selectors.accounts import Columns, account_with_role
from marketdata.models import Instrument
from trading.selectors.risk import MINOR

ACCOUNT, INSTRUMENT = Columns(Account, "found.account"), Columns(Instrument, "found.instrument")
ASKED = f"""
    SELECT {ACCOUNT.asked}, found.role, {INSTRUMENT.asked}, found.stands
    FROM trading_ordering(%s, %s, {int(Role.TRADER)}::smallint, %s, %s, %s, '{MINOR}', %s) AS found
"""  # noqa: S608  # names of columns


@dataclass(frozen=True, slots=True)
class Look:
    """An account with the user's role, and an instrument; `stands` is how it stood at the time, as `standing_of` reads it.

    For whom the role lets order, the account is locked from then on until the transaction ends.
    """

    account: Account
    instrument: Instrument | None
    stands: str | None
    at: datetime


def look_before_ordering(user: User, account_id: UUID, symbol: str, exchange: str, *, at: datetime, lock: int) -> Look | None:
    """Return an account as whoever orders in it finds it, None for a stranger; `lock` is the purpose for which it is locked."""
    with prepared() as cursor:
        cursor.execute(ASKED, [user.pk, account_id, symbol, exchange, lock, at])
        row = cursor.fetchone()
    if row is None:
        return None
    account, (*rest, stands) = account_with_role(row)
    instrument = Instrument.from_db(connection.alias, INSTRUMENT.names, rest) if rest[0] is not None else None
    return Look(account, instrument, stands, at)
