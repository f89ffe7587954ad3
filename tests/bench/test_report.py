from dataclasses import replace

import pytest

from bench.report import Fairness, Report, Run, compare, show

MACHINE = {"cpu": "Fast", "cores": 2, "bcrypt_ms": 50.0}
RUN = Run("list", 32, 1000.0, 10.0, 20.0, 400.0, 100.0, 10.0, 0, 1.0)


@pytest.fixture
def report():
    return Report(
        about={"commit": "abc"},
        machine=MACHINE,
        runs=[RUN],
        fairness=[Fairness(32, 20.0, 50.0, 25.0)],
        statements={"list": 1.0},
        memory_mib={"at start": 80.0},
    )


def table(capsys, first):
    """The line of the output that begins with this cell, with one blank between cells."""
    [line] = [line for line in capsys.readouterr().out.splitlines() if line.split()[:1] == [first]]
    return " ".join(line.split())


def test_a_report_is_read_back_as_it_was_saved(report, tmp_path):
    report.save(tmp_path / "folder" / "bench.json")
    assert Report.load(tmp_path / "folder" / "bench.json") == report


def test_a_run_is_shown_with_its_statements(report, capsys):
    show(report)
    assert table(capsys, "list") == "list 32 1000 10.00 20.00 400 100 10 1.0 1 %"


def test_fairness_is_shown_with_its_ratio(report, capsys):
    show(report)
    assert table(capsys, "32") == "32 20.00 50.00 2.50 25.00"


def test_a_run_beside_busy_programs_is_remarked_on(report, capsys):
    show(report)
    assert "run it again" not in capsys.readouterr().out
    report.runs.append(replace(RUN, others_percent=30.0))
    show(report)
    assert "In 1 runs other programs took over 8 %" in capsys.readouterr().out


def test_a_wrong_answer_and_a_failed_request_make_a_report_bad(report):
    assert report.good
    assert not replace(report, wrong={"get": "404"}).good
    assert not replace(report, runs=[replace(RUN, failed=1)]).good


def test_changes_are_in_per_cent(report, capsys):
    now = replace(RUN, rate=1500.0, p50_ms=5.0, p99_ms=20.0, server_us=300.0, database_us=110.0)
    compare(replace(report, runs=[now]), report)
    assert table(capsys, "list") == "list 32 +50 % -50 % +0 % -25 % +10 %"


def test_of_another_machine_only_cpu_is_compared_at_the_speed_of_this_one(report, capsys):
    earlier = replace(report, machine={"cpu": "Slow", "cores": 2, "bcrypt_ms": 100.0})
    compare(report, earlier)
    # On a machine twice as slow the same work had taken half the CPU.
    assert table(capsys, "list") == "list 32 +100 % +100 %"


def test_what_the_earlier_report_has_not_is_left_out(report, capsys):
    compare(report, replace(report, runs=[replace(RUN, scenario="get")]))
    assert "list" not in capsys.readouterr().out
