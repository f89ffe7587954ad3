"""Ends a program that a test started when the tests have ended, however they do."""

from subprocess import DEVNULL, PIPE, Popen


class Guard:
    """A shell that waits for the end of this process, even by SIGKILL, and then sends signals to another."""

    def __init__(self, pid: int, *signals: str) -> None:
        kills = "; ".join(f'kill -{signal} "$1"' for signal in signals)
        # The pipe closes when this process ends.
        command = ["/bin/sh", "-c", f"read -r _; {kills}", "guard", str(pid)]
        self._shell = Popen(command, stdin=PIPE, stdout=DEVNULL, stderr=DEVNULL, start_new_session=True)

    def dismiss(self) -> None:
        """End the shell without a signal, or it would one day send one to whoever has the pid by then."""
        self._shell.kill()
        self._shell.communicate()
