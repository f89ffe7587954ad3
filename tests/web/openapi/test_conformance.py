"""Schemathesis calls a running application in many ways, and compares each answer with the document."""

import os
import re
import subprocess
from pathlib import Path

from scheduling.testing.processes import program

CONFIG = Path(__file__).with_name("schemathesis.toml")


def test_every_answer_is_what_the_document_says(own_site, url, tmp_path):
    own_site.clear()
    tokens = {
        "ADMIN_TOKEN": own_site.user("Admin", admin=True).token,
        "OTHER_TOKEN": own_site.user("Bob").token,
    }
    ended = subprocess.run(
        [
            program("schemathesis"),
            f"--config-file={CONFIG}",
            "run",
            f"{url}/api/v1/openapi.json",
            f"--url={url}",
        ],
        cwd=tmp_path,
        env={**os.environ, **tokens},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-20_000:] + ended.stderr
    [tested] = re.findall(r"^ *Tested: (\d+)$", ended.stdout, re.MULTILINE)
    assert int(tested) > 30
    # A token that no longer holds would make every other answer right too.
    assert own_site.app.get("/api/v1/users", headers={"Authorization": f"Bearer {tokens['ADMIN_TOKEN']}"})
