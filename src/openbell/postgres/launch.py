"""Start a program as another user that ends with its parent. Runs as a script of its own, in a fresh interpreter.

    python launch.py UID GID PARENT_PID PROGRAM ARGUMENT…

A step between parent and program, because code between fork and exec of a process with threads can deadlock. UID 0
means: stay who you are (PostgreSQL refuses to run as root, so nobody can mean it).
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Drop privileges, tie this process to its parent, and become the program."""
    uid, gid, parent_pid = (int(number) for number in arguments[:3])
    program = arguments[3:]
    if uid:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    os.umask(0o077)
    if sys.platform == "linux":
        # After setuid, which clears it. SIGINT is PostgreSQL's fast shutdown. Elsewhere the next start cleans up.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGINT), 0, 0, 0)
        if os.getppid() != parent_pid:
            sys.exit(f"the starting process {parent_pid} has already ended")
    os.execv(program[0], program)  # noqa: S606 -- the arguments come from embedded.py


if __name__ == "__main__":
    main(sys.argv[1:])
