"""Rows of the account at hand, named by their ids; and records and lists of texts as requests write them."""

from __future__ import annotations

from typing import Any

from django.db.models import Model
from rest_framework import serializers

from accounts.api.scoping import caller
from marketdata.api.fields import TextField
from trading.models import Strategy

MOST_NAME = 100
MOST_TEXT = 10_000
MOST_INDICATORS = 50


class IdField(serializers.UUIDField):
    """What a key names, by its id: writing looks it up, reading needs nothing but the key."""

    def get_attribute(self, instance: Any) -> Any:
        """Return the id that the row's key holds."""
        return getattr(instance, f"{self.source}_id")


class RowField(IdField):
    """A row of the account at hand."""

    default_error_messages = {"does_not_exist": "The account has no such {name}."}

    def __init__(self, model: type[Model], **kwargs: Any) -> None:
        self.model = model
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> Any:
        """Return the row that is meant."""
        key = super().to_internal_value(data)
        found = self.model._default_manager.filter(account=self.context["view"].account, pk=key).first()
        if found is None:
            self.fail("does_not_exist", name=self.model._meta.verbose_name)
        return found


class StrategyField(IdField):
    """A strategy that the caller may see."""

    default_error_messages = {"does_not_exist": "You have no such strategy."}

    def to_internal_value(self, data: Any) -> Any:
        """Return the strategy that is meant."""
        key = super().to_internal_value(data)
        found = Strategy.objects.visible_to(caller(self.context["request"])).filter(pk=key).first()
        if found is None:
            self.fail("does_not_exist")
        return found


class RecordField(serializers.JSONField):
    """A JSON object; the service says how large and deep it may be."""

    default_error_messages = {"not_an_object": "Write a JSON object, such as {{}}."}

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Return the object that the client wrote."""
        if not isinstance(data, dict):
            self.fail("not_an_object")
        return data


def names(most: int = MOST_INDICATORS, **kwargs: Any) -> serializers.ListField:
    """Return a field that takes a list of names."""
    return serializers.ListField(child=TextField(max_length=MOST_NAME), max_length=most, **kwargs)
