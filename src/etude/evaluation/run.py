"""Measuring a model under a resolved stage config: held-out rows, samples, verdicts, metrics."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etude.build import build, build_struct
from etude.config.settings import Execution
from etude.data_mix.stream import Stream
from etude.distributed.together import apart
from etude.distributed.world import current
from etude.errors import VerifierError
from etude.evaluation.interface import Answers, Evaluation
from etude.rows import Candidate, Example, Outcome, Request, Sampled, StopReason, Verdict
from etude.verifier.interface import Judge

#: Makes the engine that samples: from a rollout component and a policy.
EngineFactory = Callable[[Any, Any], Any]

#: What was sampled for a request, its text, and what the verifier says of it.
Answered = tuple[Sampled, str, Verdict]


@dataclass(frozen=True)
class Parts:
    """The typed components an evaluation reads."""

    evaluation: Evaluation
    rollout: Any
    verifier: Any
    stream: Stream
    execution: Execution

    @classmethod
    def build(cls, config: Mapping[str, Any], stage_data: Mapping[str, Path] | None) -> Parts:
        """Build them from a resolved stage config; raises ConfigError or DataError."""
        mix = build(config["data_mix"], "data_mix")
        held_out = dataclasses.replace(mix, train={})  # training rows are not read to measure
        used = {part.source or name for name, part in held_out.held_out.items()}
        sources = {
            name: build(node, "sources") for name, node in config["sources"].items() if name in used
        }
        return cls(
            evaluation=build(config["evaluation"], "evaluation"),
            rollout=build(config["rollout"], "rollout"),
            verifier=build(config["verifier"], "verifier"),
            stream=held_out.open(sources, int(config["seed"]), stage_data),
            execution=build_struct(Execution, config["execution"], "execution"),
        )


def evaluate_policy(
    config: Mapping[str, Any],
    policy: Any,
    engine_factory: EngineFactory | None = None,
    judge: Judge | None = None,
    stage_data: Mapping[str, Path] | None = None,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return an evaluation's JSON and its samples for a policy in memory; it is left as it was.

    The result depends on the policy and the config alone. Ranks share the problems, each with the
    whole policy, and all return the same. ``engine_factory`` replaces
    ``rollout.engine(policy)``; ``judge`` is used where one is open already, and otherwise opened
    and closed here. Raises VerifierError when the verifier fails on every answer.
    """
    parts = Parts.build(config, stage_data)
    examples = parts.stream.held_out(parts.evaluation.problems)
    prompts = [policy.encode_example(example) for example in examples]
    requests = parts.evaluation.requests(examples, prompts, parts.rollout.max_new_tokens)
    answered = _answered(parts, policy, examples, requests, engine_factory or _engine, judge)
    every = [answer for answers in answered for answer in answers]
    sampled = [each for each, _, _ in every]
    texts = [text for _, text, _ in every]
    verdicts = [verdict for _, _, verdict in every]
    failed = [v for v in verdicts if v.outcome in (Outcome.TIMED_OUT, Outcome.CRASHED)]
    if verdicts and len(failed) == len(verdicts):
        raise VerifierError(
            f"the verifier failed on all {len(failed)} answers of the evaluation (the first:"
            f" {failed[0].outcome}, {failed[0].detail}); a pass rate of 0 would not be a measure"
        )
    answers = Answers(
        examples,
        sampled,
        texts,
        verdicts,
        requests[0].max_new_tokens,
        _loss(parts, policy, examples),
    )
    result = parts.evaluation.measure(answers)
    return result.evaluation, result.samples


def _answered(
    parts: Parts,
    policy: Any,
    examples: Sequence[Example],
    requests: Sequence[Request],
    engine_factory: EngineFactory,
    judge: Judge | None,
) -> list[list[Answered]]:
    """Return the answers to each problem; each rank samples and judges those of its problems.

    A request to stop ends it early.
    """
    world = current()
    each = len(requests) // len(examples)
    problems = [requests[start : start + each] for start in range(0, len(requests), each)]
    mine = [request for problem in world.share(problems) for request in problem]

    def answer() -> list[list[Answered]]:
        found = _sampled(parts, policy, examples, mine, engine_factory, judge) if mine else []
        return [found[start : start + each] for start in range(0, len(found), each)]

    return world.merged(apart(answer))


def _sampled(
    parts: Parts,
    policy: Any,
    examples: Sequence[Example],
    requests: Sequence[Request],
    engine_factory: EngineFactory,
    judge: Judge | None,
) -> list[Answered]:
    engine = engine_factory(parts.rollout, policy)
    try:
        sampled = engine.sample(requests, temperature=_temperature(parts.evaluation))
    finally:
        engine.close()
    texts = [policy.decode(each.tokens) for each in sampled]
    by_id = {example.id: example for example in examples}
    candidates = [
        Candidate(
            id=request.prompt_id,
            index=request.index,
            prompt=by_id[request.prompt_id].prompt,
            response=text,
            columns=by_id[request.prompt_id].columns,
            stop_reason=StopReason(answer.stop_reason),
            length=len(answer.tokens),
        )
        for request, answer, text in zip(requests, sampled, texts, strict=True)
    ]
    own = judge or parts.verifier.open(parts.execution.verifier_workers)
    try:
        verdicts = own.verify(candidates)
    finally:
        if judge is None:
            own.close()
    return list(zip(sampled, texts, verdicts, strict=True))


def evaluate_model(
    config: Mapping[str, Any],
    model: Path | None,
    folder: Path,
    seed: int,
    stage_data: Mapping[str, Path] | None = None,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return an evaluation's JSON and its samples for a model in a folder.

    ``model`` is a Hugging Face folder, or None for the config's base model, which is made from
    ``seed`` where it is not loaded. ``folder`` is where the evaluation may write; the result itself
    is returned and written by the caller.
    """
    from etude.learner.parts import device_of

    component = build(config["model"], "model")
    execution = build_struct(Execution, config["execution"], "execution")
    device = device_of(execution.device)
    policy = component.create(seed, device) if model is None else component.load(model, device)
    return evaluate_policy(config, policy, stage_data=stage_data)


def _engine(rollout: Any, policy: Any) -> Any:
    return rollout.engine(policy)


def _temperature(evaluation: Evaluation) -> float:
    """Return the sampling temperature; 0 takes the most likely token."""
    return 0.0 if evaluation.greedy else evaluation.temperature


def _loss(parts: Parts, policy: Any, examples: Any) -> Any:
    if all(example.response is None for example in examples):
        return None
    from etude.evaluation.held_out_loss import held_out_loss

    loss = held_out_loss(
        policy, examples, parts.evaluation.max_length, parts.execution.micro_batch_tokens
    )
    return loss if len(loss.losses) else None
