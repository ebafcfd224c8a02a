"""From a resolved stage config to the learner that its objective names."""

from __future__ import annotations

from typing import Any

from etude.build import load_class
from etude.config.spelling import unknown_learner
from etude.errors import ConfigError, Fault
from etude.learner.context import StageContext
from etude.learner.open_stage import OpenStage
from etude.learner.parts import StageParts
from etude.schema import load


def make_learner(config: dict[str, Any], context: StageContext) -> OpenStage:
    """Open the stage of a resolved config; raises ConfigError where its learner cannot be used."""
    parts = StageParts.build(config)
    name = parts.objective.learner
    known = load()
    if name not in known.learners:
        objective = f"objective={config['objective'].get('name')}"
        raise ConfigError([Fault(objective, unknown_learner(name, known))])
    return OpenStage(parts, context, load_class(known.learners[name]))
