"""Entries of a ledger as JSON, written by the database: many times as fast as objects that are serialized one by one.

An entry is what its serializer in the API writes, byte for byte. The question stays a queryset, so that who may see what is
decided where it always is, and by the policies of the tables.
"""

from typing import Any

from django.db.models import QuerySet, TextField
from django.db.models.expressions import RawSQL

INSTANT = """'"' || to_char({0} AT TIME ZONE 'UTC', CASE WHEN {0} = date_trunc('second', {0})
    THEN 'YYYY-MM-DD"T"HH24:MI:SS' ELSE 'YYYY-MM-DD"T"HH24:MI:SS.US' END) || 'Z"'"""
TEXT, PLAIN = "to_json({0})::text", "{0}::text"
NUMBER = """'"' || trim_scale({0}) || '"'"""
OPTIONAL = """coalesce('"' || {0} || '"', 'null')"""
KEY = """coalesce(to_json(marketdata_instrument.symbol || ':' || marketdata_instrument.exchange)::text, 'null')"""
REVERSED_BY = """(SELECT later.id FROM accounts_ledgerentry AS later
    WHERE later.account_id = accounts_ledgerentry.account_id AND later.reverses_id = accounts_ledgerentry.id LIMIT 1)"""
REASON = (
    """'{{"primary":' || to_json({0}reason_primary)::text || ',"explanation":' || to_json({0}reason_explanation)::text || '}}'"""
)
ENTRY = "accounts_ledgerentry."
BEFORE = {
    "id": OPTIONAL.format(f"{ENTRY}id"),
    "sequence": PLAIN.format(f"{ENTRY}sequence"),
    "kind": TEXT.format(f"{ENTRY}kind"),
    "occurred_at": INSTANT.format(f"{ENTRY}occurred_at"),
    "recorded_at": INSTANT.format(f"{ENTRY}recorded_at"),
    "group": OPTIONAL.format(f"{ENTRY}group_id"),
    "instrument": KEY,
    "quantity": NUMBER.format(f"{ENTRY}quantity"),
    "price": OPTIONAL.format(f"trim_scale({ENTRY}price)"),
    "cash": NUMBER.format(f"{ENTRY}cash"),
    "currency": TEXT.format(f"{ENTRY}currency"),
    "fee": NUMBER.format(f"{ENTRY}fee"),
    "tax": NUMBER.format(f"{ENTRY}tax"),
}
AFTER = {
    "reason": REASON.format(ENTRY),
    "notes": TEXT.format(f"{ENTRY}notes"),
    "tags": TEXT.format(f"{ENTRY}tags"),
    "source": TEXT.format(f"{ENTRY}source"),
    "external_id": TEXT.format(f"{ENTRY}external_id"),
    "reverses": OPTIONAL.format(f"{ENTRY}reverses_id"),
    "reversed_by": OPTIONAL.format(REVERSED_BY),
    "corrects": OPTIONAL.format(f"{ENTRY}corrects_id"),
    "actor": OPTIONAL.format(f"{ENTRY}actor_id"),
    "hash": OPTIONAL.format(f"encode({ENTRY}hash, 'hex')"),
}


def _members(fields: dict[str, str]) -> str:
    """Return the SQL that writes the members of an object."""
    return " || ',' || ".join(f"""'"{name}":' || {written}""" for name, written in fields.items())


COLUMNS = {
    "before": RawSQL(_members(BEFORE), (), TextField()),  # noqa: S611  # ours alone
    "after": RawSQL(_members(AFTER), (), TextField()),  # noqa: S611  # ours alone
}


def written(entries: QuerySet[Any], *order: str) -> QuerySet[Any, Any]:
    """Return entries as rows that hold their JSON `before` and `after` their `data`, and what they may be ordered by.

    The database would write `data` in another way than a serializer does.
    """
    return entries.annotate(**COLUMNS).values_list("before", "after", "data", "instrument__symbol", "pk", *order, named=True)
