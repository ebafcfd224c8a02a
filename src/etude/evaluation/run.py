"""Measuring a model under a resolved stage config: its components built, its problems found."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etude.build import build, build_struct
from etude.config.settings import Execution
from etude.entries import ENVIRONMENTS
from etude.environment.opened import Environments
from etude.errors import DataError, VerifierError
from etude.evaluation.host import EvaluationHost
from etude.evaluation.interface import Result
from etude.evaluation.kind import Evaluation
from etude.evaluation.own_metrics import result_of
from etude.evaluation.played import Host
from etude.evaluation.view import Around, Opened, View
from etude.learner.context import Folders, StageContext, model_of
from etude.model.device import device_of
from etude.rollout.fitting import PromptLimit
from etude.rows import Example
from etude.sources.interface import StageRows
from etude.verifier.interface import Judge


@dataclass(frozen=True)
class Parts:
    """The typed components of an evaluation: its own, and what of the stage it uses."""

    evaluation: Evaluation
    around: Around

    @classmethod
    def build(cls, config: Mapping[str, Any], stage_data: Mapping[str, StageRows] | None) -> Parts:
        """Build them from a resolved stage config; raises ConfigError or DataError."""
        mix = build(config["data_mix"], "data_mix")
        # Neither training rows nor demonstrations are read to measure.
        held_out = dataclasses.replace(mix, train={}, demonstrations={})
        used = {part.source or name for name, part in held_out.held_out.items()}
        sources = {
            name: build(node, "sources") for name, node in config["sources"].items() if name in used
        }
        return cls(
            evaluation=build(config["evaluation"], "evaluation"),
            around=Around(
                rollout=build(config["rollout"], "rollout"),
                verifier=build(config["verifier"], "verifier"),
                stream=held_out.stream(sources, int(config["seed"]), stage_data),
                execution=build_struct(Execution, config["execution"], "execution"),
                environments=environments_of(config),
            ),
        )


class Measurement:
    """An evaluation with everything it reads but the model; its problems are found once."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._found: dict[tuple[int, int], list[Example]] = {}
        self._prompts: dict[str, tuple[int, ...]] = {}

    @property
    def rollout(self) -> Any:
        """Return the component by which answers are sampled."""
        return self._parts.around.rollout

    def of(
        self,
        policy: Any,
        *,
        engine: Opened[Any] | None = None,
        judge: Opened[Judge],
        host: Host,
    ) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Return an evaluation's JSON and its samples for a policy in memory; it is left as it was.

        ``engine`` and ``judge`` lend what samples from the policy and what judges; without an
        engine one is open for as long as it takes. ``host`` has the other models that an episode
        asks for. Raises VerifierError when the verifier fails on too many answers.
        """
        around = self._parts.around

        def problems(most: int, limit: int) -> list[Example]:
            if (most, limit) not in self._found:
                self._found[most, limit] = _problems(around, policy, most, limit)
            return self._found[most, limit]

        def prompt(example: Example) -> tuple[int, ...]:
            if example.id not in self._prompts:
                self._prompts[example.id] = policy.encode_example(example)
            return self._prompts[example.id]

        view = View(policy, around, problems, prompt, engine=engine, judge=judge, host=host)
        returned = self._parts.evaluation.measure(view)
        result = returned if isinstance(returned, Result) else result_of(returned)
        return result.evaluation, result.samples


def environments_of(config: Mapping[str, Any]) -> Environments:
    """Return the environments of a resolved config, built."""
    nodes = [config.get(group) for group in ENVIRONMENTS]
    main, others = (
        build(node, group) if node else None
        for group, node in zip(ENVIRONMENTS, nodes, strict=True)
    )
    return Environments.of(main, others)


def evaluate_policy(
    config: Mapping[str, Any], policy: Any, context: StageContext | None = None
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return an evaluation's JSON and its samples for a policy in memory; it is left as it was.

    The result depends on the policy, the config and what ``context`` says is given alone. Ranks
    share the problems, each with the whole policy, and all return the same. Raises VerifierError
    when the verifier fails on too many answers.
    """
    given = context or StageContext(int(config["seed"]), Path())
    parts = Parts.build(config, given.data)
    around = parts.around
    host = EvaluationHost(config, given, policy, around.verifier, around.rollout, around.execution)
    with closing(host):
        judge = host.judge  # on every rank, and some may have no problem
        return Measurement(parts).of(policy, judge=lambda: nullcontext(judge), host=host)


def evaluate_model(
    config: Mapping[str, Any], inputs: Folders, folder: Path, seed: int
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return an evaluation's JSON and its samples for a model in a folder.

    ``inputs`` holds the folder of the ``model``, or None for the config's base model, which is made
    from ``seed`` where it is not loaded. ``folder`` is where the evaluation may write; the result
    itself is returned and written by the caller.
    """
    component = build(config["model"], "model")
    execution = build_struct(Execution, config["execution"], "execution")
    device = device_of(execution.device)
    model = model_of(inputs, "model")
    policy = component.create(seed, device) if model is None else component.load(model, device)
    return evaluate_policy(config, policy, StageContext(seed, folder, inputs))


def _problems(around: Around, policy: Any, most: int, max_new_tokens: int) -> list[Example]:
    examples = _readable(around, around.stream.held_out(most))
    examples = PromptLimit(policy, around.rollout, max_new_tokens).of(examples, around.held_out)
    if not examples:
        raise DataError(f"{around.held_out}: no problem is short enough to be measured")
    return examples


def _readable(around: Around, examples: list[Example]) -> list[Example]:
    """Return the problems whose right answer the verifier can read; warns of the others."""
    faults = [around.verifier.unreadable(example.columns) for example in examples]
    kept = [example for example, fault in zip(examples, faults, strict=True) if fault is None]
    if len(kept) < len(examples):
        example, fault = next(pair for pair in zip(examples, faults, strict=True) if pair[1])
        left_out = f"{len(examples) - len(kept)} of {len(examples)} held-out problems have a right"
        left_out += f" answer that the verifier cannot read (row {example.id}: it {fault})"
        if not kept:
            raise VerifierError(f"{left_out}; a pass rate would not be a measure")
        warnings.warn(f"evaluation: {left_out}: they are not measured", stacklevel=3)
    return kept
