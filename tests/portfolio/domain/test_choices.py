"""Lots are chosen on the entry, or afterwards by a note; the last word counts, and nonsense says nothing."""

import pytest

from portfolio.domain.entries import in_order, takes_back_others
from tests.portfolio.domain.values import SHARE, entry, folded


def bought(*prices):
    return [entry("BUY", f"2024-01-{n:02}", SHARE, quantity=10, price=price) for n, price in enumerate(prices, 1)]


def note(sale, *lots):
    return entry("NOTE", "2024-03-01", data={"closes": {"sequence": sale.sequence, "lots": list(lots)}})


def sold(**fields):
    return entry("SELL", "2024-02-01", SHARE, quantity=-6, price=50, **fields)


def costs(*entries, method="SPECIFIC"):
    return [(one.opening, one.cost) for one in folded(*entries, method=method).closures]


class TestNotes:
    def test_a_note_chooses_the_lots_of_a_sale(self):
        first, second, third = bought(10, 20, 30)
        sale = sold()
        chosen = note(sale, {"sequence": third.sequence, "quantity": "4"}, {"sequence": second.sequence, "quantity": "2"})
        assert costs(first, second, third, sale, chosen) == [(third.sequence, 120), (second.sequence, 40)]

    def test_the_last_note_counts_and_beats_the_entry(self):
        first, second, third = bought(10, 20, 30)
        sale = sold(data={"lots": [{"sequence": second.sequence}]})
        rows = [first, second, third, sale]
        assert costs(*rows) == [(second.sequence, 120)]
        rows.append(note(sale, {"sequence": third.sequence}))
        assert costs(*rows) == [(third.sequence, 180)]
        rows.append(note(sale))  # takes back what notes chose
        assert costs(*rows) == [(second.sequence, 120)]

    def test_a_note_that_is_taken_back_counts_no_more(self):
        first, second = bought(10, 20)
        sale = sold()
        chosen = note(sale, {"sequence": second.sequence})
        back = entry("NOTE", "2024-03-01", reverses=chosen.id)
        assert costs(first, second, sale, chosen, back) == [(first.sequence, 60)]

    @pytest.mark.parametrize("method", ["FIFO", "AVERAGE"])
    def test_only_an_account_that_names_its_lots_hears_it(self, method):
        first, second = bought(10, 20)
        sale = sold()
        heard = costs(first, second, sale, note(sale, {"sequence": second.sequence}), method=method)
        assert heard == costs(first, second, sale, method=method)

    @pytest.mark.parametrize(
        "closes", [None, 5, {}, {"sequence": "x"}, {"sequence": 1, "lots": "all"}, {"lots": []}, {"sequence": 2, "lots": [7, {}]}]
    )
    def test_nonsense_says_nothing(self, closes):
        first, second = bought(10, 20)
        sale = sold()
        assert costs(first, second, sale, entry("NOTE", "2024-03-01", data={"closes": closes})) == [(first.sequence, 60)]

    def test_a_choice_for_an_entry_read_before_changes_the_past(self):
        sale = sold()
        chosen = note(sale, {"sequence": 1})
        assert takes_back_others([chosen])
        assert not takes_back_others([sale, chosen])
        assert not takes_back_others([sale, entry("NOTE", "2024-03-01")])


class TestLotsOfOneEntry:
    def arrival(self):
        lots = [
            {"opened_at": "2020-05-01T10:00:00+00:00", "quantity": "4", "cost": "40"},
            {"opened_at": "2021-05-01T10:00:00+00:00", "quantity": "6", "cost": "90"},
        ]
        return entry("TRANSFER_IN", "2024-01-02", SHARE, quantity=10, data={"lots": lots})

    def test_the_day_tells_lots_of_one_entry_apart(self):
        come = self.arrival()
        sale = sold(data={"lots": [{"sequence": come.sequence, "opened_on": "2021-05-01"}]})
        assert costs(come, sale) == [(come.sequence, 90)]

    def test_without_a_day_they_go_in_their_order_and_only_as_many(self):
        come, later = self.arrival(), entry("BUY", "2024-01-03", SHARE, quantity=5, price=70)
        lots = [{"sequence": come.sequence, "quantity": "5"}, {"sequence": later.sequence, "quantity": "1"}]
        assert costs(come, later, sold(data={"lots": lots})) == [(come.sequence, 40), (come.sequence, 15), (later.sequence, 70)]


def test_what_no_note_speaks_of_is_left_as_it_is():
    rows = bought(10, 20)
    assert in_order(rows) == rows
