"""The example of an image that adds a plugin."""

import pytest

PLUGIN_IMAGE = "localhost/scheduling-with-plugin"


@pytest.fixture(scope="module")
def plugin_image(containers, image):
    containers.run(
        *("buildah", "build", "--format=docker", "--pull-never", f"--build-arg=IMAGE={image}"),
        *(f"--tag={PLUGIN_IMAGE}", "--file=examples/image-with-plugin/Dockerfile", "examples/booking_log"),
    )
    return PLUGIN_IMAGE


def test_the_plugin_is_installed_and_enabled(containers, plugin_image):
    listed = containers.run(*containers.command("plugins", "list", image=plugin_image))
    [line] = [line for line in listed.splitlines() if line.startswith("booking_log ")]
    assert line.split()[1:4] == ["enabled", "scheduling-booking-log", "1.0.0"]


def test_the_plugin_changed_nothing_else(containers, image, plugin_image):
    def installed(name):
        return set(containers.pip("freeze", image=name).split())

    assert {line.partition("==")[0] for line in installed(plugin_image) - installed(image)} == {
        "scheduling-booking-log"
    }
    assert installed(image) <= installed(plugin_image)
    assert containers.inspect(plugin_image)["Config"]["User"] == "10001:10001"


def test_another_version_of_what_is_there_is_refused(containers, image):
    arguments = ("install", "--no-index", "--dry-run", "--constraint=/app/constraints.txt", "click<8")
    output = containers.pip(*arguments, status=1)
    assert "conflict" in output.lower()
