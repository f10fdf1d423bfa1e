"""The pages of what members decided about an account: target allocations, taxonomies, and bounds."""

import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db.models import OuterRef, QuerySet, Subquery, Sum
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts.admin.base import BY_ACCOUNT, MemberAdmin
from accounts.domain.plans import TargetDraft
from accounts.domain.roles import Role
from accounts.models import Classification, Policy, Target, TargetAllocation, TargetBasis, Taxonomy
from accounts.services import policies, targets, taxonomies
from marketdata.admin.base import ServiceForm, figure, flag, link, link_to_list, when
from marketdata.domain.display import percent_text
from marketdata.domain.money import plain
from marketdata.selectors.instruments import find_instrument

TARGET = re.compile(r"(?P<what>.*\S)\s+(?P<weight>\d+(?:\.\d+)?)\s*(?P<percent>%?)", re.ASCII)
HELP = "One target a line: what, and its weight, such as AAPL:XNAS 25 %, or EQUITY 0.6. What they leave over is cash."
PERCENT = Decimal(100)
IN_FORCE = flag("in_force", "In force")
ENABLED = flag("enabled", "Watched")
IN_IT = link_to_list(Classification, "What is in it", taxonomy__id="pk")


class DecisionForm(ServiceForm):
    """A decision of an account's members; the account it is of stays."""

    @property
    def adding(self) -> bool:
        """Say whether it is a new one."""
        return bool(self.instance._state.adding)

    def changes(self) -> dict[str, Any]:
        """Return what was changed."""
        return {name: self.cleaned_data[name] for name in self.changed_data if name in self.cleaned_data}


class PlannedAdmin(MemberAdmin):
    """A page on decisions: members look, those whose role reaches write, and throw away."""

    add_role = change_role = Role.TRADER
    fixed: tuple[str, ...] = ("account",)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let those change who hold the role in the account, while it is open."""
        return super().has_change_permission(request, obj) and (obj is None or obj.account.closed_on is None)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let those throw it away who may change it."""
        return obj is not None and self.has_change_permission(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Let what it belongs to stay."""
        return [*super().get_readonly_fields(request, obj), *(self.fixed if obj else ())]


class AllocationForm(DecisionForm):
    """An allocation, its targets as lines of text."""

    lines = forms.CharField(label="Targets", required=False, widget=UnfoldAdminTextareaWidget, help_text=HELP)

    class Meta:
        model = TargetAllocation
        fields = ("account", "name", "basis", "taxonomy", "in_force")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.adding:
            known = targets.drafts_of(self.instance)
            self.initial["lines"] = "\n".join(f"{one.name} {plain(one.weight * PERCENT)} %" for one in known)

    def clean_lines(self) -> list[TargetDraft]:
        """Return the targets that the lines mean."""
        by_instrument = self.data.get("basis", TargetBasis.INSTRUMENT) == TargetBasis.INSTRUMENT
        lines = [line.strip() for line in self.cleaned_data["lines"].splitlines()]
        return list(read_targets([line for line in lines if line], by_instrument=by_instrument))

    def perform(self) -> TargetAllocation:
        """Write the allocation down as a whole."""
        now, said = timezone.now(), {name: self.cleaned_data[name] for name in ("name", "basis", "taxonomy", "in_force")}
        said["targets"] = self.cleaned_data["lines"]
        try:
            if self.adding:
                return targets.create_allocation(account=self.cleaned_data["account"], at=now, **said)
            return targets.change_allocation(allocation=self.instance, changes=said, at=now)
        except ValidationError as refusal:
            raise at_lines(refusal) from refusal


def at_lines(refusal: ValidationError) -> ValidationError:
    """Return a refusal with what is said of single targets told of the lines they stand in."""
    named: dict[str, list[Any]] = {}
    for name, errors in (getattr(refusal, "error_dict", None) or {"": refusal.error_list}).items():
        place = re.fullmatch(r"targets\.(\d+).*", name)
        texts = [text for error in errors for text in error.messages]
        told = [f"Target {int(place[1]) + 1}: {text}" for text in texts] if place else texts
        named.setdefault("lines" if name.startswith("targets") else name or NON_FIELD_ERRORS, []).extend(told)
    return ValidationError(named)


def read_targets(lines: list[str], *, by_instrument: bool) -> Iterator[TargetDraft]:
    """Yield the targets that lines of text mean.

    :raises ValidationError: naming the line
    """
    for number, line in enumerate(lines, 1):
        match = TARGET.fullmatch(line)
        if match is None:
            raise ValidationError(f"Line {number}: write what, and its weight, such as AAPL:XNAS 25 %.", code="bad_line")
        try:
            weight = Decimal(match["weight"]) / (PERCENT if match["percent"] else 1)
            instrument = find_instrument(match["what"]) if by_instrument else None
        except (ValidationError, InvalidOperation) as error:
            told = " ".join(getattr(error, "messages", ["that is no weight."]))
            raise ValidationError(f"Line {number}: {told}", code="bad_line") from error
        if instrument is None:
            yield TargetDraft(weight, category=match["what"])
        else:
            yield TargetDraft(weight, instrument.pk, label=instrument.key)


@admin.register(TargetAllocation)
class TargetAllocationAdmin(PlannedAdmin):
    """What the user's accounts are meant to hold."""

    blank = "Write down what an account is meant to hold: by instrument, asset class, currency, or a taxonomy of your own."

    form = AllocationForm
    list_display = ("name", link("account", "Account"), "basis", IN_FORCE, "planned", "drift", when("updated_at", "Changed"))
    list_filter = (BY_ACCOUNT, ("basis", ChoicesDropdownFilter))
    search_fields = ("name__icontains",)
    ordering = ("-id",)
    list_select_related = ("account",)
    fieldsets = ((None, {"fields": ("account", "name", ("basis", "taxonomy"), "in_force", "lines")}),)

    def get_queryset(self, request: HttpRequest) -> QuerySet[TargetAllocation]:
        """Return the allocations with the sum of their weights."""
        own = Target.objects.filter(allocation=OuterRef("pk")).order_by().values("allocation")
        return super().get_queryset(request).annotate(weight=Subquery(own.annotate(sum=Sum("weight")).values("sum")))

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Show those who only read the targets in their own column."""
        if obj is None or self.has_change_permission(request, obj):
            return super().get_fieldsets(request, obj)
        return ((None, {"fields": ("account", "name", ("basis", "taxonomy"), "in_force", "written")}),)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Add the targets as they are read."""
        return [*super().get_readonly_fields(request, obj), "written"]

    @display(description="Planned")
    def planned(self, allocation: TargetAllocation) -> str:
        """Return how much of the whole is planned; the rest is cash."""
        return percent_text(allocation.weight or Decimal(0))  # type: ignore[attr-defined]  # annotated

    @display(description="Drift")
    def drift(self, allocation: TargetAllocation) -> str:
        """Return the way to how far the account is from it."""
        address = f"{reverse('admin:targets')}?account={allocation.account_id}&allocation={allocation.pk}"
        return format_html('<a class="go" href="{}">Drift</a>', address)

    @display(description="Targets")
    def written(self, allocation: TargetAllocation) -> str:
        """Return the targets in one line."""
        return ", ".join(f"{one.name} {percent_text(one.weight)}" for one in targets.drafts_of(allocation))

    def delete_model(self, request: HttpRequest, obj: TargetAllocation) -> None:
        """Throw the allocation away."""
        targets.delete_allocation(allocation=obj)


class TaxonomyForm(DecisionForm):
    """What a taxonomy is called."""

    class Meta:
        model = Taxonomy
        fields = ("account", "name")

    def perform(self) -> Taxonomy:
        """Make the taxonomy, or call it otherwise."""
        if self.adding:
            return taxonomies.create_taxonomy(at=timezone.now(), **self.cleaned_data)
        return taxonomies.rename_taxonomy(taxonomy=self.instance, name=self.cleaned_data["name"])


@admin.register(Taxonomy)
class TaxonomyAdmin(PlannedAdmin):
    """The ways in which instruments are grouped in the user's accounts."""

    blank = "Group instruments as you see them, by region or theme, and plan weights for the groups."

    form = TaxonomyForm
    list_display = ("name", link("account", "Account"), IN_IT, when("created_at", "Made"))
    list_filter = (BY_ACCOUNT,)
    search_fields = ("name__icontains",)
    ordering = ("-id",)
    list_select_related = ("account",)
    fieldsets = ((None, {"fields": ("account", "name")}),)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Lead to what is in it, once it is there."""
        return super().get_fieldsets(request, obj) if obj is None else ((None, {"fields": ("account", "name", IN_IT)}),)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let a taxonomy be thrown away that no allocation needs."""
        return super().has_delete_permission(request, obj) and not TargetAllocation.objects.filter(taxonomy=obj).exists()

    def delete_model(self, request: HttpRequest, obj: Taxonomy) -> None:
        """Throw the taxonomy away, with what was put where."""
        taxonomies.delete_taxonomy(taxonomy=obj)


class ClassificationForm(DecisionForm):
    """Which share of an instrument belongs to a category."""

    class Meta:
        model = Classification
        fields = ("taxonomy", "instrument", "category", "weight")

    def perform(self) -> Classification:
        """Put the instrument into the category, or into another one."""
        if self.adding:
            return taxonomies.classify(account=self.cleaned_data["taxonomy"].account, **self.cleaned_data)
        return taxonomies.reclassify(classification=self.instance, changes=self.changes())


@admin.register(Classification)
class ClassificationAdmin(PlannedAdmin):
    """What was put into the categories of taxonomies."""

    blank = "Make a taxonomy first, then put instruments into its categories, wholly or in part."

    form = ClassificationForm
    fixed = ("taxonomy", "instrument")
    list_display = (
        "category",
        link("instrument", "Instrument"),
        figure("weight", "Share", style="percent"),
        link("taxonomy", "Taxonomy"),
        link("account", "Account"),
    )
    list_filter = (BY_ACCOUNT, ("instrument", AutocompleteSelectFilter))
    search_fields = ("category__icontains",)
    ordering = ("-id",)
    list_select_related = ("account", "taxonomy", "instrument")
    autocomplete_fields = ("instrument",)
    fieldsets = ((None, {"fields": ("taxonomy", "instrument", ("category", "weight"))}),)

    def delete_model(self, request: HttpRequest, obj: Classification) -> None:
        """Take the instrument out of the category."""
        taxonomies.declassify(classification=obj)


class PolicyForm(DecisionForm):
    """A bound."""

    class Meta:
        model = Policy
        fields = ("account", "kind", "threshold", "enabled")
        help_texts: ClassVar[Any] = {"threshold": "A share of the whole, from 0 to 1, such as 0.25."}

    def perform(self) -> Policy:
        """Set the bound, or another one."""
        if self.adding:
            return policies.create_policy(at=timezone.now(), **self.cleaned_data)
        return policies.change_policy(policy=self.instance, changes=self.changes())


@admin.register(Policy)
class PolicyAdmin(PlannedAdmin):
    """The bounds that the user's accounts are meant to keep."""

    blank = "Say how much of an account may be in one position, class or currency, in cash, or go into fees; members are told."

    form = PolicyForm
    add_role = change_role = Role.OWNER
    fixed = ("account", "kind")
    list_display = (
        "kind",
        link("account", "Account"),
        figure("threshold", "At most", style="percent"),
        ENABLED,
        when("created_at", "Set"),
    )
    list_filter = (BY_ACCOUNT, ("kind", ChoicesDropdownFilter))
    ordering = ("-id",)
    list_select_related = ("account",)
    fieldsets = ((None, {"fields": ("account", "kind", "threshold", "enabled")}),)

    def delete_model(self, request: HttpRequest, obj: Policy) -> None:
        """Throw the bound away."""
        policies.delete_policy(policy=obj)
