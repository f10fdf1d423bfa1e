"""What a book remembers it recalls: nothing is lost between two runs."""

from uuid import uuid4

from portfolio.domain.daybook import Day
from portfolio.domain.memory import as_json, recall
from portfolio.domain.positions import fold
from tests.portfolio.domain.values import OTHER, SHARE, book, entry, folded

STATE = ("cash", "owed", "tallies", "parked", "hands", "splits", "gaps")


def busy():
    group = str(uuid4())
    return folded(
        entry("DEPOSIT", "2024-01-02", cash="100.50"),
        entry("DEPOSIT", "2024-01-02", cash="7", currency="EUR", data={"fx_rate": "1.1"}),
        entry("INTEREST", "2024-01-03", cash="0.0000000001", tax=1),
        entry("LIABILITY", "2024-01-03", price=300, data={"name": "loan"}),
        entry("BUY", "2024-01-04", SHARE, quantity="1.5", price=10),
        entry("VALUATION", "2024-01-05", SHARE, price=12),
        entry("SPLIT", "2024-01-06", SHARE, data={"ratio": "3:2"}),
        entry("MERGER", "2024-01-07", SHARE, quantity="-2.25", group=group),
        entry("TRANSFER_IN", "2024-01-08", OTHER, quantity=1),
        entry("TRANSFER_OUT", "2024-01-08", OTHER, quantity=-1, data={"cost": "3"}),
    )


def test_a_book_recalls_its_state():
    before, after = busy(), book()
    recall(after, as_json(before))
    assert {name: getattr(after, name) for name in STATE} == {name: getattr(before, name) for name in STATE}


def test_a_page_is_read_as_it_was_written():
    for page in busy().days.values():
        assert Day.of_json(page.as_json()) == page


def test_what_came_later_on_a_day_is_added_to_its_page():
    entries = [
        entry("DEPOSIT", "2024-01-02", cash=100),
        entry("BUY", "2024-01-02", SHARE, quantity=2, price=10),
        entry("SELL", "2024-01-02T13:00", SHARE, quantity=-1, price=11),
        entry("WITHDRAWAL", "2024-01-02T14:00", cash=-5),
    ]
    (whole,) = folded(*entries).days.values()
    earlier, later = folded(*entries[:2]), book()
    (first,) = earlier.days.values()
    later.holdings, later.cash = earlier.holdings, earlier.cash
    (rest,) = fold(later, entries[2:]).days.values()
    first.merge(rest)
    assert first == whole
