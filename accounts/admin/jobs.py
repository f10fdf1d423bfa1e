"""The pages of scheduled jobs, which owners set, and of their runs."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import action
from unfold.enums import ActionVariant

from accounts.admin.base import BY_ACCOUNT, MemberAdmin, user_of
from accounts.domain.roles import Role
from accounts.models import Job, JobRun
from accounts.models.jobs import check_schedule
from accounts.services.jobs import reschedule_job, run_job_now
from marketdata.admin.base import Dialog, ServiceForm, badge, figure, find, leave, link, link_to_list, page_of, when

OUTCOMES = {"SUCCEEDED": "success", "FAILED": "danger", "CLAIMED": "info"}


class JobForm(ServiceForm):
    """When a job runs, and whether it does."""

    class Meta:
        model = Job
        fields = ("schedule", "enabled")

    def clean_schedule(self) -> str:
        """Refuse what is no schedule."""
        schedule: str = self.cleaned_data["schedule"]
        check_schedule(schedule)
        return schedule

    def perform(self) -> Job:
        """Change the schedule."""
        return reschedule_job(job=self.instance, at=timezone.now(), **self.cleaned_data)


class RunNow(Dialog):
    """Whether a job is to run at once."""

    def perform(self) -> Job:
        """Make the job due."""
        job = find(Job.objects.visible_to(user_of(self.request), role=Role.OWNER), self.object_id)
        return run_job_now(job=job, at=timezone.now())


@admin.register(Job)
class JobAdmin(MemberAdmin):
    """The jobs of the user's accounts."""

    form = JobForm
    change_role = Role.OWNER
    list_display = (
        "kind",
        link("account", "Account"),
        "schedule",
        "enabled",
        when("next_run_at", "Next run"),
        when("last_run_at", "Last run"),
        badge("last_outcome", "Last outcome", OUTCOMES),
        figure("last_duration_ms", "Took (ms)", style="quantity"),
        link_to_list(JobRun, "Runs", job__id="pk"),
    )
    list_filter = (BY_ACCOUNT, ("kind", ChoicesDropdownFilter), "enabled")
    ordering = ("-id",)
    list_select_related = ("account",)
    actions_detail = ("run_now",)
    fieldsets = (
        (None, {"fields": (("account", "kind"), "schedule", "enabled")}),
        (
            "Runs",
            {"fields": (
                (when("next_run_at", "Next run"), when("last_run_at", "Last run")),
                ("last_outcome", figure("last_duration_ms", "Took (ms)", style="quantity")),
                link_to_list(JobRun, "Runs", job__id="pk"),
            )},
        ),
    )  # fmt: skip
    readonly_fields = ("account", "kind", "last_outcome")

    def has_run_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Let owners run the jobs of their accounts."""
        return self.reaches(request, object_id, Role.OWNER)

    @action(
        description="Run now",
        permissions=["run"],
        icon="play_arrow",
        variant=ActionVariant.PRIMARY,
        dialog={
            "title": "Run the job now?",
            "description": "It is due at once and a worker takes it within seconds; its schedule goes on afterwards.",
            "form_class": RunNow,
            "form_submit_text": "Run now",
        },
    )
    def run_now(self, request: HttpRequest, form: RunNow, object_id: str) -> HttpResponse:
        """Come back from the dialog."""
        return leave(request, "The job is due; its run appears among the runs.", page_of(form.done))


@admin.register(JobRun)
class JobRunAdmin(MemberAdmin):
    """What came of each run."""

    list_display = (
        when("due_at", "Due"),
        link("job", "Job", text="job__get_kind_display"),
        link("account", "Account"),
        badge("outcome", "Outcome", OUTCOMES),
        figure("duration_ms", "Took (ms)", style="quantity"),
        figure("attempts", "Attempts", style="quantity"),
        "detail",
    )
    list_filter = (BY_ACCOUNT, ("outcome", ChoicesDropdownFilter))
    ordering = ("-id",)
    list_select_related = ("account", "job")
    fieldsets = (
        (None, {"fields": (("account", "job"), "outcome", "detail")}),
        (
            "Time",
            {"fields": (
                (when("due_at", "Due"), when("leased_until", "Leased until")),
                (when("started_at", "Started"), when("finished_at", "Finished")),
                (figure("duration_ms", "Took (ms)", style="quantity"), figure("attempts", "Attempts", style="quantity")),
            )},
        ),
    )  # fmt: skip

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Let the page of a job lead here."""
        return lookup == "job__id__exact" or super().lookup_allowed(lookup, value, request)
