"""What in a stage's metrics deserves a person's eye, told once and with what to look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isnan

#: Steps in a row without a signal, or with most answers cut, before it is said.
PATIENCE = 5
#: Shares of the answers from which the verifier's own failures are said.
_FAILS = {"timed_out": 0.1, "crashed": 0.0, "refused": 0.0}
_FAILING = {
    "timed_out": "the verifier ran out of time (verifier.timeout)",
    "crashed": "the verifier failed",
    "refused": "the verifier refused to judge",
}


class Watch:
    """Looks at the metrics of one stage step by step; each warning is given once a stage.

    ``rollouts`` is the number of answers to a prompt, where the stage samples any.
    """

    def __init__(self, stage: str, rollouts: int | None = None) -> None:
        self.stage = stage
        self.rollouts = rollouts
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
        if metrics.get("verifier/no_answer", 0.0) >= 1.0:
            yield (
                "no_answer",
                "no answer could be read: does the model know the form the verifier reads? "
                f"(samples.jsonl has the answers{_cut(metrics)})",
            )
        for outcome, least in _FAILS.items():
            share = metrics.get(f"verifier/{outcome}", 0.0)
            if share > least:
                yield (
                    outcome,
                    f"{_FAILING[outcome]} on {share:.1%} of the answers, which are left out of "
                    "training; samples.jsonl has some, with why (detail)",
                )
        signal = metrics.get("groups/signal")
        if self._lasts("signal", signal == 0.0):
            yield "signal", self._without_signal(metrics)
        if self._lasts("truncated", metrics.get("rollout/truncated", 0.0) > 0.5):
            share = metrics["rollout/truncated"]
            yield (
                "truncated",
                f"{share:.0%} of the answers end at the token limit ({_limit(metrics)}), "
                "so most are judged unfinished",
            )
        if metrics.get("verifier/alarm", 0.0) > 0.0:
            yield (
                "alarm",
                "the verifier that rewards and the oracle have separated by "
                f"{metrics['verifier/separation']:.2f}: paid {metrics['verifier/paid']:.2f}, right "
                f"{metrics['verifier/oracle']:.2f}. The model may have found what the verifier "
                "wrongly accepts (samples.jsonl: rows whose parts differ)",
            )
        bad = [key for key in ("loss", "gradient_norm") if isnan(metrics.get(key, 0.0))]
        if bad:
            yield "nan", f"{' and '.join(bad)} {'are' if len(bad) > 1 else 'is'} not a number"

    def _without_signal(self, metrics: Mapping[str, float]) -> str:
        reward = metrics.get("reward/mean")
        level = f" (mean {reward:.2f})" if reward is not None else ""
        # Some losses learn without a difference of rewards, and a penalty moves the model too.
        still = metrics.get("gradient_norm", 0.0) > 0.0
        so = "rewards of a prompt's answers tell nothing apart" if still else "nothing is learned"
        return f"no group had two different rewards for {PATIENCE} steps{level}, so {so}; " + (
            self._why_alike(metrics)
        )

    def _why_alike(self, metrics: Mapping[str, float]) -> str:
        if self.rollouts == 1:
            return (
                "each prompt has one answer (training.rollouts_per_prompt=1), and nothing to "
                "compare it with: type training.rollouts_per_prompt=8"
            )
        correct = metrics.get("verifier/correct")
        unread = metrics.get("verifier/no_answer", 0.0)
        if unread > 0.5:
            return (
                f"{unread:.0%} of the answers could not be read: teach the model the form first, "
                f"or say it in data_mix.prompt_template{_cut(metrics)}"
            )
        if correct == 0.0:
            return "no answer is right: start from a better model, or give it easier problems"
        if correct == 1.0:
            return "every answer is right: give it harder problems"
        right, wrong = (
            metrics.get("groups/all_correct", 0.0),
            metrics.get("groups/none_correct", 0.0),
        )
        if right or wrong:
            return (
                f"all answers are right in {right:.0%} of the groups and none is in {wrong:.0%}: "
                "give it problems between these"
            )
        return (
            "the reward does not tell right answers from wrong ones, or answers to a prompt are "
            "all alike: look at reward_weighting.weights and rollout.temperature"
        )

    def _lasts(self, kind: str, present: bool, steps: int = PATIENCE) -> bool:
        self._in_a_row[kind] = self._in_a_row.get(kind, 0) + 1 if present else 0
        return self._in_a_row[kind] >= steps


def _limit(metrics: Mapping[str, float]) -> str:
    """Return which limit it is, where a curriculum sets one with its number."""
    limit = metrics.get("curriculum/limit")
    return "rollout.max_new_tokens" if limit is None else f"{limit:g}, set by the curriculum"


def _cut(metrics: Mapping[str, float]) -> str:
    share = metrics.get("rollout/truncated", 0.0)
    return f"; {share:.0%} were cut at rollout.max_new_tokens" if share > 0.1 else ""
