"""Where instruments are listed, as brokers and programs write it, turned into the MIC of the exchange."""

from dataclasses import replace
from decimal import Decimal

from accounts.domain.statements import InstrumentHints
from marketdata.domain.instruments import CRYPTO_MARKET, isin_is_valid

# the endings that Yahoo Finance gives to symbols, which Ghostfolio and Portfolio Performance use
SUFFIXES = {
    "AS": "XAMS", "AT": "ASEX", "AX": "XASX", "BA": "XBUE", "BE": "XBER", "BO": "XBOM", "BR": "XBRU", "CO": "XCSE", "DE": "XETR",
    "DU": "XDUS", "F": "XFRA", "HA": "XHAN", "HE": "XHEL", "HK": "XHKG", "HM": "XHAM", "IC": "XICE", "IR": "XDUB", "IS": "XIST",
    "JK": "XIDX", "JO": "XJSE", "KL": "XKLS", "KS": "XKRX", "L": "XLON", "LS": "XLIS", "MC": "XMAD", "MI": "XMIL", "MU": "XMUN",
    "MX": "XMEX", "NS": "XNSE", "NZ": "XNZE", "OL": "XOSL", "PA": "XPAR", "PR": "XPRA", "SA": "BVMF", "SG": "XSTU", "SI": "XSES",
    "SN": "XSGO", "SS": "XSHG", "ST": "XSTO", "SW": "XSWX", "SZ": "XSHE", "T": "XTKS", "TA": "XTAE", "TO": "XTSE", "TW": "XTAI",
    "V": "XTSX", "VI": "XWBO", "WA": "XWAR",
}  # fmt: skip
# as Interactive Brokers calls them
VENUES = {
    "AEB": "XAMS", "AMEX": "XASE", "ARCA": "ARCX", "ASX": "XASX", "ATH": "ASEX", "BATECH": "BATE", "BATS": "BATS", "BM": "XMAD",
    "BVL": "XLIS", "BVME": "XMIL", "BVME.ETF": "ETFP", "CBOE": "XCBO", "CBOE2": "C2OX",
    "CPH": "XCSE", "EBS": "XSWX", "ENEXT.BE": "XBRU",
    "FWB": "XFRA", "FWB2": "XFRA", "GETTEX": "XMUN", "GETTEX2": "XMUN",
    "HEX": "XHEL", "IBIS": "XETR", "IBIS2": "XETR", "IEX": "IEXG",
    "LSE": "XLON", "LSEETF": "XLON", "LSEIOB1": "XLON", "NASDAQ": "XNAS", "NASDAQ.NMS": "XNAS", "NSE": "XNSE", "NYSE": "XNYS",
    "OMXNO": "XOSL", "OSE": "XOSL", "OTCBB": "OTCM", "OTCLNKECN": "OTCM", "PINK": "OTCM", "PRA": "XPRA",
    "SBF": "XPAR", "SEHK": "XHKG",
    "SFB": "XSTO", "SGX": "XSES", "SWB": "XSTU", "SWB2": "XSTU", "TASE": "XTAE", "TGATE": "TGAT", "TSE": "XTSE", "TSEJ": "XTKS",
    "VALUE": "OTCM", "VENTURE": "XTSX", "VIRTX": "XSWX", "VSE": "XWBO", "WSE": "XWAR",
}  # fmt: skip
ISIN_LENGTH = 12
PERCENT, NEAR = Decimal("0.01"), Decimal("0.05")
QUOTED_IN = ("USDT", "USDC", "USD", "EUR", "GBP", "CHF", "JPY")


def listed(symbol: str, *, crypto: bool = False) -> InstrumentHints:
    """Return what a symbol says that may have an exchange behind a point, or be an ISIN, or a pair.

    >>> listed("NOVN.SW").key, listed("BRK.B").key, listed("BTC-USD").key, listed("DE0007164600").isin
    ('NOVN:XSWX', 'BRK.B', 'BTC/USD:CRYPTO', 'DE0007164600')
    """
    bare = symbol.strip()
    if len(bare) == ISIN_LENGTH and isin_is_valid(bare.upper()):
        return InstrumentHints(isin=bare.upper())
    root, dot, ending = bare.upper().rpartition(".")
    if dot and ending in SUFFIXES and root:
        return InstrumentHints(symbol=root, exchange=SUFFIXES[ending])
    base, dash, quoted = bare.upper().partition("-")
    if dash and quoted in QUOTED_IN and base.isalnum():
        return coin(base, quoted)
    if crypto:
        return coin(bare.upper(), "")
    return InstrumentHints(symbol=bare.upper() if bare.isascii() else bare)


def coin(base: str, quoted: str) -> InstrumentHints:
    """Return what is said by a crypto pair, or by a coin of which the file does not say in what its price is quoted.

    >>> coin("BTC", "EUR").key
    'BTC/EUR:CRYPTO'
    """
    symbol = f"{base}/{quoted}" if quoted else base
    return InstrumentHints(symbol=symbol, exchange=CRYPTO_MARKET, asset_class="CRYPTO", currency=quoted)


def identified(text: str, kind: str = "") -> dict[str, str]:
    """Return a number of an instrument under its name: an ISIN, a FIGI, a CUSIP or a WKN; nothing if it is none of them.

    >>> identified("037833100"), identified("DE0007164600"), identified("AAPL")
    ({'cusip': '037833100'}, {'isin': 'DE0007164600'}, {})
    """
    bare = text.strip().upper()
    if not bare.isascii() or not bare.isalnum():
        return {}
    if len(bare) == ISIN_LENGTH:
        return {"figi": bare} if bare.startswith("BBG") else {"isin": bare}
    if kind.upper() == "CUSIP" or (len(bare) == 9 and any(letter.isdigit() for letter in bare)):  # noqa: PLR2004  of a CUSIP
        return {"cusip": bare}
    return {"wkn": bare} if kind.upper() == "WKN" else {}


def in_percent(hints: InstrumentHints, quantity: Decimal, price: Decimal, gross: Decimal) -> InstrumentHints:
    """Return what is said about a bond where price and amount show that it is quoted in percent of its face value.

    >>> in_percent(InstrumentHints(cusip="412003AD7"), Decimal(55000), Decimal("90.67"), Decimal("49865.75")).multiplier
    Decimal('0.01')
    """
    worth, paid = abs(quantity * price), abs(gross)
    if not worth or not paid or abs(worth - paid) <= worth * NEAR or abs(worth * PERCENT - paid) > paid * NEAR:
        return hints
    return replace(hints, asset_class="BOND", multiplier=PERCENT)
