"""`scheduling config check`: everything that is wrong, or what was found."""

import os
import subprocess
import sys

import pytest

from scheduling.testing.processes import program

STRONG = "x" * 32
PRODUCTION = {"APP_ENV": "production", "JWT_SECRET": STRONG}
NOWHERE = "postgresql://scheduling:hunter2@127.0.0.1:1/elsewhere"

LOGGING = """
[loggers]
keys = root, alembic

[handlers]
keys = console

[formatters]
keys = plain

[logger_alembic]
level = WARN
handlers =
qualname = alembic

[logger_root]
level = INFO
handlers = console

[handler_console]
class = StreamHandler
args = (sys.stdout,)
formatter = plain

[formatter_plain]
format = %(levelname)s %(message)s
"""


def warnings(lines):
    return [line.removeprefix("warning: ") for line in lines if line.startswith("warning: ")]


def test_good_settings_are_shown_and_the_database_is_not_asked(command_output):
    lines = command_output("config", "check", DATABASE_URL=NOWHERE)
    shown = dict(line.split(maxsplit=1) for line in lines[:-1])
    assert shown["variables"] == "DATABASE_URL"
    assert shown["database"] == "postgresql 127.0.0.1/elsewhere"
    assert shown["plugins"].startswith("bookings (scheduling ")
    assert warnings(lines) == []
    assert lines[-1] == "Everything can start with these settings."


def test_no_secret_is_shown(command_output):
    secret = "hunter2-hunter2-hunter2-hunter2-hunter2"
    lines = command_output(
        "config",
        "check",
        DATABASE_URL=f"postgresql://me:{secret}@db/name?passfile={secret}",
        REDIS_URL=f"sentinel://:{secret}@one:1?ssl_cert_reqs=required&x={secret};"
        "sentinel://two:2?ssl_cert_reqs=required",
        JWT_SECRET=secret,
        JWT_SECRET_FALLBACKS=secret,
        EMAIL_API_KEY=secret,
        SCHEDULING_PASSWORD=secret,
    )
    assert "hunter2" not in "\n".join(lines)
    assert "broker       sentinel://one:1 sentinel://two:2" in lines


def test_every_mistake_is_in_one_message(failed_message, ini):
    ini.write_text(
        f"{ini.read_text()}thread = 4\n\n[loggers]\nkeys = root\n".replace(
            "scheduling.plugins", "schedulng.port = 1\nscheduling.plugins"
        )
    )
    message = failed_message(
        "config",
        "check",
        APP_ENV="production",
        JWT_SECRET="hunter2",
        PORT="x",
        REDIS_URL="rediss://:hunter2@cache",
        CORS_ORIGINS="*",
        CORS_CREDENTIALS="true",
        SCHEDULING_PLUGINS="weather",
        EMAIL_PROVIDER="pigeon",
    )
    first, *mistakes = message.splitlines()
    assert first == "Scheduling cannot start:"
    for named in (
        "The logging sections of ",
        "[server:main] ",
        "scheduling.jwt_secret (JWT_SECRET) ",
        "scheduling.port (PORT) ",
        "scheduling.broker_url (REDIS_URL) ",
        "scheduling.cors_credentials (CORS_CREDENTIALS) ",
        "Plugin 'weather' ",
        "The e-mail provider 'pigeon' ",
        "schedulng.port is not a setting",
    ):
        assert sum(line.startswith(f"  - {named}") for line in mistakes) == 1, named
    assert len(mistakes) == 9
    assert "hunter2" not in message


def test_a_plugin_that_cannot_be_set_up_is_a_mistake(failed_message, install_plugin):
    install_plugin("acme", includeme="raise LookupError('no weather')")
    assert "LookupError: no weather" in failed_message("config", "check", SCHEDULING_PLUGINS="acme")


def test_logging_sections_that_name_what_is_not_there_stop_web_and_worker_with_one_line(failed_message, ini):
    ini.write_text(f"{ini.read_text()}\n[loggers]\nkeys = root\n")
    for command in ("web", "worker"):
        message = failed_message(command, str(ini))
        assert message.startswith(f"The logging sections of {ini} cannot be used (")
        assert len(message.splitlines()) == 1


@pytest.mark.parametrize("command", ["web", "worker", "pserve"])
def test_the_first_line_of_every_process_says_what_it_uses(ini, command):
    ini.write_text(ini.read_text() + LOGGING)
    broker = "redis://:hunter2@127.0.0.1:1/0"
    arguments = [program("pserve"), ini] if command == "pserve" else [program("scheduling"), command, ini]
    # The database is away, for which all but pserve wait.
    environ = {"DATABASE_URL": NOWHERE, "REDIS_URL": broker, "PATH": os.environ["PATH"]}
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(arguments, env=environ, **output) as process:
        first_line = process.stdout.readline()
        process.terminate()
        rest = process.stdout.read()
    used = "Database: postgresql 127.0.0.1/elsewhere; broker: redis://127.0.0.1:1/0; e-mail: mock"
    assert first_line == f"INFO {used}\n"
    assert "hunter2" not in first_line + rest


@pytest.mark.parametrize("command", ["web", "worker", "config check"])
def test_production_is_refused_by_everything_that_starts(run_program, command):
    unsafe = {
        "JWT_SECRET": "x" * 31,
        "REDIS_URL": "rediss://cache",
        "CORS_ORIGINS": "*",
        "CORS_CREDENTIALS": "true",
    }
    ended = run_program("-c", "test.ini", *command.split(), APP_ENV="production", **unsafe)
    assert (ended.returncode, ended.stdout) == (1, "")
    first, *mistakes = ended.stderr.splitlines()
    assert first == "Scheduling cannot start:"
    assert sorted(line.split()[2] for line in mistakes) == [
        "(CORS_CREDENTIALS)",
        "(JWT_SECRET)",
        "(REDIS_URL)",
    ]


@pytest.mark.parametrize(
    ("environ", "warning"),
    [
        (PRODUCTION, "no e-mail is sent"),
        ({"EMAIL_PROVIDER": "smtp", "SMTP_HOST": "mail"}, "e-mails come from Scheduling <noreply@localhost>"),
        ({"SCHEDULING_HOST": "0.0.0.0"}, "APP_ENV is development"),  # noqa: S104
        ({"SCHEDULING_DATABASE_POOL_SIZE": "1"}, "SCHEDULING_DATABASE_POOL_SIZE is 1"),
        ({"SCHEDULING_PORT": "80"}, "SCHEDULING_PORT is not a setting"),
    ],
)
def test_what_is_seldom_meant_is_a_warning(command_output, environ, warning):
    [told] = warnings(command_output("config", "check", **environ))
    assert told.startswith(warning)


def test_traces_that_cannot_be_sent_are_a_warning(command_output, monkeypatch):
    collector = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
    assert "traces       sent by OpenTelemetry" in command_output("config", "check", **collector)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    lines = command_output("config", "check", **collector)
    assert "traces       not sent" in lines
    assert len(warnings(lines)) == 1


def test_variables_of_plugins_that_are_installed_are_no_mistake(command_output):
    environ = {"SCHEDULING_ORGANIZATIONS_SIZE": "1", "SCHEDULING_CONFIG": "x", "SCHEDULING_PASSWORD": "x"}
    assert warnings(command_output("config", "check", **environ)) == []
