"""The admin's page of the cache: how it does, and what an operator may do about it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods
from redis.exceptions import RedisError

from config.unfold import operator
from marketdata.domain.display import NOTHING
from marketdata.selectors.instruments import find_instruments
from marketdata.services import cache, cache_counts, quotes

MOST_SYMBOLS = 500
UNITS = ("bytes", "kB", "MB", "GB")
STEP = 1000


@dataclass(frozen=True, slots=True)
class Space:
    """One namespace, as the page shows it."""

    name: str
    kept: str
    entries: str
    size: str
    hits: str
    misses: str
    rate: str
    remarks: str


@require_http_methods(["GET", "HEAD", "POST"])
def cache_page(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """Show operators how the cache does, and do what they ask for."""
    if not operator(request):
        raise PermissionDenied
    if request.method == "POST":
        act(request)
        return redirect(reverse("admin:cache"))
    found = cache_counts.statistics()
    page = {
        "title": "Cache",
        "found": found,
        "spaces": [_shown(space) for space in found.spaces],
        "memory": size_text(found.memory),
        "limit": size_text(found.memory_limit) if found.memory_limit else "no limit",
        "warning": "" if found.policy.startswith("volatile") or not found.policy else found.policy,
    }
    return TemplateResponse(request, "bedrock/cache.html", context | page)


def act(request: HttpRequest) -> None:
    """Do what a button asks for, and say what came of it."""
    deed = DEEDS.get(request.POST.get("do", ""))
    try:
        if deed is None:
            messages.error(request, "Choose one of the page's buttons.")
        else:
            messages.success(request, deed(request))
    except RedisError:
        messages.error(request, "Redis does not answer; nothing was done.")
    except ValidationError as refusal:
        messages.error(request, " ".join(refusal.messages))


def forget(request: HttpRequest) -> str:
    """Forget the values of one namespace."""
    name = request.POST.get("namespace", "")
    if name not in settings.CACHE_SECONDS:
        raise ValidationError("There is no such namespace.")
    return f"{cache.invalidate_matching(name):,} values of {name} are forgotten."


def reset(request: HttpRequest) -> str:
    """Count from nothing again."""
    cache_counts.reset()
    return "The counts start again."


def warm(request: HttpRequest) -> str:
    """Fetch the latest quotes of some instruments, or of those that are followed, into the cache."""
    names = request.POST.get("symbols", "").replace(",", " ").split()
    if len(names) > MOST_SYMBOLS:
        raise ValidationError(f"Name {MOST_SYMBOLS} instruments at most.")
    chosen = list(find_instruments(names).values()) if names else None
    return f"The latest quotes of {quotes.warm_up(chosen):,} instruments are in the cache."


DEEDS: dict[str, Callable[[HttpRequest], str]] = {"forget": forget, "reset": reset, "warm": warm}


def size_text(size: float) -> str:
    """Return a number of bytes as people read it."""
    unit = 0
    while size >= STEP and unit < len(UNITS) - 1:
        size, unit = size / STEP, unit + 1
    return f"{size:,.0f} {UNITS[unit]}" if unit < 2 else f"{size:,.1f} {UNITS[unit]}"  # noqa: PLR2004  tenths of MB and more


def _shown(space: cache_counts.SpaceStatistics) -> Space:
    """Return a namespace as the page shows it."""
    remarks = {"waited": space.waits, "damaged": space.damaged, "too large": space.too_large, "without Redis": space.away}
    return Space(
        space.name,
        f"{space.seconds // 60} min" if space.seconds % 60 == 0 else f"{space.seconds} s",
        f"{space.entries:,}",
        size_text(space.bytes) if space.entries else NOTHING,
        f"{space.hits:,}",
        f"{space.misses:,}",
        NOTHING if space.rate is None else f"{space.rate:.1%}",
        ", ".join(f"{count:,} {what}" for what, count in remarks.items() if count) or NOTHING,
    )
