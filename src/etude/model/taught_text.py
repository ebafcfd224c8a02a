"""A demonstration as tokens: one answer, or several turns with what is told between them.

Tokens of several turns are those of an episode that is played (:mod:`etude.rollout.playing`): each
turn with the token that ends it, then what the chat template writes of a message and the beginning
of the next turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

from etude.errors import DataError
from etude.rows import Example, Message

if TYPE_CHECKING:
    from etude.model.policy import Policy


def taught_tokens(policy: Policy, example: Example) -> tuple[tuple[int, ...], list[int]]:
    """Return the tokens that a demonstration teaches after its prompt, and their mask.

    The mask is 0 where the model is told something. Raises DataError where turns do not begin and
    end with the assistant's, or two of its messages follow each other.
    """
    if not example.turns:
        tokens = policy.encode_response(example.response or "", example)
        return tokens, [1] * len(tokens)
    found: list[int] = []
    mask: list[int] = []
    for own, group in groupby(_checked(example), key=lambda message: message.role == "assistant"):
        messages = list(group)
        if own:
            tokens = policy.encode_response(messages[0].content, example if not found else None)
        else:
            tokens = policy.wording.encode_messages(messages, example, after=found)
        found += tokens
        mask += [int(own)] * len(tokens)
    return tuple(found), mask


def _checked(example: Example) -> Sequence[Message]:
    own = [message.role == "assistant" for message in example.turns]
    if not own[0] or not own[-1] or any(one and other for one, other in pairwise(own)):
        roles = ", ".join(message.role for message in example.turns)
        raise DataError(
            f"row {example.id}: the column turns begins and ends with a message of the assistant,"
            f" and between two of them something is told; its roles are {roles[:200]}"
        )
    return example.turns
