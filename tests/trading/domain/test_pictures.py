"""What a picture is, its bytes say; what is none, or would be too large once unpacked, is refused."""

import pytest

from tests.trading.factories import make_png
from trading.domain.pictures import LARGEST, Picture, PictureRefused, picture_of, safe_name

JPEG = (
    b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00\xff\xc0\x00\x11\x08\x00\x07\x00\x09\x03"
    b"\x01\x22\x00\x02\x11\x01\x03\x11\x01\xff\xda\x00\x0c\x03\x01\x00\x02\x11\x03\x11\x00\x3f\x00\x00\xff\xd9"
)
GIF = b"GIF89a\x03\x00\x02\x00\x00\x00\x00;"
WEBP = b"RIFF" + (22).to_bytes(4, "little") + b"WEBPVP8X" + (10).to_bytes(4, "little") + b"\x00" * 4 + b"\x04\x00\x00\x05\x00\x00"


@pytest.mark.parametrize(
    ("content", "picture"),
    [
        (make_png(width=4, height=5), Picture("image/png", 4, 5)),
        (JPEG, Picture("image/jpeg", 9, 7)),
        (GIF, Picture("image/gif", 3, 2)),
        (WEBP, Picture("image/webp", 5, 6)),
    ],
)
def test_a_picture_says_what_it_is(content, picture):
    assert picture_of(content) == picture


@pytest.mark.parametrize(
    "content",
    [
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"%PDF-1.7",
        make_png()[:-1],
        make_png() + b"<script>",
        JPEG[:-2],
        b"\xff\xd8\xff\xd9\xff\xd9",
        b"\xff\xd8\xff" + b"\xff" * 50 + b"\xff\xd9",
        b"GIF89a;",
        WEBP + b"x",
        b"\x89PNG\r\n\x1a\n",
    ],
)
def test_what_is_none_is_refused(content):
    with pytest.raises(PictureRefused) as refused:
        picture_of(content)
    assert refused.value.codes <= {"no_picture", "bad_size"}


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty"),
        (make_png() + b"\0" * LARGEST, "too_large"),
        (make_png(width=0), "bad_size"),
        (make_png(width=20_001), "bad_size"),
        (make_png(width=20_000, height=20_000), "bad_size"),
    ],
)
def test_too_much_or_nothing_is_refused_by_name(content, code):
    with pytest.raises(PictureRefused) as refused:
        picture_of(content)
    assert refused.value.codes == {code}


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("chart.png", "chart.png"),
        ("chart.exe", "chart.png"),
        ("../../etc/passwd", "passwd.png"),
        ("C:\\dir\\my chart (1).jpeg", "my chart (1).png"),
        ("a\r\nSet-Cookie: x.png", "a__Set-Cookie_ x.png"),
        ("...", "picture.png"),
        ("x" * 300, "x" * 196 + ".png"),
    ],
)
def test_a_name_means_nothing_to_anybody(name, kept):
    assert safe_name(name, "image/png") == kept
