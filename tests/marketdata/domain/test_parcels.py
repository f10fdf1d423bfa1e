"""What the database packs is read to the last digit, and a column that lacks values is refused."""

from datetime import UTC, datetime
from decimal import Decimal
from struct import pack

import pytest

from marketdata.domain.parcels import LENGTHS, MISSING, REST, unpacked
from marketdata.domain.quality import Dataset

NAMES = ["00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002"]
YEAR = datetime(2000, 1, 1, tzinfo=UTC)


def eights(*numbers):
    return pack(f">{len(numbers)}q", *numbers)


def ticks(**changes):
    parcels = {
        "timestamp": eights(0, 1, 2),
        "price": eights(-376_300_000_000, 1, 2**63 - 1),
        "size": eights(10**12, 0, 1),
        "conditions" + LENGTHS: pack(">3i", 0, 2, 1),
        "conditions": "Ä@".encode(),
        "recorded_at": eights(0, 0, 0),
    }
    return unpacked(Dataset.TICKS, NAMES, [1, 2], parcels | changes).to_pydict()


def test_numbers_times_and_texts_come_back():
    found = ticks()
    assert found["instrument"] == [NAMES[0], NAMES[1], NAMES[1]]
    assert found["timestamp"][0] == YEAR
    assert found["price"] == [Decimal("-37.63"), Decimal("0.0000000001"), Decimal("922337203.6854775807")]
    assert found["conditions"] == ["", "Ä", "@"]


def test_numbers_in_two_pieces_come_back():
    pieces = {"price": eights(-37, 999_999_999_999_999, 0), "price" + REST: eights(-6_300_000_000, 9_999_999_999, -1)}
    assert ticks(**pieces)["price"] == [Decimal("-37.63"), Decimal("999999999999999.9999999999"), Decimal("-0.0000000001")]


@pytest.mark.parametrize("pieces", [1, 2])
def test_what_is_missing_stays_missing(pieces):
    rest = {"bid_size" + REST: eights(MISSING, 5)} if pieces == 2 else {}
    whole = {"timestamp": eights(0, 1), "bid": eights(1, 1), "ask": eights(1, 1), "recorded_at": eights(0, 0)}
    parcels = whole | {"bid_size": eights(MISSING, 0 if rest else 5), "ask_size": eights(MISSING, MISSING)} | rest
    found = unpacked(Dataset.QUOTES, NAMES[:1], [2], parcels).to_pydict()
    assert found["bid_size"] == [None, Decimal("0.000000000005")]
    assert found["ask_size"] == [None, None]


@pytest.mark.parametrize(
    "change", [{"price": eights(1, 2)}, {"conditions": b"abcd"}, {"timestamp": eights(1)}, {"conditions" + LENGTHS: b""}]
)
def test_a_column_that_does_not_have_a_value_for_every_row_is_refused(change):
    with pytest.raises(ValueError, match=r"values of 3 rows|not as long"):
        ticks(**change)
