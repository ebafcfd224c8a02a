"""The package verifiers: its environments, played by a client that waits for our own answers.

An environment of that package asks a client for answers and goes on by itself. The client here
hands each prompt over and waits for the answer, so that what was sampled stays ours to the token.
It is imported when an episode begins, and never to list, compose or plan.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.util import find_spec
from queue import Empty, Queue
from threading import Thread
from typing import Any

from etude.errors import DataError
from etude.tasks.game import Messages

#: The package, and what is typed where it is missing.
PACKAGE = "verifiers"
INSTALL = "pip install 'etude[verifiers]'"


class HostedEpisode:
    """One episode of an environment of the package, a row of its dataset.

    The row is the one whose number the seed leaves when divided by how many there are; ``split`` is
    ``train``, or ``test`` for its evaluation rows.
    """

    def __init__(self, name: str, arguments: Mapping[str, Any], seconds: float) -> None:
        self.name = name
        self.arguments = dict(arguments)
        self.seconds = seconds
        self.done = False
        self._played: _Played | None = None
        self._said: list[dict[str, str]] = []

    def reset(self, seed: int, split: str = "train") -> Messages:
        """Begin with a row; raises DataError where the environment cannot be had or played."""
        self.close()
        environment = loaded(self.name, tuple(sorted(self.arguments.items())))
        rows = environment.get_eval_dataset() if split == "test" else environment.get_dataset()
        self.done = False
        self._played = _Played(environment, dict(rows[seed % len(rows)]), self.seconds)
        asked = self._played.prompt()
        if asked is None:
            raise DataError(
                f"environment {self.name}: an episode ended before anything was asked:"
                f" {self._played.ended()}"
            )
        self._said = asked
        return [*asked]

    def step(self, text: str) -> tuple[Messages, bool]:
        """Hand an answer over; return what the environment says then, and whether it ended."""
        if self._played is None:
            raise DataError(f"environment {self.name}: a turn before the episode began")
        self._played.answer(text)
        asked = self._played.prompt()
        if asked is None:
            self.done = True
            return [], True
        before = len(self._said)
        if asked[:before] != self._said or asked[before]["role"] != "assistant":
            raise DataError(
                f"environment {self.name} rewrites what was said before turn"
                f" {1 + sum(each['role'] == 'assistant' for each in asked)}, and a row is an"
                " append-only text"
            )
        self._said = asked
        return asked[before + 1 :], False

    def parts(self) -> dict[str, float]:
        """Return the named rewards: the environment's own, and whether it is above 0."""
        output = self._played.output() if self._played is not None and self.done else {}
        reward = float(output.get("reward") or 0.0)
        return {"reward": reward, "accuracy": float(reward > 0)}

    def close(self) -> None:
        """End the episode wherever it is."""
        played, self._played = self._played, None
        if played is not None:
            played.close()


@lru_cache(maxsize=8)
def loaded(name: str, arguments: tuple[tuple[str, Any], ...]) -> Any:
    """Return an environment of the package by its name, as its own ``load_environment`` does.

    Raises DataError where the package, or the environment's own, is missing, or it offers tools,
    which only its own client understands.
    """
    if find_spec(PACKAGE) is None:
        raise DataError(f"environment verifiers needs the package {PACKAGE}: {INSTALL}")
    import verifiers as vf

    if not hasattr(vf, "load_environment"):
        raise DataError(
            f"environment verifiers: {PACKAGE} {getattr(vf, '__version__', '')} has no"
            f" load_environment: from 0.4 on its tasks are programs of their own; {INSTALL}"
        )
    try:
        environment = vf.load_environment(name, **dict(arguments))
    except Exception as error:  # whatever a stranger's module raises while it is loaded
        raise DataError(
            f"environment verifiers: {PACKAGE} has no environment '{name}' that loads:"
            f" {str(error)[:300]}"
        ) from error
    if getattr(environment, "tool_defs", None):
        raise DataError(
            f"environment verifiers: '{name}' offers tools, which this client does not hand on;"
            " environments that speak in messages alone are played"
        )
    return environment


class _Played:
    """An episode that is played in a thread of its own, and stops wherever an answer is due."""

    def __init__(self, environment: Any, row: dict[str, Any], seconds: float) -> None:
        self._seconds = seconds
        self._asked: Queue[list[dict[str, str]] | None] = Queue()
        self._answers: Queue[str | None] = Queue()
        self._output: Mapping[str, Any] = {}
        self._error = ""
        self._thread = Thread(target=self._play, args=(environment, row), daemon=True)
        self._thread.start()

    def prompt(self) -> list[dict[str, str]] | None:
        """Return what is asked next, None at the end; raises DataError where nothing comes."""
        try:
            asked = self._asked.get(timeout=self._seconds)
        except Empty:
            raise DataError(f"nothing was asked for {self._seconds:g} seconds") from None
        if asked is None and self._error:
            raise DataError(self._error)
        return asked

    def answer(self, text: str) -> None:
        """Answer what was asked."""
        self._answers.put(text)

    def output(self) -> Mapping[str, Any]:
        """Return the finished episode's reward and metrics, as the package gives them."""
        self._thread.join(self._seconds)
        return self._output

    def ended(self) -> str:
        """Return in words how it ended."""
        return str(self._output.get("error") or self._output.get("stop_condition") or "at once")

    def close(self) -> None:
        """Have the thread end."""
        self._answers.put(None)
        self._thread.join(self._seconds)

    def _play(self, environment: Any, row: dict[str, Any]) -> None:
        try:
            client = _client(self._asked, self._answers)
            self._output = asyncio.run(environment.run_rollout(row, client, "policy", {}))
            error = self._output.get("error")
            if error:
                self._error = f"the environment failed: {str(error)[:300]}"
        except asyncio.CancelledError:
            self._error = "the episode was given up"
        except Exception as error:  # told where the episode is played
            self._error = f"the environment failed: {type(error).__name__}: {str(error)[:300]}"
        finally:
            self._asked.put(None)


def _client(asked: Queue[Any], answers: Queue[Any]) -> Any:
    """Return a client of the package that hands prompts over and waits for answers."""
    from verifiers.clients import Client
    from verifiers.types import Response, ResponseMessage

    class Handing(Client):
        def setup_client(self, config: Any) -> None:
            return None

        async def to_native_tool(self, tool: Any) -> Any:
            return tool

        async def to_native_prompt(self, messages: Any) -> tuple[list[dict[str, str]], dict]:
            return [_plain(message) for message in messages], {}

        async def get_native_response(
            self, prompt: Any, model: str, sampling_args: Any, tools: Any = None, **more: Any
        ) -> str:
            asked.put(prompt)
            text = await asyncio.to_thread(answers.get)
            if text is None:
                raise asyncio.CancelledError
            return str(text)

        async def raise_from_native_response(self, response: str) -> None:
            return None

        async def from_native_response(self, response: str) -> Any:
            message = ResponseMessage(content=response, finish_reason="stop", is_truncated=False)
            return Response(id="own", created=0, model="policy", message=message)

        async def close(self) -> None:
            return None

    return Handing(None)


def _plain(message: Any) -> dict[str, str]:
    """Return a message as role and text; raises DataError where it holds anything else."""
    given = message if isinstance(message, Mapping) else message.model_dump()
    content = given.get("content") or ""
    if isinstance(content, Sequence) and not isinstance(content, str):
        parts: list[Any] = list(content)
        if any(not isinstance(part, Mapping) or part.get("type") != "text" for part in parts):
            raise DataError("a message holds more than text, which no row can")
        content = "".join(str(part["text"]) for part in parts)
    return {"role": str(given["role"]), "content": str(content)}
