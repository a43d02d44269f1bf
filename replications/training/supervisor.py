"""Run a program, and end it with all that it started once the process that asked for it is gone.

`workers` runs this file by its path, in a session of its own and with a pipe as standard input. The
other end of the pipe closes however the process that holds it dies. Standard library only.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading


def main(command: list[str]) -> int:
    """Run a program to its end; its exit status, 128 + N where the signal N ended it."""
    threading.Thread(target=_end_with_the_pipe, daemon=True).start()
    status = subprocess.call(command, stdin=subprocess.DEVNULL)
    return 128 - status if status < 0 else status


def _end_with_the_pipe() -> None:
    os.read(sys.stdin.fileno(), 1)  # nothing is ever written: it returns when the pipe closes
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
