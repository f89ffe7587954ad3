"""requirements/image.txt, the lock of the image, against setup.cfg. `make lock` makes it anew."""

import re
from configparser import ConfigParser
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PYTHONS = ["3.11", "3.12", "3.13"]
MACHINES = ["x86_64", "aarch64"]


def wanted():
    """What setup.cfg requires, with the extras that requirements/image.in names."""
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    [extras] = re.findall(r"^\.\[(.*)\]$", (ROOT / "requirements/image.in").read_text(), re.MULTILINE)
    lists = [setup["options"]["install_requires"]]
    lists += [setup["options.extras_require"][extra] for extra in extras.split(",")]
    lines = "\n".join(lists).splitlines()
    return {Requirement(line) for line in lines if line}


def locked(name):
    """What a lock has, by name, with the hashes of each."""
    text = (ROOT / "requirements" / name).read_text().replace("\\\n", " ")
    found = {}
    for line in text.splitlines():
        if line[:1].isalnum():
            requirement, *hashes = line.split("--hash=")
            found[canonicalize_name(Requirement(requirement).name)] = Requirement(requirement), hashes
    return found


def test_the_image_has_both_api_providers_and_granian():
    assert {"granian", "httpx2"} <= {requirement.name for requirement in wanted()}


@pytest.mark.parametrize("requirement", sorted(wanted(), key=str), ids=lambda requirement: requirement.name)
def test_a_requirement_is_locked_to_a_version_that_it_allows(requirement):
    pin, _ = locked("image.txt")[canonicalize_name(requirement.name)]
    [version] = pin.specifier
    assert version.operator == "=="
    assert requirement.specifier.contains(version.version)


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_holds_on_every_python_and_processor_of_an_image(python, machine):
    environment = {
        "implementation_name": "cpython",
        "platform_machine": machine,
        "python_full_version": f"{python}.9",
        "python_version": python,
        "sys_platform": "linux",
    }
    lock = locked("image.txt")
    names = {canonicalize_name(r.name) for r in wanted()} | {"psycopg-binary", "redis"}
    assert "pip" not in lock
    pins = [lock[name][0] for name in names]
    assert [pin.name for pin in pins if pin.marker and not pin.marker.evaluate(environment)] == []


@pytest.mark.parametrize("name", ["image.txt", "sbom.txt", "tools.txt"])
def test_a_lock_has_hashes_and_names_no_index(name):
    lock = locked(name)
    assert lock
    for pin, hashes in lock.values():
        assert hashes, pin
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", value.strip()) for value in hashes), pin
    assert "://" not in (ROOT / "requirements" / name).read_text()


def test_the_dockerfile_has_a_python_that_the_lock_is_for():
    [python] = re.findall(
        r"^ARG BASE=python:(\d+\.\d+)-slim", (ROOT / "Dockerfile").read_text(), re.MULTILINE
    )
    assert python in PYTHONS
