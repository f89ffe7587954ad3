import os
import subprocess
import sys
import time

import pytest

from bench.measure import Cpu, cpu_seconds, memory_mib
from scheduling.testing.processes import wait_for

BURN = "import time\nwhile time.process_time() < 0.35: pass"
BURN_IN_A_CHILD = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BURN!r}])"


@pytest.fixture
def start_program():
    """Runs Python code that says when it is done, and then waits."""
    programs = []

    def start(code):
        command = [sys.executable, "-uc", f"{code}\nprint('done')\nimport sys; sys.stdin.read()"]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        programs.append(process)
        assert process.stdout.readline() == b"done\n"
        return process.pid

    yield start
    for process in programs:
        process.communicate()


@pytest.mark.parametrize("code", [BURN, BURN_IN_A_CHILD], ids=["its own", "an ended child's"])
def test_the_cpu_of_a_family_is_counted(start_program, code):
    assert cpu_seconds(start_program(code)) >= 0.3


def test_the_cpu_of_a_living_child_is_counted(start_program):
    waiting = f"{BURN}\nimport sys; sys.stdin.read()"
    code = f"import subprocess, sys; child = subprocess.Popen([sys.executable, '-c', {waiting!r}])"
    pid = start_program(code)
    wait_for(lambda: cpu_seconds(pid) >= 0.3)


def test_only_what_was_used_since_counts():
    cpu = Cpu(me=os.getpid())
    before = time.process_time()
    while time.process_time() < before + 0.2:
        pass
    assert 0.15 < cpu.used()["me"] < time.process_time() - before + 0.1


def test_memory_that_is_filled_is_counted(start_program):
    assert memory_mib(start_program("kept = b'x' * 50_000_000")) > memory_mib(start_program("")) + 40
