"""Write down which sources an instrument's prices come from, in which order, and what it is called there; close breakers."""

from collections.abc import Mapping, Sequence

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction

from marketdata.models.instruments import Instrument
from marketdata.models.providers import InstrumentSource, ProviderHealth
from marketdata.selectors.providers import Choice
from marketdata.services.breaker import reset_breaker

MOST = 20
MOST_SYMBOL = 40


@transaction.atomic
def set_sources(*, instrument: Instrument, sources: Sequence[Choice]) -> list[InstrumentSource]:
    """Put sources in the place of those an instrument has, the first to be asked first; without any, all are asked.

    :raises ValidationError: if one is unknown or named twice, or its symbol can't be one
    """
    Instrument.objects.select_for_update().get(pk=instrument.pk)
    kept = set(InstrumentSource.objects.filter(instrument=instrument).values_list("provider", flat=True))
    check_sources(sources, kept=kept)
    InstrumentSource.objects.filter(instrument=instrument).delete()
    rows = [
        InstrumentSource(instrument=instrument, provider=each.provider, rank=rank, symbol=each.symbol)
        for rank, each in enumerate(sources, 1)
    ]
    return InstrumentSource.objects.bulk_create(rows)


def check_sources(sources: Sequence[Choice], *, kept: set[str] | frozenset[str] = frozenset()) -> None:
    """Refuse sources that are not set up or come twice; those an instrument has already (`kept`) may stay.

    :raises ValidationError: naming the field `sources`
    """
    known: Mapping[str, object] = settings.MARKETDATA_PROVIDERS
    names = [each.provider for each in sources]
    unknown = [name for name in names if name not in known and name not in kept]
    odd = [each.symbol for each in sources if len(each.symbol) > MOST_SYMBOL or not each.symbol.isascii() or _unseen(each.symbol)]
    if unknown:
        _refuse(f"No source is named {unknown[0][:MOST_SYMBOL]}; there are {', '.join(known)}.", "unknown_provider")
    if len(set(names)) < len(names):
        _refuse("A source is named twice; name it once.", "repeated_provider")
    if len(names) > MOST:
        _refuse(f"At most {MOST} sources are kept.", "too_many_providers")
    if odd:
        _refuse(f"A symbol has at most {MOST_SYMBOL} plain characters.", "bad_symbol")


def close_breaker(*, health: ProviderHealth) -> ProviderHealth:
    """Let a source be asked again at once."""
    return reset_breaker(provider=health.provider)


def _unseen(symbol: str) -> bool:
    return bool(symbol) and not symbol.isprintable()


def _refuse(text: str, code: str) -> None:
    raise ValidationError({"sources": ValidationError(text, code=code)})
