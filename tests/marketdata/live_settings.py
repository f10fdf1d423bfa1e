"""The settings of a process that a test starts: the suite's database, a vendor on this machine, and his journal for a history."""

import os

from config.settings import *  # noqa: F403
from config.settings import DATABASES, MARKETDATA_PROVIDERS, MARKETDATA_STREAMS
from tests.marketdata.vendor import KEY, SECRET

for each in DATABASES.values():
    each["NAME"] = os.environ["LIVE_DATABASE"]
PROVIDER_HOSTS = ["127.0.0.1"]
MARKETDATA_PROVIDERS |= {
    "journal": {"class": "tests.marketdata.vendor.JournalHistory", "file": os.environ.get("LIVE_JOURNAL", "")},
}
MARKETDATA_STREAMS[os.environ.get("LIVE_NAME", "live")] = {
    "class": "marketdata.adapters.alpaca_stream.AlpacaStream",
    "url": os.environ.get("LIVE_URL", "ws://127.0.0.1:1"),
    "key_id": KEY,
    "secret_key": SECRET,
    "exchanges": ["XTST"],
    "history": "journal",
}
