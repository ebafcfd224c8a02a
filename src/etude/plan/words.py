"""The arithmetic of a stage's batch and loss, in words, from its resolved config alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from etude.config.asked_evaluations import AskedEvaluations
from etude.config.evaluations import MAIN, measuring, named
from etude.config.needs import trained_roles, written_roles
from etude.config.role_stages import TRAIN, config_of
from etude.plan.batch_words import BatchWords
from etude.plan.loss_words import LossWords
from etude.plan.others import others_of
from etude.plan.quantities import number
from etude.plan.reward_words import RewardWords


class Words(BatchWords, LossWords, RewardWords):
    """Says the parts of one resolved stage config in words."""

    def title(self) -> str:
        """Return what the stage is: the learner and the objective."""
        objective = self._node("objective")
        named = [self.learner, str(objective.get("preset") or objective.get("name", ""))]
        distinct = dict.fromkeys(name for name in named if name)
        return " ".join(name.replace("_", " ") for name in distinct)

    def sampling(self) -> str:
        """Return how answers are sampled, or nothing for a learner that samples none."""
        rollout = self._node("rollout")
        if not self._is.samples or not rollout:
            return ""
        parts = [str(rollout.get("name", "rollout"))]
        if rollout.get("max_new_tokens") is not None:
            parts.append(f"at most {int(rollout['max_new_tokens']):,} new tokens")
        if rollout.get("temperature") is not None:
            parts.append(f"temperature {number(float(rollout['temperature']))}")
        for place, usual in (("episode", "single"), ("logits", "own")):
            name = str((rollout.get(place) or {}).get("name", usual))
            parts += [f"{place} {name}"] if name != usual else []
        played = [self._node("environment").get("name"), *self._others()]
        parts += [f"environment {name}" for name in played if name not in (None, "none")]
        return ", ".join(parts)

    def _others(self) -> list[str]:
        """Return the environments that rows name."""
        return [str(name) for name in self._node("environments") if name != "name"]

    def optimizer(self) -> str:
        """Return the optimizer with its peak rate, schedule and clipping."""
        node = self._node("optimizer")
        if not node or not self._is.trains:
            return ""
        parts = [self.component("optimizer", node)]
        clip = self._node("training").get("gradient_clip")
        if clip:
            parts.append(f"gradients clipped at {number(float(clip))}")
        return ", ".join(parts)

    def data(self) -> str:
        """Return which sources the rows come from, with their weights when there are several."""
        mix = self._node("data_mix")
        parts = self._part(mix, "train")
        if parts:
            return " + ".join(_source(name, node, len(parts)) for name, node in parts.items())
        return self.component("data_mix", mix) if mix else ""

    def sentences(self) -> dict[str, str]:
        """Return the stage's arithmetic as label → sentence, without what it has none of."""
        labelled = {
            "batch": self.batch(),
            "curriculum": self.curriculum(),
            "budget": self.budget(),
            "gate": self.gate(),
            "loss": self.loss(),
            "reward": self.reward(),
            "measured": self.measured(),
            "rollout": self.sampling(),
            "optimizer": self.optimizer(),
            "models": " · ".join(other.words for other in others_of(self.config, self.schema)),
        }
        for role in trained_roles(self.config, self.schema):
            labelled[f"role {role}"] = self._role(role)
        return {label: text for label, text in labelled.items() if text}

    def _role(self, role: str) -> str:
        """Return when a role that is trained on rows of its own learns, and by what."""
        train = self.config["models"][role][TRAIN]
        own = Words(config_of(self.config, role), self.learner, self.schema)
        prompts, rollouts = own._groups()
        schedule = train.get("schedule") or {}
        when = self.component("models/schedule", schedule) if schedule else "every step"
        rows = f"{prompts:,} prompts × {rollouts:,} rollouts of its own"
        if role in written_roles(self.config, self.schema):
            rows = (
                f"rows that {self.component('rollout/episode', self._node('rollout')['episode'])} "
            )
            rows += "has it write"
        return " · ".join(filter(None, (when, rows, own.loss(), own.reward(), own.sampling())))

    def lines(self, *labels: str) -> list[str]:
        """Return the stage's arithmetic, one labelled sentence a line; all or only ``labels``."""
        said = self.sentences()
        return [f"{label}: {text}" for label, text in said.items() if label in (labels or said)]

    def measured(self) -> str:
        """Return the evaluations beside main, and those that components ask for."""
        said = [AskedEvaluations(self.schema).words(self.config)]
        for name in measuring(self.config):
            if name != MAIN:
                own = named(self.config)[name]
                about = [(own.get("evaluation") or self.config["evaluation"])["name"]]
                about += ["rows of its own"] if own.get("data_mix") else []
                verifier = own.get("verifier")
                about += [f"verifier {verifier['name']}"] if verifier else []
                said.append(f"by {name} ({', '.join(about)})")
        return " · ".join(filter(None, said))


def _source(name: str, part: Any, of: int) -> str:
    if not isinstance(part, Mapping):
        return name
    text = str(part.get("source") or name)
    if part.get("levels"):
        text += f", levels {_span(part['levels'])}"
    weight = part.get("weight")
    shown = of > 1 and isinstance(weight, (int, float)) and not isinstance(weight, bool)
    return f"{text} × {number(float(weight or 0))}" if shown else text


def _span(levels: Sequence[Any]) -> str:
    """Return ``1–3`` for neighbouring numbers, else the list."""
    if len(levels) > 2 and list(levels) == list(range(levels[0], levels[0] + len(levels))):
        return f"{levels[0]}–{levels[-1]}"
    return ", ".join(str(level) for level in levels)
