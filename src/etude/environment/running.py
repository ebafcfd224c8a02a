"""One episode in its worker: the object of an environment, reset, told turns, and asked for parts.

Whatever the object does comes out as plain values of bounded size, or as :class:`Broken`.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import math
import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from numbers import Real
from typing import Any

from etude.environment.tools import misfit, schemas_of, tools_of

#: Most messages of one answer, names of parts, and characters of a state.
_MESSAGES, _PARTS, _STATE = 64, 64, 2**20

#: Characters of what a tool raised that the model is told.
_RAISED = 500


class Broken(Exception):
    """What an environment did that no environment may: its episode has no parts."""

    says_where = True


@dataclass
class Running:
    """The object of one episode; ``most`` are the characters of a text that it may say.

    ``known`` are the descriptions of its tools, None where they are to be found.
    """

    thing: Any
    seed: int
    most: int
    known: list[dict[str, Any]] | None = None
    asked: int = field(default=0, init=False)
    cut: int = field(default=0, init=False)

    @cached_property
    def tools(self) -> dict[str, Any]:
        """Return its tools by name."""
        return tools_of(self.thing)

    @cached_property
    def schemas(self) -> list[dict[str, Any]]:
        """Return the descriptions of its tools."""
        return schemas_of(self.tools) if self.known is None else self.known

    def reset(self, columns: Mapping[str, Any]) -> dict[str, Any]:
        """Return the messages that the conversation begins with."""
        self._seeded()
        given = _wanted_of(self.thing.reset, columns)
        messages = self._messages(self.thing.reset(self.seed, **given), "reset")
        if not messages:
            raise Broken(
                "reset returned no messages; it returns those the conversation begins with"
            )
        return {"messages": messages, "cut": self._cut()}

    def turn(self, calls: Sequence[Mapping[str, Any]], text: str) -> dict[str, Any]:
        """Return what comes of a turn: its calls are made, or ``step`` is told its text."""
        self._seeded()
        found: dict[str, Any] = {"malformed": 0, "failed": 0, "done": False, "over": ""}
        if calls:
            found["messages"] = [self._called(call, found) for call in calls]
        elif hasattr(self.thing, "step"):
            found["messages"], found["done"] = self._stepped(text)
        else:
            found |= {"messages": [], "over": "no_call"}
        found["done"] = bool(found["done"] or getattr(self.thing, "done", False))
        named = tuple(getattr(self.thing, "turn_parts", ()))
        if named:
            parts = self._parts()
            found["turn_parts"] = {name: parts[name] for name in named if name in parts}
        if hasattr(self.thing, "state_dict"):
            found["state"] = self._state()
        found["cut"] = self._cut()
        return found

    def finish(self, messages: Sequence[Mapping[str, str]]) -> dict[str, Any]:
        """Return the parts of the episode, and what it was right for where that is known."""
        self._seeded()
        found: dict[str, Any] = {"parts": self._parts()}
        if hasattr(self.thing, "goal_of"):
            goal = self.thing.goal_of([dict(each) for each in messages])
            found["goal"] = json.loads(_bounded(json.dumps(goal), "what goal_of returned"))
        return found

    def close(self) -> dict[str, Any]:
        """Close the object."""
        if hasattr(self.thing, "close"):
            self.thing.close()
        return {}

    def restore(self, columns: Mapping[str, Any], state: Any, asked: int) -> dict[str, Any]:
        """Go on from a state in a fresh object, as if ``asked`` commands had been given."""
        self.asked = asked
        self.thing.load_state_dict(state)
        return {}

    # Within --------------------------------------------------------------------------------

    def _seeded(self) -> None:
        """Seed the random state of the process: what uses it is the episode's own, and repeats."""
        said = f"{self.seed} {self.asked}".encode()
        number = int.from_bytes(hashlib.blake2b(said, digest_size=8).digest(), "little")
        self.asked += 1
        random.seed(number)
        if "numpy" in sys.modules:
            sys.modules["numpy"].random.seed(number % 2**32)

    def _called(self, call: Mapping[str, Any], found: dict[str, Any]) -> dict[str, str]:
        name, arguments = call.get("name"), call.get("arguments")
        fault = call.get("fault") or misfit(self.schemas, name, arguments)
        if fault is not None:
            found["malformed"] += 1
            said = f"error: {fault}"
        else:
            try:
                said = _text(self.tools[str(name)](**(arguments or {})), str(name))
            except Broken:
                raise
            except Exception as error:  # what a tool refuses is told to whoever called it
                found["failed"] += 1
                said = f"error: {type(error).__name__}: {error}"[:_RAISED]
        return {"role": "tool", "content": self._short(said)}

    def _stepped(self, text: str) -> tuple[list[dict[str, str]], bool]:
        returned = self.thing.step(text)
        if not isinstance(returned, tuple) or len(returned) != 2:
            raise Broken(f"step returned {_kind(returned)}; it returns (messages, done)")
        messages, done = returned
        if not isinstance(done, bool):
            raise Broken(f"step returned done={_kind(done)}; it is true or false")
        return self._messages(messages, "step"), done

    def _messages(self, value: Any, of: str) -> list[dict[str, str]]:
        if not isinstance(value, (list, tuple)) or len(value) > _MESSAGES:
            raise Broken(f"{of} returned {_kind(value)} in the place of a list of messages")
        found = []
        for each in value:
            texts = isinstance(each, Mapping) and {"role", "content"} <= each.keys()
            if not texts or not all(isinstance(each[key], str) for key in ("role", "content")):
                raise Broken(
                    f'{of} returned a message {_kind(each)}; one is {{"role": …, "content": …}}'
                )
            found.append({"role": each["role"][:40], "content": self._short(each["content"])})
        return found

    def _parts(self) -> dict[str, float]:
        returned = self.thing.parts()
        if not isinstance(returned, Mapping) or len(returned) > _PARTS:
            raise Broken(f"parts returned {_kind(returned)}; it returns names → numbers")
        for name, value in returned.items():
            number = value.item() if callable(getattr(value, "item", None)) else value
            if not isinstance(number, Real) or not math.isfinite(float(number)):
                raise Broken(f"the part '{str(name)[:60]}' is {_kind(value)}, no finite number")
        return {str(name): float(value) for name, value in returned.items()}

    def _state(self) -> Any:
        return json.loads(_bounded(json.dumps(self.thing.state_dict()), "what state_dict returned"))

    def _short(self, text: str) -> str:
        if len(text) <= self.most:
            return text
        self.cut += 1
        return text[: self.most] + "…"

    def _cut(self) -> int:
        found, self.cut = self.cut, 0
        return found


def _wanted_of(reset: Any, columns: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns that ``reset`` has parameters for, all where it takes any."""
    parameters = list(inspect.signature(reset).parameters.values())[1:]
    if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters):
        return dict(columns)
    return {each.name: columns[each.name] for each in parameters if each.name in columns}


def _text(value: Any, of: str) -> str:
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise Broken(f"the tool {of} returned {_kind(value)}, which is no text and no JSON") from (
            error
        )


def _bounded(text: str, what: str) -> str:
    if len(text) > _STATE:
        raise Broken(f"{what} has {len(text)} characters as JSON; at most {_STATE} are kept")
    return text


def _kind(value: Any) -> str:
    shown = repr(value) if isinstance(value, (int, float, str, type(None))) else ""
    if isinstance(value, (list, tuple, Mapping)):
        return f"a {type(value).__name__} of {len(value)}"
    return shown if 0 < len(shown) < 60 else f"a {type(value).__name__}"
