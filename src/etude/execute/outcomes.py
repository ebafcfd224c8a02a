"""How the nodes of a graph ended, and what that means for each run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from etude.execute import metric
from etude.plan.nodes import GateEdge, Graph, Run, RunStage
from etude.plan.references import Made

State = Literal["done", "skipped", "failed", "waiting"]


@dataclass
class Outcome:
    """How one node ended: ``evaluation`` is what it measured, ``error`` a failure's text."""

    state: State
    folder: str = ""
    seconds: float = 0.0
    error: str = ""
    evaluation: Mapping[str, Any] | None = None

    @property
    def good(self) -> bool:
        """Tell whether what comes after may use it."""
        return self.state in ("done", "skipped")


def passes(graph: Graph, gate: GateEdge) -> bool | None:
    """Tell whether a gate is passed; None when its evaluation was not made or lacks the metric."""
    value = _value(graph, gate.evaluation, gate.metric)
    if value is None:
        return None
    if gate.at_least is not None and value < gate.at_least:
        return False
    if not gate.rule:
        return True
    best = best_before(graph, gate)
    return None if best is None else gate.gate_rule.accepts(value, best)


def best_before(graph: Graph, gate: GateEdge) -> float | None:
    """Return what a gate under a rule compares with: the value of what its stage started from.

    Where an earlier gate kept what was before it, that is what the stage did start from.
    """
    earlier = _earlier(graph, gate)
    if earlier is not None and earlier.keeps and earlier.before and passes(graph, earlier) is False:
        return best_before(graph, earlier)
    return None if gate.before is None else _value(graph, gate.before, gate.metric)


def stops(graph: Graph, gate: GateEdge) -> bool:
    """Tell whether what waits for a gate does not run: it failed, or could not be read."""
    passed = passes(graph, gate)
    if passed is None or passed:
        return passed is None
    if gate.on_fail == "stop":
        return True
    return gate.patience is not None and failures_in_a_row(graph, gate) >= gate.patience


def failures_in_a_row(graph: Graph, gate: GateEdge | None) -> int:
    """Return how many gates failed, this one and those of the stages before it, without a pass."""
    count = 0
    while gate is not None and passes(graph, gate) is False:
        count, gate = count + 1, _earlier(graph, gate)
    return count


def _earlier(graph: Graph, gate: GateEdge) -> GateEdge | None:
    """Return the gate of the stage that a gated stage starts from, as the same run has it."""
    start = graph.stages[gate.stage].start
    if not isinstance(start, Made):
        return None
    for run in graph.runs:
        views = {view.stage: view for view in run.stages}
        if start.stage in views and gate.stage in views and views[gate.stage].gate == gate:
            return views[start.stage].gate
    return None


def _value(graph: Graph, evaluation: str, name: str) -> float | None:
    outcome: Outcome | None = graph.outcomes.get(evaluation)
    measured = None if outcome is None else outcome.evaluation
    return None if measured is None else metric.value_of(measured, name)


def gate_text(graph: Graph, gate: GateEdge) -> str:
    """Return what a gate found, in words: ``pass@1 0.31 < 0.5 after sft``."""
    outcome: Outcome | None = graph.outcomes.get(gate.evaluation)
    stage = graph.stages[gate.stage].name
    if outcome is None or outcome.evaluation is None:
        return f"{stage} was not evaluated, so its gate ({gate.written}) cannot be read"
    value = metric.value_of(outcome.evaluation, gate.metric)
    if value is None:
        known = ", ".join(metric.names_of(outcome.evaluation))
        return (
            f"the evaluation of {stage} has no metric '{gate.written}' for its gate; it has {known}"
        )
    if gate.at_least is not None and value < gate.at_least:
        return f"{gate.written} {value:.4g} < {gate.at_least:g} after {stage}"
    if not gate.rule:
        return f"{gate.written} {value:.4g} ≥ {gate.at_least:g} after {stage}"
    best = best_before(graph, gate)
    if best is None:
        return f"what {stage} started from was not measured, so its gate cannot be read"
    bar = gate.gate_rule.threshold(best)
    beyond = gate.gate_rule.accepts(value, best)
    sign = {("max", True): "≥", ("max", False): "<", ("min", True): "≤", ("min", False): ">"}
    said = sign[gate.mode, beyond] if value != bar else ("=" if beyond else "not beyond")
    text = f"{gate.written} {value:.4g} {said} {bar:.4g} after {stage} (the best was {best:.4g})"
    row = failures_in_a_row(graph, gate)
    return text + (f", {row} in a row" if row > 1 else "")


def barrier(graph: Graph, run: Run, stage: RunStage) -> str | None:
    """Return why a stage of a run cannot run now, or None when nothing is in its way."""
    views = {view.stage: view for view in run.stages}
    for fingerprint in stage.waits_for:
        outcome: Outcome | None = graph.outcomes.get(fingerprint)
        if outcome is None or not outcome.good:
            return f"{graph.stages[fingerprint].name} did not finish"
        earlier = views.get(fingerprint)
        why = barrier(graph, run, earlier) if earlier is not None else None
        if why is not None:
            return why
    for gate in stage.gates:
        if stops(graph, gate):
            return gate_text(graph, gate)
    return None


def blocked(graph: Graph, fingerprint: str) -> str | None:
    """Return why no run lets a stage run, or None when at least one does."""
    reasons = [
        barrier(graph, run, stage)
        for run in graph.runs
        for stage in run.stages
        if stage.stage == fingerprint
    ]
    return None if None in reasons else (reasons[0] if reasons else None)


def problems(graph: Graph) -> list[str]:
    """Return everything that went wrong, each once: failures first, then gates not passed."""
    failures = [outcome.error for outcome in graph.outcomes.values() if outcome.state == "failed"]
    return list(dict.fromkeys([*failures, *stopped(graph)]))


def stopped(graph: Graph) -> list[str]:
    """Return the gates that stop a run, each once: ``stopped: pass@1 0.31 < 0.5 after sft``."""
    found: dict[str, None] = {}
    for run in graph.runs:
        for stage in run.stages:
            gate = stage.gate
            outcome = graph.outcomes.get(stage.stage)
            if gate is None or outcome is None or not outcome.good:
                continue
            if stops(graph, gate):
                found[f"stopped: {gate_text(graph, gate)}"] = None
    return list(found)


def summary(graph: Graph) -> list[dict[str, Any]]:
    """Return the runs as JSON: every stage with its state, folder, evaluations and gate."""
    return [
        {
            "name": run.name,
            "overrides": list(run.overrides),
            "stages": [_stage(graph, run, stage) for stage in run.stages],
        }
        for run in graph.runs
    ]


def _stage(graph: Graph, run: Run, stage: RunStage) -> dict[str, Any]:
    outcome: Outcome = graph.outcomes.get(stage.stage) or Outcome("waiting")
    about: dict[str, Any] = {
        "name": stage.name,
        "fingerprint": stage.stage,
        "state": outcome.state,
        "folder": outcome.folder or None,
        "seconds": outcome.seconds,
        "before": _evaluation(graph, stage.before),
        "after": _evaluation(graph, stage.after),
    }
    if stage.others:
        about["others"] = {
            each.name: {
                "before": _evaluation(graph, each.before),
                "after": _evaluation(graph, each.after),
            }
            for each in stage.others
        }
    if beside := graph.beside(graph.stages[stage.stage]):
        about["models"] = beside
    if outcome.state == "waiting":
        about["waits_for"] = barrier(graph, run, stage)
    if outcome.error:
        about["error"] = outcome.error
    if stage.gate is not None and outcome.good:
        passed = passes(graph, stage.gate)
        about["gate"] = {"passed": passed, "on_fail": stage.gate.on_fail}
        about["gate"]["why"] = gate_text(graph, stage.gate)
    return about


def _evaluation(graph: Graph, fingerprint: str | None) -> dict[str, Any] | None:
    if fingerprint is None:
        return None
    outcome: Outcome | None = graph.outcomes.get(fingerprint)
    return {
        "fingerprint": fingerprint,
        "state": outcome.state if outcome is not None else "waiting",
        "folder": outcome.folder if outcome is not None else None,
        "result": outcome.evaluation if outcome is not None else None,
    }
