"""Market data is everybody's to read; writing it is for those who look after it."""

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView


class StaffWrites(BasePermission):
    """Everybody may look; only staff may write."""

    message = "Only staff may write this."

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Say whether the request is a look, or one of staff."""
        return request.method in SAFE_METHODS or bool(getattr(request.user, "is_staff", False))


class StaffOrManagersWrite(StaffWrites):
    """Everybody may look; staff may write, and so may a token with the scope `manage`."""

    message = "Only staff, or a token with the scope manage, may write this."

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Say whether the request may pass; that a token has the view's scope has been seen to by then."""
        return super().has_permission(request, view) or request.auth is not None


class StaffAlone(BasePermission):
    """Only staff may come in."""

    message = "Only staff may see this."

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Say whether the request is one of staff."""
        return bool(getattr(request.user, "is_staff", False))


class StaffWritesMixin:
    """Adds the rule for writes to those that hold for every view."""

    write_permission: type[BasePermission] = StaffWrites

    def get_permissions(self) -> list[BasePermission]:
        """Return the rules of the house, and the one for writes."""
        return [*super().get_permissions(), self.write_permission()]  # type: ignore[misc]
