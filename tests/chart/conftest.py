import sys
from pathlib import Path

import pytest

# The kit is a package beside these tests, which pytest's importlib mode does not put on the path.
sys.path.insert(0, str(Path(__file__).parent))

from chartkit.helm import Helm


@pytest.fixture(scope="session")
def helm3(tmp_path_factory):
    return Helm("3", tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="session")
def helm4(tmp_path_factory):
    return Helm("4", tmp_path_factory.mktemp("helm"))


@pytest.fixture(params=["helm3", "helm4"])
def helm(request):
    return request.getfixturevalue(request.param)
