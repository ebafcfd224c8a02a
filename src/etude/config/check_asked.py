"""Models that a component asks (judges): whether their context has room for any question.

A component asks a model of ``models`` where it has both ``role`` and ``max_new_tokens``. How long
its questions are depends on rows; that its reply leaves no position at all is known before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from etude.config import check_model
from etude.config.needs import Used


def no_room(
    used: Sequence[Used], config: Mapping[str, Any], origin: str | None
) -> Iterator[tuple[str, str]]:
    """Yield a fault for each reply that takes all positions of the model that gives it.

    ``origin`` is the folder of the model that the stage starts from, or ``base``; None: not known.
    """
    for each in used:
        role, longest = each.node.get("role"), each.node.get("max_new_tokens")
        if not isinstance(role, str) or type(longest) is not int:
            continue
        positions, where = positions_of_role(role, config, origin)
        if positions is not None and longest >= positions:
            key = f"{each.path}.max_new_tokens"
            yield (
                key,
                f"is {longest}, which leaves models.{role} no room for a question:"
                f" {where}={positions} are question and reply together.\n"
                f"  {key}=NUMBER  a shorter reply",
            )


def positions_of_role(
    role: str, config: Mapping[str, Any], origin: str | None
) -> tuple[int | None, str]:
    """Return the positions of the model of a role (None: not known before), and their name."""
    node = (config.get("models") or {}).get(role) or {}
    load = node.get("load")
    if load == "start" and origin is not None:
        return check_model.first_positions(config, origin)
    if load == "base":
        own = {"model": node["model"]} if node.get("model") else config
        return check_model.first_positions(own, check_model.BASE)
    if isinstance(load, str) and check_model.is_here(load):
        return check_model.first_positions(config, load)
    return None, ""  # another stage's, or the hub's: told when it is opened
