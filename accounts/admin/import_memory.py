"""The pages of what a person has said about files once: templates of tables, and which instruments are meant."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display

from accounts.admin.base import GatedAdmin
from accounts.admin.import_forms import TITLES
from accounts.models import ImportTemplate, InstrumentAnswer
from accounts.services.import_questions import forget_answer
from accounts.services.import_templates import change_template, delete_template
from marketdata.admin.base import ServiceForm, link, when

SHOWN = 60
MOST_SHOWN = 200
ROW = "<tr><td>{}</td><td>{}</td></tr>"


class TemplateForm(ServiceForm):
    """What a template is called; what it says is said beside a file."""

    class Meta:
        model = ImportTemplate
        fields = ("name",)

    def perform(self) -> ImportTemplate:
        """Change the name."""
        return change_template(template=self.instance, changes=self.cleaned_data)


@admin.register(ImportTemplate)
class ImportTemplateAdmin(GatedAdmin):
    """The user's mappings of tables."""

    form = TemplateForm
    list_display = ("name", "headings_shown", when("created_at", "Made"))
    search_fields = ("name__icontains",)
    ordering = ("-id",)
    fieldsets = ((None, {"fields": ("name", "says")}),)
    readonly_fields = ("says",)
    blank = "A template is kept where you say what the columns of a table are."

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let people rename and throw away what is their own; nothing else is found."""
        return self.has_view_permission(request)

    has_delete_permission = has_change_permission

    @display(description="Headings")
    def headings_shown(self, template: ImportTemplate) -> str:
        """Return the headings of the file it was made for, as far as they fit."""
        text = ", ".join(map(str, template.headings))
        return text if len(text) <= SHOWN else f"{text[:SHOWN]} ..."

    @display(description="What it says")
    def says(self, template: ImportTemplate) -> SafeString:
        """Return the mapping as rows."""
        mapping = template.mapping
        parts = {name: value for name, value in mapping.items() if name not in {"columns", "kinds"} and value != ""}
        rows = [
            *((f"column of the {field}", heading) for field, heading in mapping.get("columns", {}).items()),
            *((f"{word} means", kind) for word, kind in mapping.get("kinds", {}).items()),
            *((name.replace("_", " "), "tab" if value == "\t" else value) for name, value in parts.items()),
        ]
        table = format_html_join("", ROW, rows[:MOST_SHOWN])
        return SafeString(f'<div class="sideways"><table class="grid-table plain"><tbody>{table}</tbody></table></div>')

    def delete_model(self, request: HttpRequest, obj: ImportTemplate) -> None:
        """Throw the template away."""
        delete_template(template=obj)


@admin.register(InstrumentAnswer)
class InstrumentAnswerAdmin(GatedAdmin):
    """Which instruments the user has said to be meant; what is forgotten is asked again."""

    list_display = ("identity", "of", link("instrument", "Means"), when("created_at", "Said"))
    search_fields = ("identity__icontains", "instrument__symbol__iexact")
    ordering = ("-id",)
    list_select_related = ("instrument",)
    fieldsets = ((None, {"fields": ("identity", "of", link("instrument", "Means"), when("created_at", "Said"))}),)
    readonly_fields = ("identity", "of")
    blank = "What you answer on the page of an import is remembered for your next file of that format."

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let people forget what they have said; nothing else is found."""
        return self.has_view_permission(request)

    @display(description="In files of")
    def of(self, answer: InstrumentAnswer) -> str:
        """Return the format by its title."""
        return TITLES.get(answer.source, answer.source)

    def delete_model(self, request: HttpRequest, obj: InstrumentAnswer) -> None:
        """Forget the answer."""
        forget_answer(answer=obj)
