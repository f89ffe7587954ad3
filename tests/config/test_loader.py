"""Whatever is wrong with a plugin stops the start with one message that names it and says what to do."""

import os
import subprocess
import sys

import pytest

from scheduling.exceptions import StartupError

RESOURCE = "from scheduling.plugin import Resource\nconfig.add_api_resource({name!r}, Resource)"
VIEW = """
from pyramid.security import NO_PERMISSION_REQUIRED
from scheduling.web.resources import Root
config.add_view(lambda c, r: {}, context=Root, name="acme", permission=NO_PERMISSION_REQUIRED)
"""


@pytest.fixture
def start_failure(start_app):
    """A function that starts with some plugins, which fails, and returns the message."""

    def start_failure(*plugins, **settings):
        with pytest.raises(StartupError) as raised:
            start_app(*plugins, **settings)
        return str(raised.value)

    return start_failure


def test_plugins_are_included_after_what_they_require_in_whatever_order_they_are_enabled(
    install_plugin, start_app
):
    install_plugin("acme_a", manifest="requires=('acme_c',)")
    install_plugin("acme_b")
    install_plugin("acme_c", manifest="requires=('acme_b',)")

    app = start_app("acme_a", "acme_c", "acme_b", "acme_a")

    assert [plugin.name for plugin in app.registry.plugins] == ["acme_b", "acme_c", "acme_a"]


def test_plugin_that_is_installed_but_not_enabled_is_not_even_imported(install_plugin, start_app):
    install_plugin("acme_broken", top="raise RuntimeError('imported')")

    assert start_app().registry.plugins == []


def test_enabled_but_not_installed(install_plugin, start_failure):
    install_plugin("acme_here")

    message = start_failure("acme_gone")

    assert "'acme_gone' is enabled but not installed (installed: acme_here, analytics, bookings" in message
    assert "install the distribution that has it, or take the name out of scheduling.plugins" in message


def test_raising_on_import(install_plugin, start_failure):
    install_plugin("acme", top="raise RuntimeError('no flux capacitor')")

    message = start_failure("acme")

    assert "'acme' of acme 2.1 could not be imported (RuntimeError: no flux capacitor)" in message
    assert "update or repair that distribution, or disable the plugin" in message


def test_entry_point_to_nothing(install_plugin, start_failure):
    install_plugin("acme", entry_point="nothing")
    assert "'acme' of acme 2.1 could not be imported (AttributeError" in start_failure("acme")


@pytest.mark.parametrize(
    "top", ["other = 'not a manifest'", "other = Plugin(name='other', summary='', api=(1, 0))"]
)
def test_wrong_manifest_object(install_plugin, start_failure, top):
    install_plugin("acme", top=top, entry_point="other")

    message = start_failure("acme")

    assert "'acme' of acme 2.1: acme:other is not a Plugin manifest of that name" in message
    assert "its author has to repair it" in message


@pytest.mark.parametrize("version", ["1, 4", "2, 0", "0, 9"])
def test_written_for_an_api_version_that_this_one_is_not_compatible_with(
    install_plugin, start_failure, version
):
    install_plugin("acme", manifest=f"api=({version})")

    message = start_failure("acme")

    assert (
        f"'acme' of acme 2.1 needs plugin API {version.replace(', ', '.')}, this Scheduling has 1.3"
        in message
    )
    assert "install a release of the plugin that fits, or another release of Scheduling" in message


def test_missing_requirement(install_plugin, start_failure):
    install_plugin("acme", manifest="requires=('bookings', 'weather')")

    message = start_failure("acme", "bookings")

    assert "'acme' of acme 2.1 requires 'weather'; enable that too" in message
    assert "'bookings'" not in message


def test_requirement_circle(install_plugin, start_failure):
    install_plugin("acme_a", manifest="requires=('acme_b',)")
    install_plugin("acme_b", manifest="requires=('acme_a',)")

    message = start_failure("acme_a", "acme_b")

    assert "require each other in a circle: 'acme_" in message
    assert "'acme_a' of acme-a 2.1" in message
    assert "'acme_b' of acme-b 2.1" in message
    assert "disable them" in message


def test_two_distributions_claim_one_plugin_name(install_plugin, start_failure):
    install_plugin("acme", "acme-one")
    install_plugin("acme", "acme-two")

    assert (
        "'acme' is claimed by acme-one 2.1 and acme-two 2.1; uninstall all but one of them"
        in start_failure("acme")
    )


def test_two_plugins_claim_one_table(install_plugin, start_failure):
    install_plugin("acme_a", manifest="tables=('things',)")
    install_plugin("acme_b", manifest="tables=('things',)")

    message = start_failure("acme_a", "acme_b")

    assert "'acme_a' of acme-a 2.1 and 'acme_b' of acme-b 2.1 both claim the table 'things'" in message
    assert "disable one of them" in message


def test_plugin_claims_a_table_with_the_prefix_of_another(install_plugin, start_failure):
    install_plugin("acme", manifest="tables=('bookings_extra',)")
    message = start_failure("acme", "bookings")
    assert "'acme' of acme 2.1 and 'bookings' of scheduling" in message
    assert "both claim the table 'bookings_extra'" in message


def test_two_plugins_claim_one_api_resource_name(install_plugin, start_failure):
    for name in ("acme_a", "acme_b"):
        install_plugin(name, includeme=RESOURCE.format(name="things"))

    message = start_failure("acme_a", "acme_b")

    assert "'acme_a' of acme-a 2.1 and 'acme_b' of acme-b 2.1 both claim the API resource 'things'" in message
    assert "take one of the plugins out of scheduling.plugins (SCHEDULING_PLUGINS)" in message


@pytest.mark.parametrize(
    ("name", "owner"), [("users", "Scheduling itself"), ("bookings", "'bookings' of scheduling 1.0.0")]
)
def test_plugin_claims_an_api_resource_name_of_this_project(install_plugin, start_failure, name, owner):
    install_plugin("acme", includeme=RESOURCE.format(name=name))
    message = start_failure("acme", "bookings")
    assert "'acme' of acme 2.1" in message
    assert owner in message
    assert f"both claim the API resource {name!r}" in message


def test_raising_in_includeme(install_plugin, start_failure):
    install_plugin("acme", includeme="raise LookupError('no weather')")

    message = start_failure("acme", "bookings")

    assert "The plugin 'acme' of acme 2.1 could not be set up (LookupError: no weather)" in message
    assert "update or repair that distribution, or disable the plugin" in message


def test_raising_when_what_includeme_registered_is_carried_out(install_plugin, start_failure):
    install_plugin("acme", includeme="config.add_email_template('ACME', 'acme/hello', sample={})")

    message = start_failure("acme", "bookings")

    assert "The plugin 'acme' of acme 2.1 could not be set up (" in message
    assert "update or repair that distribution, or disable the plugin" in message


def test_two_plugins_register_the_same_view(install_plugin, start_failure):
    install_plugin("acme_a", includeme=VIEW)
    install_plugin("acme_b", includeme=VIEW)

    message = start_failure("bookings", "acme_a", "acme_b")

    first_line = message.splitlines()[0]
    assert "'acme_a' of acme-a 2.1 and 'acme_b' of acme-b 2.1" in first_line
    assert "'bookings'" not in first_line
    assert "disable one of them" in first_line
    assert "acme_b/__init__.py" in message


def test_two_plugins_register_the_same_outbox_consumer(install_plugin, start_failure):
    for name in ("acme_a", "acme_b"):
        install_plugin(name, includeme="config.add_outbox_consumer('acme', print)")
    assert "'acme_a' of acme-a 2.1 and 'acme_b' of acme-b 2.1" in start_failure("acme_a", "acme_b")


def test_everything_that_is_wrong_is_in_one_message(install_plugin, start_failure):
    install_plugin("acme_a", manifest="requires=('weather',)")
    install_plugin("acme_b", top="raise RuntimeError('no flux capacitor')")

    message = start_failure("acme_a", "acme_b", "acme_c")

    assert message.startswith("Scheduling cannot start:\n")
    assert [line.split()[2] for line in message.splitlines()[1:]] == ["'acme_b'", "'acme_c'", "'acme_a'"]


SETTINGS = """
from marshmallow import Schema, fields
class Settings(Schema):
    path = fields.String(required=True)
"""


def test_settings_of_plugins_are_checked_with_everybody_elses(install_plugin, start_failure):
    install_plugin("acme", top=SETTINGS, manifest="settings=Settings")

    message = start_failure("acme", **{"acme.pth": "x", "scheduling.port": "none"})

    assert "acme.path (SCHEDULING_ACME_PATH)" in message
    assert "acme.pth" in message
    assert "scheduling.port (PORT)" in message


def test_pserve_prints_the_message_and_nothing_else(install_plugin, ini):
    install_plugin("acme", top="raise RuntimeError('no flux capacitor')")
    command = [sys.executable, "-m", "pyramid.scripts.pserve", ini]
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": sys.path[0], "SCHEDULING_PLUGINS": "acme"}

    ended = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == 1
    assert "'acme' of acme 2.1 could not be imported" in ended.stderr
    assert "Traceback" not in ended.stderr
