"""The containers, read as text: they start what the stack starts, with the variables that the settings read."""

import importlib
import json
import re
import shlex
from typing import Any

import pytest
import yaml
from django.core.management import get_commands, load_command_class

from config import pulse, roles, stack
from config.celery import app
from config.embedded import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
OURS = ("web", "stream", "worker", "beat", "stream_quotes", "migrate")
OPTIONAL = {"ALPACA_SECRET_KEY"}  # a secret that nothing here needs in order to start
CONTAINER_PORT, STREAM_PORT = 8000, 8001


def read_by_us() -> set[str]:
    """Return the names of the variables that the settings and the roles read."""
    text = "".join((ROOT / "config" / f"{name}.py").read_text() for name in ("settings", "providers", "roles"))
    return set(re.findall(r"\"([A-Z][A-Z_]{3,})\"", text))


class TestProcesses:
    def test_are_those_of_the_stack(self) -> None:
        commands = {name: SERVICES[name]["command"] for name in ("web", "stream", "worker", "beat")}
        assert commands == {
            "web": ["python", "-m", *stack.web("0.0.0.0", CONTAINER_PORT)],  # noqa: S104 - inside a container
            "stream": ["python", "-m", *stack.stream("0.0.0.0", STREAM_PORT)],  # noqa: S104 - inside a container
            "worker": ["python", "-m", *stack.worker()],
            "beat": ["python", "-m", *stack.beat()],
        }

    def test_name_modules_and_commands_that_exist(self) -> None:
        for server in ("web", "stream"):
            module, _, attribute = SERVICES[server]["command"][-1].partition(":")
            assert callable(getattr(importlib.import_module(module), attribute))
        name = SERVICES["worker"]["command"][SERVICES["worker"]["command"].index("-A") + 1]
        assert importlib.import_module(name).app is app
        assert SERVICES["migrate"]["command"][-1] == "python -m config.roles && python manage.py migrate"
        assert "migrate" in get_commands()

    def test_hold_a_live_feed_where_that_is_asked_for(self) -> None:
        feed = SERVICES["stream_quotes"]
        python, manage, name, *options = feed["command"]
        assert (python, manage) == ("python", "manage.py")
        assert name in get_commands()
        load_command_class("marketdata", name).create_parser(manage, name).parse_args(options)
        assert feed["healthcheck"]["test"] == ["CMD", "python", "manage.py", name, "--check"]
        load_command_class("marketdata", name).create_parser(manage, name).parse_args(["--check"])
        assert feed["profiles"] == ["live"]  # without a key there is nothing to hold
        assert not any("profiles" in SERVICES[other] for other in SERVICES if other != "stream_quotes")
        for variable in ("ALPACA_KEY_ID", "ALPACA_SECRET_KEY", "ALPACA_FEED"):
            assert (
                feed["environment"][variable] == SERVICES["worker"]["environment"][variable]
            )  # who fetches asks the same vendor

    def test_wait_for_migrations_and_servers(self) -> None:
        for name in ("web", "stream", "worker", "beat", "stream_quotes"):
            assert {key: how["condition"] for key, how in SERVICES[name]["depends_on"].items()} == {
                "db": "service_healthy",
                "redis": "service_healthy",
                "migrate": "service_completed_successfully",
            }
        assert set(SERVICES["migrate"]["depends_on"]) == {"db", "redis"}

    def test_are_asked_how_they_are(self) -> None:
        checks = {name: SERVICES[name]["healthcheck"]["test"] for name in SERVICES if name != "migrate"}
        assert checks["web"] == ["CMD", "python", "-m", "config.probe", str(CONTAINER_PORT)]
        assert checks["stream"] == ["CMD", "python", "-m", "config.probe", str(STREAM_PORT)]
        for process in pulse.PROCESSES:
            assert checks[process] == ["CMD", "python", "-m", "config.pulse", process]
        assert "pg_isready" in checks["db"][1]
        assert "redis-cli ping" in checks["redis"][1]


class TestVariables:
    @pytest.mark.parametrize("service", OURS)
    def test_are_read_by_the_settings(self, service: str) -> None:
        given = set(SERVICES[service]["environment"])
        assert given <= read_by_us()
        assert {
            "BEDROCK_ENV",
            "SECRET_KEY",
            "ALLOWED_HOSTS",
            "DATABASE_URL",
            "DATABASE_SYSTEM_URL",
            "DATABASE_OWNER_URL",
            "REDIS_URL",
        } <= given
        assert SERVICES[service]["environment"]["BEDROCK_ENV"] == "production"
        assert SERVICES[service]["environment"]["DEBUG"] == "false"

    def test_that_are_secret_have_no_default_and_are_in_the_example(self) -> None:
        text = (ROOT / "docker-compose.yml").read_text()
        used = dict(re.findall(r"\$\{([A-Z_]+)(:[-?])?", text))
        example = dict(re.findall(r"^([A-Z_]+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE))
        assert set(used) - set(example) == {"PORT", "STREAM_PORT"}
        assert set(example) == set(used) - {"PORT", "STREAM_PORT"}
        assert not any(example.values())
        secrets = {name for name in used if name.endswith(("_PASSWORD", "_KEY"))} - OPTIONAL
        assert {name for name, how in used.items() if how == ":?"} == secrets | {"ALLOWED_HOSTS"}

    @pytest.mark.parametrize(
        ("variable", "login"), [("DATABASE_URL", "web"), ("DATABASE_SYSTEM_URL", "jobs"), ("DATABASE_OWNER_URL", "owner")]
    )
    def test_name_the_logins_that_the_roles_are_made_for(
        self, variable: str, login: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        address = re.sub(r"\$\{[^}]+\}", "secret", SERVICES["web"]["environment"][variable])
        monkeypatch.setenv(variable, address)
        assert roles.Login.of(variable) == roles.Login(f"bedrock_{login}", "secret")
        assert address.endswith("@db:5432/bedrock")

    def test_name_servers_that_are_services(self) -> None:
        assert "@redis:6379/0" in SERVICES["web"]["environment"]["REDIS_URL"]
        assert SERVICES["db"]["image"] == "postgres:18"
        assert "@db:5432/postgres" in SERVICES["migrate"]["environment"]["DATABASE_ADMIN_URL"]


class TestContainers:
    def test_open_their_ports_to_this_machine_alone(self) -> None:
        published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
        assert published == {
            "web": [f"127.0.0.1:${{PORT:-{CONTAINER_PORT}}}:{CONTAINER_PORT}"],
            "stream": [f"127.0.0.1:${{STREAM_PORT:-{STREAM_PORT}}}:{STREAM_PORT}"],
        }
        assert f"EXPOSE {CONTAINER_PORT}" in DOCKERFILE

    def test_keep_their_data_in_volumes_that_are_declared(self) -> None:
        mounted = {mount.partition(":")[0] for service in SERVICES.values() for mount in service.get("volumes", [])}
        assert mounted == set(COMPOSE["volumes"])
        assert SERVICES["db"]["volumes"] == ["database:/var/lib/postgresql"]  # where images from 18 on keep their data

    def test_run_one_image_that_is_built_here(self) -> None:
        assert {(SERVICES[name]["image"], SERVICES[name]["build"]) for name in OURS} == {("bedrock", ".")}
        default = json.loads(re.search(r"^CMD (.*)$", DOCKERFILE, re.MULTILINE)[1])
        assert default == SERVICES["web"]["command"]

    def test_do_not_run_as_root(self) -> None:
        user = re.findall(r"^USER (\S+)$", DOCKERFILE, re.MULTILINE)
        assert user == ["bedrock"]
        assert f"useradd --system --uid 10001 {shlex.join(['--home-dir', '/srv'])}" in DOCKERFILE
        assert DOCKERFILE.rindex("USER bedrock") > DOCKERFILE.rindex("RUN ")

    def test_are_built_from_the_lock_with_hashes(self) -> None:
        assert DOCKERFILE.count("--require-hashes") == 2
        ignored = (ROOT / ".dockerignore").read_text().split()
        assert {".env", ".git", ".venv", "var"} <= set(ignored)
        copied = {name for line in re.findall(r"^COPY (.*) \./$", DOCKERFILE, re.MULTILINE) for name in line.split()}
        assert copied == {"requirements-uv.lock", "requirements.lock"}
        for name in copied:
            assert (ROOT / name).exists()
