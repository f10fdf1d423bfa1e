"""Whether an account keeps to its bounds."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import PolicyKind
from marketdata.api.fields import DayField, UtcDateTimeField
from portfolio.api.base import PAST, FigureField, FiguresViewSet
from portfolio.api.explain import EXPLAIN, ExplanationField, as_told, explains
from portfolio.api.positions import RATIO
from portfolio.domain.policies import Check
from portfolio.models import Alert
from portfolio.selectors.explained_plans import explained_checks
from portfolio.selectors.policies import checks_of
from portfolio.services.policies import note_checks

OF_TODAY = "The bounds are those of today: how they were on that day is not kept."


class OffenderSerializer(serializers.Serializer):
    """What breaks a bound most, or comes closest to it; its amount is in the account's currency."""

    name = serializers.CharField()
    amount = FigureField()


class CheckSerializer(serializers.Serializer):
    """What a bound comes to: `state` is null where that is not known, and `reason` says why."""

    kind = serializers.ChoiceField(PolicyKind.choices)
    threshold = FigureField(places=RATIO)
    value = FigureField(places=RATIO, allow_null=True)
    state = serializers.ChoiceField(["ok", "broken"], allow_null=True)
    offender = OffenderSerializer(allow_null=True)
    message = serializers.CharField()
    reason = serializers.CharField(allow_null=True)
    since = UtcDateTimeField(allow_null=True)


class ChecksSerializer(serializers.Serializer):
    """Whether an account keeps to its bounds at the end of a day; `broken` says how many it does not."""

    as_of = DayField(allow_null=True)
    currency = serializers.CharField()
    broken = serializers.IntegerField()
    checks = CheckSerializer(many=True)
    reasons = serializers.DictField(child=serializers.CharField())
    explanation = ExplanationField()


class PolicyCheckViewSet(FiguresViewSet):
    """Whether an account keeps to its bounds."""

    serializer_class = ChecksSerializer
    filter_backends = ()
    pagination_class = None

    @extend_schema(parameters=[*PAST, EXPLAIN], responses=ChecksSerializer)
    def retrieve(self, request: Request, account_id: str) -> Response:
        """Return what every enabled bound comes to; what is broken or kept again by now is told to the members, once."""
        alerts: list[Alert] = []
        if self.past:
            checks = checks_of(self.figures)
        else:
            checks, alerts = note_checks(account=self.account, at=timezone.now())
        since = {alert.subject.partition(":")[2]: alert.since for alert in alerts}
        last = self.figures.last_snapshot()
        row = {
            "as_of": last.date if last else None,
            "currency": self.account.base_currency,
            "broken": sum(1 for one in checks if one.state == "broken"),
            "reasons": {"threshold": OF_TODAY} if self.past else {},
            "checks": [_check(one) | {"since": since.get(one.kind.value)} for one in checks],
        }
        answer = self.get_serializer(row).data
        if explains(request):
            found = explained_checks(self.figures, checks)
            answer |= {"explanation": as_told(found, self.account, self.past, last.date if last else None)}
        return Response(answer)


def _check(one: Check) -> dict[str, Any]:
    """Return a check as it is answered."""
    return {
        "kind": one.kind.value,
        "threshold": one.threshold,
        "value": one.value,
        "state": one.state.value if one.state else None,
        "offender": one.offender._asdict() if one.offender else None,
        "message": one.message,
        "reason": one.reason or None,
    }
