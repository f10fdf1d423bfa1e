"""Find an instrument by what people write.

An instrument that was renamed is found by its old symbol, too, unless another one has that by now.
"""

from collections.abc import Iterable

from django.core.exceptions import ValidationError
from django.db import connection

from marketdata.domain.instruments import BadSymbol, split_key
from marketdata.models.instruments import Instrument
from marketdata.selectors.actions import formerly


class BadInstrument(ValidationError):
    """The text can't be the name of an instrument."""

    status = 400


class UnknownInstrument(ValidationError):
    """No instrument has that name."""

    status = 400


class AmbiguousInstrument(ValidationError):
    """The symbol is traded on several exchanges and the text does not say which one is meant."""

    status = 400


FIELDS = Instrument._meta.concrete_fields
NAMES = [field.attname for field in FIELDS]
COLUMNS = ", ".join(f'"{field.column}"' for field in FIELDS)
OF_SYMBOLS = f"SELECT {COLUMNS} FROM marketdata_instrument WHERE symbol = ANY(%s) ORDER BY exchange"  # noqa: S608  # columns


def find_instrument(text: str) -> Instrument:
    """Return the instrument that a key (SYMBOL:MIC) or a bare symbol means.

    :raises BadInstrument: if the text is misspelled
    :raises UnknownInstrument: if there is none
    :raises AmbiguousInstrument: if a bare symbol means several
    """
    return find_instruments([text])[text]


def find_instruments(texts: Iterable[str]) -> dict[str, Instrument]:
    """Return the instrument of every key or bare symbol, asking the database once.

    :raises BadInstrument: if a text is misspelled
    :raises UnknownInstrument: if there is none
    :raises AmbiguousInstrument: if a bare symbol means several
    """
    found: dict[str, Instrument] = {}
    for text, instrument in find_each(texts).items():
        if isinstance(instrument, ValidationError):
            raise instrument
        found[text] = instrument
    return found


def find_each(texts: Iterable[str]) -> dict[str, Instrument | ValidationError]:
    """Return the instrument of every key or bare symbol, or why there is none.

    The database is asked once, and once more if there are names that no instrument has now.
    """
    wanted = {text: _split(text) for text in texts}
    symbols = {meant[0] for meant in wanted.values() if not isinstance(meant, ValidationError)}
    candidates: dict[str, list[Instrument]] = {}
    for instrument in _of_symbols(symbols) if symbols else ():
        candidates.setdefault(instrument.symbol, []).append(instrument)
        candidates[instrument.key] = [instrument]
    gone = {meant for text, meant in wanted.items() if not isinstance(meant, ValidationError) and text not in candidates}
    former: dict[str, list[Instrument]] = {}
    for symbol, renamed in formerly({symbol for symbol, _ in gone}).items():
        for instrument in renamed:
            former.setdefault(f"{symbol}:{instrument.exchange}", []).append(instrument)
        former[symbol] = renamed
    return {
        text: meant if isinstance(meant, ValidationError) else _the_one(text, candidates.get(text) or former.get(text, []))
        for text, meant in wanted.items()
    }


def _split(text: str) -> tuple[str, str] | ValidationError:
    """Return the symbol and exchange of a text, or its refusal in the words forms and serializers understand."""
    try:
        return split_key(text)
    except BadSymbol as refusal:
        return BadInstrument(str(refusal), code="bad_symbol")


def _the_one(text: str, candidates: list[Instrument]) -> Instrument | ValidationError:
    """Return the only candidate, or why it can't be told."""
    if not candidates:
        return UnknownInstrument(f"No instrument is called {text}.", code="unknown_instrument")
    if len(candidates) > 1:
        keys = ", ".join(instrument.key for instrument in candidates)
        return AmbiguousInstrument(f"{text} means several instruments; write one of {keys}.", code="ambiguous_instrument")
    return candidates[0]


def _of_symbols(symbols: Iterable[str]) -> list[Instrument]:
    """Return the instruments of some symbols; every order asks for one, so the question is always the same text."""
    with connection.cursor() as cursor:
        cursor.execute(OF_SYMBOLS, [list(symbols)])
        return [Instrument.from_db(connection.alias, NAMES, row) for row in cursor.fetchall()]
