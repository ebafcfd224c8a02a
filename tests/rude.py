"""Environments that do what none may, for the tests of what keeps them."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from dataclasses import dataclass
from typing import Any

from etude.environment.interface import Environment


@dataclass(frozen=True)
class Rude(Environment):
    """Behaves as its name says, in the tool ``act`` or before."""

    kind: str

    def make(self) -> Any:
        """Return an object that misbehaves."""
        return Thing(self.kind)


class Thing:
    """A counter that is polite where ``kind`` is nothing."""

    def __init__(self, kind: str = "") -> None:
        self.kind = kind
        self.count = 0
        self.child = 0

    def reset(self, seed: int, level: int = 1) -> Any:
        self.level = level
        self.drawn = random.random()
        if self.kind == "reset hangs":
            time.sleep(600)
        if self.kind == "reset returns text":
            return "hello"
        if self.kind == "reset says megabytes":
            return [{"role": "user", "content": "m" * 10**7}]
        return [{"role": "user", "content": f"level {level}"}]

    def add(self, number: int, twice: bool = False) -> Any:
        """Adds to the count.

        Args:
            number: What is added.
            twice: Whether it is added twice.
        """
        self.count += number * (1 + twice)
        match self.kind:
            case "hangs":
                time.sleep(600)
            case "spins":
                while True:
                    pass
            case "exits":
                os._exit(3)
            case "is killed":
                os.kill(os.getpid(), signal.SIGKILL)
            case "leaves":
                sys.exit(1)
            case "closes everything":
                os.closerange(3, 100)
            case "says megabytes":
                return "m" * 10**7
            case "takes memory":
                return "m" * 10**10
            case "returns an object":
                return object()
            case "raises":
                raise ValueError("no such number")
            case "prints":
                print("p" * 10**6, flush=True)
                os.write(1, b"q" * 10**5)
            case "draws":
                random.seed(7)
                self.drawn = random.random()
            case "forks":
                self.child = os.fork()
                if not self.child:
                    return "from the child"
            case "forks a sleeper":
                self.child = os.fork()
                if not self.child:
                    os.setsid()
                    time.sleep(600)
        return {"count": self.count}

    def draw(self) -> float:
        """Draws a number."""
        return random.random()

    def parts(self) -> Any:
        if self.kind == "parts are text":
            return {"count": "three"}
        if self.kind == "parts are nan":
            return {"count": float("nan")}
        return {"count": float(self.count), "child": float(self.child)}
