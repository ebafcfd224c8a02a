"""A rollout component as a model is asked by that is no policy: nothing ends or narrows answers."""

from __future__ import annotations

import dataclasses
from typing import Any

#: What a stage sets for the answers of its policy.
_OF_POLICY = frozenset({"top_p", "top_k", "stop", "stop_token_ids"})


def neutral(rollout: Any) -> Any:
    """Return a rollout component with the defaults of what shapes a policy's answers."""
    found = {}
    for field in dataclasses.fields(rollout):
        if field.name in _OF_POLICY:
            made = field.default_factory
            found[field.name] = field.default if made is dataclasses.MISSING else made()
    return dataclasses.replace(rollout, **found)
