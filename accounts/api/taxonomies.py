"""An account's own ways of grouping instruments, and what is put where."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.scoping import AccountScopedViewSet
from accounts.models import Classification, Taxonomy
from accounts.services.taxonomies import (
    classify,
    create_taxonomy,
    declassify,
    delete_taxonomy,
    reclassify,
    rename_taxonomy,
)
from marketdata.api.fields import DecimalStringField, InstrumentField, StrictSerializer, TextField, UtcDateTimeField

WEIGHT: dict[str, Any] = {"digits": 1, "places": 6, "min_value": 0, "max_value": 1}
MOST_NAME = 100


class TaxonomyField(serializers.UUIDField):
    """A taxonomy of the account, by its id."""

    default_error_messages = {"does_not_exist": "The account has no such taxonomy."}

    def to_internal_value(self, data: Any) -> Taxonomy:  # type: ignore[override]  # an id that means a taxonomy
        """Return the taxonomy that is meant."""
        key = super().to_internal_value(data)
        found = Taxonomy.objects.filter(account=self.context["view"].account, pk=key).first()
        if found is None:
            self.fail("does_not_exist")
        return found

    def to_representation(self, value: Taxonomy) -> str:  # type: ignore[override]
        """Return its id."""
        return str(value.pk)


class TaxonomySerializer(StrictSerializer):
    """A way of grouping instruments."""

    id = serializers.UUIDField(read_only=True)
    name = TextField(max_length=MOST_NAME)
    created_at = UtcDateTimeField(read_only=True)


class TaxonomyViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, AccountScopedViewSet):
    """The ways in which an account's members group instruments, such as by region or sector. Traders write them."""

    queryset = Taxonomy.objects.all()
    serializer_class = TaxonomySerializer
    ordering = "name"
    ordering_fields = ("name", "created_at")
    filterset_fields = {"name": ["exact"]}

    def create(self, request: Request, account_id: str) -> Response:
        """Make a taxonomy; `classifications/` puts instruments into its categories."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        made = create_taxonomy(account=self.account, at=timezone.now(), **serializer.validated_data)
        return Response(self.get_serializer(made).data, status.HTTP_201_CREATED)

    def partial_update(self, request: Request, account_id: str, pk: str) -> Response:
        """Call a taxonomy otherwise."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        return Response(self.get_serializer(rename_taxonomy(taxonomy=self.get_object(), **serializer.validated_data)).data)

    def destroy(self, request: Request, account_id: str, pk: str) -> Response:
        """Throw a taxonomy away, with what was put where; not while an allocation needs it."""
        delete_taxonomy(taxonomy=self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)


class ClassificationSerializer(StrictSerializer):
    """The share of an instrument that belongs to a category of a taxonomy; what is left over is unclassified."""

    id = serializers.UUIDField(read_only=True)
    taxonomy = TaxonomyField()
    instrument = InstrumentField()
    category = TextField(max_length=MOST_NAME)
    weight = DecimalStringField(**WEIGHT, positive=True, required=False)


class ReclassificationSerializer(StrictSerializer):
    """Another category, or another share."""

    category = TextField(max_length=MOST_NAME, required=False)
    weight = DecimalStringField(**WEIGHT, positive=True, required=False)


class ClassificationViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, AccountScopedViewSet):
    """What an account's members put into the categories of their taxonomies. Traders write them."""

    queryset = Classification.objects.select_related("taxonomy", "instrument", "account")
    serializer_class = ClassificationSerializer
    ordering = "category"
    ordering_fields = ("category", "weight")
    filterset_fields = {"taxonomy": ["exact"], "instrument": ["exact"], "category": ["exact", "in"]}

    def create(self, request: Request, account_id: str) -> Response:
        """Put an instrument, or a share of it, into a category."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        made = classify(account=self.account, **serializer.validated_data)
        return Response(self.get_serializer(made).data, status.HTTP_201_CREATED)

    @extend_schema(request=ReclassificationSerializer, responses=ClassificationSerializer)
    def partial_update(self, request: Request, account_id: str, pk: str) -> Response:
        """Put the instrument into another category, or another share of it."""
        serializer = ReclassificationSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        changed = reclassify(classification=self.get_object(), changes=serializer.validated_data)
        return Response(self.get_serializer(changed).data)

    def destroy(self, request: Request, account_id: str, pk: str) -> Response:
        """Take the instrument out of the category."""
        declassify(classification=self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)
