"""What an automatic session is told: which instruments it trades, by which bars, with which parameters, and how much."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from typing import Any
from uuid import UUID

from marketdata.domain.bars import Timeframe
from portfolio.domain.exact import EXACT, ONE, plain
from trading.domain.backtest import Sizing
from trading.domain.backtest_requests import RequestRefused
from trading.domain.backtest_requests import complete as complete_rules
from trading.domain.orders import Side
from trading.domain.problems import Problem, Refused, refuse_if
from trading.domain.strategies.base import ParametersRefused, Strategy, read_parameters
from trading.domain.strategies.registry import built_in, made

MOST_INSTRUMENTS = 50
KEYS = ("instruments", "parameters", "rules", "timeframe")
NOT_TAKEN = ("objective", "step")  # the one is for sweeps, the other is the instrument's
CENT = Decimal("0.01")
NEVER = Decimal("1e-10")  # the lowest price there is


class AutomationRefused(Refused):
    """A configuration by which no session can trade by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Automation:
    """What an automatic session goes by; `amount` is units, money, or a part of the equity, as `sizing` says."""

    instruments: tuple[UUID, ...]
    timeframe: Timeframe
    strategy: Strategy
    parameters: Mapping[str, Any]
    sizing: Sizing
    amount: Decimal
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    shorts: bool = False

    def stop_at(self, price: Decimal, side: Side, planned: Decimal | None, tick: Decimal) -> Decimal | None:
        """Return where a position that is entered at a price gets out: at the nearer of the plan's stop and the session's."""
        own = self._away(price, -side.sign, self.stop_loss)
        known = [in_ticks(one, tick) for one in (planned, own) if one is not None]
        if not known:
            return None
        return max(known) if side is Side.BUY else min(known)

    def target_at(self, price: Decimal, side: Side, tick: Decimal) -> Decimal | None:
        """Return where a position that is entered at a price takes its profit, if it does."""
        found = self._away(price, side.sign, self.take_profit)
        return None if found is None else in_ticks(found, tick)

    def asked(self, *, equity: Decimal, unit: Decimal) -> Decimal | None:
        """Return how many units a full position is, from what one of them is worth; none where that goes by the stop."""
        if self.sizing is Sizing.RISK:
            return None
        if self.sizing is Sizing.UNITS:
            return self.amount
        room = self.amount if self.sizing is Sizing.VALUE else EXACT.multiply(equity, self.amount)
        return EXACT.divide(room, unit)

    @staticmethod
    def _away(price: Decimal, sign: int, share: Decimal | None) -> Decimal | None:
        """Return the price that is a share above (1) or below (-1) another."""
        return None if share is None else max(EXACT.multiply(price, EXACT.add(ONE, sign * share)), NEVER)


def complete(written: Mapping[str, Any], *, kind: str, instruments: Sequence[UUID], base: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration of an automatic session with what is left out, as JSON; `base` are its strategy's parameters.

    A full position is as large as the stop may cost 1 % of the account, unless `rules` say otherwise; without a stop, all of the
    price is at risk.

    :raises AutomationRefused: by field
    """
    rules, parameters = written.get("rules", {}), written.get("parameters", {})
    problems = [
        Problem(f"configuration.{name}", "unknown", f"An automatic session takes {', '.join(KEYS)}.")
        for name in written
        if name not in KEYS
    ]
    problems += [
        Problem(f"configuration.{name}", "not_an_object", "Write a JSON object, such as {}.")
        for name, value in (("rules", rules), ("parameters", parameters))
        if not isinstance(value, Mapping)
    ]
    if not 0 < len(set(instruments)) == len(instruments) <= MOST_INSTRUMENTS:
        detail = f"Name 1 to {MOST_INSTRUMENTS} instruments, each once."
        problems.append(Problem("configuration.instruments", "invalid", detail))
    timeframe = written.get("timeframe", Timeframe.DAY.value)
    if timeframe not in list(Timeframe):
        problems.append(Problem("configuration.timeframe", "invalid", f"Write one of {', '.join(Timeframe)}."))
    refuse_if(problems, AutomationRefused)
    try:
        values = read_parameters(built_in(kind).parameters, dict(base) | dict(parameters))
        made(kind, values)
        found = complete_rules({"sizing": Sizing.RISK.value} | dict(rules), instruments=len(instruments), walk_forward=False)
    except (ParametersRefused, RequestRefused) as refusal:
        told = [Problem(f"configuration.{one.field}", one.code, one.detail) for one in refusal.problems]
        raise AutomationRefused(told) from refusal
    kept = {name: value for name, value in found.items() if name not in NOT_TAKEN and value is not None}
    names = [str(one) for one in instruments]
    return {"instruments": names, "timeframe": str(timeframe), "parameters": _as_json(values), "rules": kept}


def automation_of(kind: str, configuration: Mapping[str, Any]) -> Automation:
    """Return what a session goes by whose configuration is complete.

    :raises UnknownStrategy: if there is no such strategy any more
    :raises ParametersRefused: if it takes other parameters now
    """
    rules = configuration["rules"]
    exits = {name: Decimal(rules[name]) for name in ("stop_loss", "take_profit") if rules.get(name) is not None}
    return Automation(
        instruments=tuple(map(UUID, configuration["instruments"])),
        timeframe=Timeframe(configuration["timeframe"]),
        strategy=made(kind, configuration["parameters"]),
        parameters=configuration["parameters"],
        sizing=Sizing(rules["sizing"]),
        amount=Decimal(rules["amount"]),
        shorts=bool(rules["shorts"]),
        **exits,
    )


def in_ticks(price: Decimal, tick: Decimal) -> Decimal:
    """Return the nearest price in whole ticks, and never nothing."""
    ticks = EXACT.divide(price, tick).quantize(ONE, ROUND_HALF_EVEN, EXACT)
    return max(EXACT.multiply(ticks, tick), tick)


def in_steps(quantity: Decimal, step: Decimal) -> Decimal:
    """Return a quantity rounded down to whole steps."""
    return EXACT.multiply(EXACT.divide(quantity, step).to_integral_value(ROUND_FLOOR), step)


def _as_json(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters as JSON carries them, numbers exact."""
    return {name: plain(value) if isinstance(value, Decimal) else value for name, value in values.items()}
