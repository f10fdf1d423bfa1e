"""The past is what was kept of it; what was not known yet is left out."""

from datetime import UTC, date, datetime
from uuid import uuid4

import pytest

from accounts.models.tenancy import acting_as
from portfolio.models import Snapshot
from portfolio.selectors.figures import FiguresBeyondLimits, KeptFigures, names_of
from portfolio.selectors.past import PastFigures, figures_of
from portfolio.services.projections import catch_up
from tests.factories import make_account, make_instrument, post
from tests.portfolio.market import bars, fresh_currencies, rates

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FIGURES = ("total_value", "cash", "positions_value", "buying_power", "net_flow", "day_gain", "total_gain", "twr_index", "priced")
ROWS = (
    "quantity",
    "cost_basis",
    "realized_gain",
    "income",
    "fees",
    "taxes",
    "since",
    "market_price",
    "priced_on",
    "market_value",
)
ROWS += ("value_in_base", "unrealized_gain", "day_gain")


def at(day: str) -> datetime:
    return datetime.fromisoformat(f"{day}T15:00").replace(tzinfo=UTC)


@pytest.fixture
def busy(alice):
    """Return an account in which much happened in a fortnight, in two currencies."""
    base, foreign = fresh_currencies(2)
    account = make_account(owner=alice, base_currency=base, kind="MARGIN")
    share, other = make_instrument(currency=base), make_instrument(currency=foreign)
    bars(share, {f"2024-01-{n:02}": 100 + n for n in (2, 3, 4, 5, 8, 9, 10, 11, 12)})
    bars(other, {f"2024-01-{n:02}": 50 - n for n in (3, 4, 8, 9, 10)})
    rates(foreign, base, {f"2024-01-{n:02}": f"1.{n:02}" for n in (2, 4, 5, 9)})
    mine, theirs = {"currency": base}, {"currency": foreign}
    post(account, "DEPOSIT", cash="9000", occurred_at=at("2024-01-02"), **mine)
    post(account, "BUY", instrument=share, quantity="20", price="100", fee="1", occurred_at=at("2024-01-02"), **mine)
    post(account, "DEPOSIT", cash="800", occurred_at=at("2024-01-03"), **theirs)
    post(account, "BUY", instrument=other, quantity="7", price="48", occurred_at=at("2024-01-03"), **theirs)
    post(account, "SELL", instrument=share, quantity="-7", price="104", fee="2", occurred_at=at("2024-01-04"), **mine)
    post(account, "SPLIT", instrument=share, data={"ratio": "2:1"}, occurred_at=at("2024-01-06"), **mine)
    post(account, "DIVIDEND", instrument=other, cash="3", tax="1", occurred_at=at("2024-01-08"), **theirs)
    post(account, "WITHDRAWAL", cash="-500", occurred_at=at("2024-01-09"), **mine)
    post(account, "SELL", instrument=other, quantity="-7", price="44", occurred_at=at("2024-01-10"), **theirs)
    catch_up(account_id=account.pk, at=NOW)
    with acting_as(account.owner_id):
        yield account


def figures(snapshot: Snapshot) -> dict:
    return {name: getattr(snapshot, name) for name in FIGURES}


def rows(found) -> list[dict]:
    return [{name: getattr(row, name) for name in ROWS} | {"instrument": row.instrument.key} for row in found]


class TestPast:
    def test_each_day_is_as_it_was_kept(self, busy):
        for kept in Snapshot.objects.filter(account=busy):
            past = PastFigures(busy, as_of=kept.date).last_snapshot()
            assert past is not None
            assert past.date == kept.date
            assert figures(past) == figures(kept)

    def test_the_last_day_is_the_present(self, busy):
        kept, past = KeptFigures(busy), PastFigures(busy)
        assert rows(past.positions()) == rows(kept.positions())
        assert past.summary() == kept.summary()
        assert [(lot.opened_at, lot.remaining, lot.cost) for lot in past.lots()] == [
            (lot.opened_at, lot.remaining, lot.cost) for lot in kept.lots()
        ]
        assert [(one.number, one.gain, one.term) for one in past.closures()] == [
            (one.number, one.gain, one.term) for one in kept.closures()
        ]
        assert past.performance() == kept.performance()
        assert past.missing() == kept.missing()

    def test_a_period_is_measured_alike(self, busy):
        period = {"start": date(2024, 1, 4), "end": date(2024, 1, 10)}
        kept, past = KeptFigures(busy).performance(**period), PastFigures(busy).performance(**period)
        assert kept == past
        assert kept is not None
        assert (kept.start, kept.end) == (date(2024, 1, 4), date(2024, 1, 9))

    def test_positions_are_those_of_the_day(self, busy):
        share, other = PastFigures(busy, as_of=date(2024, 1, 3)).positions()
        assert {share.quantity, other.quantity} == {20, 7}

    def test_what_was_recorded_later_is_left_out(self, busy):
        known = datetime.now(UTC)
        before = PastFigures(busy).summary()
        post(busy, "DEPOSIT", cash="1000", currency=busy.base_currency, occurred_at=at("2024-01-05"), actor=busy.owner)
        assert PastFigures(busy, known_at=known).summary() == before
        assert PastFigures(busy).summary().net_deposits == before.net_deposits + 1000

    def test_before_the_first_day_there_is_nothing(self, busy):
        past = PastFigures(busy, as_of=date(2023, 12, 31))
        assert (past.summary().as_of, past.positions(), past.snapshots(), past.performance()) == (None, [], [], None)

    def test_a_day_beyond_the_last_one_is_the_present(self, busy):
        assert isinstance(figures_of(busy, as_of=date(2024, 1, 12)), KeptFigures)
        assert isinstance(figures_of(busy, as_of=date(2024, 1, 11)), PastFigures)
        assert isinstance(figures_of(busy, known_at=NOW), PastFigures)


def test_lots_chosen_later_count_on_the_day_of_the_sale(alice):
    account, share = make_account(owner=alice, cost_basis_method="SPECIFIC"), make_instrument()
    post(account, "BUY", instrument=share, quantity="1", price="10", occurred_at=at("2024-01-02"))
    chosen = post(account, "BUY", instrument=share, quantity="1", price="20", occurred_at=at("2024-01-03"))
    sale = post(account, "SELL", instrument=share, quantity="-1", price="30", occurred_at=at("2024-01-04"))
    before = datetime.now(UTC)
    data = {"closes": {"sequence": sale.sequence, "lots": [{"sequence": chosen.sequence}]}}
    post(account, "NOTE", notes="the second", data=data, occurred_at=at("2024-01-09"))
    with acting_as(alice.pk):
        for past, gain in (({"as_of": date(2024, 1, 5)}, 10), ({"as_of": date(2024, 1, 5), "known_at": before}, 20)):
            (closure,) = PastFigures(account, **past).closures()
            assert closure.gain == gain


def test_a_past_too_large_to_be_derived_is_refused_by_name(alice):
    account, share = make_account(owner=alice), make_instrument()
    post(account, "TRANSFER_IN", instrument=share, quantity="999999999999", data={"cost": "1"}, occurred_at=at("2024-01-02"))
    for n in range(19):
        post(account, "SPLIT", instrument=share, data={"ratio": "1000000:1"}, occurred_at=at(f"2024-01-{n + 10}"))
    with acting_as(alice.pk), pytest.raises(FiguresBeyondLimits):
        PastFigures(account).positions()


class TestNames:
    def test_instruments_go_by_their_key_and_pairs_as_they_are(self):
        share = make_instrument()
        assert names_of([str(share.pk), "EUR/USD"]) == sorted(["EUR/USD", share.key])

    def test_what_is_unknown_keeps_its_id(self):
        unknown = str(uuid4())
        assert names_of([unknown]) == [unknown]


class TestMissing:
    def test_counts_for_the_periods_in_which_it_lacked_a_price(self, alice):
        account, share = make_account(owner=alice), make_instrument()
        bars(share, {"2024-01-08": 10})
        post(account, "BUY", instrument=share, quantity="1", price="10", occurred_at=at("2024-01-04"))
        catch_up(account_id=account.pk, at=NOW)
        with acting_as(alice.pk):
            found = KeptFigures(account)
            assert found.missing() == [share.key]
            assert found.missing(start=date(2024, 1, 7)) == [share.key]
            assert found.missing(start=date(2024, 1, 8)) == []
            assert found.missing(end=date(2024, 1, 4)) == []
            assert found.summary().missing == []
