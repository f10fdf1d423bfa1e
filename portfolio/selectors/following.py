"""Which instruments a person has an eye on: those they hold, in any account they may see, and those on their watchlists."""

from collections.abc import Collection
from uuid import UUID

from accounts.models import User, Watchlist
from portfolio.models import Position


def instruments_followed_by(user: User, *, accounts: Collection[UUID] | None = None) -> set[UUID]:
    """Return the instruments; `accounts` narrows what is held to some accounts."""
    held = Position.objects.visible_to(user).open()
    if accounts is not None:
        held = held.filter(account__in=accounts)
    watched = Watchlist.objects.visible_to(user).filter(instruments__isnull=False)
    return set(held.values_list("instrument", flat=True)) | set(watched.values_list("instruments", flat=True))
