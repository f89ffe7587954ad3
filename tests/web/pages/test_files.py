"""Static files: a hash in the name, a year in every cache; what lies beside them is not served."""

import hashlib
import re

import pytest

from scheduling.web.pages.files import FOLDER, StaticFiles

SWAGGER = FOLDER / "swagger-ui"


def test_a_name_changes_with_the_bytes_alone(tmp_path):
    (tmp_path / "a.css").write_text("one")
    first = StaticFiles(tmp_path).path("a.css")
    assert re.fullmatch(r"/static/a\.[0-9a-f]{16}\.css", first)
    assert StaticFiles(tmp_path).path("a.css") == first
    (tmp_path / "a.css").write_text("two")
    assert StaticFiles(tmp_path).path("a.css") != first


def test_what_has_no_media_type_is_not_served(tmp_path):
    for name in ("a.css", "README.md", "LICENSE", "a.js.LICENSE.txt"):
        (tmp_path / name).write_text("text")
    assert len(StaticFiles(tmp_path).by_name) == 1


def test_a_cache_keeps_a_file_for_a_year_and_never_asks(site):
    for name in site.registry.static_files.by_name:
        answer = site.app.get(f"/static/{name}")
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize(
    ("file", "media_type"),
    [
        ("page.css", "text/css; charset=utf-8"),
        ("docs.js", "text/javascript; charset=utf-8"),
        ("icon.svg", "image/svg+xml"),
    ],
)
def test_a_file_is_served_as_it_is(site, file, media_type):
    answer = site.app.get(site.registry.static_files.path(file))
    assert answer.body == (FOLDER / file).read_bytes()
    assert answer.headers["Content-Type"] == media_type


def test_swagger_ui_is_the_release_that_its_readme_names():
    readme = (SWAGGER / "README.md").read_text()
    named = {name: digest for digest, name in re.findall(r"^ +([0-9a-f]{64})  (\S+)$", readme, re.MULTILINE)}
    files = [path for path in SWAGGER.iterdir() if path.name != "README.md"]
    assert named == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    version = re.search(r"`swagger-ui-dist (\d+\.\d+\.\d+)`", readme)[1]
    assert f'"{version}"' in (SWAGGER / "swagger-ui-bundle.js").read_text()
