"""The instruments that files may mean, and what people have said about them before."""

from collections import defaultdict
from collections.abc import Iterable
from uuid import UUID

from django.db.models import Q

from accounts.domain.matching import Candidate, isins_of, symbols_of
from accounts.domain.statements import InstrumentHints
from accounts.models import InstrumentAnswer, User
from marketdata.models import Instrument

MOST_IDENTITY = 300


def identity_of(hints: InstrumentHints) -> str:
    """Return the text by which an instrument of a broker's files is remembered."""
    return "|".join(dict.fromkeys(part for part in hints.identity if part))[:MOST_IDENTITY]


def candidates_for(many: Iterable[InstrumentHints]) -> dict[InstrumentHints, list[Candidate]]:
    """Return for each hint the instruments that have one of its names, asking the database once."""
    wanted = set(many)
    if not wanted:
        return {}
    isins, figis = {isin for one in wanted for isin in isins_of(one)}, {one.figi for one in wanted} - {""}
    symbols = {symbol for one in wanted for symbol in symbols_of(one)}
    by_name: defaultdict[str, list[Candidate]] = defaultdict(list)
    found = Instrument.objects.filter(Q(symbol__in=symbols) | Q(isin__in=isins) | Q(figi__in=figis))
    for row in found.order_by("symbol", "exchange"):
        one = Candidate(row.pk, row.symbol, row.exchange, row.currency, row.asset_class, row.isin, row.figi, row.name)
        for name in {row.symbol, row.isin, row.figi} - {""}:
            by_name[name].append(one)
    return {hints: _known(hints, by_name) for hints in wanted}


def _known(hints: InstrumentHints, by_name: dict[str, list[Candidate]]) -> list[Candidate]:
    """Return the instruments that have one of the names of a hint, each once."""
    names = (*isins_of(hints), hints.figi, *symbols_of(hints))
    return list({one.id: one for name in names if name for one in by_name.get(name, ())}.values())


def answers_of(*, user: User, source: str, identities: Iterable[str]) -> dict[str, UUID]:
    """Return what a person has said the instruments of a broker's files to be."""
    wanted = set(identities)
    if not wanted:
        return {}
    rows = InstrumentAnswer.objects.visible_to(user).filter(source=source, identity__in=wanted)
    return dict(rows.values_list("identity", "instrument_id"))
