"""What every view of the door shares: who calls, for which account, and how refusals are told."""

from __future__ import annotations

import json
from typing import Any, cast

from django.db import transaction
from django.utils import timezone
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.views import APIView, set_rollback

from accounts.api.scoping import caller, token_of
from accounts.domain.roles import Role
from accounts.models import Account, Scope
from accounts.services.accounts import refuse_closed
from portfolio.services.projections import catch_up
from trading.api.alpaca.authentication import KeyAuthentication, KeyPermission, account_of, credentials_of
from trading.api.alpaca.errors import FORBIDDEN, RATE, Refusal, as_alpaca
from trading.models import Door
from trading.selectors.risk import Standing, standing_of
from trading.services.orders import Ordering


class AlpacaView(APIView):
    """A view that knows its caller; what it serves is the same for all of them. Parameters it does not know don't matter."""

    authentication_classes = [KeyAuthentication]
    permission_classes = [KeyPermission]
    write_scope: Scope = Scope.TRADE
    schema = None  # its document is Alpaca's own

    def get_parsers(self) -> list[Any]:
        """Return what reads a body: as JSON, whatever kind the client says it is; so does Alpaca, and curl says it is a form."""
        parsers = super().get_parsers()
        for parser in parsers:
            parser.media_type = "*/*"
        return parsers

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Tell the caller how often they may ask, as far as that was counted."""
        spent = getattr(getattr(request, "_request", None), "spent", None)
        if spent is not None:
            for name, number in zip(RATE, (spent.limit, spent.left, int(spent.ends)), strict=True):
                response[name] = str(number)
        return super().finalize_response(request, response, *args, **kwargs)

    @property
    def body(self) -> dict[str, Any]:
        """The object that was sent: the parser takes nothing else."""
        return cast("dict[str, Any]", self.request.data)

    def handle_exception(self, exc: Exception) -> Any:
        """Answer a refusal of this door's own; all others go the way of the house, and are put into Alpaca's words after it."""
        if isinstance(exc, Refusal):
            set_rollback()
            return exc.response()
        return super().handle_exception(exc)


class AccountView(AlpacaView):
    """A view of the account that the key id means: `self.account`, with the caller's `role`."""

    write_role: Role = Role.TRADER
    works_when_closed: frozenset[str] = frozenset()  # methods
    account: Account

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Let the caller in as far as their role reaches."""
        super().initial(request, *args, **kwargs)
        token = token_of(request)
        assert token is not None  # noqa: S101  # the permission lets nobody else in
        key, secret = credentials_of(request.headers)
        self.account = account_of(caller(request), token, key=key, secret=secret)
        if request.method not in SAFE_METHODS:
            self.require(self.write_role)
            if request.method not in self.works_when_closed:
                refuse_closed(self.account)

    def require(self, role: Role) -> None:
        """Refuse a caller whose role in the account is lower.

        :raises Refusal: naming the role
        """
        if self.account.role < role:  # type: ignore[attr-defined]
            raise Refusal(FORBIDDEN, f"this takes the role {role.name} in the account")

    def standing(self) -> Standing:
        """Return how the account stands now, by prices and entries that came in a moment ago, too."""
        at = timezone.now()
        catch_up(account_id=self.account.pk, at=at)
        return standing_of(self.account, at=at)

    @property
    def by(self) -> Ordering:
        """Who orders, by this door, now."""
        return Ordering(actor=caller(self.request), door=Door.ALPACA, at=timezone.now())

    def keeping(self, refusal: Exception) -> Any:
        """Answer a refusal, and keep what was recorded of it."""
        answered = self.handle_exception(refusal)
        transaction.set_rollback(False)
        return answered

    def refused(self, refusal: Exception) -> tuple[int, dict[str, Any]]:
        """Return the status and the body of a refusal that is one part of an answer."""
        answered = as_alpaca(self.keeping(refusal))
        return answered.status_code, json.loads(answered.content)
