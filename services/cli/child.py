"""Starts a program so that it ends with the supervisor, even with one that was killed and could not say goodbye.

A launcher of its own, since code between fork and exec (`preexec_fn`) may deadlock in a process with threads.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1
CANNOT_EXECUTE = 127


def launched(argv: Sequence[str]) -> list[str]:
    """The command line that runs `argv` as a child bound to this process.

    On Linux it is bound to the THREAD that starts it, which must live as long as the process: the main thread.
    """
    # By path and isolated: it starts in milliseconds, and the program's environment and directory do not matter.
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), "--", *argv]


def main(arguments: Sequence[str]) -> None:
    """Become the program `argv` of the command line `<parent> -- argv...`."""
    if len(arguments) < 3 or not arguments[0].isdigit() or arguments[1] != "--":
        raise SystemExit("usage: child <parent process id> -- program [argument ...]")
    parent, argv = int(arguments[0]), list(arguments[2:])
    if sys.platform == "linux":
        _die_with_parent()
    # The parent may have ended before the kernel was told to watch it.
    if os.getppid() != parent:
        raise SystemExit(f"the supervisor {parent} is gone; {argv[0]} is not started")
    try:
        os.execvp(argv[0], argv)  # noqa: S606 # the arguments as they are are what is wanted
    except OSError as error:
        sys.stderr.write(f"cannot run {argv[0]}: {error.strerror}\n")
        raise SystemExit(CANNOT_EXECUTE) from None


def _die_with_parent() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")


if __name__ == "__main__":
    main(sys.argv[1:])
