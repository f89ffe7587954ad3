"""`scheduling outbox`: what it shows, what it changes and how it ends."""

import json
from datetime import timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from scheduling.cli.main import main
from scheduling.db.session import session_scope
from scheduling.messaging.administration import service
from scheduling.messaging.models import State, outbox
from scheduling.times import utcnow
from tests.kit.factories import LONG_AGO, insert_message, message_row

NOBODY = UUID(int=1)  # no message has it; a random one would differ between xdist's processes


@pytest.fixture
def run_outbox(site, ini):
    """A function that runs `scheduling outbox …` on the site's database and returns its result."""
    url = site.registry.engine.url.render_as_string(hide_password=False)

    def run_outbox(*arguments):
        arguments = ["-c", str(ini), "outbox", *map(str, arguments)]
        return CliRunner().invoke(main, arguments, env={"DATABASE_URL": url})

    return run_outbox


@pytest.fixture
def outbox_output(run_outbox):
    """A function that runs a command, which succeeds, and returns the lines of its output."""

    def outbox_output(*arguments):
        result = run_outbox(*arguments)
        assert result.exit_code == 0, result.output
        return result.stdout.splitlines()

    return outbox_output


def states(site, *message_ids):
    return [message_row(site, message_id).state for message_id in message_ids]


# list


def test_messages_are_listed_newest_first_in_columns(site, outbox_output):
    old = insert_message(site)
    new = insert_message(site, State.PENDING, kind="T", created_at=LONG_AGO + timedelta(1), last_error=None)
    assert outbox_output("list") == [
        "ID                                    KIND   STATE    TRIES  CREATED               LAST ERROR",
        f"{new}  T      pending  3      2026-01-03T03:04:05Z",
        f"{old}  THING  dead     3      2026-01-02T03:04:05Z  Transient: busy",
    ]


def test_the_list_is_narrowed_by_state_and_kind(site, outbox_output):
    dead, _, done = insert_message(site), insert_message(site, kind="OTHER"), insert_message(site, State.DONE)
    assert [line.split()[0] for line in outbox_output("list", "--state", "dead", "--kind", "THING")] == [
        "ID",
        str(dead),
    ]
    assert [line.split()[0] for line in outbox_output("list", "--state", "done")] == ["ID", str(done)]
    assert outbox_output("list", "--state", "retry") == ["There are no such messages."]


def test_the_list_ends_at_its_limit_and_says_so(site, run_outbox):
    ids = [insert_message(site, created_at=LONG_AGO + timedelta(i)) for i in range(3)]
    some, all_of_them = run_outbox("list", "--limit", 2), run_outbox("list", "--limit", 3)
    assert [line.split()[0] for line in some.stdout.splitlines()[1:]] == [str(ids[2]), str(ids[1])]
    assert some.stderr == "There are more than 2; --limit shows more of them.\n"
    assert (len(all_of_them.stdout.splitlines()), all_of_them.stderr) == (4, "")
    assert [row["id"] for row in json.loads(run_outbox("list", "--limit", 1, "--json").stdout)] == [
        str(ids[2])
    ]


def test_no_line_of_the_list_is_wider_than_120_columns_or_more_than_one_row(site, outbox_output):
    insert_message(site, kind="K" * 100, last_error="no\nsuch\tmailbox " * 50)
    _, line = outbox_output("list")
    assert len(line) == 120
    assert f" {'K' * 19}… " in line
    assert "  no such mailbox no" in line
    assert line.endswith("…")


def test_what_a_message_holds_cannot_steer_the_terminal(site, outbox_output):
    message_id = insert_message(site, last_error="\x1b[2Jbad\x9b", payload={"title": "\x9b31m\x1b"})
    written = "\n".join([*outbox_output("list"), *outbox_output("show", message_id)])
    assert "�[2Jbad�" in written
    assert written.replace("\n", "").isprintable()


def test_the_list_as_json_is_one_array_of_what_the_api_lists(site, outbox_output):
    message_id = insert_message(site)
    [text] = outbox_output("list", "--json")
    admin = site.user(admin=True)
    assert json.loads(text) == admin.get("/outbox?state=dead").json
    assert json.loads(text)[0]["id"] == str(message_id)
    assert outbox_output("list", "--state", "retry", "--json") == ["[]"]


def test_an_unknown_state_is_a_usage_error(run_outbox):
    assert run_outbox("list", "--state", "gone").exit_code == 2


# show


def test_a_message_is_shown_with_its_payload(site, outbox_output):
    message_id = insert_message(site)
    lines = outbox_output("show", message_id)
    assert f"id           {message_id}" in lines
    assert "created_at   2026-01-02T03:04:05.678Z" in lines
    assert "last_error   Transient: busy" in lines
    assert "provider_id  -" in lines
    assert lines[-4:] == ["payload", "  {", '    "title": "Größe"', "  }"]


def test_a_message_as_json_is_what_the_api_shows(site, outbox_output):
    message_id = insert_message(site)
    [text] = outbox_output("show", message_id, "--json")
    assert json.loads(text) == site.user(admin=True).get(f"/outbox/{message_id}").json


@pytest.mark.parametrize("unknown", [str(NOBODY), "x", "a\tb", ""])
@pytest.mark.parametrize("command", ["show", "redrive", "discard"])
def test_an_unknown_message_is_one_line_and_status_1(run_outbox, command, unknown):
    result = run_outbox(command, unknown)
    assert result.exit_code == 1
    assert result.stderr == f"Error: There is no message {unknown}.\n"


# redrive


@pytest.mark.parametrize("state", [State.DEAD, State.RETRY, State.SKIPPED])
def test_a_redriven_message_is_due_now_and_keeps_its_id_dedupe_key_and_error(site, outbox_output, state):
    later = utcnow() + timedelta(hours=4)
    old = {"delay": "retry", "postponed": 4, "handed_at": LONG_AGO, "expires_at": LONG_AGO}
    message_id = insert_message(site, state, due_at=later, done_at=LONG_AGO, dedupe_key="k", **old)

    assert outbox_output("redrive", message_id) == ["1 message redriven."]

    row = message_row(site, message_id)
    assert (row.state, row.attempts, row.done_at) == ("pending", 0, None)
    assert (row.delay, row.postponed, row.handed_at, row.expires_at) == (None, 0, None, None)
    assert (row.dedupe_key, row.last_error) == ("k", "Transient: busy")
    assert row.due_at <= utcnow()


@pytest.mark.parametrize("state", [State.SCHEDULED, State.PENDING, State.QUEUED, State.RUNNING, State.DONE])
def test_a_message_that_needs_no_redriving_is_left_alone_and_named(site, run_outbox, state):
    message_id = insert_message(site, state)
    before = message_row(site, message_id)
    result = run_outbox("redrive", message_id)
    assert (result.exit_code, result.stdout) == (1, "0 messages redriven.\n")
    assert result.stderr == (
        f"Error: Message {message_id} is {state}; "
        "only messages that are dead, retry or skipped can be redriven.\n"
    )
    assert message_row(site, message_id) == before


def test_of_several_ids_the_possible_are_redriven_and_the_others_named(site, run_outbox):
    dead, done, retry = (insert_message(site, state) for state in (State.DEAD, State.DONE, State.RETRY))
    result = run_outbox("redrive", dead, "nonsense", done, retry, dead)
    assert (result.exit_code, result.stdout) == (1, "2 messages redriven.\n")
    assert [line.partition(";")[0] for line in result.stderr.splitlines()] == [
        "Error: There is no message nonsense.",
        f"Error: Message {done} is done",
    ]
    assert states(site, dead, done, retry) == ["pending", "done", "pending"]


def test_redriving_as_json_names_both(site, run_outbox):
    dead, done = insert_message(site), insert_message(site, State.DONE)
    result = run_outbox("redrive", dead, done, "--json")
    assert (result.exit_code, result.stderr) == (1, "")
    answer = json.loads(result.stdout)
    assert answer["redriven"] == [str(dead)]
    assert [refusal["id"] for refusal in answer["refused"]] == [str(done)]
    assert "is done" in answer["refused"][0]["error"]


def test_all_of_a_state_are_redriven_and_no_others(site, outbox_output):
    dead = [insert_message(site), insert_message(site, kind="OTHER")]
    others = [insert_message(site, state) for state in (State.RETRY, State.SKIPPED, State.DONE)]
    assert outbox_output("redrive", "--state", "dead") == ["2 messages redriven."]
    assert states(site, *dead, *others) == ["pending", "pending", "retry", "skipped", "done"]


def test_all_of_a_state_and_kind_are_redriven_and_no_others(site, outbox_output):
    this, other = insert_message(site), insert_message(site, kind="OTHER")
    [text] = outbox_output("redrive", "--state", "dead", "--kind", "THING", "--json")
    assert json.loads(text) == {"redriven": [str(this)], "refused": []}
    assert states(site, this, other) == ["pending", "dead"]
    assert outbox_output("redrive", "--state", "dead", "--kind", "THING") == ["0 messages redriven."]


def test_more_than_a_batch_are_redriven_oldest_first(site, monkeypatch):
    monkeypatch.setattr(service, "BATCH", 2)
    ids = [insert_message(site, created_at=LONG_AGO + timedelta(i // 2)) for i in range(7)]
    redriven = service.redrive_all(site.registry, State.DEAD)
    assert sorted(redriven) == sorted(ids)
    assert set(states(site, *ids)) == {"pending"}
    due = [message_row(site, message_id).due_at for message_id in ids]
    assert due[0] < due[-1]


def test_a_message_that_fails_again_meanwhile_is_not_redriven_twice(site, monkeypatch):
    monkeypatch.setattr(service, "BATCH", 1)
    ids = [insert_message(site, State.RETRY, created_at=LONG_AGO + timedelta(i)) for i in range(3)]
    calls = []

    def fail_again():
        calls.append(None)
        assert len(calls) <= 10
        with session_scope(site.registry) as db:
            db.write(sa.update(outbox).values(state=State.RETRY))

    monkeypatch.setattr(site.registry, "wake_relays", fail_again)
    assert service.redrive_all(site.registry, State.RETRY) == ids


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        [NOBODY, "--state", "dead"],
        [NOBODY, "--kind", "THING"],
        ["--kind", "THING"],
        ["--state", "done"],
        ["--state", "running"],
    ],
)
def test_redriving_nothing_or_too_much_is_a_usage_error(site, run_outbox, arguments):
    message_id = insert_message(site)
    assert run_outbox("redrive", *arguments).exit_code == 2
    assert states(site, message_id) == ["dead"]


# discard


@pytest.mark.parametrize("state", [State.SCHEDULED, State.PENDING, State.QUEUED, State.RETRY, State.DEAD])
def test_a_discarded_message_is_kept_as_skipped(site, outbox_output, state):
    message_id = insert_message(site, state)
    assert outbox_output("discard", message_id) == ["1 message discarded."]
    row = message_row(site, message_id)
    assert (row.state, row.last_error) == ("skipped", "discarded by an operator")
    assert LONG_AGO < row.done_at <= utcnow()
    assert site.deliver() == []


@pytest.mark.parametrize("state", [State.RUNNING, State.DONE, State.SKIPPED])
def test_a_message_in_hand_or_finished_is_not_discarded(site, run_outbox, state):
    message_id = insert_message(site, state)
    before = message_row(site, message_id)
    result = run_outbox("discard", message_id)
    assert result.exit_code == 1
    assert result.stderr == (
        f"Error: Message {message_id} is {state}; "
        "only messages that are scheduled, pending, queued, retry or dead can be discarded.\n"
    )
    assert message_row(site, message_id) == before


def test_discarding_needs_an_id(run_outbox):
    assert run_outbox("discard").exit_code == 2


# stats


def test_stats_count_by_kind_and_state_with_a_sum(site, outbox_output):
    for state, kind in [(State.DEAD, "B"), (State.DEAD, "B"), (State.DONE, "A"), (State.DEAD, "A")]:
        insert_message(site, state, kind=kind)
    assert outbox_output("stats") == [
        "KIND  SCHEDULED  PENDING  QUEUED  RUNNING  RETRY  DONE  DEAD  SKIPPED",
        "A             0        0       0        0      0     1     1        0",
        "B             0        0       0        0      0     0     2        0",
        "all           0        0       0        0      0     1     3        0",
        "No message is waiting.",
    ]


def test_stats_tell_how_long_the_oldest_due_message_has_been_waiting(site, outbox_output):
    insert_message(site, State.RETRY, due_at=utcnow() - timedelta(hours=1))
    insert_message(site, State.RETRY, due_at=utcnow() + timedelta(hours=1))
    seconds = int(
        outbox_output("stats")[-1]
        .removeprefix("The oldest message that is due has been waiting for ")
        .split()[0]
    )
    assert 3600 <= seconds < 7200
    [text] = outbox_output("stats", "--json")
    answer = json.loads(text)
    assert answer["counts"] == [{"kind": "THING", "state": "retry", "count": 2}]
    assert 3600 <= answer["oldest_due_seconds"] < 7200
