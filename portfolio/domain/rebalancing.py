"""The trades that would bring an account nearer to its targets: a proposal, which posts nothing and guesses no fees.

1. What is above its target is sold down to it, each holding of a category by the same fraction; unless only cash may be used.
2. The cash above the target for cash, with what sales bring, is shared out among what is below its target: to each what it
   lacks, or where that is not enough, by what each lacks. Within a category the holdings are bought in the proportions held.
3. Quantities are rounded down, to whole units or to nine places. The units that still fit into the cash go one by one to those
   whose rounding lost the largest remainder of a unit, the first by name where two are alike; cash that is left over and buys a
   whole unit of what still lacks one is shared out again.
4. Trades below the minimum fall away: of buys those whose share of the cash is below it, the smallest first, and its cash is
   shared out anew; then those that are below it once rounded.

What is not traded any more stays as it is. So never more is spent than there is, never more sold than held, and the drift never
grows: a trade moves its category by no more than the cash. Only an instrument in several categories of a taxonomy can move one
away from its target; where the drift would grow by that, such instruments are left alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from portfolio.domain.allocation import Drift, Held, Plan, measure
from portfolio.domain.exact import EXACT, ONE, ZERO, money

FRACTION_PLACES = 9  # of a unit, as brokers take them
INDIVISIBLE = frozenset({"EQUITY", "ETF", "FUND", "BOND", "OPTION", "FUTURE", "FX", "INDEX", "COMMODITY"})  # a coin is no share


class Asset(NamedTuple):
    """What can be traded: the price of a unit in its own currency, and the rate of that into the account's."""

    held: Held
    price: Decimal
    multiplier: Decimal = ONE
    rate: Decimal = ONE
    traded: bool = True  # what is not traded any more stays as it is

    @property
    def key(self) -> str:
        """Which instrument it is."""
        return self.held.key

    @property
    def unit(self) -> Fraction:
        """What one unit comes to in the account's currency, exactly."""
        return Fraction(self.price) * Fraction(self.multiplier) * Fraction(self.rate)

    def own(self, quantity: Decimal) -> Decimal:
        """Return what units come to in their own currency."""
        return money(EXACT.multiply(EXACT.multiply(quantity, self.price), self.multiplier))

    def base(self, quantity: Decimal) -> Decimal:
        """Return what units come to in the account's currency."""
        return money(EXACT.multiply(self.own(quantity), self.rate))


@dataclass(frozen=True, slots=True)
class Wishes:
    """How the proposal is to be made; amounts are in the account's currency."""

    minimum_trade: Decimal = ZERO
    whole_shares: bool = True
    cash_only: bool = False
    new_cash: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Account:
    """What there is: the total value, the cash in it, and everything that is held or may be bought."""

    total: Decimal
    cash: Decimal
    assets: Sequence[Asset]

    def with_cash(self, amount: Decimal) -> Account:
        """Return the account after money came in."""
        return Account(self.total + amount, self.cash + amount, self.assets)


class Trade(NamedTuple):
    """Units to buy, or to sell where below zero, and what they are estimated to come to; `value` is in the account's currency."""

    asset: Asset
    quantity: Decimal
    own: Decimal
    value: Decimal


@dataclass(frozen=True, slots=True)
class Proposal:
    """Trades, sales first and then by name; where everything stands before them (with the new cash) and after."""

    trades: Sequence[Trade]
    before: Drift
    after: Drift
    cash: Decimal
    unfilled: Mapping[str, Decimal] = field(default_factory=dict)  # what has nothing that could be bought, and what it lacks


def propose(plan: Plan, account: Account, wishes: Wishes) -> Proposal:
    """Return the trades that bring an account nearer to a plan.

    >>> held = Held("1", "A:X", Decimal(9), Decimal(90), "EQUITY", "USD")
    >>> other = Held("2", "B:X", Decimal(0), Decimal(0), "EQUITY", "USD")
    >>> from accounts.domain.plans import Basis
    >>> plan = Plan(Basis.INSTRUMENT, {"1": Decimal("0.5"), "2": Decimal("0.5")})
    >>> account = Account(Decimal(100), Decimal(10), [Asset(held, Decimal(10)), Asset(other, Decimal(15))])
    >>> [(trade.asset.key, str(trade.quantity)) for trade in propose(plan, account, Wishes()).trades]
    [('1', '-4'), ('2', '3')]
    """
    account = account.with_cash(wishes.new_cash)
    before = _drift(plan, account, {})
    tradable = [one for one in account.assets if one.traded]
    for assets in (tradable, [one for one in tradable if len(plan.places(one.held)) == 1]):
        run = _Run(plan, account, wishes, before, sorted(assets, key=lambda one: one.held.name))
        found = run.trades()
        after = _drift(plan, account, found)
        if after.off <= before.off:
            break
    else:
        found, after = {}, before
    trades = [
        Trade(one, found[one.key], one.own(found[one.key]), one.base(found[one.key]))
        for one in account.assets
        if found.get(one.key)
    ]
    trades.sort(key=lambda trade: (trade.quantity > 0, trade.asset.held.name))
    cash = account.cash - sum((trade.value for trade in trades), ZERO)
    return Proposal(trades, before, after, cash, run.unfilled)


def _drift(plan: Plan, account: Account, trades: Mapping[str, Decimal]) -> Drift:
    """Return where everything stands after trades."""
    return measure(plan, [_after(one, trades.get(one.key, ZERO)) for one in account.assets], account.total)


def _after(asset: Asset, traded: Decimal) -> Held:
    """Return a holding after a trade."""
    held = asset.held
    if not traded:
        return held
    return held._replace(quantity=held.quantity + traded, value=held.value + asset.base(traded))


class _Run:
    """One attempt at a proposal, with the assets that may be touched, by name."""

    def __init__(self, plan: Plan, account: Account, wishes: Wishes, before: Drift, assets: Sequence[Asset]) -> None:
        self.plan, self.account, self.wishes, self.before = plan, account, wishes, before
        self.assets = {asset.key: asset for asset in assets}
        self.shares = {asset.key: {key: Fraction(share) for key, share in plan.places(asset.held).items()} for asset in assets}
        self.unfilled: dict[str, Decimal] = {}

    def trades(self) -> dict[str, Decimal]:
        """Return the units to buy and to sell."""
        sales = {} if self.wishes.cash_only else self._sales()
        brought = sum((-self.assets[key].base(quantity) for key, quantity in sales.items()), ZERO)
        free = self.before.cash.value + brought - max(self.before.cash.target, ZERO)
        spendable = max(min(free, self.account.cash + brought), ZERO)
        needs = {key: need for key, need in self._needs().items() if key not in sales}
        return sales | _Buys(self.assets, needs, spendable, self.wishes).quantities()

    def _sales(self) -> dict[str, Decimal]:
        """Return what is sold of each holding: quantities below zero."""
        fractions: dict[str, Fraction] = {}
        for row in self.before.rows:
            longs = self._longs(row.key)
            worth = sum(longs.values(), Fraction(0))
            if row.difference > 0 and worth:
                fraction = min(Fraction(row.difference) / worth, Fraction(1))
                for key in longs:
                    fractions[key] = fractions.get(key, Fraction(0)) + fraction * self.shares[key][row.key]
        found = {}
        for key, fraction in fractions.items():
            asset = self.assets[key]
            quantity = _floor(Fraction(asset.held.quantity) * fraction, asset, self.wishes)
            if fraction == 1 and not _whole(asset, self.wishes):
                quantity = asset.held.quantity
            if quantity and asset.base(quantity) >= self.wishes.minimum_trade:
                found[key] = -quantity
        return found

    def _needs(self) -> dict[str, Fraction]:
        """Return what is to be bought of each asset, as an amount."""
        needs: dict[str, Fraction] = {}
        for row in self.before.rows:
            if row.difference >= 0 or not row.planned:
                continue
            weights = self._longs(row.key) or {
                key: shares[row.key] for key, shares in self.shares.items() if shares.get(row.key) and self.assets[key].unit > 0
            }
            if not weights:
                self.unfilled[row.key] = -row.difference
                continue
            whole = sum(weights.values(), Fraction(0))
            for key, weight in weights.items():
                needs[key] = needs.get(key, Fraction(0)) + Fraction(-row.difference) * weight / whole * self._damp(key, row.key)
        needs.update(self._covers())
        return needs

    def _damp(self, key: str, category: str) -> Fraction:
        """Return how much of an amount counts: what is only partly in a category is bought less of, not more."""
        return self.shares[key][category]

    def _covers(self) -> dict[str, Fraction]:
        """Return what buys back short positions that nobody planned; those in a category with others are left alone."""
        alone = {row.key: row for row in self.before.rows if not row.planned and row.difference < 0}
        return {
            key: Fraction(-alone[key].difference)
            for key, asset in self.assets.items()
            if key in alone and asset.held.quantity < 0 and self.shares[key].get(key) == 1
        }

    def _longs(self, category: str) -> dict[str, Fraction]:
        """Return what the holdings above zero are worth in a category."""
        return {
            key: Fraction(asset.held.value) * self.shares[key][category]
            for key, asset in self.assets.items()
            if asset.held.value > 0 and self.shares[key].get(category)
        }


@dataclass(frozen=True, slots=True)
class _Buys:
    """Amounts that are wanted, and the cash there is for them."""

    assets: Mapping[str, Asset]
    needs: Mapping[str, Fraction]
    spendable: Decimal
    wishes: Wishes

    def quantities(self) -> dict[str, Decimal]:
        """Return the units to buy; buys below the minimum fall away, the smallest first."""
        wanted = self._worthwhile(sorted(key for key, need in self.needs.items() if need > 0 and self.assets[key].unit > 0))
        minimum = self.wishes.minimum_trade
        while wanted:
            found = self._shared_out(wanted)
            small = [key for key, quantity in found.items() if self.assets[key].base(quantity) < minimum]
            if not small:
                return found
            small.sort(key=lambda key: (self.assets[key].base(found[key]), self._name(key)))
            gone = set(small[: len(small) // 8 + 1])  # one by one, but of hundreds more at once
            wanted = [key for key in wanted if key not in gone]
        return {}

    def _worthwhile(self, wanted: Sequence[str]) -> list[str]:
        """Return what is left when the smallest have fallen away whose share of the cash is below the minimum."""
        order = sorted(wanted, key=lambda key: (self.needs[key], self._name(key)))
        total, cash = sum((self.needs[key] for key in order), Fraction(0)), Fraction(self.spendable)
        minimum = Fraction(self.wishes.minimum_trade)
        for gone, key in enumerate(order):
            need = self.needs[key]
            if need * min(Fraction(1), cash / total) >= minimum:
                return sorted(order[gone:], key=self._name)
            total -= need
        return []

    def _name(self, key: str) -> str:
        """Return what an asset is called."""
        return self.assets[key].held.name

    def _shared_out(self, wanted: Sequence[str]) -> dict[str, Decimal]:
        """Return the units that the cash is enough for; what is left over is shared out again while it buys whole units."""
        found: dict[str, Decimal] = {}
        left, lacking = self.spendable, {key: self.needs[key] for key in wanted}
        while lacking:
            more = self._round(lacking, left)
            if not more:
                break
            for key, quantity in more.items():
                asset, had = self.assets[key], found.get(key, ZERO)
                left -= asset.base(had + quantity) - asset.base(had)
                found[key] = had + quantity
                lacking[key] -= Fraction(quantity) * asset.unit
            lacking = {
                key: lack
                for key, lack in lacking.items()
                if lack > 0 and _whole(self.assets[key], self.wishes) and self.assets[key].base(ONE) <= left
            }
        return found

    def _round(self, lacking: Mapping[str, Fraction], left: Decimal) -> dict[str, Decimal]:
        """Return units for an amount of cash: by what each lacks, rounded down, then one by one by the largest remainder."""
        scale = min(Fraction(1), Fraction(left) / sum(lacking.values(), Fraction(0)))
        found, lost = {}, {}
        for key, lack in lacking.items():
            asset = self.assets[key]
            exact = lack * scale / asset.unit
            quantity = _floor(exact, asset, self.wishes)
            while quantity > 0 and asset.base(quantity) > left:  # by a rounding of its value
                quantity -= _step(asset, self.wishes)
            left -= asset.base(quantity)
            found[key], lost[key] = quantity, exact - Fraction(quantity)
        for key in sorted(lacking, key=lambda one: (-lost[one], self._name(one))):
            asset = self.assets[key]
            more = asset.base(found[key] + 1) - asset.base(found[key])
            if _whole(asset, self.wishes) and lost[key] and more <= left:
                found[key], left = found[key] + 1, left - more
        return {key: quantity for key, quantity in found.items() if quantity}


def _whole(asset: Asset, wishes: Wishes) -> bool:
    """Say whether only whole units of an asset may be traded."""
    return wishes.whole_shares and asset.held.asset_class in INDIVISIBLE


def _step(asset: Asset, wishes: Wishes) -> Decimal:
    """Return the smallest quantity that may be traded."""
    return ONE if _whole(asset, wishes) else ONE.scaleb(-FRACTION_PLACES)


def _floor(quantity: Fraction, asset: Asset, wishes: Wishes) -> Decimal:
    """Return a quantity rounded down to what may be traded."""
    places = 0 if _whole(asset, wishes) else FRACTION_PLACES
    return Decimal(int(quantity * 10**places)).scaleb(-places, EXACT)


def bought(trades: Iterable[Trade]) -> Decimal:
    """Return what the buys among trades come to."""
    return sum((trade.value for trade in trades if trade.quantity > 0), ZERO)


def sold(trades: Iterable[Trade]) -> Decimal:
    """Return what the sales among trades come to."""
    return -sum((trade.value for trade in trades if trade.quantity < 0), ZERO)
