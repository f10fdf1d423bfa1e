"""Refusals in Alpaca's words: a status, a number and a message. What refuses below says it as a problem, put into them here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import orjson
from django.http import HttpResponse

PREFIX = "/alpaca/"
PROBLEM = "application/problem+json"
RATE = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")  # the last is a time in seconds since 1970
KEPT = ("Retry-After", "WWW-Authenticate", "Allow", *RATE)
BAD, UNKNOWN_CALLER, FORBIDDEN, MISSING, UNPROCESSABLE = 400, 401, 403, 404, 422
CONFLICT = 409
INVALID_FIELD = 40010001

# the names of our refusals that Alpaca answers in its own way: status and number
KNOWN: Mapping[str, tuple[int, int]] = {
    "client_order_id_taken": (UNPROCESSABLE, INVALID_FIELD),
    "order_not_open": (UNPROCESSABLE, 42210000),
    "order_pending": (UNPROCESSABLE, 42210000),
    "waits_for_entry": (UNPROCESSABLE, 42210000),
    "nothing_changes": (UNPROCESSABLE, 42210000),
    "not_replaceable": (UNPROCESSABLE, 42210000),
    "below_filled": (UNPROCESSABLE, 42210000),
    "name_taken": (UNPROCESSABLE, INVALID_FIELD),
    "parse_error": (BAD, 40010000),
    "bad_request": (BAD, 40010000),
    # well written, and against the rules of the market
    **dict.fromkeys(
        (
            *("fractional_day", "fractional_simple", "fractional_trailing", "fractional_short", "whole_units"),
            *("auction_type", "at_once_type", "crypto_time", "option_day", "extended_limit", "extended_time", "extended_shares"),
            *("legs_type", "legs_time", "legs_class", "legs_effect", "legs_crossed", "oco_limit"),
            *("market_closed", "auction_over", "auction_closed"),
            *("no_profit", "no_loss", "limit_beyond_stop", "off_tick", "not_tradable", "inactive", "trail_too_wide"),
        ),
        (UNPROCESSABLE, 42210000),
    ),
}
MESSAGES: Mapping[int, str] = {UNKNOWN_CALLER: "request is not authorized", 429: "too many requests."}
NAMES: Mapping[str, str] = {"quantity": "qty", "instrument": "symbol"}  # of fields
WORDS: Mapping[str, str] = {"client_order_id_taken": "client_order_id must be unique"}
# refusals that don't say which number they mean: with its name, and with our own words
OF_A_NUMBER: Mapping[str, str] = {"not_positive": "{0} must be > 0", "invalid_number": "{0}: {1}"}
# what clients look for in a message; our own words come after it
SAID: Mapping[str, str] = {
    "buying_power": "insufficient buying power",
    "crosses_zero": "insufficient qty available for order",
    "reserved_by_orders": "insufficient qty available for order",
    "short_sale": "account is not allowed to short",
    "opposite_order": "potential wash trade detected",
    "trading_paused": "new orders are rejected by user request",
    "fractional_day": "fractional orders must be DAY orders",
    "fractional_simple": "fractional orders must be simple orders",
    "extended_limit": "extended hours order must be DAY limit orders",
    "extended_time": "extended hours order must be DAY limit orders",
    "crypto_time": "invalid crypto time_in_force",
    "off_tick": "sub-penny increment does not fulfill minimum pricing criteria",
    "not_tradable": "asset is not tradable",
    "inactive": "asset is not active",
    "quantity_or_notional": "qty or notional is required",
}


class Refusal(Exception):
    """What Alpaca would answer with a status, a number (the usual one of the status, unless another is given) and a message."""

    def __init__(self, status: int, message: str, *, number: int | None = None, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.body: dict[str, Any] = {"code": number or number_of(status), "message": message, **more}

    def response(self) -> HttpResponse:
        """Return the answer."""
        return answer(self.status, self.body)


class NotFound(Refusal):
    """There is no such thing, or it is not the caller's."""

    def __init__(self, message: str) -> None:
        super().__init__(MISSING, message)


class BadField(Refusal):
    """A field of the body, or a parameter of the query, is missing or makes no sense."""

    def __init__(self, message: str) -> None:
        super().__init__(UNPROCESSABLE, message, number=INVALID_FIELD)


def number_of(status: int) -> int:
    """Return the number that a status has where nothing more is to be said.

    >>> number_of(404)
    40410000
    """
    return status * 100_000 + 10_000


def answer(status: int, body: Mapping[str, Any]) -> HttpResponse:
    """Return an answer that is JSON whatever the client accepts."""
    return HttpResponse(orjson.dumps(body), "application/json", status)


def speaks_alpaca(path: str) -> bool:
    """Say whether a path is one of this door."""
    return path.startswith(PREFIX)


def as_alpaca(response: HttpResponse) -> HttpResponse:
    """Return a problem document in Alpaca's words, and any other answer as it is."""
    if response.streaming or response.headers.get("Content-Type") != PROBLEM:
        return response
    status, body = told(json.loads(response.content))
    made = answer(status, body)
    for name in KEPT:
        if name in response.headers:
            made[name] = response[name]
    return made


def told(problem: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    """Return the status and the body that a problem document comes to.

    >>> told({"status": 409, "code": "buying_power", "detail": "10 are left.", "errors": []})
    (403, {'code': 40310000, 'message': 'insufficient buying power: 10 are left.'})
    """
    status, name = int(problem["status"]), str(problem["code"])
    errors = problem.get("errors") or []
    names = [name, *(str(each["code"]) for each in errors)]
    known = next((KNOWN[each] for each in names if each in KNOWN), None)
    if known is not None:
        code = known
    elif status == CONFLICT:  # what a limit or the state forbids
        code = (FORBIDDEN, number_of(FORBIDDEN))
    elif status == BAD:
        code = (UNPROCESSABLE, INVALID_FIELD)
    else:
        code = (status, number_of(status))
    known_words = next((WORDS[each] for each in names if each in WORDS), "")
    message = MESSAGES.get(status) or known_words or _message(problem, errors, names)
    return code[0], {"code": code[1], "message": message}


def _message(problem: Mapping[str, Any], errors: list[Mapping[str, Any]], names: list[str]) -> str:
    """Return what is wrong, field by field where several are."""
    detail = str(problem["detail"])
    if len(errors) > 1:
        named = ((NAMES.get(str(each["field"]), each["field"]), each["detail"]) for each in errors)
        detail = " ".join(f"{name}: {told}" if name else str(told) for name, told in named)
    elif errors and errors[0]["code"] in OF_A_NUMBER:
        field = str(errors[0]["field"])
        detail = OF_A_NUMBER[str(errors[0]["code"])].format(NAMES.get(field, field), detail)
    said = next((SAID[each] for each in names if each in SAID), "")
    return f"{said}: {detail}" if said else detail
