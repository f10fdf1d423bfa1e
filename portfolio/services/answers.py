"""Answers about an account that are dear to compute, kept in the cache under what they follow from.

The key names the account, the state of its derivation (entries, prices, rates and rules that were read, and when) and the
question. Whatever changes one of them changes the key, so no answer is stale: the old one is never asked for again and goes
when its time is over. The gate is passed before anything here is asked; answers depend on the account, never on who asks.
"""

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any, TypeVar

from marketdata.domain.packing import pack
from marketdata.services.cache import Namespace, get_or_compute
from portfolio.models import Projection

PERF = Namespace("perf", shape=2)  # parts: account, state, question; a change of what an answer says takes a new shape
T = TypeVar("T")


def answer(*, projection: Projection, question: Mapping[str, Any], compute: Callable[[], T]) -> T:
    """Return the answer to a question about a projection that is up to date; it is computed once for each state of it."""
    return get_or_compute(PERF, projection.pk, state_of(projection), _digest(dict(question)), compute=compute)


def state_of(projection: Projection) -> str:
    """Return a name for all that the figures of an account follow from; every run of the derivation makes another."""
    read = [projection.read_up_to, projection.basis, projection.series, projection.rates, projection.caught_up_at]
    return _digest(read)


def _digest(value: Any) -> str:
    """Return a short name for a value."""
    return sha256(pack(value)).hexdigest()[:32]
