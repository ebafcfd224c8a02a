"""What a model thinks of the options of a question, without sampling an answer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from etude.component import Need, component, option
from etude.errors import DataError
from etude.evaluation.interface import Result
from etude.evaluation.kind import Evaluation
from etude.evaluation.own_metrics import result_of
from etude.measures.regularity import SCORES, choice_scores

if TYPE_CHECKING:
    from etude.evaluation.view import View


@component(
    source="arXiv 2406.04391",
    requires=[
        Need("column:options", why="to know what can be chosen"),
        Need("column:answer_index", why="to know the right one"),
    ],
)
@dataclass(frozen=True)
class OptionScores(Evaluation):
    """The log-probability of every option of a question, and five scores of the right one.

    From the most to the least regular in compute: its log-probability and probability among all
    texts, that among the options alone, the negative Brier score, and accuracy. The first two may
    be extrapolated to larger models, accuracy may not. ``accuracy_per_token`` compares means over
    tokens.
    """

    reads: ClassVar[tuple[str, ...]] = ("data_mix", "sources", "verifier", "rollout")

    example: ClassVar[str] = (
        "recipe=rl evaluations=arc_challenge evaluations.arc_challenge.evaluation=option_scores"
    )

    written: str = option(
        "letter",
        "what is scored behind a question: its letter or its text",
        choices=("letter", "text"),
    )
    before: str = option("", "text between the prompt and an option ('The answer is ')")
    problems: int = option(1024, "most held-out questions", ge=1, le=100_000_000)
    bootstrap: int = option(
        1000, "resamples behind each interval; 0 gives none", ge=0, le=1_000_000
    )
    seed: int = option(0, "draws resamples", ge=0, le=2**63 - 1)

    def metric_ranges(self, demonstrated: bool) -> dict[str, tuple[float, float]]:
        """Return the metrics of a result and the least and most that each can be."""
        share = (0.0, 1.0)
        found = dict.fromkeys((*SCORES, "accuracy_per_token"), share)
        return found | {"log_p_vocab": (-math.inf, 0.0), "neg_brier": (-2.0, 0.0)}

    def measure(self, view: View) -> Result:
        """Return the scores with intervals over questions, and one record a question."""
        questions = [
            each
            for each in view.problems(self.problems)
            if each.columns.get("options") and each.columns.get("answer_index") is not None
        ]
        if not questions:
            raise DataError(
                "the evaluation option_scores: no held-out row has the columns options and "
                "answer_index; sources of the kind multiple_choice have"
            )
        owners, texts = [], []
        for question in questions:
            for place, text in enumerate(question.columns["options"]):
                owners.append(question)
                shown = chr(ord("A") + place) if self.written == "letter" else str(text)
                texts.append(self.before + shown)
        read = iter(view.logprobs(owners, texts, ended=[False] * len(texts)))
        columns: dict[str, list[float]] = {name: [] for name in (*SCORES, "accuracy_per_token")}
        samples = []
        for question in questions:
            found = [next(read).logprobs for _ in question.columns["options"]]
            right = int(question.columns["answer_index"])
            sums = [float(each.sum()) for each in found]
            for name, value in choice_scores(sums, right).items():
                columns[name].append(value)
            means = [float(each.mean()) for each in found]
            columns["accuracy_per_token"].append(float(means.index(max(means)) == right))
            about = {"id": question.id, "prompt": question.prompt, "answer_index": right}
            samples.append({**about, "choice_logprobs": sums})
        return result_of(
            columns,
            title="the evaluation option_scores",
            resamples=self.bootstrap,
            seed=self.seed,
            samples=samples,
            about={"problems": len(questions)},
        )
