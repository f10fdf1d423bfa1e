"""The rules of the kinds stand in Python, to name the field, and in the database, to hold whoever writes: they say the same."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import product
from uuid import uuid4

import pytest
from django.db import DatabaseError, connection

from accounts.domain.ledger import RULES, TRANSFERS, EntryDraft, EntryKind, EntryRefused
from accounts.models import LedgerEntry
from tests.accounts.ledgers import chain_of
from tests.factories import LONG_AGO, draft, make_instrument

NUMBERS = [Decimal(-150), Decimal(-1), Decimal(0), Decimal(1), Decimal(150)]
LAWFUL = """
    select ledger_entry_is_lawful(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, sha256('x'))
"""


def lawful(draft, *, reversal=False):
    """Say what the database thinks of the figures."""
    later = draft.occurred_at + timedelta(days=1)
    figures = [draft.instrument_id, draft.quantity, draft.price, draft.cash, draft.fee, draft.tax]
    with connection.cursor() as cursor:
        cursor.execute(LAWFUL, [draft.kind.value, reversal, *figures, draft.currency, draft.occurred_at, later])
        return cursor.fetchone()[0]


def passes(draft):
    """Say what Python thinks of the draft."""
    try:
        draft.check()
    except EntryRefused:
        return False
    return True


def drafts_of(kind):
    """Yield every combination of signs and fields, with all else that the kind needs."""
    rounded = {"rounding": "for the test", "ratio": "2:1", "name": "a loan", "refund": "of a charge"}
    for quantity, cash, fee, price, instrument in product(NUMBERS, NUMBERS, NUMBERS[1:4], [None, *NUMBERS[1:4]], [None, uuid4()]):
        yield EntryDraft(
            kind=kind,
            occurred_at=LONG_AGO,
            currency="USD",
            instrument_id=instrument,
            quantity=quantity,
            cash=cash,
            fee=fee,
            price=price,
            data=rounded,
            notes="a note",
            group=uuid4(),
        )


def needs_price_or_takes_none(draft):
    """Say whether Python alone refuses: a price where none belongs, and half a transfer."""
    superfluous = draft.price is not None and RULES[draft.kind].price.value == "refused"
    moves = bool(draft.quantity) == (draft.instrument_id is not None) and bool(draft.quantity or draft.cash)
    return superfluous or (draft.kind in TRANSFERS and not moves)


@pytest.mark.parametrize("kind", EntryKind)
def test_python_and_the_database_agree_on_every_combination_of_signs(kind):
    for one in drafts_of(kind):
        if not needs_price_or_takes_none(one):
            assert passes(one) == lawful(one), one
        elif not lawful(one):
            assert not passes(one), one


@pytest.mark.parametrize("kind", EntryKind)
def test_a_reversal_is_lawful_exactly_where_what_it_takes_back_is(kind):
    for one in list(drafts_of(kind))[::7]:
        mirror = replace(one, quantity=-one.quantity, cash=-one.cash, fee=-one.fee, tax=-one.tax)
        assert lawful(mirror, reversal=True) == lawful(one), one


@pytest.mark.parametrize(
    "change",
    [
        {"currency": "usd"},
        {"currency": "ÄÖÜ"},
        {"quantity": Decimal("NaN")},
        {"cash": Decimal("NaN")},
        {"price": Decimal("NaN")},
        {"occurred_at": LONG_AGO.replace(year=1969)},
        {"occurred_at": LONG_AGO.replace(year=2199)},
    ],
)
def test_the_table_refuses_what_the_rule_refuses(account, alice, change):
    bad = replace(draft("BUY", instrument=make_instrument(), quantity=1, price=10), **change)
    with pytest.raises(DatabaseError, match="entry_keeps_the_rules_of_its_kind"):
        LedgerEntry.objects.append(account_id=account.pk, actor_id=alice.pk, drafts=[bad])
    assert chain_of(account) == []


def test_a_number_too_large_for_its_column_is_refused(account, alice):
    bad = replace(draft("DEPOSIT", cash=1), cash=Decimal("1e15"))
    with pytest.raises(DatabaseError, match="overflow"):
        LedgerEntry.objects.append(account_id=account.pk, actor_id=alice.pk, drafts=[bad])
