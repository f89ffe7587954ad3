"""How the image is built."""

import json
import os
import shutil
from datetime import datetime
from pathlib import Path

import scheduling

ROOT = Path(__file__).parents[2]


def test_the_image_says_what_it_is(containers, image):
    config = containers.inspect(image)["Config"]
    assert config["User"] == "10001:10001"
    assert config["Entrypoint"] == ["scheduling"]
    assert config["Cmd"] == ["web"]
    assert {"HOME=/tmp", "SCHEDULING_CONFIG=/app/production.ini"} <= set(config["Env"])
    assert set(config["ExposedPorts"]) == {"3000/tcp", "9100/tcp"}
    labels = {
        name.removeprefix("org.opencontainers.image."): value for name, value in config["Labels"].items()
    }
    assert labels["title"] == "Scheduling"
    assert labels["version"] == scheduling.__version__
    assert labels["licenses"] == "ISC"
    head = containers.run("git", "rev-parse", "HEAD").strip()
    assert labels["revision"].removesuffix("-dirty") == head
    assert int(datetime.fromisoformat(labels["created"]).timestamp()) == commit_time(containers)


def commit_time(containers):
    return int(containers.run("git", "log", "-1", "--format=%ct"))


def test_a_builder_that_does_not_work_is_named(containers):
    output = containers.run("make", "image", "BUILDER=no-such-builder", status=2)
    assert "None of these works here: no-such-builder." in output


def test_two_builds_of_the_same_sources_are_the_same_image(containers, image, base, tmp_path):
    # Other times and modes, another folder, other files beside them.
    copy = tmp_path / "copy"
    for name in containers.run("git", "ls-files", "--cached", "--others", "--exclude-standard").splitlines():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    for path in copy.rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
        path.chmod(path.stat().st_mode & 0o700)
    (copy / "scheduling" / "__pycache__").mkdir()
    (copy / "scheduling" / "__pycache__" / "left.pyc").write_text("")
    (copy / "notes.txt").write_text("not of the image")
    revision = containers.inspect(image)["Config"]["Labels"]["org.opencontainers.image.revision"]
    environ = {"BASE": base, "REVISION": revision, "SOURCE_DATE_EPOCH": str(commit_time(containers))}

    # In Docker's format buildah 1.28 writes the random names of its own containers into the image.
    for name, folder in (("first", ROOT), ("second", copy)):
        build = (folder / "image/build", "--pull-never", "--format=oci")
        containers.run(*build, TAG=f"localhost/{name}", **environ)
    first, second = (containers.inspect(f"localhost/{name}") for name in ("first", "second"))
    assert first["Id"] == second["Id"]
    docker = containers.inspect(image)
    assert docker["RootFS"] == first["RootFS"]
    assert docker["History"] == first["History"]


def test_the_bill_of_materials_lists_what_is_installed(containers, image):
    def bill():
        containers.run("make", "sbom", f"TAG={image}", "ARGS=--pull-never")
        return (ROOT / "dist" / "scheduling.cdx.json").read_bytes()

    first = bill()
    assert bill() == first
    document = json.loads(first)
    assert document["bomFormat"] == "CycloneDX"
    listed = {f"{part['name']}=={part['version']}" for part in document["components"]}
    assert {canonical(line) for line in listed} == {
        canonical(line) for line in constraints(containers, image)
    }


def canonical(requirement):
    name, _, version = requirement.partition("==")
    return name.lower().replace("_", "-").replace(".", "-"), version


def constraints(containers, image):
    return containers.run(*containers.command("/app/constraints.txt", options=["--entrypoint=cat"])).split()


def test_the_lock_has_wheels_for_both_processors(containers, tmp_path):
    lock = ROOT / "requirements/image.txt"
    for machine in ("x86_64", "aarch64"):
        platforms = [f"--platform=manylinux_2_{minor}_{machine}" for minor in range(17, 37)]
        containers.run(
            *(ROOT / ".venv/bin/pip", "download", "--quiet", "--no-deps", "--require-hashes"),
            *("--only-binary=:all:", "--python-version=3.13", "--implementation=cp", *platforms),
            *(f"--dest={tmp_path}", f"--requirement={lock}"),
        )
