"""Find an instrument by what people write."""

from collections.abc import Iterable
from functools import reduce
from operator import or_

from django.core.exceptions import ValidationError
from django.db.models import Q

from marketdata.domain.instruments import BadSymbol, split_key
from marketdata.models.instruments import Instrument


class BadInstrument(ValidationError):
    """The text can't be the name of an instrument."""

    status = 400


class UnknownInstrument(ValidationError):
    """No instrument has that name."""

    status = 400


class AmbiguousInstrument(ValidationError):
    """The symbol is traded on several exchanges and the text does not say which one is meant."""

    status = 400


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
    wanted = {text: _split(text) for text in texts}
    if not wanted:
        return {}
    meant = [Q(symbol=symbol, exchange=exchange) if exchange else Q(symbol=symbol) for symbol, exchange in wanted.values()]
    found = Instrument.objects.filter(reduce(or_, meant)).order_by("exchange")
    candidates: dict[str, list[Instrument]] = {}
    for instrument in found:
        candidates.setdefault(instrument.symbol, []).append(instrument)
        candidates[instrument.key] = [instrument]
    return {text: _the_one(text, candidates.get(text, [])) for text in wanted}


def _split(text: str) -> tuple[str, str]:
    """Return the symbol and exchange of a text, or refuse it in the words forms and serializers understand."""
    try:
        return split_key(text)
    except BadSymbol as refusal:
        raise BadInstrument(str(refusal), code="bad_symbol") from refusal


def _the_one(text: str, candidates: list[Instrument]) -> Instrument:
    """Return the only candidate."""
    if not candidates:
        raise UnknownInstrument(f"No instrument is called {text}.", code="unknown_instrument")
    if len(candidates) > 1:
        keys = ", ".join(instrument.key for instrument in candidates)
        raise AmbiguousInstrument(f"{text} means several instruments; write one of {keys}.", code="ambiguous_instrument")
    return candidates[0]
