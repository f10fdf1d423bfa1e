"""Whatever an account went through: the bridge of every period closes in every currency, and contributions sum to it."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from types import SimpleNamespace
from uuid import uuid4

import pytest
import pyxirr

from tests.clients import browser
from tests.factories import make_account, make_instrument, make_user, post
from tests.portfolio.market import bars, fresh_currencies, rates

D = Decimal
FIRST = date(2024, 1, 15)
DAYS = 45
CAUSES = {"price": 1, "income": 1, "currency": 1, "interest": 1, "fees": -1, "taxes": -1}
TINY = D("1e-8")


def at(offset, hour=15):
    return datetime.combine(FIRST + timedelta(days=offset), datetime.min.time(), UTC) + timedelta(hours=hour)


def day(offset):
    return (FIRST + timedelta(days=offset)).isoformat()


def market(chance, home, abroad, *, late):
    """Return instruments at home, abroad and in pence, with prices and rates; `late`: some begin in the middle."""
    shares = [make_instrument(currency=currency) for currency in (home, abroad, "GBX")]
    for share in shares:
        begin = chance.randrange(DAYS // 2) if late and chance.random() < 0.5 else 0
        scale = 100 if share.currency == "GBX" else 1
        bars(share, {day(n): scale * chance.randint(20, 90) for n in range(begin, DAYS) if n % 7 < 5})
    for base, quote in ((abroad, home), ("GBP", home)):
        begin = chance.randrange(10) if late and chance.random() < 0.5 else 0
        rates(base, quote, {day(n): f"{chance.randint(50, 250)}e-2" for n in range(begin, DAYS) if n % 3 or n == begin})
    return shares


KINDS = ["BUY", "BUY", "BUY", "SELL", "SELL", "SHORT", "COVER", "DIVIDEND", "DEPOSIT", "WITHDRAWAL", "INTEREST", "FEE"]
KINDS += ["TRANSFER_IN", "TRANSFER_OUT", "FX", "LIABILITY", "SPLIT", "STAKING", "RETURN_OF_CAPITAL", "TAX", "REFUND"]


def fields_of(chance, kind, share, home, abroad):
    """Return the fields of an entry of a kind, but for its day."""
    size, own = chance.randint(1, 9), share.currency
    amount = D(chance.randint(1, 90000)) / 100
    paid_in = chance.choice([own, own, home, abroad]) if own != "GBX" else chance.choice(["GBX", "GBP", home])
    price = D(chance.randint(2000, 9000)) / 100 * (100 if paid_in == "GBX" else 1)
    money = {"currency": chance.choice([home, abroad, "GBP", "GBX"])}
    stated = {"data": {"fx_rate": "1.31"}} if chance.random() < 0.3 and paid_in != home else {}
    cost = {"data": {"cost": "300"}} if chance.random() < 0.5 else {}
    traded = {"instrument": share, "price": price, "currency": paid_in, "fee": "1.5"} | stated
    units = {"instrument": share, "currency": own}
    fields = {
        "DIVIDEND": {"instrument": share, "cash": amount, "tax": "2", "currency": paid_in} | stated,
        "DEPOSIT": {"cash": amount} | money,
        "INTEREST": {"cash": amount} | money,
        "WITHDRAWAL": {"cash": -amount} | money,
        "FEE": {"cash": -amount} | money,
        "TAX": {"instrument": share, "cash": -amount, "currency": paid_in} | stated,
        "REFUND": {"cash": amount, "data": {"refund": "FEE"}} | money,
        "TRANSFER_IN": units | {"quantity": D(size)} | cost,
        "TRANSFER_OUT": units | {"quantity": D(-size)},
        "FX": {"cash": -amount, "currency": abroad, "group": uuid4()},
        "LIABILITY": {"price": amount, "currency": abroad, "data": {"name": "loan"}},
        "SPLIT": {"instrument": share, "data": {"ratio": "2:1"}},
        "STAKING": units | {"quantity": D(size)},
        "RETURN_OF_CAPITAL": units | {"cash": amount},
    }
    return fields.get(kind) or traded | {"quantity": D(size if kind in {"BUY", "COVER"} else -size)}


def fill(chance, account, shares, home, abroad):
    """Post a life's worth of entries to an account."""
    post(account, "DEPOSIT", cash="5000", currency=account.base_currency, occurred_at=at(0, 1))
    for _ in range(30):
        kind, when = chance.choice(KINDS), at(chance.randrange(DAYS))
        fields = fields_of(chance, kind, chance.choice(shares), home, abroad) | {"occurred_at": when}
        post(account, "FEE" if kind == "REFUND" else kind, **fields)
        if kind == "FX":
            post(account, kind, **fields | {"cash": -2 * fields["cash"], "currency": home})


@pytest.fixture(params=range(4))
def world(request):
    """Return two accounts in different currencies with random entries, prices and rates; every other time some begin late."""
    chance = Random(request.param)
    home, abroad = fresh_currencies(2)
    person = make_user("bridge", base_currency=home)
    shares = market(chance, home, abroad, late=request.param % 2)
    accounts = [make_account(owner=person, base_currency=currency) for currency in (home, abroad)]
    for account in accounts:
        fill(chance, account, shares, home, abroad)
    client = browser(person)

    def get(url, **query):
        response = client.get(f"/api/v1/{url}/", query)
        assert response.status_code == 200, response.content
        return response.json()

    periods = [{}] + [{"start": day(a), "end": day(b)} for a in (3, 12, 20) for b in (21, 33)] + [{"start": day(14)}]
    return SimpleNamespace(get=get, accounts=accounts, home=home, abroad=abroad, periods=periods)


def closes(answer):
    """Hold a bridge to the values at both ends."""
    bridge = {name: D(value) for name, value in answer["bridge"].items()}
    gain = sum(sign * bridge[name] for name, sign in CAUSES.items())
    assert gain == D(answer["gain"])
    assert D(answer["start_value"]) + D(answer["net_flows"]) + gain == D(answer["end_value"])
    return bridge


def test_of_accounts(world):
    for account in world.accounts:
        for currency in (world.home, world.abroad, "GBP"):
            for period in world.periods:
                answer = world.get(f"accounts/{account.pk}/performance", currency=currency, **period)
                if answer["bridge"] is None:
                    assert answer["reasons"]["bridge"].startswith("No rate")
                    continue
                bridge = closes(answer)
                rows = world.get(f"accounts/{account.pk}/contributions", currency=currency, **period)
                assert sum(D(row["gain"]) for row in rows["results"]) == D(answer["gain"])
                own = next(row for row in rows["results"] if row["instrument"] is None)
                # without mergers and spin-offs, prices act on instruments alone
                assert abs(D(own["price_gain"])) < TINY, (account.base_currency, currency, period)
                for name in CAUSES:
                    told = name if name not in {"price", "currency"} else f"{name}_gain"
                    assert sum(D(row[told]) for row in rows["results"]) == bridge[name], (name, currency, period)


def test_of_households(world):
    for chosen in ({}, {"accounts": str(world.accounts[1].pk)}):
        for currency in (world.home, world.abroad):
            for period in world.periods:
                answer = world.get("household/performance", currency=currency, **chosen, **period)
                if answer["bridge"] is not None:
                    closes(answer)


def test_days_lead_from_one_to_the_next_and_chain_to_the_return(world):
    for url in (f"accounts/{world.accounts[0].pk}", f"accounts/{world.accounts[1].pk}", "household"):
        for currency in (world.home, world.abroad):
            rows = world.get(f"{url}/snapshots", currency=currency)["results"]
            if not rows or any(row["total_value"] is None for row in rows):
                continue
            before = since = left = D(0)
            index = 1.0
            for row in rows:
                into, out, total = D(row["inflow"]), D(row["outflow"]), D(row["total_value"])
                assert D(row["day_gain"]) == total - before - into + out
                parts = D(row["price_gain"]) + D(row["currency_gain"]) + D(row["income"]) + D(row["interest"])
                assert parts - D(row["fees"]) - D(row["taxes"]) == D(row["day_gain"])
                before, since, left = total, since + into, left + out
                if not row["complete"]:
                    assert row["twr_index"] is None
                    continue
                if since > 0:
                    index *= float(max(total + left, D(0)) / since)
                assert float(row["twr_index"]) == pytest.approx(index, rel=1e-9, abs=1e-15)
                since, left = total, D(0)
            answer = world.get(f"{url}/performance", currency=currency)
            if answer["twr"] is not None:
                assert float(answer["twr"]) == pytest.approx(index - 1, abs=1e-9)
            assert rows[-1]["total_gain"] == answer["gain"]
            flows = [(row["date"], D(row["outflow"]) - D(row["inflow"])) for row in rows]
            check_rates(answer, [flow for flow in flows if flow[1]], rows[-1])


def check_rates(answer, flows, last):
    """Hold the money-weighted and the simple return to their definitions."""
    put_in = -sum(amount for _, amount in flows if amount < 0)
    if put_in > 0:
        assert abs(D(answer["simple_return"]) - D(answer["gain"]) / put_in) < TINY
    if answer["xirr"] is not None:
        moved = [(date.fromisoformat(when), float(amount)) for when, amount in flows]
        moved.append((date.fromisoformat(last["date"]), float(last["total_value"])))
        worth = pyxirr.xnpv(float(answer["xirr"]), *zip(*moved, strict=True))
        assert abs(worth) < 1e-4 * sum(abs(amount) for _, amount in moved)
