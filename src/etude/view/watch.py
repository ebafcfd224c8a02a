"""What in a stage's metrics deserves a person's eye, told once and with what to look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isnan

#: Steps in a row without a signal, or with most answers cut, before it is said.
PATIENCE = 5
_BROKEN = {
    "no_answer": "no answer could be read: does the model know the form the verifier reads?",
    "timed_out": "the verifier ran out of time on every row; samples.jsonl has what it was given",
    "crashed": "the verifier crashed on every row; the cause is in samples.jsonl",
}


class Watch:
    """Looks at the metrics of one stage step by step; each warning is given once a stage."""

    def __init__(self, stage: str) -> None:
        self.stage = stage
        self._told: set[str] = set()
        self._in_a_row: dict[str, int] = {}

    def look(self, step: int, metrics: Mapping[str, float]) -> list[str]:
        """Return the new warnings that step number ``step`` gives rise to."""
        found = []
        for kind, message in self._findings(metrics):
            if kind not in self._told:
                self._told.add(kind)
                found.append(f"{self.stage}, step {step + 1}: {message}")
        return found

    def _findings(self, metrics: Mapping[str, float]) -> Iterator[tuple[str, str]]:
        for outcome, meaning in _BROKEN.items():
            if self._lasts(outcome, metrics.get(f"verifier/{outcome}", 0.0) >= 1.0, steps=1):
                yield outcome, f"all answers are {outcome.replace('_', ' ')}; {meaning}"
        signal = metrics.get("groups/signal")
        if self._lasts("signal", signal == 0.0):
            yield "signal", self._without_signal(metrics)
        if self._lasts("truncated", metrics.get("rollout/truncated", 0.0) > 0.5):
            share = metrics["rollout/truncated"]
            yield (
                "truncated",
                f"{share:.0%} of the answers end at the token limit (rollout.max_new_tokens), "
                "so most are judged unfinished",
            )
        bad = [key for key in ("loss", "gradient_norm") if isnan(metrics.get(key, 0.0))]
        if bad:
            yield "nan", f"{' and '.join(bad)} is not a number"

    def _without_signal(self, metrics: Mapping[str, float]) -> str:
        reward = metrics.get("reward/mean")
        level = f" (all near {reward:.2f})" if reward is not None else ""
        correct = metrics.get("verifier/correct")
        advice = "the problems are too hard or too easy for this model"
        if correct == 0.0:
            advice = (
                "no answer is right: start from a better model, easier problems or a partial reward"
            )
        elif correct == 1.0:
            advice = "every answer is right: give it harder problems"
        return (
            f"no group had two different rewards for {PATIENCE} steps{level}, so nothing is "
            f"learned; the verifier works, {advice}"
        )

    def _lasts(self, kind: str, present: bool, steps: int = PATIENCE) -> bool:
        self._in_a_row[kind] = self._in_a_row.get(kind, 0) + 1 if present else 0
        return self._in_a_row[kind] >= steps
