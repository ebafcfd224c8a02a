"""Files of a person for tests, and commands composed in the folder where they lie."""

from __future__ import annotations

import textwrap
from pathlib import Path

from etude.config.prepare import Prepared, prepare
from etude.errors import ConfigError
from etude.plan.graph import build_graph
from etude.plan.nodes import Graph

REWARD = """
    def score(prompt, response, columns, *, scale: float = 1.0):
        '''The right answer counts, and so does brevity.'''
        right = response.strip() == columns["answer"]
        return {"accuracy": float(right), "brevity": scale / (1 + len(response))}
"""


def write(folder: Path, **files: str) -> None:
    """Write ``name="text"`` as ``name.py``; two underscores stand for a folder (``lib__text``)."""
    for name, text in files.items():
        path = folder.joinpath(*name.split("__")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))


def composed(*overrides: str, multirun: bool = False) -> Prepared:
    """Return a command of the recipe rl, composed and checked."""
    return prepare(["recipe=rl", *overrides], multirun=multirun)


def planned(folder: Path, *overrides: str) -> Graph:
    """Return the plan of such a command with its outputs in a folder."""
    return build_graph(composed(*overrides).runs, outputs=folder)


def refused(*overrides: str, multirun: bool = False) -> str:
    """Return the report of a command that is refused."""
    try:
        composed(*overrides, multirun=multirun)
    except ConfigError as error:
        return str(error)
    raise AssertionError(f"{overrides} was not refused")


def fingerprint(folder: Path, *overrides: str) -> str:
    """Return the fingerprint of the only stage of such a command."""
    (stage,) = planned(folder, *overrides).stages
    return stage
