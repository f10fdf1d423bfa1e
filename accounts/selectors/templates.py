"""Mappings that were kept for files like one."""

from collections.abc import Sequence

from accounts.models import ImportTemplate, User

ALIKE = 0.8


def template_for(*, user: User, headings: Sequence[str]) -> ImportTemplate | None:
    """Return the template of a person that was made for a file with these headings, or with nearly all of them."""
    here = {heading.strip().casefold() for heading in headings if heading.strip()}
    best: tuple[float, ImportTemplate | None] = (0.0, None)
    for template in ImportTemplate.objects.visible_to(user).order_by("-created_at"):
        there = {heading.strip().casefold() for heading in template.headings if heading.strip()}
        likeness = len(here & there) / len(here | there) if here | there else 0.0
        if likeness >= ALIKE and likeness > best[0]:
            best = (likeness, template)
    return best[1]
