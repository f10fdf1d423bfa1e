"""Answers are computed once for each state of an account, and never outlive it."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.cache import cache as backend

from portfolio.services.answers import PERF, answer, state_of
from portfolio.services.projections import catch_up, forget
from tests.access.world import World
from tests.clients import browser
from tests.factories import day, make_bars, make_instrument, post

NOW = datetime(2024, 5, 6, tzinfo=UTC)
# What an answer says, by its shape: whoever changes the fields or how they are computed takes a new shape.
SHAPES = {
    1: {
        "summary": "as_of cash currency day_gain gain max_drawdown missing net_deposits positions_value reasons stale "
        "total_value twr xirr",
        "performance": "alpha benchmark_twr beta bridge calmar correlation currency cvar_95 drawdown end end_value gain "
        "information_ratio max_drawdown missing monthly net_flows omega reasons semi_deviation sharpe simple_return sortino "
        "start start_value tracking_error twr twr_annualized var_95 volatility xirr",
    },
    2: {
        "summary": "as_of cash currency day_gain gain max_drawdown missing missing_acquisitions net_deposits positions_value "
        "reasons stale total_value twr xirr",
        "performance": "alpha benchmark benchmark_twr beta bridge calmar correlation currency cvar_95 drawdown drawdowns end "
        "end_value gain information_ratio max_drawdown missing monthly net_flows omega reasons semi_deviation sharpe "
        "simple_return sortino start start_value tracking_error twr twr_annualized var_95 volatility xirr",
    },
}


def never():
    raise AssertionError("It was computed again.")


@pytest.fixture
def world():
    return World(derived=True)


def ask(world, route="summary", user=None, status=200, **query):
    found = browser(user or world.alice).get(f"/api/v1/accounts/{world.account.pk}/{route}/", query)
    assert found.status_code == status
    return found.json()


def kept(world) -> int:
    """Return how many answers about the account are kept."""
    return sum(1 for _ in backend.keys(f"perf:{world.account.pk}:*"))


class TestAnswers:
    def test_are_computed_once_for_a_question_and_a_state(self, world):
        projection = catch_up(account_id=world.account.pk, at=NOW)
        question = {"what": "x", "start": date(2024, 1, 2), "rate": Decimal("0.02")}
        assert answer(projection=projection, question=question, compute=lambda: {"a": Decimal("1.10")}) == {"a": Decimal("1.10")}
        assert answer(projection=projection, question=question, compute=never) == {"a": Decimal("1.10")}
        other = question | {"rate": Decimal("0.03")}
        assert answer(projection=projection, question=other, compute=lambda: 2) == 2

    def test_belong_to_the_state_they_follow_from(self, world):
        states = {state_of(catch_up(account_id=world.account.pk, at=NOW))}
        post(world.account, "DEPOSIT", cash="1", occurred_at=day("2020-01-06"))
        states.add(state_of(catch_up(account_id=world.account.pk, at=NOW + timedelta(seconds=1))))
        make_bars(world.instrument, [("2020-01-07", "13")])
        states.add(state_of(catch_up(account_id=world.account.pk, at=NOW + timedelta(seconds=2))))
        forget(account_id=world.account.pk)  # derived again, it may be by other formulas
        states.add(state_of(catch_up(account_id=world.account.pk, at=NOW + timedelta(seconds=3))))
        assert len(states) >= 3
        assert state_of(catch_up(account_id=world.account.pk, at=NOW + timedelta(days=1))) in states  # nothing was new

    @pytest.mark.parametrize("route", ["summary", "performance"])
    def test_of_the_api_are_the_same_from_the_cache(self, world, route):
        queries = [{}, {"as_of": "2020-01-03"}, {"known_at": "2030-01-01T00:00:00Z"}]
        queries += [{"start": "2020-01-03", "risk_free": "0.02"}] if route == "performance" else []
        for query in queries:
            assert ask(world, route, **query) == ask(world, route, **query)
        assert kept(world) == len(queries)
        assert len({str(ask(world, route, **query)) for query in queries[:2]}) == 2

    @pytest.mark.parametrize("route", ["summary", "performance"])
    def test_are_never_stale(self, world, route):
        def worth():
            return ask(world, route)["total_value" if route == "summary" else "end_value"]

        before = Decimal(worth())
        for number in range(1, 4):
            post(world.account, "DEPOSIT", cash="100", occurred_at=day("2020-01-06"))
            assert Decimal(worth()) == before + 100 * number == Decimal(worth())

    def test_are_given_to_nobody_who_may_not_ask(self, world):
        ask(world, user=world.alice)
        assert kept(world) == 1
        ask(world, user=world.charlie, status=404)
        assert ask(world, user=world.bob) == ask(world)

    def test_name_instruments_as_they_are_called_today(self, world):
        post(
            world.account, "BUY", instrument=(share := make_instrument()), quantity="1", price="1", occurred_at=day("2020-01-03")
        )
        assert share.key in ask(world)["missing"] + ask(world)["stale"]
        type(share).objects.filter(pk=share.pk).update(symbol=f"{share.symbol}X")
        share.refresh_from_db()
        assert share.key in ask(world)["missing"] + ask(world)["stale"]

    @pytest.mark.parametrize("route", ["summary", "performance"])
    def test_say_what_their_shape_says(self, world, route):
        assert " ".join(sorted(ask(world, route))) == SHAPES[PERF.shape][route], (
            "take a new shape in portfolio/services/answers.py"
        )
