"""What an environment is: a component that makes plain objects, one for each episode.

The object that :meth:`Environment.make` returns is used in a worker process, for one episode. It
has

- ``reset(seed, …) -> messages``: the conversation to begin with, a list of ``{"role", "content"}``;
  every other parameter is a column of the row, one without a default has to be there. What is
  random in it follows from ``seed``, which is the same for all answers to a row;
- tools, which are all other public methods: typed, with a docstring whose ``Args:`` says what each
  parameter is (``transformers.utils.get_json_schema`` reads both). What one returns is a text, or
  becomes one as JSON; what it raises is told to the model as its answer;
- or ``step(text) -> (messages, done)``, which hears every turn of the model that calls no tool;
  where there is none, such a turn ends the episode. What it raises is the environment's failure;
- ``parts() -> {name: number}``: the rewards, asked once at the end;
- where wanted: ``turn_parts``, a tuple of the names of those parts that are asked after every turn
  and are earned by it (the part of the episode is their sum); ``done``, an attribute that ends the
  episode after a turn; ``close()``; ``goal_of(messages)``, what an episode that went this way would
  have been right for, as JSON; ``state_dict()`` and ``load_state_dict(state)``, JSON, with which an
  episode goes on in another process (after ``load_state_dict`` on a fresh object), where it would
  be played again from its seed otherwise.

The random states of ``random`` and numpy are set before each of these calls by the seed and how
often the object was asked, so that what draws from them is the same again.

This module imports nothing heavy.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from etude.component import Declaration, Need

#: The names of an environment's object that are no tools.
PROTOCOL = frozenset(
    {"reset", "step", "parts", "turn_parts", "done", "close", "goal_of", "worked"}
    | {"state_dict", "load_state_dict"}
)

#: What an environment requires that is its own source of rows; the source of such provides it.
OWN_ROWS = "rows:episodes"

#: What every environment requires: an episode that plays with it.
PLAYED = {"what": "plays:environments", "why": "to be played"}

#: What a verifier provides whose parts are those of the environments.
PARTS = "parts:environments"


class Environment(ABC):
    """A component of the group ``environment``: its fields are options, and it makes the object.

    It declares the names of its parts (``provides=["part:solved"]``) and the columns that ``reset``
    cannot do without (``requires=[Need("column:answer", why="…")]``). One that makes its problems
    itself from seeds and levels requires rows made for it instead
    (``requires=[Need(OWN_ROWS, why="…")]``, which ``data_mix=episodes`` gives).
    """

    declaration: ClassVar[Declaration]
    base_requires: ClassVar[tuple[Need, ...]] = (Need(**PLAYED),)

    @abstractmethod
    def make(self) -> Any:
        """Return a fresh object for one episode, as this module says; run in a worker process."""
