"""What instruments are called here: the symbol alone where Alpaca would know it, else SYMBOL:MIC, which means one instrument."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db.models import Q

from marketdata.domain.instruments import CRYPTO_MARKET, US_EXCHANGES, AssetClass, Listing
from marketdata.models import Instrument
from marketdata.selectors.instruments import find_each
from trading.api.alpaca.words import as_uuid
from trading.domain.alpaca_symbols import OPTION_MARKETS, at_alpaca, with_slash

EXCHANGES: Mapping[str, str] = {
    "XNAS": "NASDAQ",
    "XNYS": "NYSE",
    "XASE": "AMEX",
    "ARCX": "ARCA",
    "BATS": "BATS",
    "OTCM": "OTC",
    CRYPTO_MARKET: "CRYPTO",
}
CLASSES: Mapping[str, str] = {AssetClass.CRYPTO: "crypto", AssetClass.OPTION: "us_option"}
SHARE = "us_equity"


def symbol_of(instrument: Instrument | Listing) -> str:
    """Return what an instrument is called; crypto with a slash.

    >>> symbol_of(Listing("AAPL", "XNAS")), symbol_of(Listing("SAP", "XETR"))
    ('AAPL', 'SAP:XETR')
    >>> symbol_of(Listing("BTCUSD", "CRYPTO", asset_class=AssetClass.CRYPTO))
    'BTC/USD'
    """
    return at_alpaca(instrument.symbol, instrument.exchange, instrument.asset_class) or instrument.key


def class_of(instrument: Instrument) -> str:
    """Return which of Alpaca's classes comes nearest."""
    return CLASSES.get(instrument.asset_class, SHARE)


def exchange_of(instrument: Instrument) -> str:
    """Return what Alpaca calls an exchange, nothing for those it does not know."""
    return EXCHANGES.get(instrument.exchange, "")


def find(text: str) -> Instrument | None:
    """Return the instrument that a symbol, a key or an id means, none if there is none."""
    return find_all([text]).get(text)


def find_all(texts: Iterable[str]) -> dict[str, Instrument]:
    """Return the instrument of each symbol, key or id; one that means none is left out.

    Of several with one symbol it is the one still traded, and one in the US, that is meant; where none is there, none is.
    """
    wanted = [text for text in dict.fromkeys(texts) if text.isascii() and text.isprintable()]
    ids = {text: key for text in wanted if (key := as_uuid(text)) is not None}
    names = [text for text in wanted if text not in ids]
    spelled = {text: _spellings(text) for text in names if ":" not in text}
    asked = Q(symbol__in={each for some in spelled.values() for each in some}) | Q(pk__in=set(ids.values()))
    rows = list(Instrument.objects.filter(asked)) if wanted else []
    found: dict[str, Instrument] = _by_id(ids, rows)
    for text, spellings in spelled.items():
        candidates = [row for row in rows if row.symbol in spellings and _fits(row, text)]
        best = min(candidates, key=_rank, default=None)
        if best is not None and (len(candidates) == 1 or _is_plain(best)):
            found[text] = best
    left = [text for text in names if text not in found]
    if left:
        found |= {text: each for text, each in find_each(left).items() if not isinstance(each, ValidationError)}
    return found


def _by_id(ids: Mapping[str, UUID], rows: Sequence[Instrument]) -> dict[str, Instrument]:
    by_id = {row.pk: row for row in rows}
    return {text: by_id[key] for text, key in ids.items() if key in by_id}


def _spellings(text: str) -> set[str]:
    """Return how a symbol may be stored: a crypto pair with and without its slash."""
    return {text, with_slash(text), text.replace("/", "")}


def _fits(row: Instrument, text: str) -> bool:
    """Say whether a row is what a text says: another spelling is one of crypto alone."""
    return row.symbol == text or row.asset_class == AssetClass.CRYPTO


def _is_plain(row: Instrument) -> bool:
    """Say whether a bare symbol means a row rather than another."""
    return row.exchange in US_EXCHANGES or row.exchange in OPTION_MARKETS or row.exchange == CRYPTO_MARKET


def _rank(row: Instrument) -> tuple[Any, ...]:
    """Return what puts the instrument that is meant first."""
    order = US_EXCHANGES.index(row.exchange) if row.exchange in US_EXCHANGES else len(US_EXCHANGES)
    return (not row.active, order, row.exchange != CRYPTO_MARKET, row.exchange)
