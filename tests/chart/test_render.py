"""Every value set, on every version of Kubernetes, with Helm 3 and Helm 4."""

import pytest
import yaml
from chartkit import CHART, KUBERNETES, VALUE_SETS, schemas
from chartkit.helm import documents

import scheduling

value_sets = pytest.mark.parametrize("values", VALUE_SETS, ids=lambda path: path.stem)


def test_the_schemas_of_every_supported_kubernetes_are_here():
    assert set(KUBERNETES) <= schemas.shipped()


@value_sets
def test_a_value_set_makes_valid_objects_on_every_kubernetes(helm, values):
    helm.run("lint", "--strict", CHART, f"--values={values}", f"--kube-version={KUBERNETES[0]}")
    for version, text in helm.render_everywhere(values).items():
        rendered = documents(text)
        assert rendered
        assert [mistake for d in rendered for mistake in schemas.mistakes(d, version)] == []


@value_sets
def test_rendering_is_a_pure_function(helm, values):
    again = helm.template.__wrapped__(f"--values={values}", kubernetes=KUBERNETES[-1])
    assert {again, *helm.render_everywhere(values).values()} == {again}


@value_sets
def test_both_helms_make_the_same_objects(helm3, helm4, values):
    def by_name(rendered):
        return {(d["kind"], d["metadata"]["name"]): d for d in rendered}

    assert by_name(helm3.render(values)) == by_name(helm4.render(values))


def test_the_chart_can_be_packaged(helm, tmp_path):
    helm.run("package", CHART, f"--destination={tmp_path}")
    [package] = tmp_path.glob("*.tgz")
    assert package.name == f"scheduling-{yaml.safe_load((CHART / 'Chart.yaml').read_text())['version']}.tgz"
    least = CHART / "ci" / "existing-secrets-values.yaml"
    packaged = documents(helm.template(f"--values={least}", chart=package))
    assert packaged == helm.render(least)


def test_the_chart_installs_this_release_of_the_application():
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"] == scheduling.__version__
