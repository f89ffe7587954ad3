"""Whatever is public has a line in the docs."""

import re
from pathlib import Path

import click
import pytest

import scheduling.plugin
import scheduling_bookings.busy
from scheduling.cli.main import main
from scheduling.config.settings import CoreSchema
from scheduling.config.sources import environment_variable
from scheduling.plugin import Event
from scheduling.web.idempotency.key import METHODS
from scheduling.web.openapi.calls import calls
from scheduling_analytics.cli import commands as analytics

ROOT = Path(__file__).parents[1]
OPERATORS = (ROOT / "docs/operators/README.md").read_text()
PLUGINS = (ROOT / "docs/plugins.md").read_text()
API = (ROOT / "docs/api.md").read_text()


@pytest.mark.parametrize("name", CoreSchema().fields)
def test_every_setting_is_documented_with_its_variable_and_default(name):
    field = CoreSchema().fields[name]
    row = next(line for line in OPERATORS.splitlines() if line.startswith(f"| `scheduling.{name}` "))
    assert f"`{environment_variable('scheduling', name, field)}`" in row
    if isinstance(field.load_default, str | int) and field.load_default:
        default = field.load_default
        assert f"`{'true' if default is True else default}`" in row


def commands(group, path="scheduling"):
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}"


@pytest.mark.parametrize("command", [*commands(main), *commands(analytics, "scheduling analytics")])
def test_every_command_is_documented(command):
    assert f"| `{command}" in OPERATORS


def test_every_directive_is_documented(site):
    ours = {name for name in dir(scheduling) if name.startswith("add_")}
    for module in (
        scheduling.messaging.outbox,
        scheduling.messaging.housekeeping,
        scheduling.throttling.limits,
        scheduling.web.codes,
        scheduling.web.members,
        scheduling.web.resources,
        scheduling.preferences,
        scheduling.preferences.notices,
        scheduling.accounts.fellows,
        scheduling_bookings.busy,
        scheduling.email.rendering,
    ):
        ours |= {name for name in dir(module) if name.startswith("add_")}
    assert ours
    assert [name for name in ours if f"`config.{name}(" not in PLUGINS] == []


def events(base=Event):
    for event in base.__subclasses__():
        yield event
        yield from events(event)


def test_every_public_event_is_documented(site):
    names = {e.__name__ for e in events() if e.__module__.startswith("scheduling")}
    abstract = {"BookingEvent", "MembershipEvent"}
    assert {"BookingCreated", "MemberAdded", "UserRegistered", "Notice"} <= names
    assert [name for name in names - abstract if not re.search(rf"\b{name}`", PLUGINS)] == []


def test_every_view_is_in_the_api_documentation(site):
    for entry in site.registry.introspector.get_category("views"):
        view = entry["introspectable"]
        if view["exception_only"]:
            continue
        if view["name"]:
            assert f"/{view['name']}" in API, view["name"]


def test_every_call_that_ignores_idempotency_keys_is_listed(site):
    listed = re.search(r"ignore the header:(.*?)\.\n", API, re.DOTALL)[1]
    ignoring = {
        call.path.removeprefix("/api/v1")
        for call in calls(site.registry)
        if call.method in METHODS and not call.declared.takes_idempotency_key
    }
    assert set(re.findall(r"`(.*?)`", listed)) == ignoring


def test_every_email_kind_is_documented(site):
    kinds = site.registry.email_templates.samples
    assert [kind for kind in kinds if f"`{kind}`" not in OPERATORS or f"`{kind}`" not in API] == []


def test_whatever_plugins_may_import_exists_and_is_sorted():
    names = scheduling.plugin.__all__
    assert names == sorted(names, key=lambda name: (not name.isupper(), not name[0].isupper(), name))
    assert all(hasattr(scheduling.plugin, name) for name in names)


def test_every_metric_is_documented(site):
    families = [family.name for family in site.registry.metrics.exposed().collect()]
    assert families
    assert [name for name in families if not re.search(rf"`{name}(_total)?[`{{]", OPERATORS)] == []
