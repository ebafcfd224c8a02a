"""The rows of a stage's steps and updates in words, and what decides how many they are."""

from __future__ import annotations

from collections.abc import Mapping

from etude.component import STEPS_ALIKE
from etude.plan.component_words import ComponentWords
from etude.plan.quantities import counted


class BatchWords(ComponentWords):
    """Says what a stage's steps are made of."""

    def batch(self) -> str:
        """Return the rows of a step and of its updates, with the number of steps."""
        training = self._node("training")
        steps = counted(int(training.get("steps", 0)), "step")
        epochs = training.get("epochs")
        if epochs and not self._is.samples:
            steps = self._steps_of(int(epochs))
        if not self._is.groups:
            return f"{steps} × {self._rows_of_a_step():,} rows{self._micro_batches()}"
        prompts, rollouts = self._groups()
        upto = self._up_to
        rows = f"{prompts:,} prompts × {upto}{rollouts:,} rollouts = {upto}"
        rows += f"{prompts * rollouts:,} rows"
        warm = int(training.get("warm_start_steps") or 0)
        first = f" · the policy moves after {counted(warm, 'step')}" if warm else ""
        return f"{steps} × {rows} → {self._updates()}{self._micro_batches()}{first}"

    def curriculum(self) -> str:
        """Return what plans the steps of a learner of groups, nothing where all are alike."""
        node = self._node("curriculum")
        info = self.schema.find("curriculum", str(node.get("name")))
        if not self._is.groups or not node or info is None:
            return ""
        if any(need.what == STEPS_ALIKE for need in info.provides):
            return ""
        said = self.component("curriculum", node)
        if info.words:
            return said
        return f"{said} may plan other rows, sizes of groups, limits and temperatures"

    def budget(self) -> str:
        """Return what decides how many answers each prompt gets, nothing where all get as many."""
        found = self._answers
        if not self._is.groups or found.budget is None:
            return ""
        said = self.component("rollout/budget", self._part(self._node("rollout"), "budget"))
        return f"{said} decides how many answers each prompt gets"

    def gate(self) -> str:
        """Return when the trained model replaces the one that samples, nothing without a gate."""
        node = self._part(self._node("rollout"), "gate")
        info = self.schema.of("rollout/gate", node) if node else None
        if not self._is.groups or info is None or info.name == "none":
            return ""
        return self.component("rollout/gate", node)

    @property
    def _up_to(self) -> str:
        return "up to " if self._answers.fewer else ""

    def _steps_of(self, epochs: int) -> str:
        """Return how many steps a number of epochs takes, as far as the rows are known."""
        said = counted(epochs, "epoch")
        limit = int(self._node("training").get("steps", 0))
        parts, sources = self._part(self._node("data_mix"), "train"), self._node("sources")
        rows = [
            self._part(sources, str(part.get("source") or name)).get("limit")
            for name, part in parts.items()
            if isinstance(part, Mapping)
        ]
        known = [count for count in rows if isinstance(count, int)]
        if not rows or len(known) < len(rows):
            return f"{said} of the rows ({counted(limit, 'step')} if those are fewer)"
        steps = min(limit, sum(known) // max(1, self._rows_of_a_step()) * epochs)
        return f"{said} of up to {counted(sum(known), 'row')}, at most {counted(steps, 'step')}"

    def _updates(self) -> str:
        training = self._node("training")
        prompts, rollouts = self._groups()
        updates = int(training.get("updates_per_step") or 1)
        epochs = int(training.get("epochs_per_step") or 1)
        least, left_over = divmod(prompts, max(1, updates))
        rows = f"{self._up_to}{least * rollouts:,}"
        if left_over:
            rows += f" or {(least + 1) * rollouts:,}"
        text = f"{counted(updates, 'update')} of {rows} rows"
        return f"{text} × {epochs} epochs" if epochs > 1 else text

    def _micro_batches(self) -> str:
        tokens = self._node("execution").get("micro_batch_tokens")
        if not tokens or not self._is.trains:
            return ""
        return f" · micro-batches of up to {int(tokens):,} tokens"
