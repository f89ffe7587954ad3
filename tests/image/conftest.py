"""Builds the image with buildah and runs it with podman: real tools, no daemon, a storage of their own.

`make test-image` runs these tests. They need root, and Debian's packages of the tools below.
"""

import json
import os
import shutil
import ssl
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from scheduling.testing.processes import Installation, Web, WorkerProcess, free_port

# `make test` passes over what is not named to pytest file by file.
collect_ignore_glob = ["test_*.py"]

ROOT = Path(__file__).parents[2]
TOOLS = ("buildah", "podman", "runc", "mmdebstrap")
SETTINGS = (
    "DATABASE_URL",
    "REDIS_URL",
    "JWT_SECRET",
    "PORT",
    "SCHEDULING_BCRYPT_COST",
    "SCHEDULING_HOST",
    "SCHEDULING_METRICS_PORT",
)
STORAGE = """
[storage]
driver = "overlay"
graphroot = "{folder}/images"
runroot = "{folder}/run"
"""
# Podman's own limits are higher than root may set inside some machines.
ENGINE = """
[containers]
default_ulimits = ["nofile=1024:4096", "nproc=4096:4096"]
netns = "host"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
BASE = "localhost/python-base"
IMAGE = "localhost/scheduling"
# As Kubernetes runs it under its "restricted" standard; the user is the image's own.
RESTRICTED = (
    "--read-only",
    "--read-only-tmpfs=false",
    "--tmpfs=/tmp",
    "--cap-drop=all",
    "--security-opt=no-new-privileges",
)


@pytest.fixture(scope="session", autouse=True)
def tools():
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if os.geteuid() != 0 or missing:
        pytest.exit(
            f"make test-image needs root and the Debian packages {' '.join(TOOLS)}; "
            f"not installed: {' '.join(missing) or 'none'}",
            returncode=1,
        )


class Containers:
    """buildah and podman on a storage of their own."""

    def __init__(self, folder):
        (folder / "storage.conf").write_text(STORAGE.format(folder=folder))
        (folder / "containers.conf").write_text(ENGINE)
        (folder / "pip.conf").write_text(pip_conf())
        # Settings are a test's own.
        inherited = {name: value for name, value in os.environ.items() if name not in SETTINGS}
        self.environ = inherited | {
            "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
            "CONTAINERS_CONF": str(folder / "containers.conf"),
            "BUILDAH_ISOLATION": "chroot",
            "BUILDER": "buildah",
            # Podman has systemd call the health checks, and here there need not be one.
            "DISABLE_HC_SYSTEMD": "true",
            "PIP_CONFIG_FILE": str(folder / "pip.conf"),
        }

    def run(self, *command, status=0, **environ):
        """Run a program to its end and return all of its output; fail if its exit status is another one."""
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=self.environ | environ,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=600,
            check=False,
        )
        assert done.returncode == status, f"{command} exited with {done.returncode}:\n{done.stdout}"
        return done.stdout

    def command(self, *arguments, image=IMAGE, options=()):
        """Return the command that runs an image, given the settings in the command's environment."""
        environ = [f"--env={name}" for name in SETTINGS]
        return ["podman", "run", "--rm", *RESTRICTED, *environ, *options, image, *arguments]

    def python(self, script, image=IMAGE):
        """Run a script with the Python of an image and return the JSON that it prints."""
        return json.loads(self.run(*self.command("-c", script, image=image, options=["--entrypoint=python"])))

    def pip(self, *arguments, image=IMAGE, status=0):
        """Run a pip of the moment on the virtual environment of an image, which has none."""
        script = (
            'python3 -m venv /tmp/pip && exec /tmp/pip/bin/python -m pip --python /app/venv/bin/python "$@"'
        )
        command = self.command("-c", script, "pip", *arguments, image=image, options=["--entrypoint=sh"])
        return self.run(*command, status=status)

    def inspect(self, image):
        return json.loads(self.run("podman", "image", "inspect", image))[0]

    def clean_up(self):
        self.run("podman", "rm", "--all", "--force")
        self.run("buildah", "rm", "--all")
        self.run("podman", "image", "rm", "--all", "--force")


def pip_conf():
    """Return what pip needs inside a container to find the package index that it uses outside."""
    index = os.environ.get("PIP_INDEX_URL")
    return f"[global]\nindex-url = {index}\n" if index else "[global]\n"


@pytest.fixture(scope="session")
def containers():
    with TemporaryDirectory(prefix="scheduling-image-") as name:
        made = Containers(Path(name))
        yield made
        made.clean_up()
        # Overlay mounts its folder on itself.
        subprocess.run(["umount", f"{name}/images/overlay"], stderr=subprocess.DEVNULL, check=False)


@pytest.fixture(scope="session")
def base(containers, tmp_path_factory):
    """An image like the official one of Python: Debian and Python, without bytecode of Python's library."""
    archive = tmp_path_factory.mktemp("base") / "base.tar"
    certificates = ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt"
    containers.run(
        "mmdebstrap",
        "--variant=minbase",
        "--include=python3,python3-venv,ca-certificates",
        # So that pip inside trusts the index that this machine trusts.
        f"--customize-hook=upload {certificates} /etc/ssl/certs/ca-certificates.crt",
        '--customize-hook=find "$1"/usr/lib/python3* -name __pycache__ -prune -exec rm -r {} +',
        "trixie",
        str(archive),
    )
    path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    containers.run("podman", "import", "--quiet", "--change", f"ENV {path}", str(archive), BASE)
    archive.unlink()
    return BASE


@pytest.fixture(scope="session")
def image(containers, base):
    containers.run("make", "image", f"TAG={IMAGE}", f"BASE={base}", "ARGS=--pull-never")
    return IMAGE


class ContainerInstallation(Installation):
    """An installation whose programs are containers of the image."""

    def __init__(self, containers, folder, database_url, redis_url):
        super().__init__(folder, Path("/app/production.ini"), database_url, redis_url, containers.environ)
        self._containers = containers
        self.started = []

    def start(self, role, name, *options, podman=(), **environ):
        """Start a container, with more options of podman's and variables; return its process when ready."""
        port, metrics_port = str(free_port()), str(free_port())
        command = self._containers.command(role, *options, options=[f"--name={name}", *podman])
        environ = self.environ | {"PORT": port, "SCHEDULING_METRICS_PORT": metrics_port} | environ
        kind = {"web": Web, "worker": WorkerProcess}[role]
        process = kind(name, command, environ, self._folder)
        process.metrics_url = f"http://127.0.0.1:{metrics_port}"
        if role == "web":
            process.url = f"http://127.0.0.1:{port}"
        self.started.append(process)
        return process.start().wait_until_ready()

    def __exit__(self, *exc):
        for process in self.started:
            process.kill()

    def run(self, *arguments, status=0):
        """Run a command of the image to its end and return its output."""
        environ = {name: self.environ[name] for name in SETTINGS if name in self.environ}
        return self._containers.run(*self._containers.command(*arguments), status=status, **environ)


@pytest.fixture(scope="session")
def site(containers, image, postgres, redis, tmp_path_factory):
    """An installation on PostgreSQL and Redis, migrated; nothing runs yet."""
    database_url = postgres.create_database("image")
    folder = tmp_path_factory.mktemp("site")
    with ContainerInstallation(containers, folder, database_url, redis.url) as installation:
        installation.run("db", "upgrade")
        yield installation
