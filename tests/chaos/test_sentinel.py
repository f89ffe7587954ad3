"""A worker finds Redis through a Sentinel, also after the Redis that it had was replaced."""

import subprocess

import pytest
import redis

from scheduling.testing.processes import wait_for
from scheduling.testing.servers import redis_program, redis_server


def port_of(server):
    return int(server.url.rpartition(":")[2].partition("/")[0])


@pytest.fixture
def sentinel(own_redis, tmp_path):
    """A Sentinel that watches the Redis server of the test, on the port after it."""
    port = port_of(own_redis) + 10_000
    config = tmp_path / "sentinel.conf"
    config.write_text(
        f"port {port}\nbind 127.0.0.1\nsentinel monitor ours 127.0.0.1 {port_of(own_redis)} 1\n"
    )
    process = subprocess.Popen([redis_program(), config, "--sentinel"], stdout=subprocess.DEVNULL)
    client = redis.Redis(port=port)
    wait_for(lambda: answers(client))
    yield client
    client.close()
    process.kill()
    process.wait()


def answers(client):
    try:
        return client.ping()
    except redis.exceptions.ConnectionError:
        return False


def test_the_worker_follows_the_sentinel_to_another_redis(make_site, sentinel, own_redis):
    url = f"sentinel://127.0.0.1:{sentinel.connection_pool.connection_kwargs['port']}"
    site = make_site(REDIS_URL=url, SCHEDULING_BROKER_MASTER="ours")
    site.start(workers=1)
    token = site.register()
    assert site.book(token, "Before").status == 201
    wait_for(site.all_done)
    with redis_server() as other:
        sentinel.execute_command("SENTINEL", "REMOVE", "ours")
        sentinel.execute_command("SENTINEL", "MONITOR", "ours", "127.0.0.1", port_of(other), "1")
        own_redis.kill()
        assert site.book(token, "After").status == 201
        wait_for(lambda: site.all_done() and site.states()["done"] == 3)
