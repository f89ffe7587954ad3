"""Redis is reached through Sentinels with passwords, users of an ACL, TLS and a private CA."""

import shutil
import ssl
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace

import pytest
import trustme

from scheduling.config.settings import CoreSchema, Settings
from scheduling.messaging.broker import connect
from scheduling.testing.process import Process, free_port
from scheduling.testing.servers import redis_program

ADDRESS = "127.0.0.1"


class Server(Process):
    """A Redis, or a Sentinel, with lines of a configuration file."""

    def __init__(self, name, lines, folder, *options, tls=()):
        self.port = free_port()
        config = folder / f"{name}.conf"
        listen = [f"port 0\ntls-port {self.port}", *tls] if tls else [f"port {self.port}"]
        config.write_text("\n".join([*listen, f"bind {ADDRESS}", f"dir {folder}", 'save ""', *lines, ""]))
        program = shutil.which("redis-server") if tls else redis_program()
        super().__init__(name, [program, str(config), *options], {}, folder)

    def is_ready(self):
        said = self.output
        if "tls" in said.lower() and not self.running:
            pytest.skip("redis-server has no TLS")
        return super().is_ready() and ("Ready to accept connections" in said or "Sentinel ID is" in said)


@pytest.fixture
def start(tmp_path):
    """A function that starts a Redis and a Sentinel with further lines; returns the Sentinel's port."""
    with ExitStack() as ends:

        def start(of_redis=(), of_sentinel=(), *, redis_tls=(), sentinel_tls=()):
            master = Server("redis", of_redis, tmp_path, tls=redis_tls)
            ends.callback(master.kill)
            master.start().wait_until_ready()
            # What a Sentinel itself thinks of its Redis is not asked: it tells the address in any case.
            watch = [f"sentinel monitor ours {ADDRESS} {master.port} 1", *of_sentinel]
            sentinel = Server("sentinel", watch, tmp_path, "--sentinel", tls=sentinel_tls)
            ends.callback(sentinel.kill)
            sentinel.start().wait_until_ready()
            return sentinel.port

        yield start


@pytest.fixture
def tls(tmp_path):
    """Lines with a certificate of a CA of its own, and the file of that CA."""
    if shutil.which("redis-server") is None:
        pytest.skip("no redis-server is installed; the wheel's has no TLS")
    ca = trustme.CA()
    files = {name: tmp_path / f"{name}.pem" for name in ("ca", "cert", "key")}
    ca.cert_pem.write_to_path(files["ca"])
    issued = ca.issue_cert(ADDRESS)
    issued.cert_chain_pems[0].write_to_path(files["cert"])
    issued.private_key_pem.write_to_path(files["key"])
    lines = [
        f"tls-ca-cert-file {files['ca']}",
        f"tls-cert-file {files['cert']}",
        f"tls-key-file {files['key']}",
        "tls-auth-clients no",
    ]
    return lines, files["ca"]


@contextmanager
def connection(url, **settings):
    given = {"database_url": "sqlite:///unused.db", "jwt_secret": "x" * 32, "broker_master": "ours"}
    core = Settings(**CoreSchema().load({**given, "broker_url": url, **settings}))
    with connect(SimpleNamespace(core_settings=core)) as connection:
        yield connection


def ping(url, **settings):
    """Reach Redis as a worker does."""
    with connection(url, **settings) as connected:
        channel = connected.channel()
        try:
            return channel.client.ping()
        finally:
            channel.close()


def to_sentinels(url, **settings):
    """Return the options for connections to Sentinels, since redis-py repeats what fails for minutes."""
    with connection(url, **settings) as connected:
        return connected.transport_options["sentinel_kwargs"]


WITH_PASSWORD = ["requirepass pw"]
WITH_USER = ["user default off", "user app on >pw ~* &* +@all"]
OTHER_USER = ["requirepass other", "user watcher on >theirs +@all &*"]


@pytest.mark.parametrize(
    ("of_redis", "of_sentinel", "account", "settings"),
    [
        ((), (), "", {}),
        (WITH_PASSWORD, (), ":pw@", {}),
        (WITH_PASSWORD, WITH_PASSWORD, ":pw@", {}),
        (WITH_PASSWORD, ["requirepass other"], ":pw@", {"broker_sentinel_password": "other"}),
        ((), WITH_PASSWORD, "", {"broker_sentinel_password": "pw"}),
        (WITH_USER, (), "app:pw@", {}),
        (WITH_USER, WITH_PASSWORD, "app:pw@", {}),
        (
            WITH_USER,
            OTHER_USER,
            "app:pw@",
            {"broker_sentinel_username": "watcher", "broker_sentinel_password": "theirs"},
        ),
    ],
    ids=["open", "Redis", "both", "other", "Sentinel", "ACL", "ACL and password", "two ACLs"],
)
def test_passwords_and_users_of_both(start, of_redis, of_sentinel, account, settings):
    port = start(of_redis, of_sentinel)
    assert ping(f"sentinel://{account}{ADDRESS}:{port}", **settings)


def test_tls_with_a_private_ca_is_for_both(start, tls):
    lines, ca = tls
    port = start(WITH_PASSWORD, WITH_PASSWORD, redis_tls=lines, sentinel_tls=[*lines, "tls-replication yes"])
    url = f"sentinel://:pw@{ADDRESS}:{port}?ssl_cert_reqs=required"
    assert ping(f"{url}&ssl_ca_certs={ca}")
    # Else anybody could be a Sentinel.
    assert to_sentinels(url)["ssl_cert_reqs"] is ssl.CERT_REQUIRED


def test_sentinels_without_tls_beside_a_redis_with_it_are_told_no_password_of_it(start, tls):
    lines, ca = tls
    port = start(WITH_PASSWORD, redis_tls=lines)
    url = f"sentinel://:pw@{ADDRESS}:{port}?ssl_cert_reqs=required&ssl_ca_certs={ca}"
    assert ping(url, broker_sentinel_plaintext="true")
    assert "password" not in to_sentinels(url, broker_sentinel_plaintext="true")
    theirs = {"broker_sentinel_plaintext": "true", "broker_sentinel_password": "theirs"}
    assert to_sentinels(url, **theirs)["password"] == "theirs"


def test_redis_itself_is_reached_with_tls_a_private_ca_and_a_user(tls, tmp_path):
    lines, ca = tls
    server = Server("redis", WITH_USER, tmp_path, tls=lines)
    try:
        server.start().wait_until_ready()
        assert ping(f"rediss://app:pw@{ADDRESS}:{server.port}/0?ssl_cert_reqs=required&ssl_ca_certs={ca}")
    finally:
        server.kill()
