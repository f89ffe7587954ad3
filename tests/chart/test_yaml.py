"""YAML that people write is in one style, and what the chart renders has no surprises."""

from pathlib import Path

import pytest
from yamllint import linter
from yamllint.config import YamlLintConfig

from tests.chart.chartkit import CHART, EXAMPLES, ROOT, VALUE_SETS

OURS = YamlLintConfig(file=str(Path(__file__).with_name("yamllint.yaml")))
RENDERED = YamlLintConfig("rules: {key-duplicates: enable, trailing-spaces: enable, octal-values: enable}")
WRITTEN = [CHART / "Chart.yaml", CHART / "values.yaml", *VALUE_SETS, *sorted(EXAMPLES.rglob("*.yaml"))]


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: str(path.relative_to(ROOT)))
def test_yaml_is_in_one_style(path):
    assert [str(problem) for problem in linter.run(path.read_text(), OURS)] == []


@pytest.mark.parametrize("values", VALUE_SETS, ids=lambda path: path.stem)
def test_what_is_rendered_is_clean(helm4, values):
    problems = linter.run(helm4.template(f"--values={values}", kubernetes="1.37"), RENDERED)
    assert [f"{problem.line}: {problem}" for problem in problems] == []
