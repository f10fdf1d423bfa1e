"""Mappings that people keep for the next file of the same kind."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from accounts.domain.mapping import BadMapping, mapping_of
from accounts.models import ImportTemplate, User


class TemplateExists(ValidationError):
    """The person has a template of that name."""


@transaction.atomic
def save_template(*, user: User, name: str, mapping: Mapping[str, Any], headings: Sequence[str], at: datetime) -> ImportTemplate:
    """Keep a mapping under a name; one of that name is replaced by it.

    :raises ValidationError: if the mapping can't be used
    """
    kept, _ = ImportTemplate.objects.update_or_create(
        user=user,
        name=name,
        defaults={"mapping": checked(mapping), "headings": [heading[:100] for heading in headings[:500]]},
        create_defaults={
            "mapping": checked(mapping),
            "headings": [heading[:100] for heading in headings[:500]],
            "created_at": at,
        },
    )
    return kept


@transaction.atomic
def change_template(*, template: ImportTemplate, changes: Mapping[str, Any]) -> ImportTemplate:
    """Change a template.

    :raises ValidationError: if the mapping can't be used
    :raises TemplateExists: if another one has the new name
    """
    for field, value in changes.items():
        setattr(template, field, checked(value) if field == "mapping" else value)
    try:
        with transaction.atomic():
            template.save(update_fields=[*changes])
    except IntegrityError as error:
        raise TemplateExists("You have a template of that name.", code="template_exists") from error
    return template


@transaction.atomic
def delete_template(*, template: ImportTemplate) -> None:
    """Throw a template away."""
    template.delete()


def checked(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mapping that can be used, whole.

    :raises ValidationError: naming what is wrong with it
    """
    try:
        return mapping_of(mapping).as_json()
    except BadMapping as error:
        raise ValidationError({"mapping": ValidationError(str(error), code="bad_mapping")}) from error
