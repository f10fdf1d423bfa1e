"""Where exchanges are: the time zone whose midnight parts their days.

A bar of Sydney that starts at 23:00 UTC is one of the next day's session, and one of New York that starts at 00:30 UTC belongs to
what was traded after hours the day before. What happens on a day to a company's shares, such as a split, happens on the day of
their exchange. The package exchange_calendars knows all of this, and takes seconds to load; a test compares.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import cache
from types import MappingProxyType
from zoneinfo import ZoneInfo

from marketdata.domain.bars import Timeframe

GREENWICH = ZoneInfo("UTC")
_IN: Mapping[str, str] = {
    "Africa/Johannesburg": "XJSE",
    "America/Argentina/Buenos_Aires": "XBUE",
    "America/Chicago": "CMES XCBF XCME XCBT XNYM XCEC GLBX XCBO",
    "America/Lima": "XLIM",
    "America/Mexico_City": "XMEX",
    "America/New_York": "XNYS XNAS XASE ARCX BATS IEXG XCHI XPHL XBOS XCIS EDGA EDGX BATY MEMX EPRL LTSE OTCM IEPA IFUS",
    "America/Bogota": "XBOG",
    "America/Santiago": "XSGO",
    "America/Sao_Paulo": "BVMF",
    "America/Toronto": "XTSE XTSX",
    "Asia/Almaty": "AIXK",
    "Asia/Bangkok": "XBKK",
    "Asia/Hong_Kong": "XHKG",
    "Asia/Jakarta": "XIDX",
    "Asia/Karachi": "XKAR",
    "Asia/Kolkata": "XBOM XNSE",
    "Asia/Kuala_Lumpur": "XKLS",
    "Asia/Manila": "XPHS",
    "Asia/Nicosia": "XCYS",
    "Asia/Riyadh": "XSAU",
    "Asia/Seoul": "XKRX",
    "Asia/Shanghai": "XSHG XSHE",
    "Asia/Singapore": "XSES",
    "Asia/Taipei": "XTAI",
    "Asia/Tel_Aviv": "XTAE",
    "Asia/Tokyo": "XTKS",
    "Atlantic/Bermuda": "XBDA",
    "Atlantic/Reykjavik": "XICE",
    "Australia/Sydney": "XASX",
    "Europe/Amsterdam": "XAMS",
    "Europe/Athens": "ASEX",
    "Europe/Belgrade": "XBEL",
    "Europe/Berlin": "XETR XFRA XSTU XEEE XEUR XDUS XHAM XMUN",
    "Europe/Bratislava": "XBRA",
    "Europe/Brussels": "XBRU",
    "Europe/Bucharest": "XBSE",
    "Europe/Budapest": "XBUD",
    "Europe/Copenhagen": "XCSE",
    "Europe/Dublin": "XDUB",
    "Europe/Helsinki": "XHEL",
    "Europe/Istanbul": "XIST",
    "Europe/Lisbon": "XLIS",
    "Europe/Ljubljana": "XLJU",
    "Europe/London": "XLON",
    "Europe/Luxembourg": "XLUX",
    "Europe/Madrid": "XMAD",
    "Europe/Moscow": "XMOS",
    "Europe/Oslo": "XOSL",
    "Europe/Paris": "XPAR",
    "Europe/Prague": "XPRA",
    "Europe/Riga": "XRIS",
    "Europe/Rome": "XMIL",
    "Europe/Stockholm": "XSTO",
    "Europe/Tallinn": "XTAL",
    "Europe/Vienna": "XWBO",
    "Europe/Vilnius": "XLIT",
    "Europe/Warsaw": "XWAR",
    "Europe/Zagreb": "XZAG",
    "Europe/Zurich": "XSWX",
    "Pacific/Auckland": "XNZE",
}
ZONES: Mapping[str, str] = MappingProxyType({mic: zone for zone, mics in _IN.items() for mic in mics.split()})


@cache
def zone_of(mic: str) -> ZoneInfo:
    """Return the time zone of an exchange; of crypto markets, and of exchanges that are not known, it is UTC.

    >>> str(zone_of("XASX")), str(zone_of("CRYPTO"))
    ('Australia/Sydney', 'UTC')
    """
    return ZoneInfo(ZONES[mic]) if mic in ZONES else GREENWICH


def market_day(at: datetime, timeframe: Timeframe, mic: str) -> date:
    """Return the day of the exchange that a bar belongs to; a daily bar starts at 00:00 UTC of that day.

    >>> market_day(datetime(2024, 6, 9, 23, 30, tzinfo=UTC), Timeframe.MINUTE, "XASX")
    datetime.date(2024, 6, 10)
    >>> market_day(datetime(2024, 6, 9, tzinfo=UTC), Timeframe.DAY, "XNYS")
    datetime.date(2024, 6, 9)
    """
    zone = UTC if timeframe is Timeframe.DAY else zone_of(mic)
    try:
        return at.astimezone(zone).date()
    except OverflowError:  # on the first or the last day there is
        return at.astimezone(UTC).date()
