"""What arrives with its lots keeps their dates and cost; what is told badly is one lot at its cost."""

import pytest

from tests.portfolio.domain.values import FOREIGN, SHARE, at, entry, folded

LOTS = [
    {"opened_at": "2021-05-01T10:00:00+00:00", "quantity": "6", "cost": "90", "currency": "USD"},
    {"opened_at": "2020-05-01T10:00:00+00:00", "quantity": "4", "cost": "40", "currency": "USD", "tacked_days": 12},
]


def arrival(lots, quantity=10, instrument=SHARE, **data):
    return entry("TRANSFER_IN", "2024-01-02", instrument, quantity=quantity, data={"lots": lots} | data)


class TestArrivals:
    def test_keep_dates_and_cost_oldest_first(self):
        holding = folded(arrival(LOTS)).holdings[SHARE]
        facts = [(lot.opened_at.year, lot.quantity, lot.cost, lot.tacked) for lot in holding.lots]
        assert facts == [(2020, 4, 40, 12), (2021, 6, 90, 0)]
        assert (holding.quantity, holding.cost) == (10, 130)

    def test_count_as_held_since_their_day(self):
        book = folded(arrival(LOTS), entry("SELL", "2024-01-03", SHARE, quantity=-5, price=20))
        assert [one.long_term for one in book.closures] == [True, True]
        assert book.closures[0].holding_days == (at("2024-01-03").date() - at("2020-05-01").date()).days + 12

    def test_make_up_for_what_was_sold_before_they_came(self):
        sale = entry("SELL", "2023-06-01", SHARE, quantity=-5, price=20)
        book = folded(sale, arrival(LOTS))
        assert [(lot.quantity, lot.cost) for lot in book.holdings[SHARE].lots] == [(5, 75)]
        assert [(one.missing, one.gain) for one in book.closures] == [(True, 80 - 40), (True, 20 - 15)]

    def test_costs_in_another_currency_are_turned_into_the_instruments(self):
        lots = [{"opened_at": "2020-05-01T10:00:00Z", "quantity": "10", "cost": "100", "currency": "USD"}]
        book = folded(arrival(lots, instrument=FOREIGN), rates={("USD", "EUR"): {"2020-01-01": "0.9"}})
        assert book.holdings[FOREIGN].cost == 90

    @pytest.mark.parametrize(
        "lots",
        [
            "all",
            [],
            LOTS[:1],
            [*LOTS, LOTS[0]],
            [{**LOTS[0], "quantity": "-6"}, LOTS[1]],
            [{**LOTS[0], "cost": "x"}, LOTS[1]],
            [{**LOTS[0], "opened_at": "yesterday"}, LOTS[1]],
            [{**LOTS[0], "opened_at": "2021-05-01T10:00:00"}, LOTS[1]],
            [{**LOTS[0], "opened_at": "2099-05-01T10:00:00Z"}, LOTS[1]],
            [{**LOTS[0], "tacked_days": -1}, LOTS[1]],
            [7, LOTS[1]],
        ],
    )
    def test_that_make_no_sense_are_one_lot_at_their_cost(self, lots):
        (lot,) = folded(arrival(lots, cost="77")).holdings[SHARE].lots
        assert (lot.quantity, lot.cost, lot.opened_at) == (10, 77, at("2024-01-02"))


def test_what_leaves_takes_the_lots_it_names_by_any_method():
    first = entry("BUY", "2024-01-01", SHARE, quantity=5, price=10)
    second = entry("BUY", "2024-01-02", SHARE, quantity=5, price=20)
    gone = entry("TRANSFER_OUT", "2024-02-01", SHARE, quantity=-5, data={"lots": [{"sequence": second.sequence}]})
    book = folded(first, second, gone)
    assert [(lot.sequence, lot.cost) for lot in book.holdings[SHARE].lots] == [(first.sequence, 50)]
    assert book.closures == []
