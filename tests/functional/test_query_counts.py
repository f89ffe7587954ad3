"""How often a request goes to the database; BEGIN and COMMIT are round trips too."""

from time import monotonic

from scheduling.security.tokens import REFRESH_SECONDS
from tests.kit.factories import BOOKING, book, create_organization

LISTS = [
    "/users",
    "/users?q=member",
    "/bookings",
    "/bookings?limit=2",
    "/bookings?limit=2&sort=updated_at&updated_since=2020-01-01T00:00:00Z",
    "/organizations",
    "/organizations?scope=member",
    "/organizations/{organization}",
    "/organizations/{organization}/members",
    "/notifications",
    "/notifications/unread",
    "/notifications/count",
    "/analytics/dashboard",
    "/analytics/series",
    "/analytics/events",
]


def statements_of(site, call):
    call()  # Connects, and reads the token cut-offs, which happens once a second whatever is asked.
    with site.queries() as queries:
        call()
    return [statement for statement in queries.statements if "token_cutoffs" not in statement]


def add_rows(site, admin, organization, number):
    for i in range(number):
        admin.post("/bookings", BOOKING, status=201)
        admin.post("/organizations", {"name": "Acme"}, status=201)
        member = site.user(f"Member {i}")
        admin.post(f"/organizations/{organization}/members", {"email": member.email}, status=201)


def test_a_list_makes_as_many_queries_for_many_rows_as_for_one(site):
    admin = site.user(admin=True)
    organization = create_organization(admin)
    paths = [path.format(organization=organization) for path in LISTS]

    def counts():
        return {path: len(statements_of(site, lambda p=path: admin.get(p, status=200))) for path in paths}

    add_rows(site, admin, organization, 1)
    few = counts()
    add_rows(site, admin, organization, 12)
    assert counts() == few
    assert all(1 <= count <= 2 for count in few.values())


def test_a_booking_is_read_in_one_round_trip(site):
    alice = site.user()
    path = f"/bookings/{book(alice)['id']}"
    alice.get(path, status=200)  # Token cut-offs, where a second has passed.
    statements = statements_of(site, lambda: alice.get(path, status=200))
    assert [statement.split()[0] for statement in statements] == ["SELECT"]


def test_a_profile_is_read_in_one_round_trip_with_whether_e_mails_reach_it(site):
    alice = site.user()
    statements = statements_of(site, lambda: alice.get("/users/me", status=200))
    assert [statement.split()[0] for statement in statements] == ["SELECT"]
    assert "email_suppressions" in statements[0]


def test_a_token_is_verified_without_asking_whether_e_mails_reach_its_user(site):
    alice = site.user()
    [statement] = statements_of(site, lambda: alice.get("/auth/verify", status=200))
    assert "email_suppressions" not in statement


def test_a_booking_is_made_in_one_round_trip_beside_a_look_at_its_owners_zone(site):
    alice = site.user()
    statements = statements_of(site, lambda: alice.post("/bookings", BOOKING, status=201))
    verbs = [statement.split()[0] for statement in statements]
    if site.registry.engine.dialect.name == "postgresql":
        assert verbs == ["SELECT", "WITH"]
    else:
        # SQLite is in this process, and has no INSERT in a WITH.
        assert verbs == ["SELECT", "BEGIN", "SELECT", "INSERT", "INSERT", "INSERT", "INSERT", "COMMIT"]


def test_a_key_takes_two_statements_and_a_replay_one_look(site):
    alice = site.user()

    def verbs(keys):
        def create():
            alice.post("/bookings", BOOKING, headers={"Idempotency-Key": next(keys)}, status=201)

        return [statement.split()[0] for statement in statements_of(site, create)]

    new, old = verbs(iter("ab")), verbs(iter("bb"))

    if site.registry.engine.dialect.name == "postgresql":
        # The first takes the lock and looks for the record, which is written in the second.
        assert new == ["BEGIN;", "SELECT", "WITH", "COMMIT"]
        assert old == ["BEGIN;", "COMMIT"]
    else:
        inserts = ["INSERT"] * 5
        assert new == ["BEGIN", "SELECT", "SELECT", "SELECT", *inserts, "COMMIT"]
        assert old == ["BEGIN", "SELECT", "COMMIT"]


def test_the_etag_of_a_changed_booking_or_profile_asks_nothing_more(site):
    alice = site.user()
    booking = f"/bookings/{book(alice)['id']}"
    for path, changes in ((booking, {"title": "Retro"}), ("/users/me", {"name": "Al"})):
        verbs = [s.split()[0] for s in statements_of(site, lambda p=path, c=changes: alice.patch(p, c))]
        assert verbs.count("SELECT") == (path == booking), verbs


def test_if_match_asks_nothing_more(site):
    alice = site.user()
    booking = f"/bookings/{book(alice)['id']}"
    organization = f"/organizations/{create_organization(alice)}"
    changes_of = {booking: {"title": "Retro"}, organization: {"name": "Acme"}, "/users/me": {"name": "Al"}}
    for path, changes in changes_of.items():

        def verbs(path=path, changes=changes, **headers):
            statements = statements_of(site, lambda: alice.patch(path, changes, headers=headers, status=200))
            return [statement.split()[0] for statement in statements]

        assert verbs(**{"If-Match": "*"}) == verbs()
        # Each call is made twice, and the version grows with each.
        version = alice.get(path).json["version"]
        assert verbs(**{"If-Match": f'"{version}", "{version + 1}"'}) == verbs()


def test_only_a_booking_that_moves_takes_statements_for_its_notification_and_email(site):
    alice = site.user()
    path = f"/bookings/{book(alice)['id']}"
    hours = iter(range(12, 24))

    def verbs(changes):
        statements = statements_of(site, lambda: alice.patch(path, changes(), status=200))
        return [statement.split()[0] for statement in statements]

    def move():
        return {"end": f"2099-01-01T{next(hours)}:00:00Z"}

    postgres = site.registry.engine.dialect.name == "postgresql"
    at_commit = (["WITH"] if postgres else ["INSERT", "INSERT"]) + ["COMMIT"]
    assert verbs(lambda: {"title": "Renamed"}) == ["SELECT", "BEGIN", "UPDATE", "INSERT", "COMMIT"]
    # The owner's preferences are read; and the confirmation has not left.
    assert verbs(move) == ["SELECT", "BEGIN", "UPDATE", "SELECT", "SELECT", *at_commit]
    site.deliver()
    # The e-mail of the move before waits.
    assert verbs(move) == ["SELECT", "BEGIN", "UPDATE", *["SELECT"] * 3, "UPDATE", *at_commit]


def test_a_request_that_only_reads_begins_no_transaction(site):
    admin = site.user(admin=True)
    for path in ("/users/me", "/auth/verify", "/bookings", "/notifications", "/analytics/dashboard"):
        statements = statements_of(site, lambda p=path: admin.get(p, status=200))
        assert not [s for s in statements if s.startswith(("BEGIN", "COMMIT"))]


def test_all_notifications_are_marked_as_read_by_one_statement(site):
    alice = site.user()
    for _ in range(5):
        alice.post("/bookings", BOOKING, status=201)
    alice.get("/users/me")
    with site.queries() as queries:
        assert alice.patch("/notifications/read-all", status=200).json["updated"] == 5
    assert len([s for s in queries.statements if "UPDATE notifications" in s]) == 1


def test_token_cut_offs_are_read_at_most_once_a_second(site):
    alice = site.user()
    site.forget_when_cutoffs_were_read()
    started = monotonic()
    with site.queries() as queries:
        for _ in range(30):
            alice.get("/users/me", status=200)
    reads = len([statement for statement in queries.statements if "token_cutoffs" in statement])
    # The machine may be so slow that the requests took more than a second.
    assert 1 <= reads <= 1 + (monotonic() - started) // REFRESH_SECONDS


def test_cut_offs_are_not_read_for_nobody(site):
    site.forget_when_cutoffs_were_read()
    with site.queries() as queries:
        site.anonymous.get("/users/me", status=401)
        site.anonymous.get("/users/me", headers={"Authorization": "Bearer nonsense"}, status=401)
    assert len(queries) == 0
