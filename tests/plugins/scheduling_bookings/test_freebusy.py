"""``GET /bookings/freebusy``: when users are busy, and who may know."""

import pytest

from tests.kit.factories import add_member, book, create_organization, refused_fields

WINDOW = "from=2099-01-01T00:00:00Z&to=2099-01-02T00:00:00Z"
SHOWN = {"free_busy": "members"}


def at(start, end, day=1):
    return {"start": f"2099-01-{day:02}T{start}:00Z", "end": f"2099-01-{day:02}T{end}:00Z"}


def span(start, end):
    return {"start_time": f"2099-01-{start}:00.000Z", "end_time": f"2099-01-{end}:00.000Z"}


def free_busy(client, query="", status=200, window=WINDOW):
    return client.get(f"/bookings/freebusy?{window}{query}", status=status)


@pytest.fixture
def alice(site):
    return site.user("Alice")


@pytest.fixture
def colleagues(site, alice):
    """Alice, and Bob and Carol of one organization with her; Bob shows when he is busy."""
    bob, carol = site.user("Bob"), site.user("Carol")
    organization = create_organization(alice)
    for user in (bob, carol):
        add_member(alice, organization, user)
    bob.patch("/users/me/preferences", SHOWN, status=200)
    return alice, bob, carol


def test_what_overlaps_or_touches_is_one_span_and_is_cut_to_the_window(alice):
    for start, end in (("08:00", "09:00"), ("09:00", "10:00"), ("09:30", "11:00"), ("13:00", "14:00")):
        book(alice, **at(start, end))
    book(alice, start="2098-12-31T22:00:00Z", end="2099-01-01T01:00:00Z")
    book(alice, start="2099-01-01T23:00:00Z", end="2099-01-03T00:00:00Z")
    busy = [
        ("01T00:00", "01T01:00"),
        ("01T08:00", "01T11:00"),
        ("01T13:00", "01T14:00"),
        ("01T23:00", "02T00:00"),
    ]
    assert free_busy(alice).json == [{"user_id": alice.id, "busy": [span(*times) for times in busy]}]


def test_cancelled_bookings_keep_nobody_busy_and_half_open_windows_are_empty(alice):
    alice.delete(f"/bookings/{book(alice)['id']}")
    book(alice, start="2098-12-31T22:00:00Z", end="2099-01-01T00:00:00Z")
    book(alice, start="2099-01-02T00:00:00Z", end="2099-01-03T00:00:00Z")
    assert free_busy(alice).json == [{"user_id": alice.id, "busy": []}]


def test_fellow_members_are_shown_if_they_want_it(colleagues):
    alice, bob, carol = colleagues
    book(bob)
    expected = {"user_id": bob.id, "busy": [span("01T10:00", "01T11:00")]}
    assert free_busy(alice, f"&user_ids={bob.id}").json == [expected]
    assert free_busy(carol, f"&user_ids={bob.id}").json == [expected]
    both = free_busy(alice, f"&user_ids={bob.id},{alice.id},{bob.id}").json
    assert both == [expected, {"user_id": alice.id, "busy": []}]


def test_whoever_does_not_want_it_or_is_no_fellow_is_not_shown(site, colleagues):
    alice, bob, carol = colleagues
    stranger = site.user("Dave")
    stranger.patch("/users/me/preferences", SHOWN, status=200)
    for ids in (f"{carol.id}", f"{bob.id},{carol.id}", f"{stranger.id}", "987654321"):
        assert free_busy(alice, f"&user_ids={ids}", 403).json["code"] == "forbidden"
    free_busy(stranger, f"&user_ids={bob.id}", 403)
    free_busy(site.user("Ada", admin=True), f"&user_ids={bob.id}", 403)
    bob.patch("/users/me/preferences", {"free_busy": "nobody"}, status=200)
    free_busy(alice, f"&user_ids={bob.id}", 403)
    free_busy(bob, f"&user_ids={bob.id}", 200)


def test_whoever_left_is_shown_no_more(colleagues):
    alice, bob, _ = colleagues
    [organization] = alice.get("/organizations").json
    bob.delete(f"/organizations/{organization['id']}/members/{bob.id}", status=200)
    free_busy(alice, f"&user_ids={bob.id}", 403)


def test_the_preference_is_nobody_until_it_is_chosen(alice):
    assert alice.get("/users/me/preferences").json["free_busy"] == "nobody"
    wrong = alice.patch("/users/me/preferences", {"free_busy": "everybody"}, status=400)
    assert refused_fields(wrong) == {"free_busy"}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("to=2099-01-02T00:00:00Z", "from"),
        ("from=2099-01-02T00:00:00Z", "to"),
        ("from=2099-01-02T00:00:00Z&to=2099-01-02T00:00:00Z", "to"),
        ("from=2099-01-02T00:00:00Z&to=2099-01-01T00:00:00Z", "to"),
        ("from=2099-01-01T00:00:00Z&to=2099-04-03T00:00:00.001Z", "to"),
        ("from=0001-01-01T00:00:00Z&to=9999-12-31T00:00:00Z", "to"),
        (f"{WINDOW}&user_ids=1,x", "user_ids"),
        (f"{WINDOW}&user_ids=1,", "user_ids"),
        (f"{WINDOW}&user_ids=0", "user_ids"),
        (f"{WINDOW}&user_ids=9223372036854775808", "user_ids"),
        (f"{WINDOW}&user_ids={','.join(map(str, range(1, 52)))}", "user_ids"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_its_name(alice, query, field):
    assert refused_fields(free_busy(alice, window=query, status=400)) == {field}


def test_92_days_and_50_users_can_be_asked(site, alice):
    free_busy(alice, window="from=2099-01-01T00:00:00Z&to=2099-04-03T00:00:00Z")
    free_busy(alice, window="from=0001-01-01T00:00:00Z&to=0001-01-02T00:00:00Z")
    free_busy(alice, window="from=9999-12-30T00:00:00Z&to=9999-12-31T23:59:59Z")
    ids = ",".join(str(number) for number in range(10**9, 10**9 + 50))
    assert free_busy(alice, f"&user_ids={ids}", 403)


def test_as_many_queries_are_made_for_many_users_as_for_one(site, colleagues):
    alice, bob, carol = colleagues
    carol.patch("/users/me/preferences", SHOWN, status=200)

    def queries(ids):
        free_busy(alice, f"&user_ids={ids}")
        with site.queries() as made:
            free_busy(alice, f"&user_ids={ids}")
        return len([statement for statement in made.statements if "token_cutoffs" not in statement])

    assert queries(alice.id) == 1
    assert queries(bob.id) == queries(f"{bob.id},{carol.id},{alice.id}") == 3
