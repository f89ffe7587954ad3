"""Runs Helm and reads what it renders."""

import subprocess
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import yaml

from tests.chart.chartkit import CHART, KUBERNETES, programs

RELEASE, NAMESPACE = "demo", "apps"


class RefusedError(Exception):
    """Helm ended with an error, which is the message."""


class UniqueKeys(yaml.CSafeLoader):
    """YAML of which no mapping has a key twice: Helm lets it pass, and the last one wins unseen."""

    def construct_mapping(self, node, deep=False):  # noqa: FBT002
        keys = [key.value for key, _ in node.value]
        twice = {key for key in keys if keys.count(key) > 1}
        assert not twice, f"{node.start_mark}: twice in one mapping: {twice}"
        return super().construct_mapping(node, deep=deep)


@cache
def documents(text):
    """Return the Kubernetes objects in a text of YAML documents, to be read only."""
    return [document for document in yaml.load_all(text, Loader=UniqueKeys) if document]


class Helm:
    """One Helm, kept away from the user's own configuration, and from any cluster but that of a test."""

    def __init__(self, major, home, kubeconfig="/dev/null"):
        self.major = major
        self._path = programs.helm(major)
        # A process that lives for a tenth of a second need not collect garbage.
        self._environ = {
            "GOGC": "off",
            "HOME": str(home),
            "KUBECONFIG": str(kubeconfig),
            "PATH": "/usr/bin:/bin",
        }
        self.template = cache(self._template)
        """Renders a value set, only once in this process."""

    def run(self, *command):
        """Run Helm and return what it prints; raise ``RefusedError`` if it fails."""
        done = subprocess.run(
            [self._path, *command], capture_output=True, text=True, env=self._environ, check=False
        )
        if done.returncode != 0:
            raise RefusedError(done.stderr)
        return done.stdout

    def _template(self, *options, kubernetes=KUBERNETES[-1], chart=CHART):
        command = ["template", RELEASE, chart, "--namespace", NAMESPACE, "--kube-version", kubernetes]
        return self.run(*command, *options)

    def render(self, *value_files, kubernetes=KUBERNETES[-1]):
        """Return the objects that the chart makes of value files."""
        options = [f"--values={path}" for path in value_files]
        return documents(self.template(*options, kubernetes=kubernetes))

    def render_everywhere(self, value_file):
        """Return what the chart renders for each version of Kubernetes, as text, by version."""
        with ThreadPoolExecutor(2) as pool:
            texts = pool.map(
                lambda version: self.template(f"--values={value_file}", kubernetes=version), KUBERNETES
            )
            return dict(zip(KUBERNETES, texts, strict=True))
