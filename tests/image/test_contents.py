"""What is in the image, and what is not."""

import json
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]


def test_every_module_has_bytecode_that_needs_no_source_to_be_valid(containers, image):
    script = """
import importlib.util, json, sysconfig
from pathlib import Path
unchecked_hash = (1).to_bytes(4, "little")
missing = []
for source in Path(sysconfig.get_path("purelib")).rglob("*.py"):
    compiled = Path(importlib.util.cache_from_source(source))
    if not compiled.exists() or compiled.read_bytes()[4:8] != unchecked_hash:
        missing.append(str(source))
print(json.dumps(missing))
"""
    assert containers.python(script) == []


def test_a_start_compiles_nothing_of_pythons_own_library_either(containers, image):
    script = """
import json, os, sys
import scheduling.cli.main
specs = [module.__spec__ for module in sys.modules.values() if module.__spec__ and module.__spec__.cached]
print(json.dumps({spec.name: os.path.exists(spec.cached) for spec in specs}))
"""
    compiled = containers.python(script)
    assert {"logging", "email", "pyramid.config", "scheduling.cli.main"} <= set(compiled)
    assert [name for name, exists in compiled.items() if not exists] == []


def test_the_user_can_write_to_temporary_files_alone(containers, image):
    script = """
import json, os
found = []
for folder, folders, files in os.walk("/"):
    if folder == "/":
        folders[:] = set(folders) - {"proc", "sys", "dev"}
    paths = [folder, *(os.path.join(folder, name) for name in files)]
    found += [path for path in paths if os.access(path, os.W_OK)]
print(json.dumps([os.getuid(), os.getgid(), found]))
"""
    # On a root that could be written to.
    command = ["podman", "run", "--rm", "--no-healthcheck", "--entrypoint=python", image, "-c", script]
    uid, gid, writable = json.loads(containers.run(*command))
    assert (uid, gid) == (10001, 10001)
    assert {"/tmp"} <= set(writable) <= {"/tmp", "/var/tmp", "/run/lock"}


def test_nothing_that_built_it_is_left(containers, image):
    script = """
import json, os, shutil
programs = ["cc", "gcc", "c++", "clang", "ld", "make", "git", "uv"]
places = ["/src", "/wheels", "/image", "/root/.cache", "/tmp/.cache", "/etc/pip.conf"]
print(json.dumps([p for p in programs if shutil.which(p)] + [p for p in places if os.path.exists(p)]))
"""
    assert containers.python(script) == []


def test_the_constraints_are_the_lock_and_the_release_itself(containers, image):
    script = """
import json, platform
from pathlib import Path
print(json.dumps([Path("/app/constraints.txt").read_text().split(), platform.python_version()]))
"""
    lines, version = containers.python(script)
    constrained = {canonical(Requirement(line)) for line in lines}
    text = (ROOT / "requirements/image.txt").read_text()
    locked = [Requirement(line.rstrip(" \\")) for line in text.splitlines() if line[:1].isalpha()]
    environment = {"python_full_version": version, "python_version": version.rpartition(".")[0]}
    applicable = {canonical(r) for r in locked if not r.marker or r.marker.evaluate(environment)}
    assert constrained == applicable | {("scheduling", "==1.0.0")}
    assert "pip" not in {name for name, _ in constrained}


def canonical(requirement):
    return requirement.name.lower().replace("_", "-").replace(".", "-"), str(requirement.specifier)


def test_every_installed_package_is_content_with_the_others(containers, image):
    assert containers.pip("check") == "No broken requirements found.\n"


def test_there_is_no_pip_in_the_virtual_environment(containers, image):
    script = """
import importlib.util, json, os
names = [name for name in ("pip", "wheel") if importlib.util.find_spec(name)]
print(json.dumps([names, sorted(name for name in os.listdir("/app/venv/bin") if "pip" in name)]))
"""
    assert containers.python(script) == [[], []]


def test_the_extras_of_the_image_are_there(containers, image):
    script = """
import json
import granian, scheduling_email_resend, scheduling_email_sendgrid
print(json.dumps("imported"))
"""
    assert containers.python(script) == "imported"
