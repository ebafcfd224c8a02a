"""Messages between a harness and the judging process: a line of JSON each."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any


class Channel:
    """Reads from one file descriptor and writes to another; children inherit neither."""

    def __init__(self, jobs: int, results: int) -> None:
        os.set_inheritable(jobs, False)
        os.set_inheritable(results, False)
        # Bound here, before anything of the program has run.
        self._write, self._read = os.write, os.read
        self._dump: Callable[[Any], str] = json.JSONEncoder(separators=(",", ":")).encode
        self._load: Callable[[str], Any] = json.JSONDecoder().decode
        self._jobs, self._results = jobs, results
        self._held = b""
        os.register_at_fork(after_in_child=self.close)

    def close(self) -> None:
        """Close both ends."""
        for descriptor in (self._jobs, self._results):
            os.close(descriptor)

    def receive(self) -> Any:
        """Return the next message; raises EOFError when there is none to come."""
        parts = [self._held]
        while b"\n" not in parts[-1]:
            part = self._read(self._jobs, 65536)
            if not part:
                raise EOFError("nobody asks any more")
            parts.append(part)
        line, _, self._held = b"".join(parts).partition(b"\n")
        return self._load(line.decode())

    def send(self, message: Any) -> None:
        """Write a message."""
        data = self._dump(message).encode() + b"\n"
        while data:
            data = data[self._write(self._results, data) :]
