"""A causal LM that judges: the final answer of a response, or the steps of its solution.

The judge is shown the question, the right answer and of the response what it is to judge, and
nothing else: the final answer on one line, or the numbered steps. What the response spells of the
template's frames is made inert, and its verdict is read from the judge's reply alone
(``verifier/verdict``). No verdict counts as a no.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from etude.component import Need, Rule, component, option, slot
from etude.data_mix.template import names
from etude.errors import VerifierError
from etude.live import Tree
from etude.rows import Candidate, Outcome, Verdict
from etude.verifier.asking import AskedJudge, Decoding, Judged
from etude.verifier.audit import Audit
from etude.verifier.final_answer import ReadsFinalAnswer
from etude.verifier.host import Host
from etude.verifier.opened import Judging
from etude.verifier.shown import inert, one_line, prompt_of
from etude.verifier.solution_steps import Step, numbered, steps_of
from etude.verifier.verdict.kind import Reading, VerdictForm

#: What a template may name beside the columns of the row.
SHOWN = ("question", "gold", "answer", "steps")


@component(
    source="arXiv 2505.22203",
    requires=[
        Need("model:{role}", why="to judge"),
        Need("column:answer", when="shows_gold == true", why="to show the judge"),
    ],
    provides=["part:accuracy", "part:format", "part:length", "part:unread", "part:judge_tokens"],
)
@dataclass(frozen=True)
class Generative(ReadsFinalAnswer):
    """A language model judges the final answer of a response, or the steps of its solution.

    ``accuracy`` is 1 where it says that the answer is right (no step is wrong); no verdict, and one
    that cannot be read, count as a no, and ``unread`` is 1 there. ``first_wrong`` is the first step
    that is wrong, -1 for none. Where a guard refuses an answer the model is not asked.
    """

    example: ClassVar[str] = "recipe=rl verifier=generative models.judge=base"

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "'answer' in columns(prompt) or 'steps' in columns(prompt)",
            "shows the judge nothing of a response: it holds {answer} or {steps}.",
            key="prompt",
        ),
        Rule(
            "shows_gold == true or not ('gold' in columns(prompt))",
            "is false, and {path}.prompt holds {gold}.",
            key="shows_gold",
        ),
    )

    role: str = option("judge", "the one of `models` that judges", form="filled")
    verdict: VerdictForm = slot("phrase", "how it states its verdict")
    prompt: str = option(
        "Question: {question}\nReference answer: {gold}\nAnswer to judge: <answer>{answer}</answer>"
        "\nIs it the same answer as the reference? Do not solve the question. End with the words "
        "Final Decision: Yes, or Final Decision: No.",
        "what it is asked: {question}, {gold}, {answer} or {steps}, and columns of the row",
        escapes=True,
    )
    system: str | None = option(None, "its system text, where its chat template has one")
    shows_gold: bool = option(True, "rows have a right answer, which the judge is shown")
    max_new_tokens: int = option(64, "tokens of its longest reply", ge=1, le=100_000_000)
    temperature: float = option(
        0.0, "0 takes the likeliest token (reasoning judges: 0.6)", ge=0, le=1000
    )
    top_p: float = option(
        1.0, "mass of the likeliest tokens that are drawn from (reasoning judges: 0.95)", gt=0, le=1
    )
    retries: int = option(0, "times a reply without a verdict is asked for again", ge=0, le=100)
    retry_temperature: float = option(1.0, "temperature of those", ge=0, le=1000)
    between: str = option(r"\n\s*\n", "regex of what lies between two steps", form="regex")
    step_form: str = option(
        "<step {number}>{step}</step>\n", "how a step is shown, numbered from 0", escapes=True
    )
    guards: bool = option(
        True, "answers that could talk a model into a yes are wrong without asking it"
    )
    audit: bool = option(
        True, "play known patterns of hacking against it when training starts", kind="execution"
    )

    @property
    def _compares(self) -> bool:
        return self.shows_gold

    def open(self, host: Host) -> Asking:
        """Return what asks the model of the role; raises VerifierError for no such template."""
        named = names(self.prompt)
        if self.verdict.by_steps and "steps" not in named:
            raise VerifierError(
                f"verifier.prompt={self.prompt!r} shows no {{steps}}, and"
                f" {type(self.verdict).__name__} is a verdict on steps"
            )
        return Asking(self, host)


class Asking(Judging):
    """Asks a model about final answers or solutions; its one state is what the audit found."""

    def __init__(self, config: Generative, host: Host) -> None:
        self.config = config
        decoding = Decoding(
            config.max_new_tokens,
            config.temperature,
            config.top_p,
            config.retries,
            config.retry_temperature,
        )
        self._judge = AskedJudge(host, config.role, config.verdict, decoding)
        self._audit = Audit(config.role)

    def judge(self, candidates: Sequence[Candidate]) -> list[Verdict]:
        """Return a verdict on each candidate; the model is asked about all of them at once."""
        if any(not each.evaluation for each in candidates):
            self._play()
        if self.config.verdict.by_steps:
            return self._steps(candidates)
        answers = [self.config.final_answer(each.response) for each in candidates]
        return self._answers(candidates, answers, self.config.guards)

    # The final answer ----------------------------------------------------------------------

    def _answers(
        self, candidates: Sequence[Candidate], answers: Sequence[str | None], guards: bool
    ) -> list[Verdict]:
        config = self.config
        why: list[str | None] = [None] * len(candidates)
        if config.shows_gold and guards:
            why = [config.refused(a, each) for a, each in zip(answers, candidates, strict=True)]
        asked = [i for i, answer in enumerate(answers) if answer and why[i] is None]
        said = self._ask(
            [candidates[i] for i in asked],
            [{"answer": one_line(inert(answers[i] or "", config.prompt))} for i in asked],
            [0] * len(asked),
        )
        found: list[Verdict] = []
        by_place = dict(zip(asked, said, strict=True))
        for place, (candidate, answer) in enumerate(zip(candidates, answers, strict=True)):
            parts = config.plain_parts(candidate, answer)
            if place in by_place:
                found.append(_verdict(by_place[place], parts, answer))
            elif answer is None:
                found.append(Verdict(Outcome.NO_ANSWER, parts, detail=why[place]))
            else:
                found.append(Verdict(Outcome.WRONG, parts, answer, why[place]))
        return found

    # The steps of a solution ---------------------------------------------------------------

    def _steps(self, candidates: Sequence[Candidate]) -> list[Verdict]:
        config = self.config
        places, steps = [], []
        for each in candidates:
            solution, before = config.solution(each.response)
            places.append(before)
            steps.append(steps_of(solution, config.between))
        asked = [i for i, found in enumerate(steps) if found]
        shown = [{"steps": numbered(steps[i], config.step_form, config.prompt)} for i in asked]
        said = self._ask([candidates[i] for i in asked], shown, [len(steps[i]) for i in asked])
        by_place = dict(zip(asked, said, strict=True))
        found = []
        for place, candidate in enumerate(candidates):
            parts = config.plain_parts(candidate, config.final_answer(candidate.response))
            if place not in by_place:
                found.append(Verdict(Outcome.NO_ANSWER, parts, detail="the solution has no steps"))
                continue
            verdict = _verdict(by_place[place], parts, config.final_answer(candidate.response))
            reading = by_place[place].reading
            found.append(_with_steps(verdict, reading, steps[place], places[place]))
        return found

    # Asking --------------------------------------------------------------------------------

    def _ask(
        self, candidates: Sequence[Candidate], shown: Sequence[dict[str, str]], steps: Sequence[int]
    ) -> list[Judged]:
        prompts = [self._prompt(*each) for each in zip(candidates, shown, strict=True)]
        seeds = [each.seed for each in candidates]
        said = self._judge.ask(prompts, seeds, steps, self.config.system)
        for place, each in enumerate(said):
            if each.reading is None:
                bare = self._prompt(candidates[place], dict.fromkeys(shown[place], ""))
                fits = self._judge.fits(bare, self.config.system)
                said[place] = replace(each, without_answer=fits)
        return said

    def _prompt(self, candidate: Candidate, own: dict[str, str]) -> str:
        gold = candidate.columns.get("answer")
        if isinstance(gold, (list, tuple)) and gold:
            gold = " or ".join(map(str, gold))  # each of them is right
        known = {"id": candidate.id, "question": candidate.prompt, "gold": gold}
        values = {**candidate.columns, **known, **own}
        return prompt_of(self.config.prompt, values, "verifier.prompt")

    # The audit -----------------------------------------------------------------------------

    def _play(self) -> dict[str, float]:
        """Return what the audit found, after playing it where that was not done yet."""
        if not self.config.audit or set(names(self.config.prompt)) - set(SHOWN):
            return {}  # the audit's problems have no columns of their own
        return self._audit.play(self._attacked)

    def _attacked(self, candidates: Sequence[Candidate], guards: bool) -> list[bool]:
        if self.config.verdict.by_steps:
            found = self._steps(candidates)
        else:
            found = self._answers(candidates, [each.response for each in candidates], guards)
        return [each.outcome is Outcome.CORRECT for each in found]

    def metrics(self) -> dict[str, float]:
        """Return the share of the audit's answers that were accepted."""
        return self._play()

    def state_dict(self) -> Tree:
        """Return what the audit found."""
        return {"audit": self._audit.found}

    def load_state_dict(self, state: Tree) -> None:
        """Restore what the audit found."""
        self._audit.found = state["audit"]


def _verdict(said: Judged, parts: dict[str, float], answer: str | None) -> Verdict:
    """Return the verdict that a judge's words amount to."""
    if said.reading is None and not said.without_answer:
        why = "the question is longer than the judge can read"
        return Verdict(Outcome.REFUSED, {}, answer, why)
    if said.reading is None:
        parts = parts | {"unread": 1.0, "judge_tokens": float(said.tokens)}
        return Verdict(Outcome.WRONG, parts, answer, "it is longer than the judge can read")
    right = said.reading.accepts
    unread = right is None
    parts = parts | {"unread": float(unread), "judge_tokens": float(said.tokens)}
    if right:
        return Verdict(Outcome.CORRECT, {**parts, "accuracy": 1.0}, answer)
    told = one_line(said.reply)[-80:]
    detail = f"the judge gave no verdict: {told!r}" if unread else f"the judge said {told!r}"
    return Verdict(Outcome.WRONG, parts, answer, detail)


def _with_steps(
    verdict: Verdict, reading: Reading | None, steps: Sequence[Step], before: int
) -> Verdict:
    """Return a verdict with the first wrong step and, where each was judged, their shares."""
    if reading is None or reading.accepts is None:
        return verdict
    first = -1 if reading.first_wrong is None else reading.first_wrong
    parts = {**verdict.parts, "first_wrong": float(first)}
    spans = {}
    if reading.steps:
        share = 1.0 / len(reading.steps)
        spans["steps"] = [
            (before + step.start, before + step.end, share if right else -share)
            for step, right in zip(steps, reading.steps, strict=True)
        ]
    return replace(verdict, parts=parts, spans=spans)
