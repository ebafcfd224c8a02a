"""What runs beside a program whose functions are called: data comes in, and data goes out.

Verdicts never do: what a program does to this code can only make its own values wrong.
"""

from __future__ import annotations

import os
from typing import Any

from etude.verifier.sandbox.data import NotData, decode, encode
from etude.verifier.sandbox.frames import Channel
from etude.verifier.sandbox.hindering import hinder


def main(job: dict[str, Any]) -> None:
    """Load the program and answer calls of its functions."""
    channel = Channel(3, 4)
    names: dict[str, Any] = {"__name__": "program", "__builtins__": __builtins__, "__doc__": None}
    if job["hook"]:
        hinder(os.getcwd())
    for source in job["sources"]:
        exec(compile(source, "<program>", "exec", dont_inherit=True), names)
    _Served(channel, job["nonce"], names).serve()


class _Served:
    """The names of a program, whose functions are called with data and give data."""

    def __init__(self, channel: Channel, nonce: str, names: dict[str, Any]) -> None:
        self.channel = channel
        self.nonce = nonce
        self.names = names
        self.kept: list[Any] = []

    def serve(self) -> None:
        """Answer calls until nobody asks."""
        self._tell(-1, {"loaded": True})
        while True:
            try:
                asked = self.channel.receive()
            except EOFError:
                os._exit(0)
            self._tell(asked["index"], self._answer(asked))

    def _tell(self, index: int, answer: dict[str, Any]) -> None:
        self.channel.send({"nonce": self.nonce, "index": index, **answer})

    def _answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        handle = self._keep if asked["handles"] else None
        try:
            called = self._found(asked["name"])
            positional = [decode(each, self._kept) for each in asked["args"]]
            named = {key: decode(each, self._kept) for key, each in asked["named"].items()}
            given = called(*positional, **named)
            if asked["handles"] and hasattr(type(given), "__next__"):
                given = list(given)
            return {"value": encode(given, handle)}
        except NotData as error:
            return {"no_data": str(error)}
        except MemoryError:
            return {"error": "MemoryError", "memory": True}
        except Exception as error:
            return {"error": f"{type(error).__name__}: {str(error)[:200]}"}

    def _keep(self, value: Any) -> list[Any]:
        self.kept.append(value)
        return [len(self.kept) - 1, bool(value)]

    def _kept(self, held: list[Any]) -> Any:
        return self.kept[held[0]]

    def _found(self, name: str) -> Any:
        if name in self.names:
            return self.names[name]
        solution = self.names.get("Solution")
        if isinstance(solution, type) and hasattr(solution, name):
            return getattr(solution(), name)
        raise NameError(f"the program defines no {name}")
