"""What the journal says of ledgers made at random is what a calculator says that knows nothing but fractions and lists."""

import random
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest

from accounts.models.tenancy import acting_as
from marketdata.models import CorporateAction
from tests.factories import make_instrument
from tests.trading.factories import AT, make_decision, make_fill, make_order
from trading.domain.journal_statistics import By
from trading.models import Fill
from trading.selectors.journal import COLUMNS, derived, splits_of
from trading.selectors.journal_pages import journal_of
from trading.selectors.journal_statistics import statistics_of_journal

HOUR = timedelta(hours=1)
SPLIT_AT = AT + 20 * HOUR


def money(amount):
    """Return a fraction with ten places, halves to the even neighbor."""
    return Fraction(round(amount * 10**10), 10**10)


def history(account, seed):
    """Store orders and fills at random; return for each fill what the calculator is to know."""
    chance, told = random.Random(seed), []
    plain, cut, lots = make_instrument(), make_instrument(), make_instrument(multiplier=100)
    split = {"kind": "SPLIT", "ratio": Decimal(3), "ex_date": SPLIT_AT.date(), "recorded_at": AT}
    CorporateAction.objects.create(instrument=cut, **split)
    entries = []
    for hour in range(40):
        at, instrument = AT + hour * HOUR, chance.choice([plain, cut, lots])
        parent = chance.choice([None, *entries[-6:]])
        opens = chance.random() < 0.55 or parent is None
        if opens:
            side, about = chance.choice(["BUY", "SELL"]), {"effect": "OPEN"}
            if chance.random() < 0.5:
                about["decision"] = make_decision(account, instrument, stop_loss=chance.choice(["90.5", "111.25"]))
        else:
            side, instrument = {"BUY": "SELL", "SELL": "BUY"}[parent.side], parent.instrument
            bracket = {"parent": parent, "role": "TAKE_PROFIT", "order_class": "OTO"} if chance.random() < 0.5 else {}
            about = {"effect": "CLOSE", **bracket}
        count = chance.choice([1, 1, 2, 3])
        sizes = [Decimal(chance.randint(1, 9)) for _ in range(count)]
        order = make_order(account, instrument, side=side, created_at=at, quantity=sum(sizes), **about)
        entries += [order] if opens else []
        factor = 3 if instrument is cut and at.date() < SPLIT_AT.date() else 1
        for number, size in enumerate(sizes):
            price, fee = Decimal(chance.randint(9000, 11200)) / 100, Decimal(chance.randint(0, 99)) / 100
            when = at + number * HOUR / 7
            make_fill(order, str(size), str(price), at=when, fee=fee)
            told.append((order, opens, when, Fraction(size) * factor, Fraction(price) / factor, Fraction(fee), factor))
    return sorted(told, key=lambda one: one[2])


def by_hand(told):
    """Return gross, net, multiple of the risk and seconds held of each trade that was closed, by its order."""
    trades, waiting = {}, {}
    for order, opens, at, size, price, fee, factor in told:
        long = (order.side == "BUY") == opens
        queue = waiting.setdefault((order.instrument_id, long), [])
        if opens:
            if order.pk not in trades:
                stop = order.decision and order.decision.stop_loss
                trades[order.pk] = about = {"in": [], "out": [], "long": long, "at": at, "order": order, "left": Fraction(0)}
                about["stop"] = None if stop is None else Fraction(Decimal(stop)) / factor
            trade = trades[order.pk]
            trade["in"].append((size, price, fee))
            trade["left"] += size
            if trade not in queue:
                queue.append(trade)
            continue
        left, fee_left = size, fee
        while left and queue:
            own = [trade for trade in queue if trade["order"].pk == order.parent_id]
            trade = (own or queue)[0]
            part = min(left, trade["left"])
            borne = fee_left if part == left else money(fee_left * part / left)
            trade["out"].append((part, price, borne))
            trade["left"] -= part
            left, fee_left, trade["until"] = left - part, fee_left - borne, at
            if not trade["left"]:
                queue.remove(trade)
    return {key: figures(one) for key, one in trades.items() if not one["left"]}


def figures(trade):
    """Return what a trade came to."""
    sign, size = 1 if trade["long"] else -1, Fraction(trade["order"].instrument.multiplier)
    units = sum(one[0] for one in trade["in"])
    spent, brought = (sum(one[0] * one[1] for one in trade[side]) for side in ("in", "out"))
    gross = money((brought - spent) * size * sign)
    net = gross - sum(one[2] for side in ("in", "out") for one in trade[side])
    risk = None if trade["stop"] is None else (money(spent / units) - trade["stop"]) * sign * size
    multiple = money(net / (risk * units)) if risk is not None and risk > 0 else None
    return gross, net, multiple, (trade["until"] - trade["at"]).total_seconds()


@pytest.mark.parametrize("seed", range(6))
def test_every_figure_is_that_of_a_calculator_with_fractions(account, seed):
    with acting_as(account.owner_id):
        told = history(account, seed)
        journal = journal_of(account)
        rows = list(Fill.objects.filter(account=account).order_by("at", "pk").values_list(*COLUMNS))
        total = statistics_of_journal(account, journal, by=By.HOUR, zone=ZoneInfo("UTC")).total
    wanted = by_hand(told)
    found = {
        one.order: (
            *(Fraction(one.trip.gross), Fraction(one.trip.net)),
            None if (multiple := one.sized.r_multiple(one.facts.stop_loss)) is None else Fraction(multiple),
            one.trip.held_for.total_seconds(),
        )
        for one in journal.trades
        if one.trip.closed_at is not None
    }
    assert found == wanted
    assert len(wanted) > 3
    assert (Fraction(total.gross), Fraction(total.net)) == tuple(sum(one[place] for one in wanted.values()) for place in (0, 1))
    other = sorted(derived(rows, splits_of({row[1] for row in rows})), key=lambda one: one.key)
    assert list(journal.trades) == other
