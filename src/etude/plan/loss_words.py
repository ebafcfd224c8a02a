"""The loss of a stage's update batches in words: its form, its denominator and its parts."""

from __future__ import annotations

from collections.abc import Iterator

from etude.plan.component_words import ComponentWords, template_of
from etude.plan.quantities import number

#: What the loss of an update batch of demonstrations is divided by.
_DENOMINATORS = {
    "global_tokens": "Σ over trained tokens ÷ their number",
    "per_sequence": "mean over rows of the mean over each row's trained tokens",
    "micro": "mean over the trained tokens of each micro-batch (depends on its size)",
}
#: And where demonstrations have weights of their own.
_OF_SAMPLES = "weighted mean over rows of the mean over each row's trained tokens"

#: Slot of an objective → how its part is said, and the part that goes without saying.
_PARTS = {
    "policy_loss": ("{}", ""),
    "aggregation": ("{}", ""),
    "advantage": ("advantage {}", ""),
    "token_loss": ("tokens weighed by {}", "standard"),
    "token_weights": ("tokens weighed by {}", "uniform"),
    "sample_weights": ("demonstrations weighed by {}", "none"),
    "guidance": ("{}", "none"),
    "filter": ("filter {}", "none"),
    "critic": ("{}", "none"),
    "imitation": ("{}", "none"),
    "mismatch": ("{}", "none"),
    "modifier": ("{}", ""),
    "auxiliary": ("{}", ""),
    "masking": ("{}", ""),
    "selection": ("{}", ""),
    "extra_update": ("{}", ""),
}
#: Slots that are said with the reward, or as the term that holds the policy.
_ELSEWHERE = ("shaping", "regularizer")


class LossWords(ComponentWords):
    """Says what a stage's updates lower."""

    def loss(self) -> str:
        """Return the loss of one update batch: its form, its denominator and how it is split."""
        if not self._is.trains:
            return "no loss: rows are sampled, judged and written"
        said = self.component("objective", self._node("objective")) if self._has_words() else ""
        parts = [said or ", ".join(self._loss_parts()) or "unknown", *self._kl_parts()]
        return " · ".join(parts)

    def _loss_parts(self) -> Iterator[str]:
        """Yield the objective's parts in the order of their arithmetic, then its own numbers."""
        objective = self._node("objective")
        denominator = objective.get("denominator")
        if self._part(objective, "sample_weights").get("name", "none") != "none":
            yield _OF_SAMPLES
        elif denominator is not None:
            yield _DENOMINATORS.get(str(denominator), f"divided by {denominator}")
        info = self.schema.find("objective", str(objective.get("name", "")))
        fields = info.fields.values() if info is not None else ()
        own = [each.name for each in fields if each.slot or each.slots]
        for slot in dict.fromkeys((*_PARTS, *own)):
            if slot in _ELSEWHERE:
                continue
            form, plain = _PARTS.get(slot, (slot.replace("_", " ") + " {}", "none"))
            chosen = self._part(objective, slot)
            if "name" not in chosen:
                yield from self._many(slot)
            elif chosen["name"] != plain:
                yield form.format(self.component(f"objective/{slot}", chosen))
        for key, value in objective.items():
            if isinstance(value, float) and value:
                yield f"{key.replace('_', ' ')} {number(value)}"

    def _kl_parts(self) -> list[str]:
        if "regularizer" not in self._node("objective"):
            return []
        regularizers = list(self._many("regularizer"))
        shaping = self._node("objective").get("shaping") or {}
        keys = [*self._parts("regularizer"), *shaping]
        if not any(text.startswith("kl") for text in [*keys, *regularizers]):
            regularizers.append("kl none")
        return regularizers

    def _has_words(self) -> bool:
        name = str(self._node("objective").get("name", ""))
        return bool(template_of(self.schema.find("objective", name)))
