"""Whether whoever was let in a while ago may still be there: for answers that go on for long."""

from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user
from django.db.models import Q
from django.http import HttpRequest

from accounts.models import ApiToken, User


@dataclass(frozen=True, slots=True)
class Access:
    """How somebody got in: by a token, which may be limited to some accounts, or by a session."""

    user_id: UUID
    token_id: UUID | None = None
    accounts: tuple[UUID, ...] | None = None
    session_key: str | None = None

    def holds(self, *, at: datetime) -> bool:
        """Say whether the token or the session is still good, and the person active; asked inside the person's transaction."""
        if self.token_id is not None:
            good = ApiToken.objects.filter(pk=self.token_id, user=self.user_id, user__is_active=True, revoked_at__isnull=True)
            return good.filter(Q(expires_at__isnull=True) | Q(expires_at__gt=at)).exists()
        if not self.session_key:
            return User.objects.filter(pk=self.user_id, is_active=True).exists()
        asked = HttpRequest()
        asked.session = import_module(settings.SESSION_ENGINE).SessionStore(self.session_key)
        return get_user(asked).pk == self.user_id
