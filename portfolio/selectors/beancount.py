"""An account's ledger as a file of beancount."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from accounts.models import Account
from marketdata.models import Instrument
from portfolio.domain.beancount import commodities, journal
from portfolio.selectors.books import ledger_of


def beancount_file(account: Account) -> Iterator[str]:
    """Yield the file, transaction by transaction; the lots are those of the account's method."""
    ledger = ledger_of(account)
    known = {str(one.pk): one for one in Instrument.objects.filter(pk__in=list(ledger.listings)).order_by("symbol", "exchange")}
    currencies = {account.base_currency, *(entry.currency for entry in ledger.entries)}
    currencies |= {listing.currency for listing in ledger.listings.values()}
    names = commodities({pk: one.key for pk, one in known.items()}, currencies)
    about = {pk: one.name or one.key for pk, one in known.items()}
    yield from journal(replace(ledger, entries=[]).book(), ledger.entries, title=account.name, names=names, about=about)
