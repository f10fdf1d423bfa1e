"""The instruments that a statement names: found, or written down where that is asked for."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.domain.option_events import UNITS
from accounts.domain.statements import Contract, LineRefused, StatementLine
from marketdata.domain.instruments import CRYPTO_MARKET, AssetClass, Listing, split_key
from marketdata.models import Instrument
from marketdata.selectors.instruments import UnknownInstrument, find_each
from marketdata.services.instruments import create_instrument, list_instrument

OPTION_MARKET = "OPRA"
REMEDY = "Correct the name, or write the instrument down first (instruments/, or import_ledger --create-instruments)."


@dataclass(slots=True)
class InstrumentNames:
    """What the names in one statement mean; `create_on` as for `import_file`, `currency` that of new instruments."""

    create_on: str | None
    currency: str
    known: dict[str, Instrument | ValidationError] = field(default_factory=dict)

    def learn(self, lines: Iterable[StatementLine]) -> None:
        """Look up the names of some lines, all at once."""
        names = {line.instrument for line in lines if line.instrument} - self.known.keys()
        self.known |= find_each(names)

    def meant_by(self, line: StatementLine) -> Instrument | None:
        """Return the instrument of a line, none if it names none.

        :raises LineRefused: if it is unknown, ambiguous or misspelled
        """
        if not line.instrument:
            return None
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

    def _create_option(self, contract: Contract, exchange: str, currency: str) -> Instrument:
        """Write down an option, with its underlying where that is known."""
        underlying = find_each([contract.underlying])[contract.underlying]
        terms = {
            "symbol": contract.symbol,
            "exchange": exchange,
            "name": f"{contract.underlying} {contract.expiry} {contract.right} {contract.strike:f}",
            "asset_class": AssetClass.OPTION.value,
            "currency": currency,
            "multiplier": Decimal(UNITS),
            "underlying": underlying if isinstance(underlying, Instrument) else None,
            "expiry": contract.expiry,
            "strike": contract.strike,
            "right": contract.right,
        }
        return create_instrument(fields=terms)
