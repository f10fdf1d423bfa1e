"""An account worked out by hand from its event log and the closes of its shares: the plain way, to check the derived one by.

Nothing here is shared with the code that is checked. It knows deposits, withdrawals, purchases, sales, splits, and cash that
comes and goes; lots are closed first in, first out; an entry that was taken back adds up to nothing with its reversal.
"""

import csv
import io
import json
import math
import statistics
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

Closes = Mapping[str, Mapping[date, Decimal]]
FLOWS = {"DEPOSIT", "WITHDRAWAL"}


class ByHand:
    """The figures of an account at the end of the last day that has a close."""

    def __init__(self, log: bytes, closes: Closes) -> None:
        self.closes = closes
        self.events = sorted(map(_read, csv.DictReader(io.StringIO(log.decode()))), key=_place)
        self.cash = Decimal(0)
        self.deposited = Decimal(0)
        self.lots: dict[str, list[list[Decimal]]] = defaultdict(list)
        self.flows: list[tuple[date, Decimal]] = []
        self.values: dict[date, Decimal] = {}
        self.index: dict[date, float] = {}
        self.lowest_cash = Decimal(0)
        self._walk()

    @property
    def as_of(self) -> date:
        return max(self.values)

    @property
    def value(self) -> Decimal:
        return self.values[self.as_of]

    @property
    def twr(self) -> float:
        return self.index[self.as_of] - 1

    @property
    def max_drawdown(self) -> float:
        peak, worst = 0.0, 0.0
        for index in [1.0, *self.index.values()]:
            peak = max(peak, index)
            worst = min(worst, index / peak - 1)
        return worst

    @property
    def volatility(self) -> float:
        started: set[str] = set()
        bought = {ticker: min(event["day"] for event in self.events if event.get("ticker") == ticker) for ticker in self.lots}
        priced = []
        for day, index in self.index.items():
            started |= {ticker for ticker, first in bought.items() if first <= day}
            if any(day in self.closes[ticker] for ticker in started):
                priced.append(index)
        returns = [math.log(later / earlier) for earlier, later in pairwise(priced)]
        return statistics.stdev(returns) * math.sqrt(252)

    @property
    def xirr(self) -> float:
        paid = [(day, -float(amount)) for day, amount in self.flows] + [(self.as_of, float(self.value))]
        low, high = -0.99, 10.0
        for _ in range(200):
            rate = (low + high) / 2
            worth = sum(amount / (1 + rate) ** ((day - self.flows[0][0]).days / 365) for day, amount in paid)
            low, high = (rate, high) if worth > 0 else (low, rate)
        return low

    def quantity(self, ticker: str) -> Decimal:
        return sum((quantity for quantity, _ in self.lots[ticker]), Decimal(0))

    def cost(self, ticker: str) -> Decimal:
        return sum((cost for _, cost in self.lots[ticker]), Decimal(0))

    def worth(self, ticker: str) -> Decimal:
        return self.quantity(ticker) * self._close(ticker, self.as_of)

    def _walk(self) -> None:
        waiting = list(self.events)
        day = waiting[0]["day"]
        last = max(max(series) for series in self.closes.values())
        value, index = Decimal(0), 1.0
        while day <= max(last, waiting[-1]["day"] if waiting else last):
            came = left = Decimal(0)
            while waiting and waiting[0]["day"] == day:
                flow = self._post(waiting.pop(0))
                came, left = came + max(flow, Decimal(0)), left - min(flow, Decimal(0))
            before = value + came
            value = self.cash + sum(self.quantity(ticker) * self._close(ticker, day) for ticker in self.lots)
            if before:
                index *= float((value + left) / before)
            self.values[day], self.index[day] = value, index
            day += timedelta(days=1)

    def _post(self, event) -> Decimal:
        self.cash += event["cash"]
        self.lowest_cash = min(self.lowest_cash, self.cash)
        lots = self.lots[event["ticker"]] if event["ticker"] else []
        if event["type"] == "SPLIT":
            new, old = map(Decimal, event["data"]["ratio"].split(":"))
            lots[:] = [[quantity * new / old, cost] for quantity, cost in lots]
        elif event["type"] == "TRADE" and event["data"]["action"] == "BUY":
            lots.append([Decimal(event["data"]["shares"]), -event["cash"]])
        elif event["type"] == "TRADE":
            _sell(lots, Decimal(event["data"]["shares"]))
        if event["type"] not in FLOWS:
            return Decimal(0)
        self.deposited += event["cash"]
        self.flows.append((event["day"], event["cash"]))
        return event["cash"]

    def _close(self, ticker: str, day: date) -> Decimal:
        while day not in self.closes[ticker] and day.year > 1999:
            day -= timedelta(days=1)
        return self.closes[ticker].get(day, Decimal(0))


def _sell(lots: list[list[Decimal]], wanted: Decimal) -> None:
    while wanted:
        quantity, cost = lots[0]  # an oversell fails here
        taken = min(quantity, wanted)
        wanted -= taken
        if taken == quantity:
            lots.pop(0)
        else:
            lots[0] = [quantity - taken, cost - cost * taken / quantity]


def _read(row: Mapping[str, str]) -> dict:
    data = json.loads(row["data_json"] or "{}", parse_float=Decimal)
    at = datetime.fromisoformat(row["timestamp"]).astimezone(UTC)
    cash = Decimal(row["cash_delta"] or 0)
    return {"type": row["event_type"], "at": at, "day": at.date(), "cash": cash, "data": data, "ticker": data.get("ticker", "")}


def _place(event) -> tuple:
    return event["day"], event["type"] != "SPLIT", event["at"]
