"""Every kind of entry through the API: what it takes, the signs it answers with, and the field that is named when it is wrong."""

import pytest

from tests.clients import program
from tests.factories import make_instrument

WHEN = "2024-01-02T15:00:00Z"
GROUP = "01890a5d-ac96-774b-bcce-b302099a8057"
# kind: what is sent, and what is answered of quantity and cash
GOOD = {
    "DEPOSIT": ({"cash": "100"}, "0", "100"),
    "WITHDRAWAL": ({"cash": "-100"}, "0", "-100"),
    "BUY": ({"instrument": True, "quantity": "10", "price": "12", "fee": "1"}, "10", "-121"),
    "SELL": ({"instrument": True, "quantity": "10", "price": "12", "tax": "1"}, "-10", "119"),
    "SHORT": ({"instrument": True, "quantity": "10", "price": "12"}, "-10", "120"),
    "COVER": ({"instrument": True, "quantity": "10", "price": "12"}, "10", "-120"),
    "DIVIDEND": ({"instrument": True, "data": {"gross": "10"}, "tax": "1.5"}, "0", "8.5"),
    "INTEREST": ({"cash": "-3"}, "0", "-3"),
    "FEE": ({"fee": "5"}, "0", "-5"),
    "TAX": ({"tax": "5"}, "0", "-5"),
    "TRANSFER_IN": ({"instrument": True, "quantity": "10"}, "10", "0"),
    "TRANSFER_OUT": ({"instrument": True, "quantity": "10"}, "-10", "0"),
    "FX": ({"cash": "-100", "group": GROUP}, "0", "-100"),
    "SPLIT": ({"instrument": True, "quantity": "10", "data": {"ratio": "2:1"}}, "10", "0"),
    "SPIN_OFF": ({"instrument": True, "quantity": "3"}, "3", "0"),
    "MERGER": ({"instrument": True, "quantity": "-3"}, "-3", "0"),
    "RETURN_OF_CAPITAL": ({"instrument": True, "cash": "7"}, "0", "7"),
    "OPTION_EXERCISE": ({"instrument": True, "quantity": "-1"}, "-1", "0"),
    "OPTION_ASSIGNMENT": ({"instrument": True, "quantity": "1"}, "1", "0"),
    "OPTION_EXPIRATION": ({"instrument": True, "quantity": "-1"}, "-1", "0"),
    "STAKING": ({"instrument": True, "quantity": "0.000000000001"}, "0.000000000001", "0"),
    "VALUATION": ({"instrument": True, "price": "250000"}, "0", "0"),
    "LIABILITY": ({"price": "100000", "data": {"name": "Mortgage"}}, "0", "0"),
    "NOTE": ({"notes": "Remember this."}, "0", "0"),
}
BAD = [
    *((kind, {"instrument": None}, "instrument") for kind, (fields, *_) in GOOD.items() if "instrument" in fields),
    *((kind, {"instrument": True}, "instrument") for kind in ("DEPOSIT", "WITHDRAWAL", "FX", "LIABILITY")),
    *((kind, {"price": None}, "price") for kind, (fields, *_) in GOOD.items() if "price" in fields),
    *((kind, {"price": "1"}, "price") for kind in ("DEPOSIT", "WITHDRAWAL", "INTEREST", "FEE", "TAX", "SPLIT", "NOTE")),
    *(
        (kind, {"quantity": "-1"}, "quantity")
        for kind in ("BUY", "SELL", "SHORT", "COVER", "SPIN_OFF", "STAKING", "TRANSFER_OUT")
    ),
    *((kind, {"quantity": "0"}, "quantity") for kind in ("BUY", "SELL", "SPIN_OFF", "MERGER", "OPTION_EXPIRATION", "STAKING")),
    *((kind, {"quantity": "1"}, "quantity") for kind in ("DEPOSIT", "DIVIDEND", "FEE", "NOTE", "VALUATION", "LIABILITY")),
    *((kind, {"cash": "-1"}, "cash") for kind in ("DEPOSIT", "RETURN_OF_CAPITAL", "TRANSFER_IN", "NOTE", "STAKING")),
    *((kind, {"cash": "1"}, "cash") for kind in ("WITHDRAWAL", "FEE", "TAX", "TRANSFER_OUT", "VALUATION", "BUY")),
    *((kind, {"cash": None}, "cash") for kind in ("DEPOSIT", "WITHDRAWAL", "INTEREST", "FX", "RETURN_OF_CAPITAL")),
    *((kind, {"fee": None, "tax": None, "cash": None}, None) for kind in ("FEE", "TAX")),
    ("SPLIT", {"data": {}}, "data.ratio"),
    ("LIABILITY", {"data": {}}, "data.name"),
    ("DIVIDEND", {"data": {"gross": 10}}, "data.gross"),
    ("FX", {"group": None}, "group"),
    ("NOTE", {"notes": ""}, "notes"),
    ("NOTE", {"notes": "bell\a"}, "notes"),
    ("DEPOSIT", {"tags": ["x" * 51]}, "tags.0"),
    ("DEPOSIT", {"data": {"a": [[[[[[[[[[1]]]]]]]]]]}}, "data"),
    ("DEPOSIT", {"data": {"a": "x" * 70_000}}, "data"),
    ("DEPOSIT", {"external_id": "x" * 201}, "external_id"),
]


@pytest.fixture(scope="module")
def instrument():
    return make_instrument()


@pytest.fixture
def post(account, alice, instrument):
    client = program(alice)

    def send(kind, **change):
        sent = {"kind": kind, "occurred_at": WHEN} | GOOD[kind][0] | change
        if sent.get("instrument"):
            sent["instrument"] = instrument.key
        return client.post(f"/api/v1/accounts/{account.pk}/entries/", sent)

    return send


@pytest.mark.parametrize("kind", GOOD)
def test_every_kind_is_posted_and_carries_its_signs(post, kind):
    answer = post(kind)
    assert answer.status_code == 201, answer.content
    assert (answer.json()["quantity"], answer.json()["cash"]) == GOOD[kind][1:]


@pytest.mark.parametrize(("kind", "change", "field"), BAD, ids=lambda value: str(value)[:40])
def test_what_is_wrong_is_named(post, kind, change, field):
    answer = post(kind, **change)
    assert answer.status_code == 400, answer.content
    fields = {error["field"] for error in answer.json()["errors"]}
    assert field in fields if field else fields
