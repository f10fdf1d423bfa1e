"""What happens around every request: it gets an id, and the database learns who asks."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import uuid4

from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.cache import patch_cache_control, patch_vary_headers
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import SAFE_METHODS

from accounts.api.idempotency import answer_once
from accounts.models import User
from accounts.models.tenancy import acting_as
from accounts.selectors.users import acting_by_token
from accounts.services.tokens import is_fresh, note_use
from config.api import is_api, problem_of
from config.logs import request_id
from trading.api.alpaca.authentication import secret_of
from trading.api.alpaca.errors import as_alpaca, speaks_alpaca

Answer = Callable[[HttpRequest], HttpResponse]

# these ask for nobody's rows: a probe, and the door where a password is shown for a token
NOBODY_ASKS = ("/health/", "/api/v1/auth/token/")
READABLE = re.compile(r"[A-Za-z0-9._-]{1,64}")
SERVER_FAULT = 500


class RequestId:
    """Gives each request an id (the caller's own, where it is readable) that logs, problems and the answer carry."""

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer with the id."""
        given = request.headers.get("X-Request-ID", "")
        name = given if READABLE.fullmatch(given) else uuid4().hex
        request_id.set(name)  # for good: Django logs refusals after the last middleware, and the next request sets its own
        response = self.get_response(request)
        response["X-Request-ID"] = name
        return response


class ActingUser:
    """Finds the caller and opens the one transaction that shows their rows; an answer of 5xx undoes it.

    It stands around the whole answer, templates included. A token outweighs a session, and counts under /api/ alone.
    """

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer as the caller."""
        if request.path_info.startswith(NOBODY_ASKS):
            return self.get_response(request)
        if not is_api(request):
            return self.get_response(request) if request.user.is_anonymous else self.act(request, request.user)
        try:
            response = self.answer_api(request)
        except Exception as error:
            problem = problem_of(error)  # refused at commit, or before any view was asked
            if problem is None:
                raise
            response = problem.response()
        if speaks_alpaca(request.path_info):
            response = as_alpaca(response)
        patch_vary_headers(response, ("Authorization", "Cookie"))
        patch_cache_control(response, private=True, no_cache=True)
        return response

    def answer_api(self, request: HttpRequest) -> HttpResponse:
        """Answer a call of the API; by the door for clients of Alpaca, the secret key of theirs is a token alone."""
        if speaks_alpaca(request.path_info):
            secret = secret_of(request.headers)
            return self.act_by_token(request, secret) if secret else self.get_response(request)
        kind, _, secret = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() == "bearer":
            return self.act_by_token(request, secret.strip())
        if request.user.is_anonymous:
            return self.get_response(request)
        return self.act(request, request.user)

    def act(self, request: HttpRequest, user: User) -> HttpResponse:
        """Answer inside the user's transaction."""
        with acting_as(user.pk):
            return self.answer(request, user, "session")

    def act_by_token(self, request: HttpRequest, secret: str) -> HttpResponse:
        """Answer inside the transaction of the token's user, and note that it was used.

        :raises AuthenticationFailed: if the token is not, or no longer, good
        """
        with acting_by_token(secret=secret, at=timezone.now()) as token:
            if token is None:
                raise refused_token()
            request.user, request.token = token.user, token  # type: ignore[attr-defined]
            response = self.answer(request, token.user, str(token.pk))
            undone = connection.needs_rollback
            if not undone:
                note_use(token=token, at=timezone.now())  # last, so that the row is locked for a moment only
        if undone and response.status_code < SERVER_FAULT and not is_fresh(token, at=timezone.now()):
            with acting_as(token.user.pk, accounts=token.accounts):
                note_use(token=token, at=timezone.now())
        return response

    def answer(self, request: HttpRequest, user: User, caller: str) -> HttpResponse:
        """Answer inside the transaction at hand, which a fault of ours undoes."""
        request.acts = True  # type: ignore[attr-defined]
        response = answer_once(request, user, caller, self.get_response)
        if response.status_code >= SERVER_FAULT:
            transaction.set_rollback(True)
        return response

    def process_view(
        self, request: HttpRequest, view: Callable[..., HttpResponse], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> HttpResponse | None:
        """Answer the API without a savepoint of its own: if it is refused, there is nothing to keep but an Idempotency-Key."""
        nothing_to_keep = request.method in SAFE_METHODS or "Idempotency-Key" not in request.headers
        if nothing_to_keep and is_api(request) and getattr(request, "acts", False):
            return view(request, *args, **kwargs)
        return None


def refused_token() -> AuthenticationFailed:
    """Return the refusal of a token that is not, or no longer, good."""
    refusal = AuthenticationFailed("The token is unknown, expired or revoked.", code="invalid_token")
    refusal.auth_header = 'Bearer realm="api", error="invalid_token"'  # type: ignore[attr-defined]
    return refusal
