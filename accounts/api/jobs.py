"""The scheduled jobs of an account, and their runs."""

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.scoping import AccountScopedViewSet
from accounts.domain.roles import Role
from accounts.models import Job, JobKind, JobRun, RunOutcome, Scope
from accounts.models.jobs import check_schedule
from accounts.services.jobs import reschedule_job, run_job_now
from marketdata.api.fields import StrictSerializer, TextField, UtcDateTimeField


class JobSerializer(StrictSerializer):
    """A job: what it does, when it is due and what came of it last."""

    id = serializers.UUIDField(read_only=True)
    kind = serializers.ChoiceField(JobKind.choices, read_only=True)
    schedule = TextField(max_length=100, validators=[check_schedule], required=False, help_text="Cron, five fields, UTC.")
    enabled = serializers.BooleanField(required=False)
    next_run_at = UtcDateTimeField(read_only=True, allow_null=True)
    last_run_at = UtcDateTimeField(read_only=True, allow_null=True)
    last_outcome = serializers.ChoiceField(RunOutcome.choices, allow_blank=True, read_only=True)
    last_duration_ms = serializers.IntegerField(read_only=True, allow_null=True)


class JobViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, AccountScopedViewSet):
    """The jobs of an account. Its owners set their schedules."""

    queryset = Job.objects.all()
    serializer_class = JobSerializer
    write_role = Role.OWNER
    write_scope = Scope.MANAGE
    ordering = "kind"
    ordering_fields = ("kind",)
    filterset_fields = {"kind": ["exact"], "enabled": ["exact"], "next_run_at": ["gte", "lt"]}

    def partial_update(self, request: Request, account_id: str, pk: str) -> Response:
        """Change when a job runs, or whether it does."""
        serializer = self.get_serializer(data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        job = reschedule_job(job=self.get_object(), at=timezone.now(), **serializer.validated_data)
        return Response(self.get_serializer(job).data)

    @extend_schema(request=None, responses={202: JobSerializer})
    @action(detail=True, methods=["post"])
    def run(self, request: Request, account_id: str, pk: str) -> Response:
        """Make a job due at once; its outcome is found in its runs."""
        job = run_job_now(job=self.get_object(), at=timezone.now())
        return Response(self.get_serializer(job).data, status.HTTP_202_ACCEPTED)


class JobRunSerializer(serializers.Serializer):
    """One run of a job."""

    id = serializers.UUIDField()
    due_at = UtcDateTimeField()
    attempts = serializers.IntegerField()
    started_at = UtcDateTimeField(allow_null=True)
    finished_at = UtcDateTimeField(allow_null=True)
    outcome = serializers.ChoiceField(RunOutcome.choices)
    duration_ms = serializers.IntegerField(allow_null=True)
    detail = serializers.CharField()


class JobRunViewSet(mixins.ListModelMixin, AccountScopedViewSet):
    """The runs of one job, the latest first."""

    queryset = JobRun.objects.all()
    serializer_class = JobRunSerializer
    ordering = "-due_at"
    ordering_fields = ("due_at",)
    filterset_fields = {"outcome": ["exact"], "due_at": ["gte", "lt"]}

    def get_queryset(self) -> QuerySet[JobRun]:
        """Return the runs of the job, which must be the account's."""
        runs = super().get_queryset()
        if getattr(self, "swagger_fake_view", False):
            return runs
        return runs.filter(job=get_object_or_404(Job, pk=self.kwargs["job_id"], account=self.account))
