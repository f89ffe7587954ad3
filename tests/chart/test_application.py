"""What the chart asks of the application is what the application takes."""

import click
import pytest
import yaml

from scheduling.cli.main import main
from scheduling.config.settings import CoreSchema
from scheduling.config.sources import environment_variable
from scheduling_analytics import AnalyticsSettings
from scheduling_bookings import BookingsSettings
from scheduling_email_smtp.settings import SmtpSettings
from tests.chart.chartkit import VALUE_SETS
from tests.chart.chartkit.objects import containers, environment, pods

SETTINGS = {
    environment_variable(section, name, field)
    for section, schema in (
        ("scheduling", CoreSchema()),
        ("smtp", SmtpSettings()),
        ("analytics", AnalyticsSettings()),
        ("bookings", BookingsSettings()),
    )
    for name, field in schema.fields.items()
}
# libpq's, and what the commands `user create` and `db upgrade` are given.
OTHERS = {
    "PGDATABASE",
    "PGHOST",
    "PGPASSWORD",
    "PGPORT",
    "PGSSLMODE",
    "PGSSLROOTCERT",
    "PGUSER",
    "SCHEDULING_ADMIN_EMAIL",
    "SCHEDULING_CURRENT_JOB",
    "SCHEDULING_PASSWORD",
}
OF_THE_IMAGE = {"scheduling", "scheduling-with-postmark"}


@pytest.fixture(params=VALUE_SETS, ids=lambda path: path.stem)
def application(request, helm4):
    """Return the containers of the application in a value set, and the names that the operator added."""
    given = yaml.safe_load(request.param.read_text())
    added = {
        entry["name"]
        for part in (given, *given.values())
        if isinstance(part, dict)
        for entry in part.get("extraEnv", [])
    }
    found = [c for _, _, spec in pods(helm4.render(request.param)) for c in containers(spec)]
    return [
        c for c in found if c["image"].rpartition("/")[2].partition("@")[0].partition(":")[0] in OF_THE_IMAGE
    ], added


def test_every_variable_is_a_setting_of_the_application(application):
    found, added = application
    assert found
    for container in found:
        assert set(environment(container)) - SETTINGS - OTHERS - added == set()


def test_every_command_line_is_one_of_the_application(application):
    for container in application[0]:
        parse(container["args"])


def parse(arguments):
    """Parse a command line without running it; raise ``click.UsageError`` for one that is wrong."""
    command, name, arguments = main, "scheduling", list(arguments)
    while isinstance(command, click.Group):
        context = command.make_context(name, arguments)
        name, command, arguments = command.resolve_command(context, [*context._protected_args, *context.args])
    command.make_context(name, arguments, parent=context)


@pytest.mark.parametrize("wrong", [["web", "--process=2"], ["db", "await"], ["worker", "--concurrency=0"]])
def test_a_wrong_command_line_would_be_noticed(wrong):
    with pytest.raises(click.UsageError):
        parse(wrong)
