import pytest

from tests.chart.chartkit.helm import Helm
from tests.chart.chartkit.programs import OtherPlatformError


@pytest.fixture(scope="session")
def helm3(tmp_path_factory):
    return _helm("3", tmp_path_factory)


@pytest.fixture(scope="session")
def helm4(tmp_path_factory):
    return _helm("4", tmp_path_factory)


@pytest.fixture(params=["helm3", "helm4"])
def helm(request):
    return request.getfixturevalue(request.param)


def _helm(major, folders):
    """Return a Helm; skip on a kind of machine that none can be fetched for, fail where fetching fails."""
    try:
        return Helm(major, folders.mktemp("helm"))
    except OtherPlatformError as error:
        pytest.skip(str(error))
