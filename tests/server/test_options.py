"""The options of the server, and what holds where the ini file says nothing."""

import resource

from scheduling.server.lifecycle import raise_file_limit
from scheduling.server.waitress import adjustments


def test_an_idle_connection_is_kept_for_longer_than_proxies_keep_theirs():
    assert adjustments({}).channel_timeout == 75
    assert adjustments({"channel_timeout": "20"}).channel_timeout == 20


def test_a_process_may_open_as_many_files_as_the_system_lets_it():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(1024, hard), hard))
        assert raise_file_limit() == hard
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
