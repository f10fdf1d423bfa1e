"""How the cache does, and forgetting what it holds: for operators."""

from dataclasses import asdict
from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema
from redis.exceptions import RedisError
from rest_framework import serializers, viewsets
from rest_framework.exceptions import APIException
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from marketdata.api.fields import StrictSerializer, TextField
from marketdata.api.permissions import StaffAlone
from marketdata.services import cache, cache_counts


class CacheAway(APIException):
    """Redis is away: there is nothing to forget, and nobody who could."""

    status_code = 503
    default_code = "cache_away"
    default_detail = "The cache does not answer; try again."


class NamespaceSerializer(serializers.Serializer[Any]):
    """One kind of cached value: how long it is kept, how many there are, and what came of the questions for it.

    `bytes` is reckoned from some of the values. `rate` is the share of questions that found one. `waits` waited for another who
    computed the same, `damaged` found what nobody of ours wrote, `too_large` were not kept, `away` found no Redis.
    """

    name = serializers.CharField()
    seconds = serializers.IntegerField()
    entries = serializers.IntegerField()
    bytes = serializers.IntegerField()
    hits = serializers.IntegerField()
    misses = serializers.IntegerField()
    rate = serializers.FloatField(allow_null=True)
    waits = serializers.IntegerField()
    damaged = serializers.IntegerField()
    too_large = serializers.IntegerField()
    away = serializers.IntegerField()


class CacheSerializer(serializers.Serializer[Any]):
    """How the cache does; `memory` and the keys that had to go or whose time was over are those of the whole server."""

    available = serializers.BooleanField()
    server = serializers.CharField()
    memory = serializers.IntegerField()
    memory_limit = serializers.IntegerField(help_text="0: none.")
    policy = serializers.CharField()
    evicted = serializers.IntegerField()
    expired = serializers.IntegerField()
    namespaces = NamespaceSerializer(many=True)


class ForgetSerializer(StrictSerializer):
    """What is to be forgotten: all of a namespace, or the keys that match, in which `*` stands for anything."""

    namespace = serializers.ChoiceField(choices=sorted(settings.CACHE_SECONDS))
    keys = TextField(default="*", max_length=200, help_text="Such as AAPL:XNAS, or BTC/USD:*")


class ForgottenSerializer(serializers.Serializer[Any]):
    """How many values were forgotten."""

    forgotten = serializers.IntegerField()


class CacheViewSet(viewsets.GenericViewSet[Any]):
    """The cache, as operators see it."""

    serializer_class = CacheSerializer
    filter_backends = ()
    pagination_class = None

    def get_permissions(self) -> list[BasePermission]:
        """Return the rules of the house, and that this is for staff."""
        return [*super().get_permissions(), StaffAlone()]  # type: ignore[list-item]

    @extend_schema(responses=CacheSerializer)
    def retrieve(self, request: Request) -> Response:
        """Return how the cache does."""
        found = cache_counts.statistics()
        namespaces = [asdict(space) | {"rate": space.rate} for space in found.spaces]
        return Response(CacheSerializer(asdict(found) | {"namespaces": namespaces}).data)

    @extend_schema(request=ForgetSerializer, responses={200: ForgottenSerializer})
    def create(self, request: Request) -> Response:
        """Forget the values of a namespace, or some of them."""
        serializer = ForgetSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        wanted = serializer.validated_data
        try:
            gone = cache.invalidate_matching(wanted["namespace"], wanted["keys"])
        except RedisError as error:
            raise CacheAway from error
        return Response({"forgotten": gone})
