"""Proposals keep to their laws: never more spent than there is, never more sold than held, never a larger drift."""

from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from accounts.domain.plans import Basis
from portfolio.domain.allocation import Held, Plan, measure
from portfolio.domain.rebalancing import Account, Asset, Wishes, bought, propose, sold

CLASSES = ("EQUITY", "BOND", "CRYPTO")
CATEGORIES = ("Europe", "America", "Asia")
D = Decimal


def asset(name: str, quantity="0", price="10", *, cls: str = "EQUITY", currency: str = "USD", rate="1", multiplier="1") -> Asset:
    """Return something to trade; what is held of it is worth what its price says."""
    bare = Asset(Held(name, f"{name}:X", D(quantity), D(0), cls, currency), D(price), D(multiplier), D(rate))
    return bare._replace(held=bare.held._replace(value=bare.base(D(quantity))))


def account(cash, *assets: Asset) -> Account:
    """Return an account with cash and assets."""
    return Account(D(cash) + sum((one.held.value for one in assets), D(0)), D(cash), assets)


def by_instrument(**weights: str) -> Plan:
    return Plan(Basis.INSTRUMENT, {name: D(weight) for name, weight in weights.items()})


def quantities(plan: Plan, held: Account, **wishes) -> dict[str, str]:
    return {trade.asset.key: str(trade.quantity) for trade in propose(plan, held, Wishes(**wishes)).trades}


class TestTrades:
    def test_sell_what_is_too_much_and_buy_what_is_too_little(self):
        held = account(0, asset("a", "8"), asset("b", "2"))
        assert quantities(by_instrument(a="0.5", b="0.5"), held) == {"a": "-3", "b": "3"}

    def test_sell_what_nobody_planned(self):
        assert quantities(by_instrument(a="1"), account(0, asset("a", "5"), asset("b", "5"))) == {"b": "-5", "a": "5"}

    def test_leave_the_cash_that_is_meant_to_be_there(self):
        found = propose(by_instrument(a="0.9"), account(100, asset("a")), Wishes())
        assert [(trade.quantity, trade.value) for trade in found.trades] == [(9, 90)]
        assert (found.cash, found.after.off) == (10, 0)

    def test_share_out_cash_that_is_not_enough_by_what_each_lacks(self):
        held = account(30, asset("a", "5"), asset("b", "0", "1"), asset("c", "2", "10"))
        found = quantities(by_instrument(a="0", b="0.6", c="0.4"), held, cash_only=True)
        assert found == {"b": "30"}  # of 60 and 20 lacking 22.5 and 7.5: that is no unit of c, so b gets 23, then what is left

    def test_give_whole_shares_to_the_largest_remainder_while_the_cash_lasts(self):
        held = account(100, asset("a", price="30"), asset("b", price="40"))
        assert quantities(by_instrument(a="0.5", b="0.5"), held) == {"a": "2", "b": "1"}  # 1.67 and 1.25

    def test_use_fractions_where_they_may(self):
        held = account(100, asset("a", price="30"), asset("b", price="40"))
        assert quantities(by_instrument(a="0.5", b="0.5"), held, whole_shares=False) == {"a": "1.666666666", "b": "1.250000000"}

    def test_divide_coins_even_so(self):
        assert quantities(by_instrument(a="1"), account(100, asset("a", price="30", cls="CRYPTO"))) == {"a": "3.333333333"}

    def test_are_no_smaller_than_the_minimum(self):
        held = account(100, asset("a", price="1"), asset("b", price="1"))
        plan = by_instrument(a="0.97", b="0.03")
        assert quantities(plan, held, minimum_trade=D(5)) == {"a": "97"}
        assert quantities(by_instrument(a="1"), account(0, asset("a", "95", "1"), asset("b", "5", "1")), minimum_trade=D(6)) == {}

    def test_buy_alone_where_only_cash_may_be_used(self):
        held = account(10, asset("a", "9", "10"), asset("b", price="1"))
        assert quantities(by_instrument(a="0.5", b="0.5"), held, cash_only=True) == {"b": "10"}

    def test_invest_what_comes_in(self):
        assert quantities(by_instrument(a="1"), account(0, asset("a", "1")), new_cash=D(25)) == {"a": "2"}

    def test_raise_what_goes_out(self):
        found = propose(by_instrument(a="1"), account(0, asset("a", "10")), Wishes(new_cash=D(-35)))
        assert [(trade.quantity, trade.value) for trade in found.trades] == [(-3, -30)]

    def test_count_rates_and_multipliers(self):
        held = account("1000", asset("a", price="2.5", rate="1.1", multiplier="100", cls="OPTION", currency="EUR"))
        found = propose(by_instrument(a="1"), held, Wishes())
        assert [(trade.quantity, trade.own, trade.value) for trade in found.trades] == [(3, 750, 825)]

    def test_keep_the_proportions_inside_a_category(self):
        held = account(60, asset("a", "3"), asset("b", "1"), asset("c", "0", cls="BOND"))
        plan = Plan(Basis.ASSET_CLASS, {"EQUITY": D(1)})
        assert quantities(plan, held, whole_shares=False) == {"a": "4.500000000", "b": "1.500000000"}

    def test_say_which_category_has_nothing_to_buy(self):
        found = propose(Plan(Basis.ASSET_CLASS, {"BOND": D("0.5")}), account(100), Wishes())
        assert (found.trades, found.unfilled) == ([], {"BOND": 50})

    def test_buy_the_first_of_a_category_of_a_taxonomy(self):
        plan = Plan(Basis.TAXONOMY, {"Europe": D(1)}, {"a": {"Europe": D(1)}, "b": {"Asia": D(1)}})
        assert quantities(plan, account(100, asset("a"), asset("b", "2"))) == {"b": "-2", "a": "12"}

    def test_leave_the_unclassified_alone(self):
        plan = Plan(Basis.TAXONOMY, {"Europe": D(1)}, {"a": {"Europe": D(1)}})
        assert quantities(plan, account(20, asset("a"), asset("b", "8"))) == {"a": "2"}

    def test_say_what_is_not_traded_any_more(self):
        gone = asset("a")._replace(traded=False)
        found = propose(by_instrument(a="0.5", b="0.5"), account(100, gone, asset("b")), Wishes())
        assert ([(trade.asset.key, trade.quantity) for trade in found.trades], found.unfilled) == ([("b", 5)], {"a": D(50)})

    def test_buy_back_a_short_position(self):
        assert quantities(by_instrument(a="0.5"), account(200, asset("a", "-5"), asset("b", "5"))) == {"b": "-5", "a": "15"}


money = st.decimals(0, 100_000, places=2)
price = st.decimals("0.01", 5_000, places=3)
share = st.integers(0, 100)


@st.composite
def worlds(draw, *bases: Basis):
    """Return a plan and an account to which it may belong."""
    names = "abcdef"[: draw(st.integers(1, 6))]
    assets = [
        asset(
            name,
            draw(st.decimals(-20, 500, places=draw(st.sampled_from([0, 0, 4])))),
            draw(price),
            cls=draw(st.sampled_from(CLASSES)),
            currency=draw(st.sampled_from(["USD", "EUR"])),
            rate=draw(st.sampled_from(["1", "1.0837", "0.00671", "0.333333333333"])),
            multiplier=draw(st.sampled_from(["1", "1", "100"])),
        )
        for name in names
    ]
    basis = draw(st.sampled_from(bases or list(Basis)))
    keys = {Basis.INSTRUMENT: names, Basis.ASSET_CLASS: CLASSES, Basis.CURRENCY: ("USD", "EUR"), Basis.TAXONOMY: CATEGORIES}[
        basis
    ]
    given_ = {key: draw(share) for key in draw(st.lists(st.sampled_from(list(keys)), unique=True, min_size=1))}
    whole = D(max(sum(given_.values()), 100))
    weights = {key: (D(weight) / whole).quantize(D("0.000001"), "ROUND_DOWN") for key, weight in given_.items()}
    shares = {}
    for name in names:
        parts = draw(st.lists(st.sampled_from(["1", "0.6", "0.4", "0.25"]), max_size=2))
        if sum(map(D, parts)) <= 1:
            shares[name] = dict(zip(draw(st.permutations(CATEGORIES)), map(D, parts), strict=False))
    return Plan(basis, weights, shares), account(draw(money) - draw(st.sampled_from([0, 0, 5000])), *assets)


wishes = st.builds(
    Wishes,
    minimum_trade=st.sampled_from([D(0), D(100), D("999.99")]),
    whole_shares=st.booleans(),
    cash_only=st.booleans(),
    new_cash=st.sampled_from([D(0), D(0), D("12345.67"), D(-1000)]),
)


class TestLaws:
    @given(worlds(), wishes)
    def test_no_proposal_does_harm(self, world, wished):
        plan, held = world
        assume(held.total + wished.new_cash > 0)
        found = propose(plan, held, wished)
        there = held.cash + wished.new_cash
        assert found.cash == there + sold(found.trades) - bought(found.trades)
        assert found.cash >= min(there + sold(found.trades), D(0)) or not bought(found.trades)
        assert bought(found.trades) <= max(there + sold(found.trades), D(0))
        assert found.after.off <= found.before.off
        for trade in found.trades:
            assert trade.quantity != 0
            assert abs(trade.value) >= wished.minimum_trade
            if trade.quantity < 0:
                assert not wished.cash_only
                assert -trade.quantity <= trade.asset.held.quantity
            if wished.whole_shares and trade.asset.held.asset_class != "CRYPTO":
                assert trade.quantity == trade.quantity.to_integral_value()

    @given(worlds(), wishes)
    def test_the_same_question_has_the_same_answer_whatever_the_order(self, world, wished):
        plan, held = world
        assume(held.total + wished.new_cash > 0)
        turned = Account(held.total, held.cash, held.assets[::-1])
        one, other = propose(plan, held, wished), propose(plan, turned, wished)
        assert [trade[1:] for trade in one.trades] == [trade[1:] for trade in other.trades]

    @given(worlds())
    def test_what_stands_adds_up(self, world):
        plan, held = world
        drift = measure(plan, [one.held for one in held.assets], held.total)
        assert sum(row.value for row in drift.everything) == held.total
        assert sum(row.target for row in drift.everything) == held.total
        assert sum(row.difference for row in drift.everything) == 0

    @given(worlds(Basis.INSTRUMENT))
    def test_an_account_that_was_rebalanced_by_fractions_needs_nothing_more(self, world):
        plan, held = world
        assume(held.total > 0 and held.cash >= 0)
        found = propose(plan, held, Wishes(whole_shares=False))
        traded = {trade.asset.key: trade for trade in found.trades}
        after = [
            one._replace(
                held=one.held._replace(
                    quantity=one.held.quantity + traded[one.key].quantity, value=one.held.value + traded[one.key].value
                )
            )
            if one.key in traded
            else one
            for one in held.assets
        ]
        again = propose(plan, Account(held.total, found.cash, after), Wishes(whole_shares=False, minimum_trade=D("0.01")))
        assert [trade for trade in again.trades if abs(trade.value) > 1] == []

    @given(worlds(Basis.INSTRUMENT), st.booleans())
    def test_what_is_left_is_less_than_a_unit_of_each(self, world, whole):
        plan, held = world
        assume(held.total > 0 and held.cash >= 0 and all(one.held.quantity >= 0 for one in held.assets))
        weights = {key: weight for key, weight in plan.weights.items() if key in {one.key for one in held.assets}}
        found = propose(Plan(plan.basis, weights), held, Wishes(whole_shares=whole))
        lots = sum((one.base(D(1)) + D("0.01") for one in held.assets), D(0))
        assert found.after.off <= lots
        if not whole:
            assert found.after.off <= D("0.01") + lots / 10**6

    @given(worlds(), wishes, st.integers(0, 5))
    def test_what_is_not_traded_any_more_stays_as_it_is(self, world, wished, place):
        plan, held = world
        assume(held.total + wished.new_cash > 0)
        assets = [one._replace(traded=number != place) for number, one in enumerate(held.assets)]
        found = propose(plan, Account(held.total, held.cash, assets), wished)
        assert all(trade.asset.traded for trade in found.trades)
        assert found.after.off <= found.before.off


class TestDrift:
    def test_of_an_account_without_value_has_no_weights(self):
        drift = measure(by_instrument(a="1"), [], D(0))
        assert (drift.off, drift.weight(drift.off)) == (0, None)

    @pytest.mark.parametrize(("basis", "keys"), [(Basis.CURRENCY, ["EUR", "USD"]), (Basis.ASSET_CLASS, ["EQUITY", "BOND"])])
    def test_is_by_what_the_weights_are_for(self, basis, keys):
        held = [asset("a", "1", currency="EUR").held, asset("b", "3", cls="BOND").held]
        drift = measure(Plan(basis, {keys[0]: D("0.5")}), held, D(50))
        assert [(row.key, row.planned, row.value) for row in drift.rows] == [(keys[0], True, 10), (keys[1], False, 30)]
        assert (drift.cash.value, drift.cash.target, drift.off) == (10, 25, 30)

    def test_names_what_is_unclassified(self):
        plan = Plan(Basis.TAXONOMY, {"Europe": D("0.5")}, {"a": {"Europe": D("0.6")}})
        drift = measure(plan, [asset("a", "5").held, asset("b", "5").held], D(100))
        assert (drift.rows[0].value, drift.unclassified.value, drift.unclassified.instruments) == (30, 70, ("a:X", "b:X"))
