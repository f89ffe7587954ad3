"""Every value set, on every version of Kubernetes, with Helm 3 and Helm 4."""

import re

import pytest
import yaml

import scheduling
from tests.chart.chartkit import CHART, KUBERNETES, VALUE_SETS, schemas
from tests.chart.chartkit.helm import documents

value_sets = pytest.mark.parametrize("values", VALUE_SETS, ids=lambda path: path.stem)


def test_the_schemas_of_every_supported_kubernetes_are_here():
    assert set(KUBERNETES) <= schemas.shipped()


@value_sets
def test_a_value_set_is_clean_to_the_linter(helm, values):
    helm.run("lint", "--strict", CHART, f"--values={values}", f"--kube-version={KUBERNETES[0]}")


@value_sets
def test_a_value_set_makes_the_same_valid_objects_on_every_kubernetes_and_every_time(helm, values):
    rendered = helm.render_everywhere(values)
    again = helm.template.__wrapped__(f"--values={values}")
    for version, text in rendered.items():
        assert text == again
        assert documents(text)
        assert [mistake for d in documents(text) for mistake in schemas.mistakes(d, version)] == []


@value_sets
def test_both_helms_make_the_same_objects(helm3, helm4, values):
    def by_name(rendered):
        return {(d["kind"], d["metadata"]["name"]): d for d in rendered}

    assert by_name(helm3.render(values)) == by_name(helm4.render(values))


def test_no_template_asks_the_clock_or_chance_and_only_one_file_the_cluster():
    impure = re.compile(
        r"\b(lookup|now|ago|date\w*|rand\w+|shuffle|uuidv4|gen\w+|htpasswd|bcrypt|getHostByName)\b"
    )
    templates = [path for path in (CHART / "templates").rglob("*") if path.is_file()]
    assert templates
    for path in templates:
        actions = " ".join(re.findall(r"\{\{(?!-? */\*).*?\}\}", path.read_text(), re.DOTALL))
        found = impure.findall(re.sub(r'"[^"]*"', "", actions))
        assert set(found) == ({"lookup"} if path.name == "_cluster.tpl" else set()), path


def test_the_chart_has_no_subcharts():
    assert "dependencies" not in yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert not (CHART / "charts").exists()


def test_the_chart_can_be_packaged(helm, tmp_path):
    helm.run("package", CHART, f"--destination={tmp_path}")
    [package] = tmp_path.glob("*.tgz")
    assert package.name == f"scheduling-{yaml.safe_load((CHART / 'Chart.yaml').read_text())['version']}.tgz"
    least = CHART / "ci" / "existing-secrets-values.yaml"
    packaged = documents(helm.template(f"--values={least}", chart=package))
    assert packaged == helm.render(least)


def test_the_chart_installs_this_release_of_the_application():
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"] == scheduling.__version__
