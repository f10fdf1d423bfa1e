"""The API's errors: whoever refuses and however, the client reads one problem document (RFC 9457)."""

import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import singledispatch
from http import HTTPStatus
from typing import Any

import orjson
from django.core import exceptions as django
from django.db import DatabaseError, DataError, OperationalError
from django.db.models import ProtectedError, RestrictedError
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.views import defaults
from rest_framework import exceptions as rest
from rest_framework.views import set_rollback

from accounts.api.problems import flatten
from accounts.domain.ledger import EntryRefused
from config.logs import request_id
from trading.api.alpaca.errors import PREFIX

log = logging.getLogger(__name__)

NOTHING_HERE = "There is nothing here, or it is not yours."

# what PostgreSQL refuses, by its SQLSTATE: status, code and what to tell
REFUSALS = {
    "BR001": (409, "account_closed", "The account is closed."),
    "BR003": (409, "last_owner", "An account always keeps an owner."),
    "23001": (409, "append_only", "What was recorded is never changed; post a reversal instead."),
    "42501": (403, "permission_denied", "Your role does not reach that far."),
    "23502": (400, "required", "A field that is needed was left out."),
    "23503": (400, "unknown_reference", "Something this refers to is not there."),
    "40001": (503, "busy", "Somebody else is writing here; try again."),
    "40P01": (503, "busy", "Somebody else is writing here; try again."),
    "55P03": (503, "busy", "Somebody else is writing here; try again."),
    "57014": (503, "too_slow", "That took too long and was given up."),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One refusal as the client reads it."""

    status: int
    code: str
    detail: str
    errors: list[dict[str, Any]] = field(default_factory=list)
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self) -> HttpResponse:
        """Return the answer; it is JSON whatever the client accepts."""
        content = {
            "type": f"urn:bedrock:problem:{self.code}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            "errors": self.errors,
            "request_id": request_id.get(),
        }
        return HttpResponse(orjson.dumps(content), "application/problem+json", self.status, headers=dict(self.headers))


def handle_exception(error: Exception, context: Mapping[str, Any]) -> HttpResponse | None:
    """Return the answer to a refusal in a view, undoing what the view wrote; None for what is a fault of ours."""
    problem = problem_of(error)
    if problem is None:
        return None
    set_rollback()
    return problem.response()


@singledispatch
def problem_of(error: Exception) -> Problem | None:
    """Return the problem an exception stands for, or None for a fault of ours."""
    return None


@problem_of.register
def _(error: rest.APIException) -> Problem:
    headers = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if (seconds := getattr(error, "wait", None)) is not None:
        headers["Retry-After"] = str(max(1, round(seconds)))
    detail = error.detail
    if isinstance(detail, list | dict):
        return of_errors(list(flatten(detail)), status=error.status_code)
    return Problem(error.status_code, detail.code or "invalid", str(detail), headers=headers)


@problem_of.register
def _(error: Http404 | rest.NotFound) -> Problem:
    return Problem(404, "not_found", NOTHING_HERE)


@problem_of.register
def _(error: django.PermissionDenied) -> Problem:
    return Problem(403, "permission_denied", str(error) or "You may not do that.")


@problem_of.register
def _(error: django.ValidationError) -> Problem:
    errors = list(flatten_django(error))
    if type(error) is django.ValidationError:
        return of_errors(errors)
    status = getattr(error, "status", 409)
    if status == 404:  # noqa: PLR2004
        return Problem(404, "not_found", NOTHING_HERE)
    code = getattr(error, "code", None) or re.sub(r"(?<!^)(?=[A-Z])", "_", type(error).__name__).lower()
    named = errors if hasattr(error, "error_dict") else []
    return Problem(status, code, " ".join(error.messages), named)


@problem_of.register
def _(error: EntryRefused) -> Problem:
    return of_errors([{"field": name, "code": "invalid", "detail": detail} for name, detail in error.problems.items()])


@problem_of.register
def _(error: DatabaseError) -> Problem | None:
    cause = error.__cause__
    state = getattr(cause, "sqlstate", None) or ""
    constraint = getattr(getattr(cause, "diag", None), "constraint_name", None)
    if state == "42501":
        log.error("The database refused what a door let through: %s", error)
    if state in REFUSALS:
        status, code, detail = REFUSALS[state]
        return Problem(status, code, detail, headers={"Retry-After": "1"} if code == "busy" else {})
    if constraint and state in {"23505", "23514"}:
        said = constraint.replace("_", " ")
        if state == "23505":
            return Problem(409, constraint, f"That is there already ({said}).")
        return Problem(400, constraint, f"The record breaks a rule: {said}.")
    if isinstance(error, DataError):
        return Problem(400, "invalid", "A value is out of the range that can be stored.")
    if isinstance(error, OperationalError):
        log.error("The database is away: %s", error)
        return Problem(503, "unavailable", "The database is away; try again.", headers={"Retry-After": "5"})
    return None


@problem_of.register
def _(error: ProtectedError | RestrictedError) -> Problem:
    return Problem(409, "in_use", "Other records refer to this; it can't be removed.")


@problem_of.register
def _(error: django.SuspiciousOperation | UnreadablePostError | MultiPartParserError) -> Problem:
    return Problem(400, "bad_request", "The request can't be read.")


@problem_of.register
def _(error: django.RequestDataTooBig) -> Problem:
    return Problem(413, "too_large", "The body is too large.")


def of_errors(errors: list[dict[str, Any]], *, status: int = 400) -> Problem:
    """Return the problem of wrong fields; one wrong field alone gives the whole its code."""
    if len(errors) == 1:
        return Problem(status, errors[0]["code"], errors[0]["detail"], errors)
    return Problem(status, "invalid", "Several fields are wrong; errors names each.", errors)


def flatten_django(error: django.ValidationError) -> Iterator[dict[str, Any]]:
    """Return the errors of models and services in the same form."""
    by_field = error.error_dict if hasattr(error, "error_dict") else {django.NON_FIELD_ERRORS: error.error_list}
    for name, errors in by_field.items():
        for one in errors:
            shown = None if name == django.NON_FIELD_ERRORS else name
            yield {"field": shown, "code": one.code or "invalid", "detail": " ".join(one.messages)}


def is_api(request: HttpRequest) -> bool:
    """Say whether a request is for the API, or for its door that speaks Alpaca's words."""
    return request.path_info.startswith(("/api/", PREFIX))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a path that leads nowhere: a problem under /api/, else a page."""
    return Problem(404, "not_found", NOTHING_HERE).response() if is_api(request) else defaults.page_not_found(request, exception)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that can't be read."""
    problem = problem_of(exception) or Problem(400, "bad_request", "The request can't be read.")
    return problem.response() if is_api(request) else defaults.bad_request(request, exception)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer who may not."""
    problem = Problem(403, "permission_denied", "You may not do that.")
    return problem.response() if is_api(request) else defaults.permission_denied(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer after a fault of ours; the log has it under the request's id."""
    if is_api(request):
        return Problem(500, "fault", "That is a fault of ours; the log has it under this request_id.").response()
    return defaults.server_error(request)
