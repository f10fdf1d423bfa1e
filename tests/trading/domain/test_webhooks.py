"""Where something may be told, how it is signed, and when it is tried again."""

import hashlib
import hmac
from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.domain.webhooks import WAITS, AddressRefused, check_target, sign, wait_after

SECURE = "https" + "://"  # what follows are no hosts that anything is asked of


class TestAddresses:
    @pytest.mark.parametrize(
        "url",
        ["https://example.com", "https://hooks.example.com:8443/a/b?c=d", SECURE + "8.8.8.8/x", SECURE + "[2606:4700::1111]/"],
    )
    def test_of_the_internet_are_taken(self, url):
        assert check_target(url) == url

    @pytest.mark.parametrize(
        ("url", "code"),
        [
            ("http://example.com/", "not_encrypted"),
            ("ftp://example.com/", "not_encrypted"),
            ("example.com", "bad_url"),
            (SECURE + "", "bad_url"),
            (SECURE + "user:secret@example.com/", "bad_url"),
            ("https://example.com/#part", "bad_url"),
            ("https://example.com:99999/", "bad_url"),
            ("https://example.com/ space", "bad_url"),
            (SECURE + "exämple.com/", "bad_url"),
            ("https://example.com\\@127.0.0.1/", "bad_url"),
            (SECURE + "[::1", "bad_url"),
            (f"https://example.com/{'x' * 500}", "bad_url"),
            (SECURE + "127.0.0.1/", "private_address"),
            (SECURE + "localhost/", "private_address"),
            (SECURE + "10.0.0.8/", "private_address"),
            (SECURE + "192.168.1.1/", "private_address"),
            (SECURE + "169.254.169.254/latest/meta-data/", "private_address"),
            (SECURE + "[::1]/", "private_address"),
            (SECURE + "[fd00::1]/", "private_address"),
            (SECURE + "[::ffff:10.0.0.1]/", "private_address"),
            (SECURE + "[64:ff9b::a9fe:a9fe]/", "private_address"),
            (SECURE + "0.0.0.0/", "private_address"),
            (SECURE + "2130706433/", "private_address"),
            (SECURE + "127.1/", "private_address"),
            (SECURE + "127.0.0.0x1/", "private_address"),
            (SECURE + "0x7f.0x1/", "private_address"),
            (SECURE + "0177.0.0.01/", "private_address"),
            (SECURE + "[::127.0.0.1]/", "private_address"),
            (SECURE + "[fec0::1]/", "private_address"),
            (SECURE + "metadata.google.internal/", "private_address"),
            (SECURE + "printer.local/", "private_address"),
        ],
    )
    def test_of_anything_else_are_refused_by_name(self, url, code):
        with pytest.raises(AddressRefused) as refused:
            check_target(url)
        assert refused.value.codes == {code}

    def test_of_this_machine_are_for_those_who_develop(self):
        assert check_target("http://localhost:9000/hook", private=True)
        assert check_target(SECURE + "10.0.0.8/", private=True)
        with pytest.raises(AddressRefused):
            check_target(SECURE.replace("s", "") + "10.0.0.8/", private=True)

    @given(st.text(max_size=60))
    def test_are_taken_or_refused_whatever_they_are(self, text):
        with suppress(AddressRefused):
            assert check_target(SECURE + text).startswith(SECURE + "")


class TestSignature:
    @given(st.text(st.characters(codec="utf-8")), st.integers(0, 2**40), st.binary())
    def test_covers_time_and_body(self, secret, at, body):
        expected = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
        assert sign(secret, at, body) == f"t={at},v1={expected}"
        assert sign(secret, at + 1, body) != sign(secret, at, body)


def test_waits_longer_each_time_and_gives_up_after_a_day():
    waits = [wait_after(attempts) for attempts in range(1, len(WAITS) + 1)]
    assert waits == sorted(waits)
    assert wait_after(len(WAITS) + 1) is None
    assert timedelta(hours=20) < sum(waits, timedelta()) < timedelta(hours=30)
