"""Options as brokers write them: by their number in the industry, or in words."""

import re
from datetime import date
from decimal import Decimal
from functools import lru_cache

from accounts.domain.moments import MONTHS
from accounts.domain.statements import Contract

UNITS = Decimal(100)  # shares that one contract of a US option stands for
RIGHTS = {"C": "CALL", "P": "PUT"}
_OCC = re.compile(
    r"[-.]?(?P<root>[A-Z]{1,6}[0-9]?) *(?P<y>\d{2})(?P<m>\d{2})(?P<d>\d{2})(?P<right>[CP])(?P<strike>\d{8}|\d{1,5}(\.\d{1,3})?)",
    re.ASCII,
)
_SLASHED = re.compile(
    r"(?P<root>[A-Z][A-Z.]{0,5}) (?P<m>\d{1,2})/(?P<d>\d{1,2})/(?P<y>\d{2,4}) "
    r"((?P<right>Call|Put|C|P) \$?(?P<strike>[\d,]+(\.\d+)?)|\$?(?P<strike2>[\d,]+(\.\d+)?) (?P<right2>Call|Put|C|P))",
    re.ASCII | re.I,
)
_NAMED = re.compile(
    r"(?P<root>[A-Z][A-Z.]{0,5}) (?P<d>\d{2})(?P<n>[A-Z]{3})(?P<y>\d{2}) (?P<strike>\d+(\.\d+)?) (?P<right>[CP])", re.ASCII
)
LONGEST = 200
WHOLE_STRIKE = 8  # digits of a strike in thousandths


def contract_of(*texts: str) -> Contract | None:
    """Return the option that the first of some texts means that means one, or None.

    >>> contract_of("SPY   250321C00500000").symbol, contract_of("AAPL 3/15/2024 Call $200.00").strike
    ('SPY250321C00500000', Decimal('200.00'))
    >>> contract_of("FB 21SEP18 200.0 C").expiry, contract_of("AAPL", "Apple Inc.") is None
    (datetime.date(2018, 9, 21), True)
    """
    return _contract_of(*(text[:LONGEST] for text in texts))


@lru_cache(maxsize=4096)
def _contract_of(*texts: str) -> Contract | None:
    """Return the option that the first of some short texts means that means one."""
    for text in texts:
        for pattern in (_OCC, _SLASHED, _NAMED):
            found = pattern.fullmatch(text.strip()) if pattern is _OCC else pattern.search(text.strip())
            contract = _contract(found) if found else None
            if contract:
                return contract
    return None


def _contract(found: re.Match[str]) -> Contract | None:
    """Return the option that was found, or None if its day or its strike can't be."""
    said = {name.rstrip("2"): value for name, value in found.groupdict().items() if value}
    strike = Decimal(said["strike"].replace(",", ""))
    if found.re is _OCC and len(said["strike"]) == WHOLE_STRIKE:
        strike /= 1000
    month = int(said["m"]) if "m" in said else MONTHS.get(said["n"].lower(), 0)
    try:
        expiry = date(int(said["y"]) + (2000 if len(said["y"]) <= 2 else 0), month, int(said["d"]))  # noqa: PLR2004  a short year
    except ValueError:
        return None
    return Contract(said["root"].upper(), expiry, RIGHTS[said["right"][0].upper()], strike) if strike else None
