"""Where pictures of trades are kept."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

from trading.models import Attachment


def path_of(attachment: Attachment) -> Path:
    """Return where a picture is kept: by ids alone, nothing that anybody wrote is in the path."""
    return Path(settings.ATTACHMENTS) / str(attachment.account_id) / str(attachment.pk)
