"""Which instrument a file means: by ISIN, by FIGI, by symbol and exchange; where that leaves a doubt, it is asked."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from accounts.domain.statements import InstrumentHints
from marketdata.domain.instruments import US_EXCHANGES, isin_is_valid

MOST_CANDIDATES = 10
CRYPTO = "CRYPTO"
NOWHERE = "XXXX"  # ISO 10383: no market


@dataclass(frozen=True, slots=True)
class Candidate:
    """An instrument that is known, as far as files name instruments."""

    id: UUID
    symbol: str
    exchange: str
    currency: str
    asset_class: str = "EQUITY"
    isin: str = ""
    figi: str = ""
    name: str = ""

    @property
    def key(self) -> str:
        """The name that means this instrument alone: SYMBOL:MIC."""
        return f"{self.symbol}:{self.exchange}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The instrument that is meant, where there is no doubt, or those that may be; neither: it is not known."""

    sure: Candidate | None = None
    candidates: tuple[Candidate, ...] = ()
    why: str = ""


UNKNOWN = Verdict()


def isins_of(hints: InstrumentHints) -> tuple[str, ...]:
    """Return the ISIN that a file says, or those that a CUSIP is a part of.

    >>> isins_of(InstrumentHints(cusip="037833100"))
    ('US0378331005', 'CA0378331007')
    """
    if hints.isin or not hints.cusip:
        return (hints.isin,) if hints.isin else ()
    spelled = (f"{country}{hints.cusip}{digit}" for country in ("US", "CA") for digit in "0123456789")
    return tuple(filter(isin_is_valid, spelled))


def symbols_of(hints: InstrumentHints) -> tuple[str, ...]:
    """Return the symbols that an instrument may have: its own, or where a file says none, what one would be made of."""
    if hints.contract:
        return (hints.contract.symbol,)
    if hints.symbol:
        return (hints.symbol,)
    return hints.numbers or ((hints.name_as_symbol,) if hints.name and not (hints.isin or hints.figi) else ())


def choose(hints: InstrumentHints, known: Iterable[Candidate], *, money: str = "") -> Verdict:
    """Say which instrument a file means among those known that have one of its names; `money` is the currency of the line.

    An ISIN or a FIGI outweighs a symbol. A symbol alone is not enough where the instrument of that name is quoted in another
    currency, or on several exchanges.

    >>> apple = Candidate(UUID(int=1), "AAPL", "XNAS", "USD", isin="US0378331005")
    >>> choose(InstrumentHints(isin="US0378331005"), [apple]).sure.key
    'AAPL:XNAS'
    >>> choose(InstrumentHints(symbol="AAPL", currency="CAD"), [apple]).why
    'AAPL:XNAS is quoted in USD, the file says CAD.'
    """
    like = [one for one in known if not _contradicts(hints, one)]
    for same in (_same_isin(hints), _same_figi(hints), _same_cusip(hints), _same_listing(hints), _same_number(hints)):
        if found := [one for one in like if same(one)]:
            return _the_one(hints, found, money)
    if hints.isin or hints.figi or hints.exchange or not hints.symbol:
        by_symbol = [one for one in like if hints.symbol and one.symbol == hints.symbol and _says_less(hints, one)]
        if len(by_symbol) == 1 and _is_the_us_share(hints, by_symbol[0]):
            return Verdict(by_symbol[0])
        return _asked(by_symbol, _why_by_symbol(hints, by_symbol)) if by_symbol else UNKNOWN
    return _by_symbol(hints, [one for one in like if one.symbol == hints.symbol], money)


def _by_symbol(hints: InstrumentHints, found: Sequence[Candidate], money: str) -> Verdict:
    """Say which instrument a symbol alone means."""
    if not found:
        return UNKNOWN
    said = hints.currency
    if said and not any(one.currency == said for one in found):
        quoted = ", ".join(f"{one.key} is quoted in {one.currency}" for one in found[:MOST_CANDIDATES])
        return _asked(found, f"{quoted}, the file says {said}.")
    return _the_one(hints, found, money)


def _contradicts(hints: InstrumentHints, one: Candidate) -> bool:
    """Say whether a file means anything but an instrument: another number, or a coin where that is none."""
    if (hints.isin and one.isin and hints.isin != one.isin) or (hints.figi and one.figi and hints.figi != one.figi):
        return True
    coin = hints.asset_class == CRYPTO
    return bool(hints.asset_class) and coin != (one.asset_class == CRYPTO)


def _says_less(hints: InstrumentHints, one: Candidate) -> bool:
    """Say whether an instrument of that symbol leaves open what the file says: then it may be the same."""
    return not (hints.isin and one.isin) and (not hints.exchange or NOWHERE in {one.exchange, hints.exchange})


def _is_the_us_share(hints: InstrumentHints, one: Candidate) -> bool:
    """Say whether an instrument on a US exchange is what a US number beside the same symbol means: there, symbols are unique."""
    return hints.isin.startswith("US") and not hints.exchange and one.exchange in US_EXCHANGES and hints.currency in {"", "USD"}


def _why_by_symbol(hints: InstrumentHints, found: Sequence[Candidate]) -> str:
    keys = ", ".join(one.key for one in found[:MOST_CANDIDATES])
    number = hints.isin or hints.figi or hints.exchange
    return f"{keys} has the symbol {hints.symbol}, but nothing says that it is {number}."


def _same_isin(hints: InstrumentHints) -> Callable[[Candidate], bool]:
    return lambda one: bool(hints.isin) and one.isin == hints.isin


def _same_cusip(hints: InstrumentHints) -> Callable[[Candidate], bool]:
    possible = () if hints.isin else isins_of(hints)
    return lambda one: one.isin in possible


def _same_number(hints: InstrumentHints) -> Callable[[Candidate], bool]:
    possible = () if hints.symbol else symbols_of(hints)
    return lambda one: one.symbol in possible and one.exchange == NOWHERE


def _same_figi(hints: InstrumentHints) -> Callable[[Candidate], bool]:
    return lambda one: bool(hints.figi) and one.figi == hints.figi


def _same_listing(hints: InstrumentHints) -> Callable[[Candidate], bool]:
    return lambda one: bool(hints.symbol and hints.exchange) and (one.symbol, one.exchange) == (hints.symbol, hints.exchange)


def _the_one(hints: InstrumentHints, found: Sequence[Candidate], money: str) -> Verdict:
    """Return the one that fits what else the file says, or all of them where several do."""
    left = list(found)
    says: tuple[tuple[str, Callable[[Candidate], str]], ...] = (
        (hints.exchange, lambda one: one.exchange),
        (hints.symbol, lambda one: one.symbol),
        (hints.currency, lambda one: one.currency),
        (money, lambda one: one.currency),
    )
    for said, of in says:
        if said and len(left) > 1:
            left = [one for one in left if of(one) == said] or left
    if len(left) == 1:
        return Verdict(left[0])
    return _asked(left, f"{hints.key} is traded as {', '.join(one.key for one in left[:MOST_CANDIDATES])}.")


def _asked(candidates: Sequence[Candidate], why: str) -> Verdict:
    return Verdict(None, tuple(candidates[:MOST_CANDIDATES]), why[:300])
