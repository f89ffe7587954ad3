"""The Dockerfiles, as hadolint sees them."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILES = ["Dockerfile", "image/sbom.Dockerfile", "examples/image-with-plugin/Dockerfile"]


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_hadolint_has_nothing_to_say(dockerfile, containers):
    assert containers.run(ROOT / ".tools/bin/hadolint", "--no-color", dockerfile) == ""
