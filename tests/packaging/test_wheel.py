import json
import shutil
import uuid
import zipfile
from pathlib import Path

import pytest

import scheduling
from scheduling.testing.api_server import ApiAnswer, ApiServer

ROOT = Path(__file__).parents[2]
PLUGINS = sorted(folder.name for folder in (ROOT / "plugins").glob("scheduling_*"))


@pytest.fixture(scope="session")
def names(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def shipped(*patterns, root=ROOT):
    """The files of the checkout that match, as paths from root."""
    found = [path.relative_to(root).as_posix() for pattern in patterns for path in root.glob(pattern)]
    assert found
    return {path for path in found if (root / path).is_file() and "__pycache__" not in path}


def test_wheel_has_only_the_core_package_and_the_plugins_at_the_top(names):
    top_level = {name.partition("/")[0] for name in names}
    assert top_level == {"scheduling", *PLUGINS, f"scheduling-{scheduling.__version__}.dist-info"}


def test_wheel_has_no_tests_and_nothing_compiled(names):
    assert not [name for name in names if {"tests", "__pycache__", "conftest.py"} & set(name.split("/"))]


def test_wheel_has_every_module_template_and_marker_of_core(names):
    assert shipped("scheduling/**/*.py", "scheduling/**/templates/**/*", "scheduling/py.typed") <= names
    assert shipped("scheduling/**/static/**/*") <= names


def test_wheel_has_the_migrations_of_core(names):
    versions = shipped("versions/*.py", root=ROOT / "alembic") | {"env.py", "script.py.mako"}
    assert {f"scheduling/alembic/{name}" for name in versions} <= names


@pytest.mark.parametrize("plugin", PLUGINS)
def test_wheel_has_everything_of_each_plugin(names, plugin):
    assert shipped(f"{plugin}/**/*", root=ROOT / "plugins") <= names
    assert f"{plugin}/py.typed" in names


def test_installed_packages_are_the_wheels_and_not_the_checkouts(installation):
    code = "import importlib, sys; [print(importlib.import_module(name).__file__) for name in sys.argv[1:]]"
    files = installation.run("python", "-c", code, "scheduling", *PLUGINS).split()
    assert len(files) == 1 + len(PLUGINS)
    assert all(Path(file).is_relative_to(installation.environment) for file in files)


def test_installed_wheel_migrates_serves_and_delivers_without_the_checkout(installation):
    shutil.copy(ROOT / "development.ini", installation.folder / "x.ini")

    installation.run("scheduling", "-c", "x.ini", "db", "upgrade")
    agreement = installation.run("scheduling", "-c", "x.ini", "db", "check")
    plugins = installation.run("scheduling", "-c", "x.ini", "plugins", "list")

    assert agreement == "The models and the migrations agree.\n"
    for name in ("analytics", "bookings", "notifications", "organizations", "reminders"):
        assert f"{name:<16} enabled    scheduling {scheduling.__version__}" in plugins
    with installation.serving("x.ini") as server:
        assert server.call("GET", "/health").body["status"] == "OK"
        server.register_and_book("Planning")
        server.wait_for(lambda: "Subject: Booking confirmed: Planning" in server.output)
        assert server.interrupt() == 0
        assert "Traceback" not in server.output
    assert (installation.folder / "var" / "scheduling.db").is_file()


@pytest.fixture
def database_url(postgres):
    name = f"packaging_{uuid.uuid4().hex}"
    yield postgres.create_database(name)
    postgres.drop_database(name)


def test_third_partys_plugin_is_enabled_by_the_environment_alone(installation_with_example, database_url):
    installation = installation_with_example
    shutil.copy(ROOT / "production.ini", installation.folder)
    log = installation.folder / "log" / "bookings.jsonl"
    environ = {
        "DATABASE_URL": database_url,
        "JWT_SECRET": "a secret that only this test knows, of more than 32 bytes",
        "SCHEDULING_HOST": "127.0.0.1",
        "SCHEDULING_PLUGINS": "bookings booking_log",
        "SCHEDULING_BOOKING_LOG_PATH": str(log),
    }

    installation.run("scheduling", "-c", "production.ini", "db", "upgrade", **environ)
    plugins = installation.run("scheduling", "-c", "production.ini", "plugins", "list", **environ)
    described = installation.run("scheduling", "-c", "production.ini", "openapi", **environ)
    with installation.serving("production.ini", **environ) as server:
        booking = server.register_and_book("Planning")
        server.wait_for(lambda: log.is_file() and log.read_text().endswith("\n"))
        assert server.interrupt() == 0
        assert "Traceback" not in server.output

    assert f"{'booking_log':<16} enabled    scheduling-booking-log 1.0.0" in plugins
    assert f"{'analytics':<16} installed" in plugins
    assert json.loads(described)["paths"]["/api/v1/booking-log"]["get"]["operationId"] == "list_booking_log"
    [line] = log.read_text().splitlines()
    record = json.loads(line)
    assert (record["event"], record["booking_id"]) == ("BookingCreated", booking["id"])


def test_example_passes_its_own_tests_with_the_installed_kit(installation_with_example, postgres):
    tests = shutil.copytree(
        ROOT / "examples" / "booking_log" / "tests", installation_with_example.folder / "tests"
    )
    installation_with_example.run(
        "python", "-m", "pytest", "--import-mode=importlib", "-q", tests, TEST_DATABASE_URL=postgres.url
    )


class Postmark(ApiServer):
    """Takes every e-mail."""

    def answer(self, request):
        assert request.headers["X-Postmark-Server-Token"] == "a-key"
        return ApiAnswer(200, {"ErrorCode": 0, "Message": "OK", "MessageID": "theirs"})

    @property
    def mails(self):
        return [request.body for request in self.requests]


@pytest.fixture
def postmark():
    server = Postmark()
    yield server
    server.stop()


def test_third_partys_provider_is_chosen_by_the_environment_alone(installation_with_provider, postmark):
    installation = installation_with_provider
    shutil.copy(ROOT / "development.ini", installation.folder / "x.ini")
    environ = {
        "EMAIL_PROVIDER": "postmark",
        "EMAIL_API_KEY": "a-key",
        "EMAIL_FROM": "Scheduling <noreply@example.org>",
        "SCHEDULING_POSTMARK_URL": postmark.url,
    }

    installation.run("scheduling", "-c", "x.ini", "db", "upgrade", **environ)
    with installation.serving("x.ini", **environ) as server:
        server.register_and_book("Planning")
        server.wait_for(lambda: len(postmark.requests) == 2)
        assert server.interrupt() == 0
        assert "Traceback" not in server.output

    subjects = [mail["Subject"] for mail in postmark.mails]
    assert subjects == ["Welcome, Ada", "Booking confirmed: Planning"]


def test_provider_passes_its_own_tests_with_the_installed_kit(installation_with_provider):
    tests = shutil.copytree(
        ROOT / "examples" / "postmark_provider" / "tests", installation_with_provider.folder / "tests"
    )
    installation_with_provider.run("python", "-m", "pytest", "--import-mode=importlib", "-q", tests)
