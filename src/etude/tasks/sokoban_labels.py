"""What actions are called: label spaces, the Answers block of prompts, and reading an action.

The spaces are those of arXiv 2510.00237. ``words`` draws four words a row, so that nearly every row
has a vocabulary of its own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from etude.randomness import generator
from etude.tasks.sokoban import DIRECTIONS

#: Space → the labels of up, down, left and right.
SPACES: dict[str, tuple[str, str, str, str]] = {
    "base": ("Up", "Down", "Left", "Right"),
    "cardinal": ("North", "South", "West", "East"),
    "emoji": ("⬆️", "⬇️", "⬅️", "➡️"),
    "numerical": ("1", "2", "3", "4"),
    "alphabetical": ("A", "B", "C", "D"),
    "random": ("*", "&", "1", "M"),
}

#: The space whose labels are drawn for each row.
WORDS = "words"

#: Labels that need no sentence about what they mean.
_PLAIN = {*SPACES["base"], *SPACES["cardinal"]}

_WORDS = (
    "otter falcon beetle heron badger salmon gecko moose lynx raven toad weasel puffin squid"
    " hornet camel ferret swan mule crab bison iguana stork mole shrimp panda cobra robin"
    " glacier meadow canyon delta pebble thunder willow breeze lagoon cliff prairie tundra frost"
    " moss harbor volcano orchard ridge puddle sunrise comet desert thicket creek boulder"
    " crimson teal amber indigo maroon beige violet scarlet olive ivory coral turquoise mustard"
    " copper lilac charcoal magenta silver"
    " ladder kettle lantern button hammer mirror pillow bucket violin saddle anchor candle"
    " basket ribbon needle compass curtain wallet teapot scissors blanket drawer whistle helmet"
    " bottle carpet pencil trumpet umbrella"
    " noodle muffin pepper walnut cheese radish waffle lentil honey pretzel mango turnip biscuit"
    " celery pudding raisin omelet ginger yogurt almond cabbage pancake apricot"
    " whisper gallop juggle stitch wander sketch tumble polish borrow scatter balance measure"
    " gather shuffle repair plunge hover stumble murmur sprinkle"
    " courage mercy wisdom patience rumor justice wonder doubt memory glory riddle harmony envy"
    " comfort mischief logic triumph silence promise caution luck pride sorrow grace"
)
POOL = tuple(_WORDS.split())

_NUMBERED = re.compile(r"([1-4])\s*\((.*)\)", re.DOTALL)
_TAGGED = r"\s*<answer>([^<]*)</answer>\s*"
_BLOCK = re.compile(rf"Answers:{_TAGGED}\|{_TAGGED}\|{_TAGGED}\|{_TAGGED}", re.IGNORECASE)

Labels = Sequence[str]


def labels_of(space: str, *purpose: int | str) -> tuple[str, ...]:
    """Return the labels of a space; those of ``words`` are drawn for the purpose."""
    if space != WORDS:
        return SPACES[space]
    places = generator("sokoban words", *purpose).choice(len(POOL), 4, replace=False)
    return tuple(POOL[int(place)] for place in places)


def answers_block(labels: Labels) -> str:
    """Return the Answers block of a prompt: the labels, and what they mean unless one is plain."""
    line = " | ".join(f"<answer> {label} </answer>" for label in labels)
    block = f"Answers:\n{line}\n"
    if _PLAIN & set(labels):
        return block
    said = ", ".join(
        f"{label} is {direction}" for label, direction in zip(labels, DIRECTIONS, strict=True)
    )
    return f"{block}where {said}.\n"


def announced(prompt: str) -> tuple[str, ...] | None:
    """Return the four labels that the Answers block of a prompt has, None where there is none."""
    found = _BLOCK.search(prompt)
    return None if found is None else tuple(label.strip() for label in found.groups())


def action_of(text: str, labels: Labels) -> int:
    """Return the action (1 to 4) that a text names, 0 for none.

    It is a label without regard to case, a number from 1 to 4 unless that is a label, or both,
    ``2(Down)``, of which the number counts.
    """
    said = text.strip()
    named = {label.strip().casefold(): number for number, label in enumerate(labels, start=1)}
    both = _NUMBERED.fullmatch(said)
    if both is not None and both.group(2).casefold() in named:
        return int(both.group(1))
    if said.casefold() in named:
        return named[said.casefold()]
    return int(said) if said in ("1", "2", "3", "4") else 0


def words_of(actions: Sequence[int], labels: Labels) -> str:
    """Return actions by their labels, with spaces between them."""
    return " ".join(labels[action - 1] for action in actions)
