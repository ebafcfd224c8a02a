"""The process that starts programs: small and of one thread, so that forking is quick and safe.

One belongs to each judging process. It ends when that process closes its socket, also by dying, and
it knows nothing but what to run: no test's right answer ever comes here.
"""

from __future__ import annotations

import os
import signal
import socket
import sys

from etude.verifier.sandbox.guardian import Ends, guard
from etude.verifier.sandbox.job import DESCRIPTORS, Job


def main(descriptor: int) -> None:
    """Serve until the socket is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # guardians report by themselves
    served = socket.socket(fileno=descriptor)
    served.set_inheritable(False)
    while True:
        message, given, _, _ = socket.recv_fds(served, 2**16, len(DESCRIPTORS))
        if not message:
            return
        if os.fork() == 0:
            served.close()
            guard(Job.decoded(message), Ends(*given))
        for each in given:
            os.close(each)


if __name__ == "__main__":
    main(int(sys.argv[1]))
