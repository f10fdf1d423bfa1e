"""`Idempotency-Key` on any POST: the same key and body hear the same answer; 401, 429 and 5xx are not kept."""

import re
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.crypto import salted_hmac
from rest_framework.exceptions import ErrorDetail, ValidationError

from accounts.models import User
from accounts.services.idempotency import Kept, claim_key, keep_answer, release_key

READABLE = re.compile(r"[\x21-\x7e]{1,128}")
NOT_DECIDED = {401, 429}  # turned away at the door: a retry is looked at again
SERVER_FAULT = 500


def answer_once(request: HttpRequest, user: User, caller: str, produce: Callable[[HttpRequest], HttpResponse]) -> HttpResponse:
    """Answer a request, or repeat the answer its Idempotency-Key got before, inside the user's transaction.

    `caller` (the session, or which token) keeps apart what may see different things.
    """
    name = request.headers.get("Idempotency-Key")
    if request.method != "POST" or name is None:
        return produce(request)
    if not READABLE.fullmatch(name):
        problem = ErrorDetail("Write 1 to 128 visible ASCII characters.", code="invalid")
        raise ValidationError({"Idempotency-Key": [problem]})
    key = f"{caller}:{name}"
    kept = claim_key(user=user, key=key, request_hash=fingerprint(request), at=timezone.now())
    if kept is not None:
        return HttpResponse(kept.body, content_type=kept.content_type, status=kept.status)
    response = produce(request)
    if response.streaming or response.status_code in NOT_DECIDED:
        release_key(user=user, key=key)
    elif response.status_code < SERVER_FAULT:
        answer = Kept(response.status_code, response.headers.get("Content-Type", ""), response.content)
        keep_answer(user=user, key=key, answer=answer)
    return response


def fingerprint(request: HttpRequest) -> str:
    """Return a keyed hash of what is asked: a body may hold a password, which a bare hash would let be guessed."""
    digest = salted_hmac(
        "accounts.idempotency", f"{request.method} {request.get_full_path()} {request.content_type}", algorithm="sha256"
    )
    if request.content_type == "multipart/form-data":
        digest.update(repr(sorted(request.POST.lists())).encode())
        sent: dict[str, Any] = dict(request.FILES.lists())
        for name, file in ((field, file) for field in sorted(sent) for file in sent[field]):
            digest.update(f"\n{name} {file.name} {file.size} ".encode())
            for chunk in file.chunks():
                digest.update(chunk)
            file.seek(0)
    else:
        digest.update(b"\n" + request.body)
    return digest.hexdigest()
