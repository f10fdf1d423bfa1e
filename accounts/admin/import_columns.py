"""The page on which somebody says what the columns of a table are: guessed, shown with samples, corrected, kept as a template."""

from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils import timezone

from accounts.adapters.base import NotReadable, StatementFile
from accounts.adapters.guesses import guess
from accounts.adapters.samples import Sample, sample_of, told_of
from accounts.adapters.table import key
from accounts.admin.base import user_of
from accounts.admin.import_forms import KINDS, SAYS, SIGN_NAMES, MappingForm, mapping_form
from accounts.models import ImportBatch, ImportTemplate
from accounts.selectors.templates import template_for
from accounts.services.import_templates import save_template
from accounts.services.import_uploads import read_otherwise
from accounts.services.imports import content_of
from marketdata.admin.base import find, show_refusal

WAYS = {"date_format": "days", "number_format": "numbers"}
BASIS = ("delimiter", "encoding", "headings_line")


def columns_page(request: HttpRequest, batch: ImportBatch) -> dict[str, Any] | None:
    """Return what the page shows; None once the file was read as it was said."""
    try:
        file = StatementFile(content_of(batch))
        if request.method == "POST":
            return _answered(request, batch, file)
        mapping, template, unsure = _first(request, batch, file)
        return _shown(request, file, mapping, template) | {"unsure": unsure}
    except NotReadable as refusal:
        return {"unreadable": str(refusal)}


def _first(
    request: HttpRequest, batch: ImportBatch, file: StatementFile
) -> tuple[dict[str, Any], ImportTemplate | None, list[str]]:
    """Return the mapping to begin with: of a template that was chosen, the one in use, of a template for like files, or a guess.

    With it come the template, if it is of one, and of what in a guess several ways fit.
    """
    user = user_of(request)
    if asked := request.GET.get("template"):
        chosen = find(ImportTemplate.objects.visible_to(user), asked)
        return told_of(file, _fitting(file, chosen.mapping)), chosen, []
    if batch.options.get("mapping"):
        return told_of(file, batch.options["mapping"]), None, []
    guessed = guess(file)
    alike = template_for(user=user, headings=guessed.headings)
    if alike:
        return told_of(file, _fitting(file, alike.mapping)), alike, []
    return guessed.mapping, None, [WAYS[name] for name in guessed.unsure if name in WAYS]


def _fitting(file: StatementFile, mapping: dict[str, Any]) -> dict[str, Any]:
    """Return the mapping of a template; where another file has its headings further up or down, without their place."""
    try:
        there = {key(column.name) for column in sample_of(file, mapping).columns}
    except NotReadable:
        there = set()
    if there >= {key(heading) for heading in mapping["columns"].values()}:
        return mapping
    return {name: value for name, value in mapping.items() if name not in {"headings_line", "skip_last"}}


def _answered(request: HttpRequest, batch: ImportBatch, file: StatementFile) -> dict[str, Any] | None:
    """Return the page anew, with other samples or what is wrong; None if the file was read."""
    form = MappingForm(request.POST)
    if not form.is_valid():
        return _shown(request, file, told_of(file, {}), form=form)
    try:
        mapping = form.mapping()
    except ValidationError as refusal:
        show_refusal(form, refusal)
        return _shown(request, file, told_of(file, {}), form=form)
    if any(str(form.cleaned_data[name]) != request.POST.get(f"seen_{name}") for name in BASIS):
        basis = {name: mapping[name] for name in BASIS}
        return _shown(request, file, told_of(file, basis))
    if "look" in request.POST:
        return _shown(request, file, mapping)
    try:
        read_otherwise(batch=batch, changes={"mapping": mapping}, actor=user_of(request), at=timezone.now())
        if name := form.cleaned_data["template"].strip():
            headings = [column.name for column in sample_of(file, mapping).columns]
            save_template(user=user_of(request), name=name, mapping=mapping, headings=headings, at=timezone.now())
    except ValidationError as refusal:
        return _shown(request, file, mapping, problems=refusal.messages)
    return None


def _shown(
    request: HttpRequest,
    file: StatementFile,
    mapping: dict[str, Any],
    template: ImportTemplate | None = None,
    *,
    form: MappingForm | None = None,
    problems: list[str] | None = None,
) -> dict[str, Any]:
    """Return a mapping with the samples of what it makes of the file."""
    page: dict[str, Any] = {"problems": list(problems or []), "says": SAYS, "kinds": KINDS, "template": template}
    sample = Sample([], [])
    try:
        sample = sample_of(file, mapping)
    except NotReadable as refusal:
        page["problems"].append(str(refusal))
    templates = ImportTemplate.objects.visible_to(user_of(request)).order_by("name").only("name")
    return page | {
        "form": form or mapping_form(mapping),
        "seen": {f"seen_{name}": SIGN_NAMES.get(mapping[name], mapping[name]) for name in BASIS},
        "sample": sample,
        "templates": list(templates[:100]),
        "left": sum(not word.kind for word in sample.words),
    }
