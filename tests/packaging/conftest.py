"""Builds wheels and installs them into environments of their own, outside the checkout."""

import shutil
import signal
import subprocess
import sys
import sysconfig
import time
import venv
from contextlib import contextmanager
from pathlib import Path

import pytest

from scheduling.testing.http_calls import call, is_ok
from scheduling.testing.process import free_port

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
PATIENCE = 60.0  # seconds until something that was started counts as failed


def run(command, **options):
    """Run a program to its end and return its output; fail with the output if the program fails."""
    done = subprocess.run(
        command,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=PATIENCE,
        check=False,
        **options,
    )
    assert done.returncode == 0, f"{command} exited with {done.returncode}:\n{done.stdout}"
    return done.stdout


def build_wheel(project, folder):
    # A copy, since setuptools leaves a build folder beside the sources and packs what an older one has.
    ignored = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist", "var")
    source = shutil.copytree(project, folder / "source", ignore=ignored)
    run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, source])
    [wheel] = folder.glob("*.whl")
    return wheel


class WheelEnvironment:
    """A virtual environment with some wheels, and an empty folder to work in."""

    def __init__(self, folder, *wheels):
        self.environment = folder / "venv"
        self.folder = folder / "work"
        self.folder.mkdir()
        venv.create(self.environment, with_pip=False)
        self.python = self.environment / "bin" / "python"
        self.environ = {"PATH": f"{self.python.parent}:/usr/bin:/bin", "HOME": str(self.folder)}
        pip = [sys.executable, "-m", "pip", "--python", self.python, "--quiet", "install"]
        run([*pip, "--no-index", "--no-deps", "--no-compile", *wheels])
        self._add_dependencies()

    def _add_dependencies(self):
        """Let the environment see the libraries of the one that runs the tests, but not the checkout."""
        # A folder that a .pth file names comes last on the path, and the .pth files in it are not read:
        # one of those would put the editable installation of the checkout before everything else.
        paths = {"base": str(self.environment), "platbase": str(self.environment)}
        site_packages = Path(sysconfig.get_path("purelib", "venv", paths))
        libraries = dict.fromkeys([sysconfig.get_path("purelib"), sysconfig.get_path("platlib")])
        (site_packages / "dependencies.pth").write_text("\n".join(libraries))

    def run(self, *command, **environ):
        return run(command, cwd=self.folder, env=self.environ | environ)

    @contextmanager
    def serving(self, ini, **environ):
        """Run pserve, and end it at the end if it still runs."""
        server = PserveProcess(self, ini, environ)
        try:
            server.wait_for(server.answers)
            yield server
        finally:
            server.process.kill()
            server.process.wait()


class PserveProcess:
    """A pserve of an installation, on a port of its own."""

    def __init__(self, installation, ini, environ):
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._log = installation.folder / "server.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [installation.python, "-m", "pyramid.scripts.pserve", ini],
                cwd=installation.folder,
                env=installation.environ | environ | {"PORT": str(port)},
                stdout=log,
                stderr=subprocess.STDOUT,
                # A shell that starts the tests in the background lets them, and so their children, ignore it.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
            )

    @property
    def output(self):
        return self._log.read_text()

    def wait_for(self, condition):
        """Wait until a condition holds, while the server runs."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert self.process.poll() is None, f"pserve ended:\n{self.output}"
            assert time.monotonic() < deadline, f"pserve's output so far:\n{self.output}"
            time.sleep(0.02)

    def answers(self):
        return is_ok(f"{self.url}/health")

    def call(self, method, path, body=None, token=""):
        return call(method, f"{self.url}{path}", body, token=token, timeout=PATIENCE)

    def register_and_book(self, title):
        account = {"name": "Ada", "email": "ada@example.com", "password": "secret123"}
        registered = self.call("POST", "/api/v1/auth/register", account)
        assert registered.status == 201, registered
        times = {"start": "2099-04-01T09:00:00Z", "end": "2099-04-01T09:30:00Z"}
        token = registered.body["token"]
        booked = self.call("POST", "/api/v1/bookings", {"title": title, **times}, token)
        assert booked.status == 201, booked
        return booked.body["booking"]

    def interrupt(self):
        """Press Ctrl-C and return the exit status."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(PATIENCE)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    return build_wheel(ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def installation(wheel, tmp_path_factory):
    return WheelEnvironment(tmp_path_factory.mktemp("installation"), wheel)


@pytest.fixture(scope="session")
def installation_with_example(wheel, tmp_path_factory):
    example = build_wheel(EXAMPLES / "booking_log", tmp_path_factory.mktemp("example_wheel"))
    return WheelEnvironment(tmp_path_factory.mktemp("installation_with_example"), wheel, example)


@pytest.fixture(scope="session")
def installation_with_provider(wheel, tmp_path_factory):
    provider = build_wheel(EXAMPLES / "postmark_provider", tmp_path_factory.mktemp("provider_wheel"))
    return WheelEnvironment(tmp_path_factory.mktemp("installation_with_provider"), wheel, provider)
