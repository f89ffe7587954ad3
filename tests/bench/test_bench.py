"""The whole benchmark, very short."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_benchmark_measures_checked_answers_and_writes_what_it_found(tmp_path):
    out = tmp_path / "bench.json"
    command = [sys.executable, "-m", "bench", "--seconds", "0.3", "--connections", "2", "--out", out]
    command += ["--scenario", "get", "--scenario", "create"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(out.read_text())
    assert [run["scenario"] for run in result["runs"]] == ["get", "create"]
    for run in result["runs"]:
        assert run["failed"] == 0
        assert min(run["rate"], run["p50_ms"], run["server_us"], run["client_us"]) > 0
    # The token cut-offs are read too, but not for every request.
    assert 1 <= result["statements"]["get"] < 2
    assert result["statements"]["create"] >= 1
    assert result["memory_mib"]["at start"] > 10
    assert result["wrong"] == {}
