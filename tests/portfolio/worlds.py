"""Accounts in which much happened, for tests that only look: made once, and looked at from many sides."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

from accounts.models import Account, User
from marketdata.models import Instrument
from tests.factories import make_account, make_instrument, make_user, post
from tests.portfolio.market import bars, fresh_currencies, rates


def at(day: str) -> datetime:
    """Return an instant on a day."""
    return datetime.fromisoformat(f"{day}T15:00").replace(tzinfo=UTC)


def busy(owner: User, method: str, base: str, foreign: str) -> Account:
    """Return an account in which much happened in a fortnight, in two currencies."""
    account = make_account(owner=owner, base_currency=base, kind="MARGIN", cost_basis_method=method)
    share, other = make_instrument(currency=base), make_instrument(currency=foreign)
    bars(share, {f"2024-01-{n:02}": f"{100 + n}.37" for n in (2, 3, 4, 5, 8, 9, 10, 11, 12)})
    bars(other, {f"2024-01-{n:02}": f"{50 - n}.013" for n in (3, 4, 8, 9, 10)})
    mine, theirs = {"currency": base}, {"currency": foreign}
    post(account, "DEPOSIT", cash="9000", occurred_at=at("2024-01-02"), **mine)
    post(account, "BUY", instrument=share, quantity="20", price="100", fee="1", occurred_at=at("2024-01-02"), **mine)
    post(account, "BUY", instrument=share, quantity="3", price="101.11", fee="1", occurred_at=at("2024-01-03"), **mine)
    post(account, "DEPOSIT", cash="800", occurred_at=at("2024-01-03"), data={"fx_rate": "1.3"}, **theirs)
    post(account, "BUY", instrument=other, quantity="7", price="48", occurred_at=at("2024-01-03"), **theirs)
    post(account, "SELL", instrument=share, quantity="-7", price="104", fee="2", occurred_at=at("2024-01-04"), **mine)
    post(account, "SPLIT", instrument=share, data={"ratio": "2:1"}, occurred_at=at("2024-01-06"), **mine)
    post(account, "DIVIDEND", instrument=other, cash="3", tax="1", occurred_at=at("2024-01-08"), **theirs)
    post(account, "WITHDRAWAL", cash="-500", occurred_at=at("2024-01-09"), **mine)
    post(account, "INTEREST", cash="1.23", occurred_at=at("2024-01-09"), **mine)
    post(account, "SELL", instrument=other, quantity="-3", price="44", occurred_at=at("2024-01-10"), **theirs)
    post(account, "SELL", instrument=share, quantity="-29", price="55", fee="2", occurred_at=at("2024-01-11"), **mine)
    post(account, "SHORT", instrument=other, quantity="-9", price="41", occurred_at=at("2024-01-11"), **theirs)
    return account


def strange(owner: User) -> Account:
    """Return an account to which nearly everything happened that can."""
    account = make_account(owner=owner, cost_basis_method="FIFO", wash_sales=True)
    share, child, coin, heir = (make_instrument() for _ in range(4))
    days = [f"2024-03-{n:02}" for n in range(1, 29)]
    for number, one in enumerate((share, child, coin, heir), 1):
        bars(one, {day: f"{number * 10 + n}.31" for n, day in enumerate(days)})
    mine = {"currency": "USD"}
    post(account, "DEPOSIT", cash="9000", occurred_at=at("2024-03-01"), **mine)
    data = {"cost": "77.77"}
    post(account, "TRANSFER_IN", instrument=share, quantity="7", data=data, occurred_at=at("2024-03-02"), **mine)
    post(account, "BUY", instrument=share, quantity="10", price="12", fee="1", occurred_at=at("2024-03-03"), **mine)
    post(account, "SELL", instrument=share, quantity="-8", price="6", fee="1", occurred_at=at("2024-03-04"), **mine)
    post(account, "BUY", instrument=share, quantity="3", price="7", occurred_at=at("2024-03-05"), **mine)
    post(account, "RETURN_OF_CAPITAL", instrument=share, cash="13", occurred_at=at("2024-03-06"), **mine)
    post(account, "STAKING", instrument=coin, quantity="2", occurred_at=at("2024-03-07"), **mine)
    spun = {"from": share.key, "cost_fraction": "0.2"}
    post(account, "SPIN_OFF", instrument=child, quantity="4", data=spun, occurred_at=at("2024-03-08"), **mine)
    post(account, "FEE", instrument=share, cash="-2", occurred_at=at("2024-03-09"), **mine)
    post(account, "TAX", cash="-3", occurred_at=at("2024-03-09"), **mine)
    post(account, "SELL", instrument=coin, quantity="-5", price="36", occurred_at=at("2024-03-10"), **mine)
    post(account, "TRANSFER_OUT", instrument=share, quantity="-2", occurred_at=at("2024-03-11"), **mine)
    post(account, "LIABILITY", price="500", data={"name": "loan"}, occurred_at=at("2024-03-12"), **mine)
    post(account, "SPLIT", instrument=share, data={"ratio": "3:2"}, occurred_at=at("2024-03-13"), **mine)
    post(account, "SELL", instrument=share, quantity="-20", price="9", occurred_at=at("2024-03-14"), **mine)
    return account


def far(owner: User, base: str, foreign: str) -> tuple[Account, Account]:
    """Return two accounts: shares in pence, options, coins of thirds, wash sales, a rate that comes late, what moved between.

    They are in other currencies; both need rates of pounds and of a foreign currency.
    """
    account = make_account(owner=owner, base_currency=base, cost_basis_method="HIFO", wash_sales=True)
    other = make_account(owner=owner, base_currency=foreign, kind="CRYPTO")
    between, turned = uuid4(), uuid4()
    london, share, coin = (make_instrument(currency=code) for code in ("GBX", foreign, foreign))
    option = make_instrument(
        currency=foreign, asset_class="OPTION", multiplier=Decimal(100), underlying=share, expiry=date(2024, 6, 21),
        strike=Decimal(50), right="CALL",
    )  # fmt: skip
    rates("GBP", base, {"2024-05-06": "1.2537", "2024-05-08": "1.2611", "2024-05-14": "1.2407"})
    rates("GBP", foreign, {"2024-05-06": "0.8537", "2024-05-09": "0.8611"})
    rates(foreign, base, {"2024-05-08": "1.4671", "2024-05-10": "1.5013", "2024-05-13": "1.4407"})
    rates(base, foreign, {"2024-05-06": "0.6817", "2024-05-10": "0.6661", "2024-05-13": "0.6941"})
    for place, one in enumerate((london, share, coin, option)):
        closes = {f"2024-05-{n:02}": f"{(40, 50, 3, 2)[place] + (n * 7 + place) % 5}.{n}7" for n in (7, 8, 9, 10, 13, 14, 15)}
        bars(one, closes)
    pounds, theirs, mine = {"currency": "GBP"}, {"currency": foreign}, {"currency": base}
    gross = {"cash": "17", "tax": "3", "data": {"fx_rate": "1.25"}}
    moved = {"lots": [{"opened_at": "2024-05-07T15:00:00Z", "quantity": "333", "cost": "137.99", "currency": "GBP"}]}
    for kind, day, fields in (
        ("DEPOSIT", 6, {"cash": "5000", **mine}),
        ("DEPOSIT", 6, {"cash": "3000", **pounds}),
        ("DEPOSIT", 6, {"cash": "6000", **theirs}),  # of which no rate is known for two days
        ("BUY", 7, {"instrument": london, "quantity": "1000", "price": "0.41", "fee": "3", "tax": "2.05", **pounds}),
        ("BUY", 7, {"instrument": share, "quantity": "30", "price": "52", **theirs}),
        ("BUY", 8, {"instrument": option, "quantity": "3", "price": "2.35", "fee": "1.95", **theirs}),
        ("SELL", 9, {"instrument": share, "quantity": "-21", "price": "47.77", "fee": "1", **theirs}),
        ("BUY", 9, {"instrument": share, "quantity": "7", "price": "48", **theirs}),
        ("BUY", 10, {"instrument": share, "quantity": "5", "price": "48.5", "data": {"fx_rate": "1.49"}, **theirs}),
        ("SELL", 13, {"instrument": option, "quantity": "-2", "price": "3.11", "fee": "1.3", **theirs}),
        ("DIVIDEND", 13, {"instrument": london, **gross, **pounds}),
        ("FX", 13, {"cash": "-100", "group": turned, **pounds}),
        ("FX", 13, {"cash": "125.5", "group": turned, **mine}),
        ("SHORT", 13, {"instrument": coin, "quantity": "-33.3333333333", "price": "3", **theirs}),
        ("COVER", 14, {"instrument": coin, "quantity": "11.1111111111", "price": "4", **theirs}),
        ("TRANSFER_OUT", 14, {"instrument": london, "quantity": "-333", "group": between, **pounds}),
    ):
        post(account, kind, occurred_at=at(f"2024-05-{day:02}"), **fields)
    for kind, day, fields in (
        ("DEPOSIT", 8, {"cash": "900", **theirs}),
        ("BUY", 9, {"instrument": coin, "quantity": "33.3333333333", "price": "3", "fee": "1", **theirs}),
        ("TRANSFER_IN", 14, {"instrument": london, "quantity": "333", "data": moved, "group": between, **pounds}),
        ("SELL", 15, {"instrument": coin, "quantity": "-11.1111111111", "price": "4", "fee": "1", **theirs}),
    ):
        post(other, kind, occurred_at=at(f"2024-05-{day:02}"), **fields)
    return account, other


class Fortnights:
    """The busy accounts, one for each method of cost basis, each made when it is first asked for; all in the same currencies."""

    def __init__(self) -> None:
        self.owner = make_user("alice")
        self.base, self.foreign, self.third = fresh_currencies(3)
        self.made: dict[str, Account] = {}
        rates(self.foreign, self.base, {f"2024-01-{n:02}": f"1.{n:02}37" for n in (2, 4, 5, 9)})
        rates(self.base, self.third, {f"2024-01-{n:02}": f"0.9{n:02}1" for n in (1, 3, 4, 8, 11)})
        rates(self.foreign, self.third, {f"2024-01-{n:02}": f"1.1{n:02}3" for n in (1, 3, 4, 8, 11)})

    def busy(self, method: str) -> Account:
        """Return the account of a method."""
        if method not in self.made:
            self.made[method] = busy(self.owner, method, self.base, self.foreign)
        return self.made[method]


def benchmark_of(currency: str) -> Instrument:
    """Return an instrument to compare with, which pays a dividend."""
    found: Any = make_instrument(currency=currency, asset_class="ETF")
    bars(found, {f"2024-01-{n:02}": f"{400 + (n * 11) % 7}.{n}" for n in range(1, 13)})
    return found
