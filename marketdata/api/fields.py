"""The fields of every serializer of the house: exact numbers, instants with an offset, instruments by their names."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError as DjangoValidationError
from django.utils import timezone
from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail

from marketdata.domain.money import plain
from marketdata.models.instruments import Instrument
from marketdata.selectors.instruments import find_instrument

MAX_OFFSET = timedelta(hours=15, minutes=59)
CLOCK_SKEW = timedelta(minutes=5)
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(?P<offset>Z|[+-]\d{2}:\d{2})?", re.ASCII)
DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
MAX_NAME = 100
READ_ONLY = "This field is read-only; leave it out."


class DecimalStringField(serializers.Field):
    """An exact number, written as a string in plain ASCII digits; a JSON number is refused, for it may be a float.

    `digits` and `places` bound what is taken before and after the point. Answers carry no exponent and no idle zeros.
    """

    default_error_messages = {
        "not_a_string": 'Write the number as a string, such as "12.34".',
        "bad_number": "Write a plain decimal with at most {digits} digits before the point and {places} after it.",
        "too_small": "The number must be {min_value} or above.",
        "too_large": "The number must be {max_value} or below.",
        "not_positive": "The number must be above zero.",
    }

    def __init__(
        self,
        *,
        digits: int = 15,
        places: int = 10,
        positive: bool = False,
        min_value: Decimal | int | None = None,
        max_value: Decimal | int | None = None,
        **kwargs: Any,
    ) -> None:
        self.digits, self.places, self.positive = digits, places, positive
        self.min_value, self.max_value = min_value, max_value
        self.pattern = rf"-?\d{{1,{digits}}}(\.\d{{1,{places}}})?" if places else rf"-?\d{{1,{digits}}}"
        super().__init__(**kwargs)

    def to_internal_value(self, data: object) -> Decimal:
        """Return the number that the client wrote."""
        if not isinstance(data, str):
            self.fail("not_a_string")
        if not re.fullmatch(self.pattern, data, re.ASCII):
            self.fail("bad_number", digits=self.digits, places=self.places)
        number = Decimal(data)
        if self.positive and number <= 0:
            self.fail("not_positive")
        if self.min_value is not None and number < self.min_value:
            self.fail("too_small", min_value=self.min_value)
        if self.max_value is not None and number > self.max_value:
            self.fail("too_large", max_value=self.max_value)
        return number

    def to_representation(self, value: Decimal | int | str) -> str:
        """Return the digits of the number."""
        return plain(value if isinstance(value, Decimal) else Decimal(value))


class UtcDateTimeField(serializers.Field):
    """An instant with its offset from UTC; answers end in Z.

    `past=True` refuses what lies more than five minutes ahead. Nothing before 1970 is taken, unless a kind says otherwise.
    """

    earliest: datetime | None = EARLIEST
    default_error_messages = {
        "bad_time": "Write the time as ISO 8601, such as 2024-01-02T15:00:00Z.",
        "naive_time": "Give the time with its offset from UTC, such as 2024-01-02T15:00:00Z.",
        "bad_offset": "No place on earth is more than 15:59 hours away from UTC.",
        "future": "The time lies in the future.",
        "too_early": "The time lies before 1970.",
    }

    def __init__(self, *, past: bool = False, **kwargs: Any) -> None:
        self.past = past
        super().__init__(**kwargs)

    def to_internal_value(self, data: object) -> datetime:
        """Return the instant that the client wrote, in UTC."""
        match = INSTANT.fullmatch(data) if isinstance(data, str) else None
        if match is None:
            self.fail("bad_time")
        if match["offset"] is None:
            self.fail("naive_time")
        self._refuse_offset(match["offset"])
        try:
            instant = datetime.fromisoformat(match[0]).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail("bad_time")
        if self.earliest is not None and instant < self.earliest:
            self.fail("too_early")
        if self.past and instant > timezone.now() + CLOCK_SKEW:
            self.fail("future")
        return instant

    def to_representation(self, value: datetime) -> str:
        """Return the instant in UTC."""
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")

    def _refuse_offset(self, offset: str) -> None:
        """Refuse an offset no database can hold."""
        if offset == "Z":
            return
        hours, minutes = int(offset[1:3]), int(offset[4:6])
        if minutes >= 60 or timedelta(hours=hours, minutes=minutes) > MAX_OFFSET:  # noqa: PLR2004
            self.fail("bad_offset")


class DayField(serializers.DateField):
    """A day, written YYYY-MM-DD and no other way."""

    default_error_messages = {"bad_day": "Write the day as YYYY-MM-DD, such as 2024-01-31."}

    def to_internal_value(self, data: object) -> date:
        """Return the day that the client wrote."""
        if not isinstance(data, str) or not DAY.fullmatch(data):
            self.fail("bad_day")
        try:
            return date.fromisoformat(data)
        except ValueError:
            self.fail("bad_day")


class WholeNumberField(serializers.IntegerField):
    """A whole number; a text, a fraction or a truth value is none."""

    default_error_messages = {"not_a_number": "Write a whole number, without quotes."}

    def to_internal_value(self, data: object) -> int:
        """Return the number that the client wrote."""
        if type(data) is not int:
            self.fail("not_a_number")
        return data


class TextField(serializers.CharField):
    """A text; a number is none, though it could be written as one."""

    default_error_messages = {"not_a_string": "Write a text, in quotes."}

    def to_internal_value(self, data: object) -> str:
        """Return the text that the client wrote."""
        if not isinstance(data, str):
            self.fail("not_a_string")
        return super().to_internal_value(data)


class InstrumentField(serializers.Field):
    """An instrument, written SYMBOL:MIC or as a bare symbol where only one is meant."""

    default_error_messages = {"not_a_string": "Write the instrument as a string, such as AAPL:XNAS."}

    def to_internal_value(self, data: object) -> Instrument:
        """Return the instrument the client means; within one request each name is looked up once."""
        if not isinstance(data, str):
            self.fail("not_a_string")
        context: Any = self.context
        known: dict[str, Instrument] = context.setdefault("instruments_by_name", {})
        if data not in known:
            try:
                known[data] = find_instrument(data)
            except DjangoValidationError as refusal:
                raise serializers.ValidationError(refusal.messages, code=refusal.code) from refusal
        return known[data]

    def to_representation(self, value: Instrument) -> str:
        """Return the key of the instrument."""
        return value.key


class StrictSerializer(serializers.Serializer):
    """A serializer that takes no field it does not know, nor one that only we write."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the validated fields; what is unknown is refused by name before anything else is read."""
        if isinstance(data, Mapping):
            unknown = {
                str(name)[:MAX_NAME]: [ErrorDetail(self._why_refused(name), code="unknown_field")]
                for name in data
                if name not in self.fields or self.fields[name].read_only
            }
            if unknown:
                raise serializers.ValidationError(unknown)
        return super().to_internal_value(data)

    def _why_refused(self, name: str) -> str:
        """Return the sentence for a field that is not taken."""
        return READ_ONLY if name in self.fields else "There is no such field."


class DecimalStringSchema(OpenApiSerializerFieldExtension):
    """What the OpenAPI document says of a DecimalStringField."""

    target_class = "marketdata.api.fields.DecimalStringField"
    match_subclasses = True

    def map_serializer_field(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        """Return the type; only requests are bound to the pattern, a derived figure may have more digits."""
        schema = {"type": "string", "format": "decimal"}
        return schema | {"pattern": f"^{self.target.pattern}$"} if direction == "request" else schema


class UtcDateTimeSchema(OpenApiSerializerFieldExtension):
    """What the OpenAPI document says of a UtcDateTimeField."""

    target_class = "marketdata.api.fields.UtcDateTimeField"
    match_subclasses = True

    def map_serializer_field(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        """Return the type."""
        return {"type": "string", "format": "date-time"}


class InstrumentSchema(OpenApiSerializerFieldExtension):
    """What the OpenAPI document says of an InstrumentField."""

    target_class = "marketdata.api.fields.InstrumentField"
    match_subclasses = True

    def map_serializer_field(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        """Return the type and an example."""
        return {"type": "string", "example": "AAPL:XNAS", "maxLength": 40}
