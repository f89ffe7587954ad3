"""What the pages for operators say of values is true of the chart."""

import re
from textwrap import dedent

import pytest

from tests.chart.chartkit import CHART, EXAMPLES, ROOT, VALUE_SETS
from tests.chart.chartkit.values import defaults, documented

PAGES = [
    *(ROOT / "docs/operators" / name for name in ("kubernetes.md", "alerts.md")),
    *(
        CHART / name
        for name in ("README.md", "UPGRADING.md", "templates/_validate.tpl", "templates/NOTES.txt")
    ),
    EXAMPLES / "README.md",
]
VALUES = {".".join(value.path) for value in documented()}
FREE = {path for path in VALUES if path.endswith(("Annotations", "Labels", "annotations", "labels"))}
BLOCKS = [
    dedent(block)
    for page in PAGES
    for block in re.findall(r"^ *```yaml\n(.*?)^ *```", page.read_text(), re.DOTALL | re.MULTILINE)
]


def is_value(path):
    """Tell whether a path is of a value, of a section of them, or of something below a value."""
    below = any(path.startswith(f"{value}.") for value in (*FREE, "httpRoute.parentRefs"))
    return path in VALUES or below or any(value.startswith(f"{path}.") for value in VALUES)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_value_that_a_page_names_exists(page):
    text = page.read_text()
    named = [path for path in re.findall(r"`([a-z]\w*(?:\.\w+)+)`", text) if path.split(".")[0] in defaults()]
    named += re.findall(r"--set(?:-string)? '?([\w.]+)", text)
    # Names that a template puts together end where the template begins.
    assert [path for path in named if not is_value(path.rstrip("."))] == []


COMMANDS = [
    command.replace("\\\n", " ")
    for page in (*PAGES, ROOT / "docs/operators/bad-day.md", ROOT / "docs/operators/backup.md")
    for command in re.findall(
        r"^ *(?:\$ )?(helm (?:install|upgrade|rollback) (?:.*\\\n)*.*)$", page.read_text(), re.MULTILINE
    )
]


def test_every_command_of_helm_waits_for_jobs_too():
    assert len(COMMANDS) >= 8
    assert [command for command in COMMANDS if "--wait --wait-for-jobs --timeout" not in command] == []


def test_every_rollback_names_its_revision():
    found = [command.split()[2:4] for command in COMMANDS if command.startswith("helm rollback")]
    assert found
    assert [words for words in found if not words[1].isdigit()] == []


# What the ClusterRole "admin" may write, of the kinds that the chart makes:
# https://kubernetes.io/docs/reference/access-authn-authz/rbac/#user-facing-roles
OF_ADMIN = {
    "v1": {"ConfigMap", "Pod", "Secret", "Service", "ServiceAccount"},
    "apps/v1": {"Deployment"},
    "autoscaling/v2": {"HorizontalPodAutoscaler"},
    "batch/v1": {"Job"},
    "networking.k8s.io/v1": {"Ingress", "NetworkPolicy"},
    "policy/v1": {"PodDisruptionBudget"},
}


def test_every_right_that_an_installer_needs_beyond_admin_is_documented(helm4):
    page = (ROOT / "docs/operators/kubernetes.md").read_text().partition("## Who installs")[2]
    made = {(d["apiVersion"], d["kind"]) for values in VALUE_SETS for d in helm4.render(values)}
    beyond = {
        (version.partition("/")[0], kind) for version, kind in made if kind not in OF_ADMIN.get(version, ())
    }
    assert ("keda.sh", "ScaledObject") in beyond
    for group, kind in beyond:
        assert re.search(rf"`{kind.lower()}s`.* `{group}`", page), kind


def test_there_are_pieces_of_values_to_try():
    assert len(BLOCKS) >= 6


@pytest.mark.parametrize("block", BLOCKS, ids=lambda text: text.split(":")[0])
def test_every_piece_of_values_in_a_page_can_be_installed(helm, tmp_path, block):
    path = tmp_path / "values.yaml"
    path.write_text(block)
    assert helm.render(CHART / "ci" / "existing-secrets-values.yaml", path)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_link_to_a_file_leads_somewhere(page):
    for link, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", page.read_text()):
        target = (page.parent / link).resolve() if link else page
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE)
            anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in anchors, anchor
