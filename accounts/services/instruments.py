"""The instruments that a statement names: found, asked for where there is a doubt, or written down with what the file says."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.domain.matching import NOWHERE, Candidate, choose
from accounts.domain.option_events import UNITS
from accounts.domain.statements import NO_HINTS, Contract, InstrumentHints, LineRefused, StatementLine
from accounts.models import User
from accounts.selectors.matching import answers_of, candidates_for, identity_of
from marketdata.domain.instruments import CRYPTO_MARKET, AssetClass, BadSymbol, Listing, check_symbol, isin_is_valid, split_key
from marketdata.models import Instrument
from marketdata.selectors.actions import formerly
from marketdata.selectors.instruments import UnknownInstrument, find_each
from marketdata.services.instruments import create_instrument, list_instrument

OPTION_MARKET = "OPRA"
REMEDY = "Correct the name, or write the instrument down first (instruments/, or import_ledger --create-instruments)."
CLASSES = frozenset(one.value for one in AssetClass) - {AssetClass.OPTION.value}


class Unsure(Exception):
    """The instrument of a line has to be asked for."""

    def __init__(self, question: "Question") -> None:
        self.question = question
        super().__init__(question.why)


@dataclass(slots=True)
class Question:
    """An instrument of which it is not sure which one is meant: what the file says, and what comes into question."""

    identity: str
    hints: InstrumentHints
    candidates: tuple[Candidate, ...]
    why: str
    lines: int = 0
    first_line: int = 0


Meaning = Instrument | Question | ValidationError


@dataclass(slots=True)
class InstrumentNames:
    """What the names in one statement mean to one person.

    `create_on` as for `import_file`, `currency` that of new instruments; `source` is whose names they are.
    """

    create_on: str | None
    currency: str
    user: User
    source: str
    known: dict[str, Instrument | ValidationError] = field(default_factory=dict)
    meant: dict[InstrumentHints, Meaning | None] = field(default_factory=dict)
    created: list[str] = field(default_factory=list)

    def learn(self, lines: Iterable[StatementLine]) -> None:
        """Look up the names of some lines, all at once."""
        named = [line for line in lines if line.instrument]
        self.learn_names(line.instrument for line in named if line.hints is NO_HINTS)
        self.learn_hints(line.hints for line in named if line.hints is not NO_HINTS)

    def learn_names(self, names: Iterable[str]) -> None:
        """Look up names that are SYMBOL:MIC or a symbol."""
        if fresh := set(names) - self.known.keys():
            self.known |= find_each(fresh)

    def learn_hints(self, hints: Iterable[InstrumentHints]) -> None:
        """Look up what files say of instruments."""
        fresh = set(hints) - self.meant.keys()
        if not fresh:
            return
        said = answers_of(user=self.user, source=self.source, identities=map(identity_of, fresh))
        candidates = candidates_for(fresh)
        former = formerly({one.symbol for one in fresh if one.symbol and not candidates[one]})
        verdicts = {one: choose(one, candidates[one]) for one in fresh}
        ids = {verdict.sure.id for verdict in verdicts.values() if verdict.sure} | set(said.values())
        instruments = Instrument.objects.in_bulk(ids)
        for one, verdict in verdicts.items():
            answered = instruments.get(said.get(identity_of(one)))
            if one.contract:
                named = [other for other in candidates[one] if other.symbol == one.contract.symbol]
                self.meant[one] = answered or (Instrument.objects.get(pk=named[0].id) if named else None)
            elif answered or verdict.sure:
                self.meant[one] = answered or instruments[verdict.sure.id]  # type: ignore[union-attr]
            elif verdict.candidates:
                self.meant[one] = Question(identity_of(one), one, verdict.candidates, verdict.why)
            else:
                renamed = [other for other in former.get(one.symbol, []) if not (one.isin and other.isin not in {"", one.isin})]
                self.meant[one] = renamed[0] if len(renamed) == 1 else None

    def meant_by(self, line: StatementLine) -> Instrument | None:
        """Return the instrument of a line, none if it names none.

        :raises LineRefused: if it is unknown, ambiguous or misspelled
        :raises Unsure: if it has to be asked for
        """
        if not line.instrument:
            return None
        return self._named(line) if line.hints is NO_HINTS else self.of_hints(line.hints, line.draft.currency)

    def of_hints(self, hints: InstrumentHints, currency: str) -> Instrument:
        """Return the instrument that a file describes, written down if it is not known.

        :raises LineRefused: if it can't be written down
        :raises Unsure: if it has to be asked for
        """
        found = self.meant.get(hints)
        if found is None and self.created:  # by another name of the same file, perhaps
            del self.meant[hints]
            self.learn_hints([hints])
            found = self.meant[hints]
        if found is None:
            found = self.meant[hints] = self._create_described(hints, currency)
        if isinstance(found, Question):
            raise Unsure(found)
        if isinstance(found, ValidationError):
            raise LineRefused(str(found.code or "bad_instrument"), f"instrument: {' '.join(found.messages)}")
        return found

    def write_down(self, hints: InstrumentHints, currency: str) -> Instrument:
        """Return a new instrument with what a file says of it.

        :raises ValidationError: if it can't be written down
        """
        made = self._create_described(hints, currency)
        if isinstance(made, ValidationError):
            raise made
        return made

    def known_to_be(self, hints: InstrumentHints) -> Instrument | None:
        """Return the instrument that a file describes, None if that is not known for sure."""
        self.learn_hints([hints])
        found = self.meant[hints]
        return found if isinstance(found, Instrument) else None

    def _named(self, line: StatementLine) -> Instrument:
        """Return the instrument that a line names as SYMBOL:MIC, or by its symbol.

        :raises LineRefused: if it is unknown, ambiguous or misspelled
        """
        found = self.known[line.instrument]
        if isinstance(found, UnknownInstrument) and self.create_on is not None:
            found = self.known[line.instrument] = self._create(line)
        if isinstance(found, ValidationError):
            remedy = f" {REMEDY}" if isinstance(found, UnknownInstrument) else ""
            raise LineRefused(str(found.code or "bad_instrument"), f"data.ticker: {' '.join(found.messages)}{remedy}")
        return found

    def _create(self, line: StatementLine) -> Instrument | ValidationError:
        """Write down the instrument of a line, or return why that can't be."""
        symbol, exchange = split_key(line.instrument)
        exchange = exchange or (OPTION_MARKET if line.contract else self.create_on) or ""
        currency = line.draft.currency or self.currency
        try:
            with transaction.atomic():
                if line.contract:
                    return self._create_option(line.contract, exchange, currency)
                asset_class = AssetClass.CRYPTO if exchange == CRYPTO_MARKET else AssetClass.EQUITY
                return list_instrument(listing=Listing(symbol, exchange, "", asset_class, currency))
        except ValidationError as refusal:
            return ValidationError(
                f"{line.instrument} can't be written down: {' '.join(refusal.messages)}", code="bad_instrument"
            )

    def _create_described(self, hints: InstrumentHints, currency: str) -> Instrument | ValidationError:
        """Write down an instrument with what a file says of it, or return why that can't be."""
        money = hints.currency or currency or self.currency
        try:
            with transaction.atomic():
                if hints.contract:
                    made = self._create_option(hints.contract, OPTION_MARKET, money, hints.multiplier)
                else:
                    made = create_instrument(fields=self._fields(hints, money))
        except ValidationError as refusal:
            return ValidationError(f"{hints.key} can't be written down: {' '.join(refusal.messages)}", code="bad_instrument")
        self.created.append(made.key)
        return made

    def _fields(self, hints: InstrumentHints, currency: str) -> dict[str, object]:
        """Return the fields of a new instrument; one without an exchange is listed nowhere (XXXX)."""
        coin = hints.asset_class == AssetClass.CRYPTO or hints.exchange == CRYPTO_MARKET
        exchange = CRYPTO_MARKET if coin else hints.exchange or self.create_on or NOWHERE
        fields: dict[str, object] = {
            "symbol": self._symbol(hints, exchange),
            "exchange": exchange,
            "name": hints.name[:200],
            "asset_class": AssetClass.CRYPTO.value if coin else hints.asset_class if hints.asset_class in CLASSES else "EQUITY",
            "currency": currency,
            "isin": hints.isin if hints.isin and isin_is_valid(hints.isin) else "",
            "figi": hints.figi,
        }
        return fields | ({"multiplier": hints.multiplier} if hints.multiplier else {})

    def _symbol(self, hints: InstrumentHints, exchange: str) -> str:
        """Return the first name of an instrument that may be a symbol and is free on its exchange."""
        names = [name for name in (hints.symbol, hints.isin, hints.figi, *hints.numbers) if name]
        for name in names:
            try:
                check_symbol(name)
            except BadSymbol:
                continue
            if not Instrument.objects.filter(symbol=name, exchange=exchange).exists():
                return name
        return names[0] if names else hints.name_as_symbol

    def _create_option(self, contract: Contract, exchange: str, currency: str, multiplier: Decimal | None = None) -> Instrument:
        """Write down an option, with its underlying where that is known."""
        underlying = find_each([contract.underlying])[contract.underlying]
        terms = {
            "symbol": contract.symbol,
            "exchange": exchange,
            "name": f"{contract.underlying} {contract.expiry} {contract.right} {contract.strike:f}",
            "asset_class": AssetClass.OPTION.value,
            "currency": currency,
            "multiplier": multiplier or Decimal(UNITS),
            "underlying": underlying if isinstance(underlying, Instrument) else None,
            "expiry": contract.expiry,
            "strike": contract.strike,
            "right": contract.right,
        }
        return create_instrument(fields=terms)
