"""A book kept before a day is what entries up to it make, whether they are posted one by one or as columns."""

import json

from hypothesis import given
from hypothesis import strategies as st

from portfolio.domain.book import Book
from portfolio.domain.checkpoints import Keeping, Rest, post_keeping, restore, spans_of
from portfolio.domain.columns import Columns
from portfolio.domain.derivation import derive
from portfolio.domain.entries import in_order
from portfolio.domain.lots import Method, Rules
from portfolio.domain.positions import fold
from tests.portfolio.domain.test_posting import extras
from tests.portfolio.domain.test_swift import FIRST, ledger, rows
from tests.portfolio.domain.values import SHARE, book, entry

import_days = st.lists(st.integers(-1, 12), max_size=4)


def written(drawn, further):
    """Return entries of plain kinds."""
    entries = ledger(drawn)
    for n, (kind, what, currency, cash, fee, tax) in enumerate(further):
        entries.append(entry(kind, f"{FIRST}T09:30:{n:02}", what, currency=currency, cash=cash, fee=fee, tax=tax))
    return entries


def keeping(own: Book, days) -> Keeping:
    return Keeping(days, Rest(own.base, own.listings, {}))


def told(checkpoint):
    """Return a checkpoint as values; holdings stand in no order."""
    state = json.loads(checkpoint.state)
    state["holdings"].sort(key=lambda one: one[0])
    return checkpoint.day, checkpoint.entries, state


class TestKeeping:
    @given(st.lists(rows, min_size=1, max_size=30), extras, import_days)
    def test_columns_keep_what_the_fold_keeps(self, drawn, further, offsets):
        entries = written(drawn, further)
        days = sorted({FIRST.toordinal() + offset for offset in offsets})
        one, other = book(), book()
        ordered = in_order(entries)
        kept = post_keeping(one, ordered, keeping(one, days))
        as_columns = post_keeping(other, Columns.of(entries), keeping(other, days))
        assert list(map(told, as_columns)) == list(map(told, kept))

    @given(st.lists(rows, min_size=1, max_size=30), extras, st.integers(0, 9), st.sampled_from(list(Method)), st.booleans())
    def test_what_is_restored_goes_on_to_the_same_book(self, drawn, further, offset, method, wash_sales):
        ordered = in_order(written(drawn, further))
        day = FIRST.toordinal() + offset
        fields = {"method": method, "rules": Rules(None, wash_sales)}
        whole = book(**fields)
        (kept,) = post_keeping(whole, ordered, keeping(whole, [day]))
        again = book(**fields)
        restore(again, day, json.loads(kept.state))
        fold(again, [one for one in ordered if one.day >= day])
        for name in ("holdings", "cash", "owed", "tallies", "parked", "losses", "hands", "splits", "gaps", "awaited"):
            assert getattr(again, name) == getattr(whole, name), name
        assert again.closed + len(again.closures) == len(whole.closures)
        assert [one[:8] for one in again.closures] == [one[:8] for one in whole.closures[again.closed :]]

    def test_asks_for_nothing_by_itself(self):
        own = book()
        assert not derive(own, in_order([entry("DEPOSIT", "2024-01-02T10:00", cash="5")]), margin=False).kept


class TestSpans:
    def test_lie_between_a_note_and_a_later_entry_and_between_legs(self):
        sale = entry("SELL", "2024-01-20T10:00", SHARE, quantity="-1", price="9")
        note = entry("NOTE", "2024-01-03T10:00", data={"closes": {"sequence": sale.sequence, "lots": [{"sequence": 1}]}})
        legs = [entry("FX", f"2024-01-{day}T10:00", cash="1", group="a") for day in ("07", "09")]
        assert spans_of([sale, note, *legs]) == [(note.day, sale.day), (legs[0].day, legs[1].day)]
