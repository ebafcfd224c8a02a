"""The package openenv: a session with an environment that a server of its kind plays.

It is imported when an episode begins, and never to list, compose or plan.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from etude.errors import DataError
from etude.tasks.game import Messages, told

#: The package, and what is typed where it is missing.
PACKAGE = "openenv"
INSTALL = "pip install 'etude[openenv]'"

#: What an action of the server's may be given as where it is a number, true or false.
_READ = {"integer": int, "number": float}


class ServerEpisode:
    """One episode on a server: what is said becomes an action, what is observed a message.

    The text of a turn is the action's ``field``, read as the number that the server's schema says
    it is; an action that the server refuses is answered by its words. The observation's ``shown``
    is what the player is told, everything of it as JSON where that is empty.
    """

    def __init__(self, url: str, field: str, shown: str, seconds: float) -> None:
        self.url = url
        self.field = field
        self.shown = shown
        self.seconds = seconds
        self.reward = 0.0
        self.refused = 0
        self.done = False
        self._client: Any = None
        self._kind = "string"

    def reset(self, seed: int) -> Messages:
        """Begin an episode; raises DataError where the server cannot be reached or refuses it."""
        self.close()
        try:
            self._client = _client(self.url, self.seconds)
            self._kind = _kind_of(self.url, self.field, self.seconds)
            result = self._client.reset(seed=seed % 2**31)
        except DataError:
            raise
        except Exception as error:  # the package names no errors of its own for a lost server
            raise DataError(
                f"environment openenv: the server at {self.url} began no episode"
                f" ({type(error).__name__}: {str(error)[:200]}); it is one of the package"
                f" {PACKAGE} that runs already (environment url=http://127.0.0.1:PORT)"
            ) from error
        self.reward, self.refused = 0.0, 0
        self.done = bool(result.done)
        return told(self._text(result.observation))

    def step(self, text: str) -> tuple[Messages, bool]:
        """Send an action and say what is observed then."""
        value = _read(text, self._kind)
        if value is None:
            self.refused += 1
            return told(f"no {self._kind}\n"), False
        try:
            result = self._client.step({self.field: value})
        except RuntimeError as error:  # what the server answers to an action that it refuses
            if "VALIDATION" not in str(error).upper():
                raise
            self.refused += 1
            return told(f"refused: {str(error)[:200]}\n"), False
        self.reward += float(result.reward or 0.0)
        self.done = bool(result.done)
        return told(self._text(result.observation)), self.done

    def parts(self) -> dict[str, float]:
        """Return the named rewards: the sum over steps, and whether it is above 0."""
        return {"reward": self.reward, "accuracy": float(self.reward > 0)}

    def close(self) -> None:
        """End the session."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _text(self, observation: Any) -> str:
        if not self.shown:
            return json.dumps(observation, ensure_ascii=False, sort_keys=True, default=str) + "\n"
        if not isinstance(observation, Mapping) or self.shown not in observation:
            there = ", ".join(map(str, observation)) if isinstance(observation, Mapping) else "none"
            raise DataError(
                f"environment openenv: an observation has no '{self.shown}'; it has {there}"
                " (environment shown=NAME, or shown='' for all of it)"
            )
        value = observation[self.shown]
        return (value if isinstance(value, str) else json.dumps(value, default=str)) + "\n"


def _client(url: str, seconds: float) -> Any:
    if find_spec(PACKAGE) is None:
        raise DataError(f"environment openenv needs the package {PACKAGE}: {INSTALL}")
    from openenv.core import GenericEnvClient

    client = GenericEnvClient(base_url=url, connect_timeout_s=seconds, message_timeout_s=seconds)
    return client.sync().__enter__()


def _kind_of(url: str, field: str, seconds: float) -> str:
    """Return the JSON type of an action's field; raises DataError where actions have no such."""
    import httpx

    schema = httpx.get(f"{url.rstrip('/')}/schema", timeout=seconds).raise_for_status().json()
    known = schema.get("action", {}).get("properties", {})
    if known and field not in known:
        names = ", ".join(name for name in known if name != "metadata")
        raise DataError(
            f"environment openenv: actions at {url} have no field '{field}'; they have {names}"
        )
    return str(known.get(field, {}).get("type", "string"))


def _read(text: str, kind: str) -> Any:
    """Return a text as a value of a JSON type, None where it is none."""
    bare = text.strip()
    if kind in _READ:
        try:
            return _READ[kind](bare)
        except ValueError:
            return None
    if kind == "boolean":
        return {"true": True, "false": False}.get(bare.lower())
    return text if kind != "array" and kind != "object" else _parsed(bare)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
