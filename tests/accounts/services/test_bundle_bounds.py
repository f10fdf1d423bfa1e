"""However large a ZIP of an account says it is, of what is long no more than a part is in memory."""

import hashlib
import json
import tracemalloc

import pytest

from tests.accounts.services.test_bundles import content, instrument, packed, refused

__all__ = ["content", "instrument", "packed"]


@pytest.mark.parametrize(
    "cell", ["1" * 500_000, '"' + "1\n" * 5_000 + '"', '"' + "1\n" * 200_000 + '"'], ids=["long", "lines", "more"]
)
def test_a_forged_price_that_is_long(packed, cell):
    table = packed.files["bars.csv"].decode().splitlines(keepends=True)
    table[1] = table[1].replace(",10,", f",{cell},", 1)
    assert refused(packed.sealed(**{"bars.csv": "".join(table).encode()})) == "bad_file"


def test_forged_instruments_that_are_long_are_not_in_memory_together(packed):
    one = json.loads(packed.files["instruments.jsonl"])
    words = [hashlib.sha256(bytes([n])).hexdigest() for n in range(200)]
    lines = (json.dumps(one | {"key": f"X{n}:XNAS", "more": words[n % 200] * 600}) for n in range(2_000))
    forged = packed.sealed(**{"instruments.jsonl": "\n".join(lines).encode() + b"\n"})
    packed.files.clear()
    tracemalloc.start()
    try:
        assert refused(forged) in {"bad_file", "wrong_hash"}
        assert tracemalloc.get_traced_memory()[1] < 24 * 1024**2
    finally:
        tracemalloc.stop()


def test_more_instruments_than_any_account_has(packed):
    packed.manifest["files"]["instruments.jsonl"]["rows"] = 20_001
    assert refused(packed.told(**packed.manifest)) == "too_large"
