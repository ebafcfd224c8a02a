"""From a resolved stage config to the learner that its objective names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from etude.errors import ConfigError, Fault
from etude.learner.interface import Learner

#: Learner name → where its class lies; an objective names its learner.
LEARNERS = {
    "supervised": "etude.learner.supervised:SupervisedLearner",
    "preference": "etude.learner.preference:PreferenceLearner",
    "policy_gradient": "etude.learner.policy_gradient:PolicyGradientLearner",
    "generate": "etude.learner.generate:GenerateLearner",
}


@dataclass(frozen=True)
class StageContext:
    """What a stage is given besides its config.

    ``start`` is the Hugging Face folder it starts from (None: the base model of the config),
    ``rollout_from`` the model that samples when it is not the trained one, ``data`` the folders
    that sources with ``from_stage`` read, by stage name, and ``folder`` the attempt's own folder.
    """

    seed: int
    start: Path | None
    folder: Path
    rollout_from: Path | None = None
    data: Mapping[str, Path] = field(default_factory=dict)


def make_learner(config: dict[str, Any], context: StageContext) -> Learner:
    """Build the learner of a resolved stage config; raises ConfigError for an unknown learner."""
    from etude.learner.parts import StageParts

    parts = StageParts.build(config)
    name = parts.objective.learner
    if name not in LEARNERS:
        raise ConfigError(
            [
                Fault(
                    f"objective={config['objective'].get('name')}",
                    f"names the learner {name!r}; there are {', '.join(LEARNERS)}.",
                )
            ]
        )
    module, _, attribute = LEARNERS[name].partition(":")
    learner: Learner = getattr(import_module(module), attribute)(parts, context)
    return learner
