"""The forms of imports: which file, how it is to be read, what its columns say, and which instruments it means."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils import timezone

from accounts.adapters import AUTO, READERS
from accounts.adapters.base import MAX_BYTES
from accounts.adapters.mapped import MappedTable
from accounts.admin.base import user_of
from accounts.domain.ledger import EntryKind
from accounts.domain.mapping import ENCODINGS, FIELDS, MAPPABLE, MOST_LINES, STYLES
from accounts.domain.moments import ORDERS
from accounts.models import ImportBatch
from accounts.models.users import NO_CONTROL_CHARACTERS, check_time_zone
from accounts.services.import_questions import Answer
from accounts.services.import_uploads import take_file
from accounts.services.imports import ReadOptions
from marketdata.admin.base import ServiceForm
from marketdata.selectors.instruments import find_instruments

TITLES = {reader.name: reader.title for reader in READERS} | {MappedTable.name: MappedTable.title}
BY_TITLE = sorted(((reader.name, reader.title) for reader in READERS), key=lambda pair: pair[1].casefold())
FORMATS = [(AUTO, "Recognize it by its content"), *BY_TITLE]
SIGNS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}
SIGN_NAMES = {sign: name for name, sign in SIGNS.items()}
SPOKEN = {
    "figi": "FIGI",
    "isin": "ISIN",
    "id": "Id of the line",
    "kind": "Kind (buy, sell, ...)",
    "date": "Date, or date and time",
}
SAYS = [(name, SPOKEN.get(name, name.capitalize())) for name in FIELDS]
KINDS = sorted(
    ((kind.value, EntryKind(kind).value.replace("_", " ").capitalize()) for kind in MAPPABLE), key=lambda pair: pair[1]
)
NEW, OTHER = "new", "other"
NUL = "\x00"


class UploadForm(ServiceForm):
    """A file to be looked at, and kept until somebody says that it shall be posted."""

    file = forms.FileField(max_length=255)
    format = forms.ChoiceField(choices=FORMATS, initial=AUTO, required=False)
    time_zone = forms.CharField(max_length=64, required=False)

    class Meta:
        model = ImportBatch
        fields = ("account",)

    def clean_file(self) -> Any:
        """Refuse a file that is too large."""
        file = self.cleaned_data["file"]
        if file.size > MAX_BYTES:
            raise ValidationError(f"The file is larger than {MAX_BYTES // 2**20} MiB; split it.", code="too_large")
        return file

    def perform(self) -> ImportBatch:
        """Keep the file, and read it as far as it can be."""
        asked, user = self.cleaned_data, user_of(self.request)
        options = ReadOptions(form=asked["format"] or AUTO, time_zone=asked["time_zone"] or user.time_zone)
        return take_file(
            account=asked["account"],
            actor=user,
            file_name=asked["file"].name,
            content=asked["file"].read(),
            at=timezone.now(),
            options=options,
        )


class ReadForm(forms.Form):
    """How a kept file is to be read instead: as one of the known formats."""

    format = forms.ChoiceField(choices=FORMATS, required=False)
    time_zone = forms.CharField(max_length=64, required=False, validators=[check_time_zone])
    statement_account = forms.CharField(max_length=100, required=False, label="Account in the file")

    def changes(self) -> dict[str, Any]:
        """Return what is changed: a format that is chosen takes the place of a mapping."""
        said = self.cleaned_data
        changes = {name: said[name] for name in ("time_zone", "statement_account") if name in self.data and said[name] != ""}
        if "statement_account" in self.data:
            changes["statement_account"] = said["statement_account"]
        return changes | ({"form": said["format"], "mapping": None} if said["format"] else {})


class MappingForm(forms.Form):
    """How a table is written; what its columns and words say stands beside it, as long as the file has them."""

    delimiter = forms.ChoiceField(choices=[(name, name.capitalize()) for name in SIGNS], label="Between columns")
    encoding = forms.ChoiceField(choices=[(name, name) for name in ENCODINGS])
    headings_line = forms.IntegerField(min_value=1, max_value=MOST_LINES, label="Headings in line")
    skip_last = forms.IntegerField(min_value=0, max_value=MOST_LINES, label="Rows to leave out at the end")
    date_format = forms.ChoiceField(choices=[(name, name) for name in ORDERS], label="Days are written")
    number_format = forms.ChoiceField(choices=[(name, name) for name in STYLES], label="Numbers are written")
    currency = forms.CharField(required=False, max_length=3, label="Currency, where no column has it")
    default_kind = forms.ChoiceField(
        required=False, choices=[("", "what the sign tells"), *KINDS], label="A row without a kind is"
    )
    signed = forms.BooleanField(required=False, label="Amounts carry their own signs")
    gross = forms.BooleanField(required=False, label="Amounts are before fees and taxes")
    template = forms.CharField(
        required=False, max_length=100, validators=[NO_CONTROL_CHARACTERS], label="Keep as a template named"
    )

    def clean_currency(self) -> str:
        """Return the code in capital letters."""
        return str(self.cleaned_data["currency"]).upper()

    def mapping(self) -> dict[str, Any]:
        """Return the mapping that was sent.

        :raises ValidationError: if two columns are to say the same
        """
        sent = self.data
        assert isinstance(sent, QueryDict)  # noqa: S101
        mapping = {name: value for name, value in self.cleaned_data.items() if name != "template"}
        columns: dict[str, str] = {}
        for heading, says in zip(sent.getlist("heading"), sent.getlist("says"), strict=False):
            if says and says in columns:
                raise ValidationError(f"Two columns, {columns[says][:60]!r} and {heading[:60]!r}, say the {says}: choose one.")
            if says:
                columns[says] = heading
        words = zip(sent.getlist("word"), sent.getlist("kind"), strict=False)
        kinds = {word: kind for word, kind in words if kind}
        if any(NUL in text for text in (*columns.values(), *kinds)):
            raise ValidationError("No text holds the character NUL.", code="null_characters_not_allowed")
        return mapping | {"delimiter": SIGNS[mapping["delimiter"]], "columns": columns, "kinds": kinds}


def mapping_form(mapping: Mapping[str, Any]) -> MappingForm:
    """Return the form of a mapping as it is shown."""
    return MappingForm(initial={**mapping, "delimiter": SIGN_NAMES.get(mapping["delimiter"], "comma")})


def answers_in(sent: Mapping[str, Any], questions: Iterable[UUID]) -> list[Answer]:
    """Return the answers to questions that were sent; those left for later are none.

    :raises ValidationError: if an instrument is named that is none
    """
    said = {one: str(sent.get(f"answer-{one}", "")) for one in questions}
    said = {one: str(sent.get(f"{OTHER}-{one}", "")).strip() if text == OTHER else text for one, text in said.items()}
    said = {one: text for one, text in said.items() if text}
    found = find_instruments({text for text in said.values() if text != NEW})
    return [Answer(one, None if text == NEW else found[text]) for one, text in said.items()]
