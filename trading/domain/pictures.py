"""Pictures as they may be kept: what a file is, its own bytes say, whatever it is called and whoever says otherwise."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from trading.domain.problems import Problem, Refused

LARGEST = 5 * 1024 * 1024
MOST_ACROSS = 20_000
MOST_PIXELS = 100_000_000  # a small file can claim to be a picture that takes gigabytes once it is unpacked
LONGEST_NAME = 200
SUFFIXES = {"image/png": ".png", "image/jpeg": ".jpg", "image/webp": ".webp", "image/gif": ".gif"}
PNG, PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
JPEG_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
JPEG_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})
JPEG_END, JPEG_SCAN = 0xD9, 0xDA
UNSAFE = re.compile(r"[^\w.() -]")


class PictureRefused(Refused):
    """A file that is no picture of a kind that is kept, or too large a one."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What a picture is and how large."""

    content_type: str
    width: int
    height: int


def picture_of(content: bytes) -> Picture:
    """Return what a file is by its bytes.

    :raises PictureRefused: if it is no PNG, JPEG, WebP or GIF, is damaged, or is too large
    """
    if not content:
        raise refused("empty", "The file is empty.")
    if len(content) > LARGEST:
        raise refused("too_large", f"The picture has more than {LARGEST // 1024**2} MB; make it smaller.")
    for content_type, size_of in READERS.items():
        size = size_of(content)
        if size is not None:
            return _checked(Picture(content_type, *size))
    raise refused("no_picture", "The file is no whole PNG, JPEG, WebP or GIF picture; its name and type don't make it one.")


def refused(code: str, detail: str) -> PictureRefused:
    """Return the refusal of a file."""
    return PictureRefused([Problem("file", code, detail)])


def safe_name(name: str, content_type: str) -> str:
    """Return what a picture is called: the last part of a name, with nothing in it that means something to a shell or a browser.

    >>> safe_name("../../etc/<script>.svg", "image/png")
    '_script_.png'
    """
    last = unicodedata.normalize("NFKC", name).replace("\\", "/").rpartition("/")[2]
    stem = UNSAFE.sub("_", last.rpartition(".")[0] or last).strip(" .")
    suffix = SUFFIXES[content_type]
    return f"{stem[: LONGEST_NAME - len(suffix)] or 'picture'}{suffix}"


def _checked(picture: Picture) -> Picture:
    """Return a picture that nobody chokes on."""
    if not (0 < picture.width <= MOST_ACROSS and 0 < picture.height <= MOST_ACROSS):
        raise refused("bad_size", f"The picture is {picture.width} x {picture.height}; at most {MOST_ACROSS:,} each are taken.")
    if picture.width * picture.height > MOST_PIXELS:
        raise refused("bad_size", f"The picture has more than {MOST_PIXELS // 1_000_000} million pixels; make it smaller.")
    return picture


def _png(content: bytes) -> tuple[int, int] | None:
    """Return the size of a PNG picture."""
    if not content.startswith(PNG) or content[12:16] != b"IHDR" or not content.endswith(PNG_END):
        return None
    return int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big")


def _gif(content: bytes) -> tuple[int, int] | None:
    """Return the size of a GIF picture."""
    if content[:6] not in (b"GIF87a", b"GIF89a") or not content.endswith(b";"):
        return None
    return int.from_bytes(content[6:8], "little"), int.from_bytes(content[8:10], "little")


def _webp(content: bytes) -> tuple[int, int] | None:
    """Return the size of a WebP picture."""
    if content[:4] != b"RIFF" or content[8:12] != b"WEBP" or int.from_bytes(content[4:8], "little") + 8 != len(content):
        return None
    kind, head = content[12:16], content[20:30]
    if len(head) < 10:  # noqa: PLR2004
        return None
    if kind == b"VP8X":
        return int.from_bytes(head[4:7], "little") + 1, int.from_bytes(head[7:10], "little") + 1
    if kind == b"VP8 " and head[3:6] == b"\x9d\x01\x2a":
        return int.from_bytes(head[6:8], "little") & 0x3FFF, int.from_bytes(head[8:10], "little") & 0x3FFF
    if kind == b"VP8L" and head[0] == 0x2F:  # noqa: PLR2004
        bits = int.from_bytes(head[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return None


def _jpeg(content: bytes) -> tuple[int, int] | None:
    """Return the size of a JPEG picture, which is in one of its segments."""
    if not content.startswith(b"\xff\xd8\xff") or not content.endswith(b"\xff\xd9"):
        return None
    at = 2
    while at + 9 < len(content) and content[at] == 0xFF:  # noqa: PLR2004
        marker = content[at + 1]
        if marker in JPEG_ALONE or marker == 0xFF:  # noqa: PLR2004
            at += 1 if marker == 0xFF else 2  # noqa: PLR2004
            continue
        if marker in (JPEG_END, JPEG_SCAN):
            return None
        if marker in JPEG_SIZES:
            return int.from_bytes(content[at + 7 : at + 9], "big"), int.from_bytes(content[at + 5 : at + 7], "big")
        at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    return None


READERS: Mapping[str, Callable[[bytes], tuple[int, int] | None]] = {
    "image/png": _png,
    "image/jpeg": _jpeg,
    "image/webp": _webp,
    "image/gif": _gif,
}
