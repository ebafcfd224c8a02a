"""An evaluation that is a plain function: of the answers to one problem, or of the whole view."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from etude.by_path.call import Call, CallError
from etude.by_path.fields import EvaluationFields
from etude.component import Declaration
from etude.distributed.together import by_main
from etude.errors import DataError
from etude.evaluation.interface import Answers, Result
from etude.evaluation.kind import Evaluation
from etude.evaluation.own_metrics import result_of
from etude.evaluation.records import records
from etude.rows import Outcome

#: What a function asks for that is called once, and not a problem at a time.
VIEW = "view"


@dataclass(frozen=True, kw_only=True)
class FunctionEvaluation(EvaluationFields, Evaluation):
    """A function of a file that says what a model is worth."""

    call: Call
    declaration: Declaration

    def measure(self, view: Any) -> Result:
        """Return the function's metrics; raises DataError where it fails or gives none."""
        if VIEW in self.call.asks:
            returned = self._called({VIEW: view})
            # It was called by every rank, and one answer counts.
            return by_main(lambda: self._result(returned))
        problems = view.problems(self.problems, self.max_new_tokens)
        answers = view.answers(
            problems,
            self.samples,
            temperature=self.temperature,
            seed=self.draws,
            max_new_tokens=self.max_new_tokens,
        )
        return by_main(lambda: self._of(answers))

    def _of(self, answers: Answers) -> Result:
        """Return what the function says of the answers, one problem after the other."""
        columns: dict[str, list[Any]] = {}
        for place, example in enumerate(answers.examples):
            found = self._named(self._called(self._given(answers, place)))
            if place and found.keys() != columns.keys():
                raise DataError(
                    f"{self.call.title} returned the metrics {', '.join(sorted(columns))} of one"
                    f" problem and {', '.join(sorted(found))} of another ({example.id})"
                )
            for name, value in found.items():
                columns.setdefault(name, []).append(value)
        counts = Counter(verdict.outcome for verdict in answers.verdicts)
        about = {
            "problems": len(answers.examples),
            "samples": self.samples,
            "outcomes": {str(outcome): counts[outcome] for outcome in Outcome},
            "settings": {
                "temperature": self.temperature,
                "max_new_tokens": answers.max_new_tokens,
                "seed": self.draws,
                "bootstrap": self.bootstrap,
            },
        }
        return self._result(columns, records(answers, self.samples), about)

    def _given(self, answers: Answers, place: int) -> dict[str, Any]:
        """Return what may be asked for of one problem."""
        example = answers.examples[place]
        own = slice(place * self.samples, (place + 1) * self.samples)
        verdicts = answers.verdicts[own]
        names = dict.fromkeys(name for verdict in verdicts for name in verdict.parts)
        given: dict[str, Any] = {
            **example.columns,
            "responses": list(answers.texts[own]),
            "correct": [verdict.outcome is Outcome.CORRECT for verdict in verdicts],
            "parts": {name: [verdict.parts.get(name) for verdict in verdicts] for name in names},
            "lengths": [len(sampled.tokens) for sampled in answers.sampled[own]],
            "prompt": example.prompt,
            "columns": example.columns,
            "id": example.id,
        }
        # A row may leave a column out that others have.
        return {name: given.get(name) for name in self.call.asks}

    def _called(self, given: Mapping[str, Any]) -> Any:
        try:
            return self.call(given)
        except CallError as error:
            raise DataError(f"{self.call.title} failed: {error}") from error

    def _named(self, returned: Any) -> Mapping[str, Any]:
        """Return metrics by name; a number alone is called as the function is."""
        if isinstance(returned, Mapping):
            return {str(name): value for name, value in returned.items()}
        return {self.call.attribute: returned}

    def _result(
        self,
        returned: Any,
        samples: list[dict[str, Any]] | None = None,
        about: Mapping[str, Any] | None = None,
    ) -> Result:
        return result_of(
            self._named(returned),
            title=self.call.title,
            resamples=self.bootstrap,
            seed=self.draws,
            samples=samples or (),
            about=about,
        )
