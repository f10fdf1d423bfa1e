"""Whether a decision was right: what the price did afterwards, and what the trade that came of it made."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from decimal import Decimal

from portfolio.domain.exact import EXACT, ZERO
from portfolio.domain.performance import exact_ratio

ENOUGH = Decimal("0.005")  # a move of less than half a percent says nothing


class Choice(enum.StrEnum):
    """What was decided."""

    BUY = "BUY"
    SELL = "SELL"
    HOLD = "HOLD"


class Verdict(enum.StrEnum):
    """Whether a decision was right; too little moved to tell: NEUTRAL."""

    RIGHT = "RIGHT"
    WRONG = "WRONG"
    NEUTRAL = "NEUTRAL"


class TradeOutcome(enum.StrEnum):
    """What a trade came to, in the words of the trade record."""

    WIN = "win"
    LOSS = "loss"
    BREAKEVEN = "breakeven"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with the move it rests on: the return in the direction that was decided for."""

    verdict: Verdict
    move: Decimal


def judge(choice: Choice, *, before: Decimal, after: Decimal, enough: Decimal = ENOUGH) -> Judgement:
    """Return whether a decision was right, from the price when it was made and a later one.

    To BUY was right if the price rose by more than `enough`, to SELL if it fell so far; to HOLD if it moved no
    further either way.

    >>> judge(Choice.SELL, before=Decimal(100), after=Decimal(90))
    Judgement(verdict=<Verdict.RIGHT: 'RIGHT'>, move=Decimal('0.100000000000'))
    """
    change = EXACT.subtract(EXACT.divide(after, before), Decimal(1))
    if choice is Choice.HOLD:
        return Judgement(Verdict.RIGHT if abs(change) <= enough else Verdict.WRONG, exact_ratio(-abs(change)))
    move = change if choice is Choice.BUY else -change
    verdict = Verdict.NEUTRAL if abs(move) <= enough else Verdict.RIGHT if move > 0 else Verdict.WRONG
    return Judgement(verdict, exact_ratio(move))


def outcome_of(net: Decimal | None) -> TradeOutcome:
    """Return what a trade came to by its net gain; one without a gain yet is open.

    >>> outcome_of(Decimal("-0.01")).value, outcome_of(None).value
    ('loss', 'open')
    """
    if net is None:
        return TradeOutcome.OPEN
    return TradeOutcome.WIN if net > ZERO else TradeOutcome.LOSS if net < ZERO else TradeOutcome.BREAKEVEN
