"""The arithmetic of a stage's batch and loss, in words, from its resolved config alone.

A component says itself in words through a class variable ``words``, which the schema carries::

    words: ClassVar[str] = "clipped ({clip_low}, {clip_high})[, dual clip {dual_clip}]"

``{field}`` is one of its fields (a part filled by another component is that component's words) or
one of ``{rows}``, ``{prompts}``, ``{rollouts}`` of an update and ``{max_new_tokens}``. What stands
in square brackets is left out when one of its fields is null, false, zero or empty. A component
without words is named with its numbers, so nothing here knows a method.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from etude.plan.quantities import counted, number
from etude.schema import ComponentInfo, Schema

Config = Mapping[str, Any]

_OPTIONAL = re.compile(r"\[([^\[\]]*)\]")
_FIELD = re.compile(r"\{(\w+)\}")
#: What the loss of an update batch of demonstrations is divided by.
_DENOMINATORS = {
    "global_tokens": "Σ over trained tokens ÷ their number",
    "per_sequence": "mean over rows of the mean over each row's trained tokens",
    "micro": "mean over the trained tokens of each micro-batch (depends on its size)",
}
_LEARNERS_WITH_EPOCHS = ("supervised", "preference")
_LEARNERS_THAT_SAMPLE = ("policy_gradient", "generate")


class Words:
    """Says the parts of one resolved stage config in words.

    A component that ``schema`` does not know is named with all its numbers. ``learner`` is the
    stage's learner (``policy_gradient``, ``supervised``, …).
    """

    def __init__(self, config: Config, learner: str, schema: Schema) -> None:
        self.config = config
        self.learner = learner
        self.schema = schema

    def title(self) -> str:
        """Return what the stage is: the learner and the objective."""
        named = [self.learner, str(self._node("objective").get("name", ""))]
        distinct = dict.fromkeys(name for name in named if name)
        return " ".join(name.replace("_", " ") for name in distinct)

    def batch(self) -> str:
        """Return the rows of a step and of its updates, with the number of steps."""
        training = self._node("training")
        steps = counted(int(training.get("steps", 0)), "step")
        epochs = training.get("epochs")
        if epochs and self.learner in _LEARNERS_WITH_EPOCHS:
            steps = f"{counted(int(epochs), 'epoch')}, at most {steps}"
        if self.learner != "policy_gradient":
            return f"{steps} × {self._rows_of_a_step():,} rows{self._micro_batches()}"
        prompts, rollouts = self._groups()
        rows = f"{prompts:,} prompts × {rollouts:,} rollouts = {prompts * rollouts:,} rows"
        return f"{steps} × {rows} → {self._updates()}{self._micro_batches()}"

    def loss(self) -> str:
        """Return the loss of one update batch: its form, its denominator and how it is split."""
        if self.learner == "generate":
            return "no loss: rows are sampled, judged and written"
        said = self.component("objective", self._node("objective")) if self._has_words() else ""
        said = said or ", ".join(
            self._loss_parts() if self.learner == "policy_gradient" else self._supervised_parts()
        )
        parts = [said or "unknown", *self._kl_parts()]
        return " · ".join(parts)

    def reward(self) -> str:
        """Return how rows are rewarded, or nothing for a learner that samples none."""
        if self.learner not in _LEARNERS_THAT_SAMPLE:
            return ""
        weighting = self._node("reward_weighting")
        weights = weighting.get("weights")
        if isinstance(weights, Mapping) and weights:
            said = " + ".join(f"{part} {number(weight)}" for part, weight in weights.items())
        else:
            said = self.component("reward_weighting", weighting) or "none"
        parts = [said]
        shaping = list(self._many("shaping"))
        if shaping:
            parts.append("shaped by " + ", ".join(shaping))
        verifier = self._node("verifier")
        if verifier:
            parts.append(f"verifier: {self.component('verifier', verifier)}")
        return " · ".join(parts)

    def sampling(self) -> str:
        """Return how answers are sampled, or nothing for a learner that samples none."""
        rollout = self._node("rollout")
        if self.learner not in _LEARNERS_THAT_SAMPLE or not rollout:
            return ""
        parts = [str(rollout.get("name", "rollout"))]
        if rollout.get("max_new_tokens") is not None:
            parts.append(f"at most {int(rollout['max_new_tokens']):,} new tokens")
        if rollout.get("temperature") is not None:
            parts.append(f"temperature {number(float(rollout['temperature']))}")
        return ", ".join(parts)

    def optimizer(self) -> str:
        """Return the optimizer with its peak rate, schedule and clipping."""
        node = self._node("optimizer")
        if not node or self.learner == "generate":
            return ""
        parts = [str(node.get("name", "optimizer"))]
        if node.get("lr") is not None:
            parts.append(f"learning rate {number(float(node['lr']))}")
        schedule = self._part(node, "schedule")
        if schedule:
            parts.append(self.component("optimizer/schedule", schedule))
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
            "loss": self.loss(),
            "reward": self.reward(),
            "rollout": self.sampling(),
            "optimizer": self.optimizer(),
        }
        return {label: text for label, text in labelled.items() if text}

    def lines(self, *labels: str) -> list[str]:
        """Return the stage's arithmetic, one labelled sentence a line; all or only ``labels``."""
        said = self.sentences()
        return [f"{label}: {text}" for label, text in said.items() if label in (labels or said)]

    def component(self, group: str, node: Config) -> str:
        """Return one component in words: its own template, or its name with its numbers."""
        name = str(node.get("name", ""))
        info = self.schema.find(group, name)
        template = _template(info)
        if template:
            return self._fill(template, group, node)
        usual = {key: described.default for key, described in info.fields.items()} if info else {}
        numbers = [
            f"{key} {number(value)}"
            for key, value in node.items()
            if isinstance(value, (int, float))
            and not isinstance(value, bool)
            and not (key in usual and usual[key] == value)
        ]
        shown = name.replace("_", " ")
        return f"{shown} ({', '.join(numbers)})" if numbers else shown

    def _fill(self, template: str, group: str, node: Config) -> str:
        values = {**self._context(), **node}

        def one(match: re.Match[str]) -> str:
            value = values.get(match[1])
            if isinstance(value, Mapping) and "name" in value:
                return self.component(f"{group}/{match[1]}", value)
            if isinstance(value, Mapping):
                return " + ".join(f"{key} {number(item)}" for key, item in value.items())
            return f"{value:,}" if type(value) is int else number(value)

        def optional(match: re.Match[str]) -> str:
            wanted = _FIELD.findall(match[1])
            return match[1] if all(values.get(field) for field in wanted) else ""

        return _FIELD.sub(one, _OPTIONAL.sub(optional, template))

    def _context(self) -> dict[str, Any]:
        prompts, rollouts = self._groups()
        updates = max(1, int(self._node("training").get("updates_per_step") or 1))
        sampled = self.learner == "policy_gradient"
        return {
            "rows": prompts * rollouts // updates if sampled else self._rows_of_a_step(),
            "prompts": prompts // updates,
            "rollouts": rollouts,
            "max_new_tokens": self._node("rollout").get("max_new_tokens"),
        }

    def _loss_parts(self) -> Iterator[str]:
        objective = self._node("objective")
        for slot, form in (
            ("policy_loss", "{}"),
            ("aggregation", "{}"),
            ("advantage", "advantage {}"),
        ):
            part = self._part(objective, slot)
            if part:
                yield form.format(self.component(f"objective/{slot}", part))
        forms = {"guidance": "{}", "filter": "filter {}", "critic": "{}", "imitation": "{}"}
        for slot, form in forms.items():
            chosen = self._part(objective, slot)
            if chosen and chosen.get("name") != "none":
                yield form.format(self.component(f"objective/{slot}", chosen))
        for slot in ("modifier", "auxiliary", "masking", "selection", "extra_update"):
            yield from self._many(slot)

    def _supervised_parts(self) -> Iterator[str]:
        objective = self._node("objective")
        denominator = str(objective.get("denominator", "global_tokens"))
        yield _DENOMINATORS.get(denominator, f"divided by {denominator}")
        for slot, plain in (("token_loss", "standard"), ("token_weights", "uniform")):
            part = self._part(objective, slot)
            if part and part.get("name") != plain:
                yield f"tokens weighed by {self.component(f'objective/{slot}', part)}"
        for key, value in objective.items():
            if isinstance(value, float) and value:
                yield f"{key.replace('_', ' ')} {number(value)}"

    def _kl_parts(self) -> list[str]:
        if self.learner != "policy_gradient":
            return []
        regularizers = list(self._many("regularizer"))
        shaping = self._node("objective").get("shaping") or {}
        if not any(key.startswith("kl") for key in [*self._parts("regularizer"), *shaping]):
            regularizers.append("kl none")
        return regularizers

    def _updates(self) -> str:
        training = self._node("training")
        prompts, rollouts = self._groups()
        updates = int(training.get("updates_per_step") or 1)
        epochs = int(training.get("epochs_per_step") or 1)
        least, left_over = divmod(prompts, max(1, updates))
        rows = f"{least * rollouts:,}"
        if left_over:
            rows += f" or {(least + 1) * rollouts:,}"
        text = f"{counted(updates, 'update')} of {rows} rows"
        return f"{text} × {epochs} epochs" if epochs > 1 else text

    def _micro_batches(self) -> str:
        tokens = self._node("execution").get("micro_batch_tokens")
        if not tokens or self.learner == "generate":
            return ""
        return f" · micro-batches of up to {int(tokens):,} tokens"

    def _groups(self) -> tuple[int, int]:
        training = self._node("training")
        return int(training.get("prompts_per_step") or 0), int(
            training.get("rollouts_per_prompt") or 0
        )

    def _rows_of_a_step(self) -> int:
        return int(self._node("training").get("rows_per_step") or 0)

    def _has_words(self) -> bool:
        name = str(self._node("objective").get("name", ""))
        return bool(_template(self.schema.find("objective", name)))

    def _many(self, slot: str) -> Iterator[str]:
        for key, node in self._parts(slot).items():
            yield self.component(f"objective/{slot}", {"name": key, **node})

    def _parts(self, slot: str) -> dict[str, Config]:
        parts = self._node("objective").get(slot)
        if not isinstance(parts, Mapping):
            return {}
        return {key: node for key, node in parts.items() if isinstance(node, Mapping)}

    def _node(self, key: str) -> Config:
        node = self.config.get(key)
        return node if isinstance(node, Mapping) else {}

    @staticmethod
    def _part(node: Config, slot: str) -> Config:
        part = node.get(slot)
        return part if isinstance(part, Mapping) else {}


def _template(info: ComponentInfo | None) -> str:
    return info.words if info is not None else ""


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
