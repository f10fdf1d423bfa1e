"""Settings come from the environment, and what is odd or unsafe stops the boot."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SECRET = "".join(map(chr, range(48, 123)))
PRODUCTION = {"BEDROCK_ENV": "production", "SECRET_KEY": SECRET, "ALLOWED_HOSTS": "bedrock.example", "DEBUG": "false"}
SHOW = "from django.conf import settings as s; s.DEBUG; print((EXPRESSION))"


def boot(expression: str = "1", **variables: str) -> subprocess.CompletedProcess[str]:
    """Read the settings in a process of their own."""
    environment = {name: value for name, value in os.environ.items() if name not in PRODUCTION}
    environment |= {"DJANGO_SETTINGS_MODULE": "config.settings"} | variables
    command = [sys.executable, "-c", SHOW.replace("EXPRESSION", expression)]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


class TestProduction:
    def test_it_starts_with_what_it_needs(self):
        done = boot(
            "s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE, s.SECURE_SSL_REDIRECT, s.SECURE_HSTS_SECONDS > 0, s.DEBUG",
            **PRODUCTION,
        )
        assert done.stdout == "(True, True, True, True, False)\n", done.stderr

    def test_it_still_reads_what_was_encrypted_under_former_keys(self):
        assert boot("s.SECRET_KEY_FALLBACKS", SECRET_KEY_FALLBACKS="one,two").stdout == "['one', 'two']\n"

    @pytest.mark.parametrize(
        ("wrong", "says"),
        [
            ({"DEBUG": "true"}, "DEBUG"),
            ({"SECRET_KEY": ""}, "SECRET_KEY"),
            ({"SECRET_KEY": "short"}, "SECRET_KEY"),
            ({"SECRET_KEY": "a" * 60}, "SECRET_KEY"),
            ({"SECRET_KEY": "development-only-" + "not-a-secret-" * 4}, "SECRET_KEY"),
            ({"ALLOWED_HOSTS": ""}, "ALLOWED_HOSTS"),
            ({"ALLOWED_HOSTS": "*"}, "ALLOWED_HOSTS"),
            ({"ALLOWED_HOSTS": "a.example,*"}, "ALLOWED_HOSTS"),
            ({"DATABASE_URL": ""}, "DATABASE_URL"),
            ({"REDIS_URL": ""}, "REDIS_URL"),
        ],
    )
    def test_it_refuses_what_is_unsafe_and_names_it(self, wrong, says):
        done = boot(**PRODUCTION | wrong)
        assert done.returncode != 0
        assert f"ImproperlyConfigured: {says}" in done.stderr or f"{says} " in done.stderr.splitlines()[-1]

    def test_it_refuses_to_start_without_a_secret(self):
        without = {name: value for name, value in PRODUCTION.items() if name != "SECRET_KEY"}
        assert "SECRET_KEY" in boot(**without).stderr.splitlines()[-1]


class TestDevelopment:
    def test_the_world_has_one_of_two_names(self):
        assert "BEDROCK_ENV" in boot(BEDROCK_ENV="staging").stderr.splitlines()[-1]

    def test_debug_is_off_unless_asked_for(self):
        assert boot("s.DEBUG").stdout == "False\n"
        assert boot("s.DEBUG", DEBUG="true").stdout == "True\n"

    def test_another_database_is_refused(self):
        assert "DATABASE_URL" in boot(DATABASE_URL="sqlite:///x.db").stderr.splitlines()[-1]

    def test_one_address_serves_all_three_roles(self):
        done = boot(
            "[s.DATABASES[n].get('OPTIONS', {}).get('options') for n in ('default', 'system', 'owner')]",
            DATABASE_URL="postgres://me@127.0.0.1/db",
            DATABASE_OWNER_URL="",
            DATABASE_SYSTEM_URL="",
        )
        assert done.stdout == "['-c role=bedrock_app', '-c role=bedrock_system', None]\n", done.stderr

    def test_the_address_of_the_proxy_is_believed_only_behind_one(self):
        expression = "s.SECURE_PROXY_SSL_HEADER, s.REST_FRAMEWORK['NUM_PROXIES']"
        assert boot(expression).stdout == "(None, 0)\n"
        assert boot(expression, BEHIND_PROXY="true").stdout == "(('HTTP_X_FORWARDED_PROTO', 'https'), 1)\n"


class TestSources:
    def test_are_those_that_need_nothing_unless_more_are_set_up(self):
        assert boot("list(s.MARKETDATA_PROVIDERS)").stdout == "['sample', 'files', 'ecb']\n"
        keys = {"ALPACA_KEY_ID": "x", "ALPACA_SECRET_KEY": "y", "CRYPTO_EXCHANGE": "kraken", "PROVIDERS": "ecb,alpaca,crypto"}
        assert boot("list(s.MARKETDATA_PROVIDERS)", **keys).stdout == "['ecb', 'alpaca', 'crypto']\n"

    @pytest.mark.parametrize(
        ("wrong", "says"),
        [
            ({"ALPACA_DATA_URL": "https://evil.example.com"}, "ALPACA_DATA_URL"),
            ({"ALPACA_TRADING_URL": "ftp://paper-api.alpaca.markets"}, "ALPACA_TRADING_URL"),
            ({"ECB_URL": "https://127.0.0.1/rates"}, "ECB_URL"),
            ({"CRYPTO_URL": "nowhere", "CRYPTO_EXCHANGE": "kraken"}, "CRYPTO_URL"),
            ({"PROVIDERS": "alpaca"}, "PROVIDERS"),
            ({"PROVIDER_HOSTS": "a.example.com/path"}, "PROVIDER_HOSTS"),
            ({"ALPACA_KEY_ID": "canary"}, "ALPACA_KEY_ID and ALPACA_SECRET_KEY"),
            ({"ALPACA_FEED": "all"}, "ALPACA_FEED"),
            ({"ALPACA_RATE": "0"}, "ALPACA_RATE"),
            ({"API_RATE": "1200"}, "API_RATE"),
            ({"API_RATE_LOGIN": "0/min"}, "API_RATE_LOGIN"),
        ],
    )
    def test_that_are_odd_stop_the_boot_by_name(self, wrong, says):
        done = boot(**wrong)
        assert done.returncode != 0
        assert f"ImproperlyConfigured: {says} must" in done.stderr
        assert "canary" not in done.stderr
