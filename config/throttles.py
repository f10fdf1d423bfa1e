"""How often a caller may ask: counted in the cache, in fixed windows."""

import logging
import math
import time
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from django.core.cache import caches
from django.core.exceptions import ValidationError
from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.throttling import BaseThrottle
from unfold.forms import AuthenticationForm as UnfoldLoginForm

if TYPE_CHECKING:  # the views' own module reads this one through the settings
    from rest_framework.views import APIView

log = logging.getLogger(__name__)
# counts up what is gone by itself when its window is: in one trip, and never without an end
COUNT = """
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
return count
"""
PERIODS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Spent(NamedTuple):
    """How much of a rate a caller has used in the window at hand, which ends at a time of the clock (seconds since 1970)."""

    limit: int
    used: int
    ends: float
    now: float

    @property
    def left(self) -> int:
        """How many requests are still welcome."""
        return max(self.limit - self.used, 0)

    @property
    def wait(self) -> float:
        """The seconds until the next is welcome, 0 for right away."""
        return self.ends - self.now if self.used > self.limit else 0


def spend(scope: str, caller: str) -> Spent:
    """Count one request of a caller.

    :raises RedisError: if nothing can be counted
    """
    limit, _, period = str(api_settings.DEFAULT_THROTTLE_RATES[scope]).partition("/")
    seconds = PERIODS[period[0]]
    now = time.time()
    cache: Any = caches["default"]
    key = cache.make_and_validate_key(f"throttle:{scope}:{caller}:{int(now // seconds)}")
    count = int(cache.ask("EVAL", COUNT, 1, key, seconds))
    return Spent(int(limit), count, (now // seconds + 1) * seconds, now)


class CallerThrottle(BaseThrottle):
    """A rate for each token, each user's sessions and each address of nobody known; while Redis is away all may pass.

    Where a view's `throttle_scope` is `login`, a rate for each address and each e-mail that is tried; while Redis is away
    nobody may try.
    """

    seconds = 0.0

    def allow_request(self, request: Request, view: "APIView") -> bool:
        """Say whether the caller may ask now."""
        if getattr(view, "throttle_scope", None) == "login":
            body: Any = request.data  # an object: the parser takes nothing else
            self.seconds = login_wait(self.get_ident(request), body.get("email"))
        else:
            self.seconds = self.caller_wait(request)
        return not self.seconds

    def caller_wait(self, request: Request) -> float:
        """Count one request of whoever asks."""
        if request.auth is not None:
            scope, caller = "caller", f"token-{request.auth.pk}"
        elif request.user and request.user.is_authenticated:
            scope, caller = "caller", f"user-{request.user.pk}"
        else:
            scope, caller = "nobody", self.get_ident(request)
        try:
            spent = spend(scope, caller)
        except RedisError:
            return 0
        request._request.spent = spent  # type: ignore[attr-defined]  # for doors that tell it
        return spent.wait

    def wait(self) -> float:
        """Return the seconds to wait."""
        return math.ceil(self.seconds)


class ThrottledLoginForm(UnfoldLoginForm):
    """The login form of the site, with the rate of logins."""

    def clean(self) -> dict[str, object]:
        """Refuse too many tries before the password is looked at."""
        address = BaseThrottle().get_ident(self.request)
        seconds = login_wait(address, self.cleaned_data.get("username"))
        if seconds:
            raise ValidationError(f"Too many tries; wait {math.ceil(seconds)} seconds.", code="throttled")
        return super().clean()


def login_wait(address: str, email: object) -> float:
    """Count one try from an address for an e-mail; return the seconds to wait before the password is looked at."""
    try:
        waits = [spend("login", f"ip-{address}").wait]
        if isinstance(email, str):
            waits.append(spend("login", f"email-{sha256(email.strip().lower().encode()).hexdigest()}").wait)
    except RedisError as error:
        log.error("Logins are refused while Redis is away: %s", error)
        return 60
    return max(waits)
