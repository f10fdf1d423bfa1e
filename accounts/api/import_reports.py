"""What the API takes and tells about files that are read in."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail

from accounts.adapters import AUTO, FORMATS
from accounts.models import ImportBatch, ImportStatus
from accounts.models.users import check_time_zone
from marketdata.api.fields import InstrumentField, StrictSerializer, TextField, UtcDateTimeField


class JsonTextField(serializers.JSONField):
    """JSON as a field of a form."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(binary=True, **kwargs)


class FileSerializer(StrictSerializer):
    """A file to be read into the ledger.

    With `dry_run` the answer is the same and nothing is written; with `keep` the file waits, previewed, until it is posted.
    """

    file = serializers.FileField(max_length=255)
    format = serializers.ChoiceField(FORMATS, default=AUTO)
    time_zone = TextField(
        default="UTC", max_length=64, validators=[check_time_zone], help_text="Of times in the file that do not name their zone."
    )
    statement_account = TextField(
        default="", allow_blank=True, max_length=100, help_text="Of a file with several accounts: the one that is meant."
    )
    mapping = JsonTextField(required=False, help_text="Which column says what, as JSON; any CSV can be read so.")
    template = serializers.UUIDField(required=False, help_text="A saved mapping.")
    dry_run = serializers.BooleanField(default=False)
    keep = serializers.BooleanField(default=False)

    def to_internal_value(self, data: Any) -> Any:
        """Return the validated fields, each of which comes once."""
        repeated = [name for name in data if len(data.getlist(name)) > 1]
        if repeated:
            raise serializers.ValidationError({name: [ErrorDetail("Send this once.", code="repeated")] for name in repeated})
        return super().to_internal_value(data)


class RefusalSerializer(serializers.Serializer):
    """A line that was not taken, and why."""

    line = serializers.IntegerField()
    code = serializers.CharField()
    detail = serializers.CharField()


class RemarkSerializer(serializers.Serializer):
    """Something that was assumed where the file says nothing."""

    code = serializers.CharField()
    detail = serializers.CharField()


class FateSerializer(serializers.Serializer):
    """Lines that follow each other and fared alike."""

    first = serializers.IntegerField()
    last = serializers.IntegerField()
    fate = serializers.ChoiceField(["posted", "known", "refused", "question", "skipped"])

    def to_representation(self, run: list[Any]) -> dict[str, Any]:
        """Return a run of lines by the names of its parts."""
        return dict(zip(("first", "last", "fate"), run, strict=True))


class QuestionSerializer(serializers.Serializer):
    """An instrument of which it is not sure which one is meant; its lines wait."""

    id = serializers.UUIDField(default=None, allow_null=True)
    hints = serializers.DictField(child=serializers.CharField(), help_text="What the file says about it.")
    candidates = serializers.ListField(child=serializers.CharField())
    why = serializers.CharField()
    lines = serializers.IntegerField()
    first_line = serializers.IntegerField()


class ChangeSerializer(serializers.Serializer):
    """What an import changes: cash of a `currency`, or units of an `instrument`."""

    currency = serializers.CharField(required=False)
    instrument = serializers.CharField(required=False)
    before = serializers.CharField()
    after = serializers.CharField()


class ComparedSerializer(serializers.Serializer):
    """What the statement says was left at the end of a day, beside what the ledger would hold then."""

    currency = serializers.CharField(required=False)
    instrument = serializers.CharField(required=False)
    day = serializers.DateField(allow_null=True)
    statement = serializers.CharField()
    ledger = serializers.CharField()
    difference = serializers.CharField()
    agrees = serializers.BooleanField()


class StatementSerializer(serializers.Serializer):
    """The closing balances that a statement has."""

    cash = ComparedSerializer(many=True)
    holdings = ComparedSerializer(many=True)


class FiguresSerializer(serializers.Serializer):
    """Cash and holdings before and after, and beside the statement's own closing balances; of a preview."""

    cash = ChangeSerializer(many=True)
    holdings = ChangeSerializer(many=True)
    statement = StatementSerializer()


class ImportRowSerializer(serializers.Serializer):
    """A file that was read, and what became of its lines: posted, known before, or refused. A dry run has no id."""

    id = serializers.UUIDField(allow_null=True)
    status = serializers.ChoiceField(ImportStatus.choices)
    format = serializers.CharField()
    file_name = serializers.CharField()
    size = serializers.IntegerField()
    sha256 = serializers.CharField()
    lines = serializers.IntegerField()
    progress = serializers.IntegerField(help_text="Lines done so far.")
    posted = serializers.IntegerField()
    known = serializers.IntegerField()
    refused = RefusalSerializer(many=True)
    remarks = RemarkSerializer(many=True)
    questions = serializers.SerializerMethodField()
    actor = serializers.UUIDField(source="actor_id")
    created_at = UtcDateTimeField()
    finished_at = UtcDateTimeField(allow_null=True)
    undone_at = UtcDateTimeField(allow_null=True)

    @extend_schema_field(QuestionSerializer(many=True))
    def get_questions(self, batch: ImportBatch) -> Any:
        """Return what the file leaves open."""
        if hasattr(batch, "asked") and batch._state.adding:
            return QuestionSerializer(batch.asked, many=True).data
        open_ones = [question for question in batch.questions.all() if question.instrument_id is None]
        return QuestionSerializer(open_ones, many=True).data

    def to_representation(self, batch: ImportBatch) -> dict[str, Any]:
        """Return the report; what was not stored has no address."""
        shown: dict[str, Any] = super().to_representation(batch)
        return shown | {"id": None if batch._state.adding else shown["id"]}


class ImportSerializer(ImportRowSerializer):
    """The same with the fate of every line; of a preview, with the cash and the holdings before and after."""

    fates = FateSerializer(many=True)
    figures = serializers.SerializerMethodField()

    @extend_schema_field(FiguresSerializer(allow_null=True))
    def get_figures(self, batch: ImportBatch) -> Any:
        """Return what an import changes, as it was seen in its preview."""
        return batch.figures or None


class AnswerSerializer(StrictSerializer):
    """What an instrument of a file is: one that is known, or with `create` a new one with what the file says."""

    question = serializers.UUIDField()
    instrument = InstrumentField(required=False)
    create = serializers.BooleanField(default=False)  # type: ignore[assignment]  # a field of that name

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse an answer that says neither, or both."""
        if ("instrument" in attrs) == attrs["create"]:
            raise serializers.ValidationError({"instrument": [ErrorDetail("Name it, or create it.", code="required")]})
        return attrs


class AnswersSerializer(StrictSerializer):
    """Answers to what a file leaves open."""

    answers = AnswerSerializer(many=True, max_length=1_000)  # type: ignore[call-arg]  # of the list


class UndoSerializer(StrictSerializer):
    """Why an import is taken back."""

    explanation = TextField(default="", allow_blank=True, max_length=1_000)


class OptionsSerializer(StrictSerializer):
    """How a kept file is to be read instead."""

    format = serializers.ChoiceField(FORMATS, required=False)
    time_zone = TextField(required=False, max_length=64, validators=[check_time_zone])
    statement_account = TextField(required=False, allow_blank=True, max_length=100)
    mapping = serializers.JSONField(required=False, allow_null=True)
