"""No call reads more as the tables grow: PostgreSQL tells the plan of every statement as it was executed.

The module auto_explain of PostgreSQL sends them with the answers, those of triggers and foreign keys too.
https://www.postgresql.org/docs/current/auto-explain.html
"""

import json
import uuid
from contextlib import contextmanager
from datetime import UTC, datetime
from types import SimpleNamespace

import psycopg
import pytest
import sqlalchemy as sa

from scheduling.accounts import guesses, suppressions
from scheduling.accounts import service as accounts
from scheduling.db.pruning import PRUNE_BATCH
from scheduling.db.session import session_scope
from scheduling.messaging.administration.service import redrive_all
from scheduling.messaging.housekeeping import give_up_unhandled, prune
from scheduling.messaging.models import outbox
from scheduling.messaging.relay import Relay
from scheduling.observability.metrics.outbox import due, oldest_due_seconds, unfinished, waiting
from scheduling.testing import Client, Site
from scheduling.testing.site import PASSWORD
from scheduling.throttling import housekeeping as throttling
from scheduling.times import utcnow
from scheduling.web.idempotency import records
from scheduling.web.idempotency.models import idempotency_keys
from scheduling_analytics import housekeeping, rollups
from scheduling_organizations.service import MAX_EMBEDDED
from tests.kit.factories import BOOKING, book

AUTO_EXPLAIN = {
    "session_preload_libraries": "auto_explain",
    "auto_explain.log_level": "notice",
    "auto_explain.log_format": "json",
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_analyze": "on",
    "auto_explain.log_buffers": "on",
    "auto_explain.log_timing": "off",
    "auto_explain.log_nested_statements": "on",
}

# Notes are folded within a second, and the rate limit is one row.
SMALL = {"analytics_pending", "email_rate"}

# As planners see it, a user has 15 rows; the first one has many, and an organization with many members.
USERS = 4000
ROWS = 60_000  # of bookings, and of whatever else users have many
MINE = 3000

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
PAGE = 20
MOST_ROWS = 5 * PAGE  # A list reads a row for each that it shows, and a few more for each where it joins.
MOST_BLOCKS = 20 * PAGE

SEED = f"""
INSERT INTO users (id, email, password_hash, name, created_at)
    SELECT i, 'u' || i || '@example.com', 'x', 'User ' || i, now() - i * interval '1 minute'
    FROM generate_series(1, {USERS}) i;
INSERT INTO email_suppressions (address, reason)
    SELECT 'u' || i || '@example.com', 'no such mailbox' FROM generate_series(1, {USERS}, 2) i;
INSERT INTO token_cutoffs (user_id, not_before)
    SELECT i, now() - (i * 7919 % {USERS} + 100) * interval '1 minute' FROM generate_series(1, {USERS}) i;
INSERT INTO bookings (user_id, title, start_time, end_time)
    SELECT CASE WHEN i <= {MINE} THEN 1 ELSE i % {USERS} + 1 END, 'Standup', start, start + interval '1 hour'
    FROM generate_series(1, {ROWS}) i, LATERAL (SELECT now() + (i - 1000) * interval '1 hour' AS start) AS at;
UPDATE bookings SET status = 'cancelled' WHERE id = 2003;
INSERT INTO notifications (user_id, type, title, is_read, created_at)
    SELECT CASE WHEN i <= {MINE} THEN 1 ELSE i % {USERS} + 1 END, 'T', 'T', i % 600 > 0,
        now() - i * interval '1 minute'
    FROM generate_series(1, {ROWS}) i;
INSERT INTO organizations (id, name, owner_id, created_at)
    SELECT i, 'Acme', CASE WHEN i <= {MINE} THEN 1 ELSE i % {USERS - 10} + 1 END,
        now() - i * interval '1 minute'
    FROM generate_series(1, {ROWS // 6}) i;
INSERT INTO organization_members (organization_id, user_id, joined_at)
    SELECT id, owner_id, created_at FROM organizations
    UNION ALL SELECT id, owner_id + i, created_at FROM organizations, generate_series(1, 9) i WHERE id > 1
    UNION ALL SELECT 1, i, now() - i * interval '1 minute' FROM generate_series(2, {MINE}) i;
INSERT INTO analytics_events (user_id, event_type, metadata, created_at)
    SELECT i % {USERS} + 1, CASE WHEN i % 5000 = 0 THEN 'rare' ELSE 'type ' || i % 2 END, '{{}}',
        now() - i * interval '9 minutes'
    FROM generate_series(1, {ROWS}) i;
INSERT INTO outbox (id, kind, consumer, payload, state, due_at, created_at, done_at)
    SELECT gen_random_uuid(), CASE WHEN i % 5000 = 0 THEN 'RARE' ELSE 'KIND ' || i % 2 END, 'email', '{{}}',
        CASE WHEN i % 7000 = 0 THEN 'dead' WHEN i % 9000 = 0 THEN 'skipped' ELSE 'done' END,
        moment, moment, moment
    FROM generate_series(1, {ROWS}) i, LATERAL (SELECT now() - i * interval '30 seconds' AS moment) AS at;
INSERT INTO outbox (id, kind, consumer, payload, state, due_at, created_at, expires_at)
    SELECT gen_random_uuid(), 'KIND ' || i % 2, 'email', '{{}}', 'scheduled', moment,
        now() - i * interval '30 seconds', moment
    FROM generate_series(1, {ROWS}) i, LATERAL (SELECT now() + i * interval '1 minute' AS moment) AS at;
INSERT INTO idempotency_keys (id, fingerprint, status, headers, body, created_at)
    SELECT gen_random_uuid(), gen_random_uuid(), 201, '[]', '{{}}', now() - i * interval '1 second'
    FROM generate_series(1, {ROWS}) i;
INSERT INTO rate_limits (key, hits, waits, admitted, expires_at)
    SELECT decode(md5(i::text), 'hex'), ARRAY[moment], 0, true, moment + CAST(i AS bigint) * 1000000
    FROM generate_series(1, {ROWS}) i,
        LATERAL (SELECT CAST(extract(epoch FROM now()) * 1000000 AS bigint) AS moment) AS at;
INSERT INTO login_addresses (user_id, address, last_at)
    SELECT i % {USERS} + 1, decode(md5(i::text), 'hex'), now() - i * interval '30 seconds'
    FROM generate_series(1, {ROWS}) i;
SELECT setval(pg_get_serial_sequence('users', 'id'), {USERS} + 1),
    setval(pg_get_serial_sequence('organizations', 'id'), {ROWS});
"""  # noqa: S608


# More than the 8 MB from which on PostgreSQL thinks of reading a table by several processes.
MANY_NOTES_THAT_WENT = [
    "ALTER TABLE analytics_pending SET (autovacuum_enabled = false)",
    """INSERT INTO analytics_pending (change, event_type, user_id, created_at)
       SELECT 1, 'many', i, now() FROM generate_series(1, 200000) i""",
    "ANALYZE analytics_pending",
    "DELETE FROM analytics_pending WHERE event_type = 'many'",
]

# It has all months before it; without it there is one for each.
OLDEST_PARTITION = """
SELECT min(inhrelid::regclass::text) FROM pg_inherits WHERE inhparent = 'analytics_events'::regclass
"""


class Plans(list):
    """The plans of some statements, as they were executed."""

    def add(self, notice):
        """Take the plan out of a message of the server, if it has one."""
        _, _, plan = notice.message_primary.partition("plan:\n")
        if plan:
            self.append(json.loads(plan))

    def __str__(self):
        shown = ("Node Type", "Relation Name", "Index Name", "Actual Rows", "Rows Removed by Filter")

        def lines():
            for plan in self:
                yield plan["Query Text"]
                for node in below(plan["Plan"]):
                    yield "    " + ", ".join(f"{key} {node[key]}" for key in shown if key in node)

        return "\n".join(lines())

    def reading(self):
        """Give each node that reads a table, with the statement it is of."""
        for plan in self:
            for node in below(plan["Plan"]):
                table = node.get("Relation Name", "pg_")
                if table not in SMALL and not table.startswith("pg_") and "Operation" not in node:
                    yield plan["Query Text"], node

    def scans(self):
        """The statements that read a table from end to end that grows; an empty partition is no such."""
        return [text for text, node in self.reading() if node["Node Type"] == "Seq Scan" and rows_read(node)]

    def skips(self):
        """The statements that look into an index for each value of a column that they do not ask for.

        PostgreSQL 18 can, tells of it, and believes it to be cheap where a value has many rows.
        """
        return [text for text, node in self.reading() if is_skip_scan(node)]

    def rows(self):
        """How many rows were read, whether they were of use or not."""
        return sum(rows_read(node) for _, node in self.reading())

    def blocks(self):
        """How many blocks were looked at."""
        kinds = ("Shared Hit Blocks", "Shared Read Blocks")
        return sum(plan["Plan"][kind] for plan in self for kind in kinds)


def rows_read(node):
    counts = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck")
    return node["Actual Loops"] * sum(node.get(count, 0) for count in counts)


def is_skip_scan(node):
    # https://www.postgresql.org/docs/current/indexes-multicolumn.html
    return node.get("Index Searches", 0) > node["Actual Loops"] and "ANY (" not in node["Index Cond"]


def below(node):
    yield node
    for child in node.get("Plans", ()):
        yield from below(child)


@pytest.fixture(scope="module")
def executed():
    return Plans()


@pytest.fixture(scope="module")
def big_site(postgres, enabled_plugins, executed):
    """A site with many rows in every table that grows, and with its plans in ``executed``."""
    name = f"growth_{uuid.uuid4().hex}"
    url = postgres.create_database(name)
    site = Site(url, enabled_plugins)
    with psycopg.connect(url, autocommit=True) as connection:
        [(oldest,)] = connection.execute(OLDEST_PARTITION)
        connection.execute(f"DROP TABLE {oldest}")
        connection.execute(SEED)
        while housekeeping.keep_partitions(site.registry):
            pass
        with session_scope(site.registry) as db:
            rollups.rebuild(db)
        connection.execute("VACUUM ANALYZE")
        for setting, value in AUTO_EXPLAIN.items():
            connection.execute(f"ALTER DATABASE {name} SET {setting} = '{value}'")
    site.registry.engine.dispose()
    sa.event.listen(
        site.registry.engine, "connect", lambda driver, _: driver.add_notice_handler(executed.add)
    )
    yield site
    site.close()
    postgres.drop_database(name)


@pytest.fixture
def plans(admin, executed):
    """A function that gives the plans of what is executed while its block runs."""

    @contextmanager
    def plans():
        # Tokens' cut-offs are read once a second, whatever is asked; and connections are made.
        admin.get("/users/me")
        found = Plans()
        executed.clear()
        yield found
        found.extend(executed)
        assert found, "nothing was executed"

    return plans


@pytest.fixture(scope="module")
def admin(big_site):
    """The user with many rows, who is an admin."""
    user = SimpleNamespace(id=1, email="u1@example.com", role="admin", token_key=None)
    return Client(big_site.app, big_site.registry.tokens.issue(user, utcnow()), 1, "User 1", "u1@example.com")


@pytest.fixture
def many_notes_that_went(big_site):
    """What is left until the next vacuum when many events were loaded and folded."""
    with big_site.registry.engine.connect() as connection:
        for statement in MANY_NOTES_THAT_WENT:
            connection.exec_driver_sql(statement)
        yield
        connection.exec_driver_sql("ALTER TABLE analytics_pending RESET (autovacuum_enabled)")
        connection.exec_driver_sql("VACUUM ANALYZE analytics_pending")


# Of many rows each.
LONG_LISTS = [
    "/users",
    "/users?q=u",
    "/users?q=user+",
    "/bookings",
    "/bookings?status=confirmed",
    "/bookings?from=2020-01-01T00:00:00Z",
    "/bookings?to=2099-01-01T00:00:00Z",
    "/bookings?sort=start_time",
    "/bookings?sort=-updated_at",
    "/bookings?sort=updated_at&updated_since=2020-01-01T00:00:00Z",
    "/bookings?status=confirmed&from=2020-01-01T00:00:00Z&to=2099-01-01T00:00:00Z",
    "/organizations",
    "/organizations/1/members",
    "/notifications",
    "/analytics/events",
    "/analytics/events?type=type+1",
    "/outbox",
    "/outbox?state=done",
    "/outbox?state=scheduled",
    "/outbox?kind=KIND+1",
    "/outbox?state=done&kind=KIND+1",
]

# Of few rows, or none, among many others.
SHORT_LISTS = [
    "/users?q=u1234@",
    "/users?q=nobody",
    "/bookings?sort=updated_at&updated_since=2098-01-01T00:00:00Z",
    "/notifications/unread",
    "/analytics/events?type=rare",
    "/analytics/events?type=none",
    "/outbox?state=dead",
    "/outbox?state=retry",
    "/outbox?kind=RARE",
    "/outbox?kind=NONE",
    "/outbox?state=done&kind=RARE",
    "/outbox?state=done&kind=NONE",
    "/outbox?state=dead&kind=KIND+1",
]

NEWCOMER = {"name": "New", "email": "newcomer@example.com", "password": PASSWORD}

# Calls about single things, each about one of its own.
CALLS = [
    ("GET", "/auth/verify", None, 200),
    ("GET", "/users/me", None, 200),
    ("POST", "/auth/register", NEWCOMER, 201),
    ("POST", "/auth/login", {"email": "NOBODY@example.com", "password": PASSWORD}, 401),
    ("POST", "/auth/logout", {"everywhere": True}, 200),
    ("PATCH", "/users/me", {"name": "Renamed", "email": "renamed@example.com"}, 200),
    ("PATCH", "/users/me/password", {"currentPassword": PASSWORD, "newPassword": "another secret"}, 200),
    ("POST", "/bookings", BOOKING, 201),
    ("GET", "/bookings/2000", None, 200),
    ("PATCH", "/bookings/2001", {"title": "Renamed"}, 200),
    ("DELETE", "/bookings/2002", None, 200),
    ("POST", "/bookings/2003/restore", None, 200),
    ("POST", "/organizations", {"name": "New"}, 201),
    ("GET", "/organizations/2", None, 200),
    ("PATCH", "/organizations/3", {"name": "Renamed"}, 200),
    ("DELETE", "/organizations/4", None, 200),
    ("POST", "/organizations/5/members", {"email": f"u{USERS}@example.com"}, 201),
    ("POST", "/organizations/1/members", {"email": "u7@example.com"}, 400),
    ("DELETE", "/organizations/1/members/8", None, 200),
    ("GET", "/notifications/count", None, 200),
    ("PATCH", "/notifications/1/read", None, 200),
    ("DELETE", "/notifications/2", None, 200),
    ("POST", "/analytics/event", {"eventType": "click"}, 201),
    ("GET", "/outbox/{dead}", None, 200),
    ("POST", "/outbox/{dead}/redrive", None, 202),
]


def path_of_page(path, limit):
    return f"{path}{'&' if '?' in path else '?'}limit={limit}"


def page_far_behind(client, path):
    """The address of a page of :data:`PAGE` rows in the middle of the rows of the user with many."""
    address = path_of_page(path, 200)
    for _ in range(MINE // 400):
        link = client.get(address, status=200).headers["Link"]
        address = link.removeprefix("</api/v1").partition(">")[0]
    return address.replace("limit=200", f"limit={PAGE}")


def assert_is_small(found):
    assert found.scans() == []
    assert found.skips() == []
    assert found.rows() <= MOST_ROWS, str(found)
    assert found.blocks() <= MOST_BLOCKS, str(found)


def assert_is_planned_for_a_page(found):
    """With a LIMIT that it does not know, a planner expects a tenth of the table, and plans for that."""
    [page] = [plan["Plan"] for plan in found if plan["Plan"]["Node Type"] == "Limit"]
    assert page["Plan Rows"] <= PAGE + 1


@pytest.mark.parametrize("path", LONG_LISTS + SHORT_LISTS)
def test_the_first_page_of_a_list_reads_a_page(admin, plans, path):
    with plans() as found:
        admin.get(path_of_page(path, PAGE), status=200)
    assert_is_small(found)
    assert_is_planned_for_a_page(found)


@pytest.mark.parametrize("path", LONG_LISTS)
def test_a_page_far_behind_reads_a_page(admin, plans, path):
    address = page_far_behind(admin, path)
    with plans() as found:
        assert len(admin.get(address, status=200).json) == PAGE
    assert_is_small(found)
    assert_is_planned_for_a_page(found)


WITHOUT_AN_INDEX = [
    "/bookings?status=cancelled",
    "/bookings?updated_since=2098-01-01T00:00:00Z",
    "/organizations?scope=member",
]


@pytest.mark.parametrize("path", WITHOUT_AN_INDEX)
def test_a_list_that_has_no_index_of_its_own_reads_no_more_than_the_senders_rows(admin, plans, path):
    with plans() as found:
        admin.get(path_of_page(path, PAGE), status=200)
    assert found.scans() == []
    assert found.rows() <= 2 * MINE + PAGE


@pytest.mark.parametrize(("method", "path", "body", "status"), CALLS)
def test_a_call_about_one_thing_reads_few_rows(big_site, admin, plans, method, path, body, status):
    dead = admin.get("/outbox?state=dead", status=200).json[0]["id"]
    someone = big_site.user() if path.startswith(("/auth", "/users")) else admin
    call = getattr(someone, method.lower())
    with plans() as found:
        call(path.format(dead=dead), *([body] if method in ("POST", "PATCH") else []), status=status)
    assert_is_small(found)


def test_an_organization_is_shown_with_so_many_members_and_reads_no_others(admin, plans):
    with plans() as found:
        members = admin.get("/organizations/1", status=200).json["members"]
    assert len(members) == MAX_EMBEDDED
    assert found.scans() == []
    assert found.rows() <= 2 * MAX_EMBEDDED + PAGE


def test_unread_notifications_are_counted_and_marked_without_reading_the_others(admin, plans):
    with plans() as counting:
        unread = admin.get("/notifications/count", status=200).json["unread"]
    with plans() as marking:
        assert admin.patch("/notifications/read-all", status=200).json["updated"] == unread > 0
    for found in (counting, marking):
        assert found.scans() == []
        assert found.rows() == unread
    assert counting.blocks() <= 5


def test_a_dashboard_of_a_year_reads_buckets(admin, plans):
    with plans() as found:
        types = len(admin.get("/analytics/dashboard?days=366", status=200).json["breakdown"])
    assert found.scans() == []
    assert found.skips() == []
    assert found.rows() <= (60 + 24 + 30 + 13) * (types + 1) + MOST_ROWS
    assert found.blocks() <= MOST_BLOCKS


@pytest.mark.parametrize("query", ["interval=hour", "interval=day", "event_type=rare", "event_type=none"])
def test_a_series_reads_the_buckets_of_its_window(admin, plans, query):
    with plans() as found:
        admin.get(f"/analytics/series?{query}", status=200)
    assert found.scans() == []
    assert found.skips() == []
    # Of 31 days, or 24 hours, and the types of the system and of the seed.
    assert found.rows() <= 31 * 10
    assert found.blocks() <= MOST_BLOCKS


MANY_TYPES = """
INSERT INTO analytics_types (event_type, last_day)
    SELECT 'type ' || i, current_date - 2 - mod(i, 400) FROM generate_series(1, 20000) i;
ANALYZE analytics_types
"""


def test_a_new_type_of_event_is_counted_among_those_in_use_alone(big_site, admin, plans):
    with big_site.registry.engine.connect() as connection:
        for statement in MANY_TYPES.split(";"):
            connection.exec_driver_sql(statement)
    for event_type in ("type 7", "never seen"):
        with plans() as found:
            admin.post("/analytics/event", {"eventType": event_type}, status=201)
        assert found.scans() == []
        assert found.rows() <= PAGE


@pytest.mark.usefixtures("many_notes_that_went")
def test_a_dashboard_reads_the_notes_once_and_in_one_process_however_many_there_were(admin, plans):
    with plans() as found:
        admin.get("/analytics/dashboard", status=200)
    nodes = [node for plan in found for node in below(plan["Plan"])]
    assert sum(node.get("Relation Name") == "analytics_pending" for node in nodes) == 1
    assert not any(node["Node Type"].startswith("Gather") for node in nodes)


def test_the_events_of_a_year_are_in_a_partition_for_each_month(big_site):
    with session_scope(big_site.registry) as db:
        parts = db.rows(sa.text("SELECT DISTINCT tableoid FROM analytics_events"))
    assert len(parts) in (13, 14)


def test_nothing_that_is_kept_is_read_when_old_events_are_removed(big_site, plans):
    with plans() as found:
        assert housekeeping.trim(big_site.registry) is False
        assert housekeeping.keep_partitions(big_site.registry) is False
    assert_is_small(found)


def test_new_token_cut_offs_are_read_without_the_old_ones(big_site, admin, plans):
    with plans() as found:
        big_site.forget_when_cutoffs_were_read()
        admin.get("/users/me", status=200)
    assert any("token_cutoffs" in text for text, _ in found.reading())
    assert_is_small(found)


def test_a_deleted_account_takes_its_rows_along_without_reading_those_of_others(big_site, plans):
    with plans() as found, session_scope(big_site.registry) as db:
        assert accounts.delete(db, USERS)
    assert {"bookings", "notifications", "organizations", "organization_members"} < {
        node["Relation Name"] for plan in found for node in below(plan["Plan"]) if "Relation Name" in node
    }
    assert found.scans() == []
    assert found.rows() <= MOST_ROWS


def redrive_rare(registry):
    redrive_all(registry, "dead", "RARE")


def list_suppressions(registry):
    query = suppressions.select_suppressions.order_by(*suppressions.NEWEST_FIRST.order_by())
    with session_scope(registry) as db:
        assert len(db.rows(query.limit(PAGE))) == PAGE


def prune_idempotency_keys(registry):
    return records.prune(registry)


def look(registry):
    Relay(registry).publish_due(lambda consumer, ids: None)


@pytest.mark.parametrize(
    "work",
    [
        list_suppressions,
        look,
        prune,
        prune_idempotency_keys,
        give_up_unhandled,
        unfinished,
        due,
        oldest_due_seconds,
        waiting,
        redrive_rare,
        housekeeping.fold,
    ],
    ids=lambda work: work.__name__,
)
def test_what_workers_and_metrics_ask_reads_what_is_unfinished(big_site, plans, work):
    work(big_site.registry)
    big_site.user()
    with plans() as found:
        work(big_site.registry)
    assert_is_small(found)


def test_finished_messages_are_deleted_by_their_ids(big_site, plans):
    old = sa.select(outbox.c.id).where(outbox.c.state == "done").limit(PRUNE_BATCH)
    with session_scope(big_site.registry) as db:
        db.write(sa.update(outbox).where(outbox.c.id.in_(old)).values(done_at=LONG_AGO))
    with plans() as found:
        assert prune(big_site.registry)
    assert found.scans() == []
    assert found.rows() == 2 * PRUNE_BATCH


def test_old_idempotency_keys_are_deleted_by_their_ids(big_site, plans):
    some = sa.select(idempotency_keys.c.id).limit(PRUNE_BATCH)
    with session_scope(big_site.registry) as db:
        db.write(
            sa.update(idempotency_keys).where(idempotency_keys.c.id.in_(some)).values(created_at=LONG_AGO)
        )
    with plans() as found:
        assert records.prune(big_site.registry)
    assert found.scans() == []
    assert found.rows() == 2 * PRUNE_BATCH


@pytest.mark.parametrize(
    ("chore", "make_old"),
    [
        (throttling.prune, "UPDATE rate_limits SET expires_at = 1"),
        (guesses.prune, "UPDATE login_addresses SET last_at = '2020-01-01'"),
    ],
    ids=["rate limits", "log-in addresses"],
)
def test_what_limits_do_not_need_any_more_is_deleted_by_its_keys(big_site, plans, chore, make_old):
    table = make_old.split()[1]
    some = f"(SELECT ctid FROM {table} LIMIT {PRUNE_BATCH})"  # noqa: S608
    with session_scope(big_site.registry) as db:
        db.write(sa.text(f"{make_old} WHERE ctid = ANY(ARRAY{some})"))
    with plans() as found:
        assert chore(big_site.registry)
    assert found.scans() == []
    assert found.rows() == 2 * PRUNE_BATCH


@pytest.mark.parametrize("outcome", ["done", "replayed"])
def test_a_call_with_a_key_looks_for_one_record(big_site, plans, outcome):
    user = big_site.user()
    key = {"Idempotency-Key": "k"}
    user.post("/bookings", BOOKING, headers=key, status=201)
    with plans() as found:
        header = key if outcome == "replayed" else {"Idempotency-Key": "another"}
        user.post("/bookings", BOOKING, headers=header, status=201)
    assert found.scans() == []
    assert_is_small(found)


def test_reminders_follow_their_booking_without_reading_other_messages(big_site, plans):
    user = big_site.user()
    reminders = [{"minutes": minutes, "channel": "email"} for minutes in range(5)]
    path = f"/bookings/{book(user, reminders=reminders)['id']}"
    with plans() as found:
        user.patch(path, {"start": "2099-01-01T10:30:00Z"}, status=200)
        user.delete(path, status=200)
        user.post(f"{path}/restore", {}, status=200)
    assert sum("DELETE FROM outbox" in text for text, _ in found.reading()) > 0
    assert_is_small(found)


def test_a_message_is_delivered_without_reading_others(big_site, plans):
    big_site.deliver()
    big_site.user()
    with plans() as found:
        big_site.deliver()
    assert_is_small(found)
