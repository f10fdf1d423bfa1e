"""What the OpenAPI document says beyond the views: who may call, what every route may refuse, and how to retry."""

from typing import Any, Literal

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent

REFUSED = {
    "400": "The input is wrong; `errors` names each field.",
    "401": "Nobody known: log in, or send a token that is good.",
    "403": "Your role, or the token's scope, does not reach that far.",
    "404": "Not there, or not yours.",
    "406": "The route does not answer in a format that `Accept` takes.",
    "409": "The state refuses; `code` says why.",
    "413": "The body is too large.",
    "415": "The body is in a format that is not taken.",
    "429": "Too many requests; wait `Retry-After` seconds.",
}
TEXT = {"type": "string"}
ERROR = {
    "type": "object",
    "required": ["field", "code", "detail"],
    "properties": {"field": TEXT | {"nullable": True}, "code": TEXT, "detail": TEXT},
}
PROBLEM = {
    "type": "object",
    "description": "A refusal (RFC 9457).",
    "required": ["type", "title", "status", "code", "detail", "errors", "request_id"],
    "properties": {
        "type": TEXT | {"format": "uri"},
        "title": TEXT,
        "status": {"type": "integer"},
        "code": TEXT,
        "detail": TEXT,
        "errors": {"type": "array", "items": ERROR},
        "request_id": TEXT,
    },
}
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "The same key and body hear the same answer; the same key with another body is refused with 409.",
    "schema": TEXT | {"pattern": "^[!-~]{1,128}$"},
}


class Schema(AutoSchema):
    """The document of one route, with the manners that all routes share."""

    def _get_parameters(self) -> list[dict[str, Any]]:
        """Return the route's parameters; any POST may be retried under a key."""
        parameters: list[dict[str, Any]] = super()._get_parameters()
        return [*parameters, IDEMPOTENCY_KEY] if self.method == "POST" else parameters

    def _get_response_bodies(self, direction: Literal["request", "response"] = "response") -> dict[str, Any]:
        """Return the route's answers, its refusals among them."""
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        problem = ResolvedComponent("Problem", ResolvedComponent.SCHEMA, PROBLEM, "Problem")
        self.registry.register_on_missing(problem)
        content = {"application/problem+json": {"schema": problem.ref}}
        refused = {status: {"description": REFUSED[status], "content": content} for status in self._refusals()}
        return dict(sorted((refused | bodies).items()))

    def _refusals(self) -> set[str]:
        """Return which refusals the route may answer with."""
        possible = {"400", "429"}
        if self.get_auth():
            possible |= {"401", "403"}
        if "{" in self.path or getattr(self.view, "finds", False):
            possible |= {"404"}
        if len(self.view.get_renderers()) > 1:
            possible |= {"406"}
        if self.method != "GET":
            possible |= {"409", "413", "415"}
        return possible | ({"401"} if self.method == "POST" else set())


class BearerScheme(OpenApiAuthenticationExtension):
    """A token in the `Authorization` header."""

    target_class = "config.authentication.BearerAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        """Return how a token is sent."""
        return {"type": "http", "scheme": "bearer", "description": "A token made at /api/v1/auth/token/ or in the admin."}


class SessionScheme(OpenApiAuthenticationExtension):
    """The browser's session."""

    target_class = "config.authentication.SessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        """Return how a session is sent."""
        return {"type": "apiKey", "in": "cookie", "name": "sessionid"}
