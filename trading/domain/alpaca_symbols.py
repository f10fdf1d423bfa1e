"""What instruments are called at Alpaca, where our orders may go, and by whose words its clients speak to us."""

from __future__ import annotations

from marketdata.domain.instruments import CRYPTO_MARKET, US_EXCHANGES, AssetClass

KNOWN = frozenset({AssetClass.EQUITY, AssetClass.ETF, AssetClass.OPTION})
OPTION_MARKETS = ("OPRA", "XCBO")  # in the US, beside the exchanges
QUOTED_IN = ("USDT", "USDC", "USD", "EUR", "GBP", "BTC", "ETH")


def at_alpaca(symbol: str, exchange: str, asset_class: str) -> str | None:
    """Return what Alpaca calls an instrument, crypto with a slash; none if it does not know it.

    >>> at_alpaca("AAPL", "XNAS", "EQUITY"), at_alpaca("SAP", "XETR", "EQUITY")
    ('AAPL', None)
    >>> at_alpaca("BTCUSDT", "CRYPTO", "CRYPTO"), at_alpaca("AAPL240119C00100000", "OPRA", "OPTION")
    ('BTC/USDT', 'AAPL240119C00100000')
    """
    if asset_class == AssetClass.CRYPTO:
        return with_slash(symbol) if exchange == CRYPTO_MARKET else None
    markets = (*US_EXCHANGES, *OPTION_MARKETS) if asset_class == AssetClass.OPTION else US_EXCHANGES
    return symbol if asset_class in KNOWN and exchange in markets else None


def with_slash(symbol: str) -> str:
    """Return a crypto pair as Alpaca writes it now.

    >>> with_slash("ETHUSDT"), with_slash("BTC/USD")
    ('ETH/USDT', 'BTC/USD')
    """
    if "/" in symbol:
        return symbol
    quoted = next((each for each in QUOTED_IN if symbol.endswith(each) and symbol != each), "")
    return f"{symbol.removesuffix(quoted)}/{quoted}" if quoted else symbol
