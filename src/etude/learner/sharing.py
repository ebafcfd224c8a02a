"""Rows that ranks make together: each those of its own prompts, then all have all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from etude.distributed.together import by_all
from etude.distributed.world import current

Item = TypeVar("Item")
Made = TypeVar("Made")


def shared(
    items: Sequence[Item], prompt: Callable[[Item], str], work: Callable[[list[Item]], list[Made]]
) -> list[Made]:
    """Return what ``work`` makes of each item, in order; each rank works on some of them.

    Items of one ``prompt`` stay with one rank: a verifier may compare them, and their context is
    read once. All ranks ask together for the same items; where ``work`` raises on one, all raise.
    """
    world = current()
    if world.is_alone:
        return work(list(items))
    own = set(world.share(list(dict.fromkeys(map(prompt, items)))))
    places = [place for place, item in enumerate(items) if prompt(item) in own]

    def mine() -> list[tuple[int, Made]]:
        made = work([items[place] for place in places]) if places else []
        return list(zip(places, made, strict=True))

    found = dict(pair for hand in by_all(mine) for pair in hand)
    return [found[place] for place in range(len(items))]
