"""Runs the commands of a Markdown page against a server, to compare their output with what the page shows."""

import re
import subprocess

_END = "\x1e"


def commands(page):
    """Return the commands in the ``console`` blocks of a page, each with the output that it shows."""
    blocks = re.findall(r"^```console\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    parts = [part for block in blocks for part in re.split(r"^\$ ", block, flags=re.MULTILINE) if part]
    return [_split(part.rstrip("\n")) for part in parts]


def _split(command):
    # A command goes on in lines that are indented, its output ends at the next command.
    lines = command.splitlines()
    length = next((n for n, line in enumerate(lines) if n and not line.startswith("    ")), len(lines))
    return "\n".join(lines[:length]), "\n".join(lines[length:])


def run(commands, installation, folder):
    """Run commands in one shell, in a folder; return their outputs. Raises where one fails."""
    script = "".join(f"{command}\nprintf '{_END}'\n" for command in commands)
    done = subprocess.run(
        ["sh", "-eu", "-c", script.replace("http://localhost:3000", installation.web.url)],
        cwd=folder,
        env=installation.environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return [output.strip() for output in done.stdout.split(_END)[:-1]]


def masked(output):
    """Replace what is another in each run: tokens, moments of today, cursors and ETags."""
    output = re.sub(r"eyJ[\w.…-]+", "TOKEN", output)
    output = re.sub(r"cursor=[\w…-]+", "CURSOR", output)
    output = re.sub(r'"(\d+\.)?[0-9a-f]{16,}"', "ETAG", output)
    # Bookings of the examples are in 2098.
    return re.sub(r"20[2-8]\d-\d\d-\d\dT[\d:.]+Z", "MOMENT", output)
