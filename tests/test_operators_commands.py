"""The commands of the pages for operators do what the pages say."""

import os
import re
import subprocess
import sys
import uuid
from pathlib import Path

import psycopg
import pytest

from scheduling.testing.server_programs import postgres_programs

ROOT = Path(__file__).parents[1]
BACKUP = (ROOT / "docs/operators/backup.md").read_text()
PASSWORD = "a password"


def console(page, heading):
    """Return the commands of the first console block below a heading, each with the output that is shown."""
    block = re.search(r"```console\n(.*?)```", page.partition(f"\n## {heading}\n")[2], re.DOTALL)[1]
    return [(part.partition("\n")[0], part.partition("\n")[2]) for part in block.split("$ ")[1:]]


@pytest.fixture
def role(postgres):
    """A role that may do nothing but own databases, and the URL of one that it owns."""
    name = f"role_{uuid.uuid4().hex}"
    with psycopg.connect(postgres.url, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'")
        admin.execute(f"CREATE DATABASE {name} OWNER {name} TEMPLATE template0")
        yield name
        for database in (name, f"{name}_restored"):
            admin.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
        admin.execute(f"DROP ROLE {name}")


@pytest.fixture
def run(postgres, role, tmp_path):
    """A function that runs a page's commands in one shell, and returns what the last one prints."""
    (tmp_path / "production.ini").symlink_to(ROOT / "production.ini")
    server = psycopg.conninfo.conninfo_to_dict(postgres.url)
    host, port = server["host"], server["port"]
    url = f"postgresql://{role}:a%20password@{host}:{port}/"
    environ = {
        "PATH": os.pathsep.join(
            [str(Path(sys.executable).parent), str(postgres_programs()), os.environ["PATH"]]
        ),
        "PGHOST": host,
        "PGPORT": str(port),
        "PGUSER": server.get("user", ""),
        "PGPASSWORD": server.get("password", ""),
        "JWT_SECRET": "x" * 40,
        "DATABASE_URL": f"{url}{role}",
    }

    def run(*commands):
        script = "\n".join(commands).replace("postgresql://scheduling:…@db/restored", f"{url}{role}_restored")
        script = script.replace("owner=scheduling", f"owner={role}").replace(" restored", f" {role}_restored")
        done = subprocess.run(
            ["bash", "-euc", script], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_a_backup_is_made_and_restored_as_the_page_says(run):
    run("scheduling -c production.ini db upgrade")
    env = "SCHEDULING_PASSWORD='a secret of somebody' SCHEDULING_BCRYPT_COST=4"
    run(f"{env} scheduling -c production.ini user create somebody@example.com")
    before = run("scheduling -c production.ini outbox stats")

    run(*(command for command, _ in console(BACKUP, "Make one")))
    commands = console(BACKUP, "Restore it")
    assert [command for command, _ in commands][-1].endswith("outbox stats")
    stats = run(*(command for command, _ in commands))

    assert "The models and the migrations agree." in stats
    # Its last line is the age of the message.
    assert before.splitlines()[:-1] == stats.splitlines()[-4:-1]
    assert "somebody@example.com" in run(commands[1][0], "scheduling -c production.ini user list")
    # The page shows what is printed.
    assert commands[-1][1].splitlines()[:-1] == stats.splitlines()[-4:-1]


def test_a_database_of_another_role_is_said_to_refuse_and_not_to_be_silent(run, role, postgres):
    run("scheduling -c production.ini db upgrade")
    with psycopg.connect(postgres.url.rpartition("/")[0] + f"/{role}", autocommit=True) as admin:
        admin.execute("ALTER TABLE alembic_version OWNER TO CURRENT_USER")

    with pytest.raises(AssertionError) as error:
        run("scheduling -c production.ini db check")

    assert "The database refuses this: permission denied for table alembic_version" in str(error.value)
