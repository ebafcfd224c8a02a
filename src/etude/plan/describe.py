"""What a graph will do, as text: its stages, what is done, the arithmetic and the estimates."""

from __future__ import annotations

import shutil
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from etude.plan.estimate import device_of, free_space
from etude.plan.kinds import Kinds
from etude.plan.lines import shown, span, wrapped
from etude.plan.lookup import State
from etude.plan.nodes import EvaluationNode, Graph, StageNode
from etude.plan.quantities import counted, duration, size
from etude.plan.references import each_of, stage_of
from etude.plan.room import memory
from etude.plan.summary import MOST_STAGES, group_lines
from etude.schema import Schema


def describe(
    graph: Graph,
    outputs: Path | None = None,
    *,
    schema: Schema | None = None,
    width: int | None = None,
) -> str:
    """Return what ``etude plan`` prints: stages with their state, arithmetic, needs and totals.

    ``outputs`` defaults to the graph's and ``width`` to the terminal's. Only plain text comes back
    and nothing heavy is imported; figures marked ~ are estimates.
    """
    outputs = outputs or graph.outputs
    width = width or min(120, shutil.get_terminal_size((110, 24)).columns)
    if schema is None:
        from etude.schema import load

        schema = load()
    kinds = Kinds(graph, outputs, schema)
    lines = list(stage_lines(kinds, width))
    for line in total_lines(kinds):
        lines += textwrap.wrap(line, width, subsequent_indent=" " * 14)
    return "\n".join(lines)


def start_lines(graph: Graph, schema: Schema, width: int = 100) -> Iterator[str]:
    """Yield the start of a run: its headline and each stage with its arithmetic."""
    yield from wrapped(headline(graph), 0, width)
    yield ""
    kinds = Kinds(graph, graph.outputs, schema)
    labels = ("batch", "loss", "reward", "measured")
    if len(graph.stages) > MOST_STAGES:
        yield from group_lines(kinds, width, *labels, full=False)
        yield ""
        return
    titles = stage_titles(kinds)
    said: set[tuple[str, ...]] = set()
    for fingerprint, node in graph.stages.items():
        yield from wrapped(titles[fingerprint], 2, width)
        yield from _once(said, node, kinds, width, *labels)
    yield ""


def stage_lines(kinds: Kinds, width: int) -> Iterator[str]:
    """Yield the headline and, for each stage, its state, arithmetic and estimate.

    Of a graph with many stages those of one name are told together.
    """
    graph = kinds.graph
    if len(graph.stages) > MOST_STAGES:
        yield from wrapped(counts(graph), 0, width)
        yield ""
        yield from group_lines(kinds, width)
        yield ""
        return
    yield counts(graph)
    yield ""
    titles = stage_titles(kinds)
    said: set[tuple[str, ...]] = set()
    for fingerprint, node in graph.stages.items():
        yield from wrapped(titles[fingerprint], 1, width)
        state = kinds.state(node)
        wanted = wanted_by(kinds, node)
        yield from wrapped(" · ".join(filter(None, (state_words(state, node), wanted))), 7, width)
        yield from _once(said, node, kinds, width)
        needs = kinds.needs(node).line()
        if state.kind != "done" and (node.name, needs) not in said:
            said.add((node.name, needs))
            yield from wrapped(needs, 7, width)
    yield ""


def wanted_by(kinds: Kinds, node: StageNode) -> str:
    """Return which runs of a sweep want a stage: ``for 3 runs (seed=1)``; nothing for one run."""
    if len(kinds.graph.runs) < 2:
        return ""
    text = f"for {counted(len(kinds.wanting[node.fingerprint]), 'run')}"
    own = kinds.own(node)
    return f"{text} ({' '.join(own)})" if own else text


def _judge_lines(measured: Sequence[EvaluationNode]) -> Iterator[str]:
    """Yield each role by which a model is measured that is trained beside that model.

    Other models are measured by another one under the same name, so their numbers do not compare.
    """
    found: dict[tuple[str, str], None] = {}
    for node in measured:
        for path, value in node.inputs.items():
            own = node.stage is not None and any(stage_of(v) == node.stage for v in each_of(value))
            if own and path.startswith("models."):
                found[node.name, path.split(".")[1]] = None
    for name, role in found:
        yield (
            f" warning      {name} is measured with the model '{role}' as it is trained there, "
            "what comes before with an earlier one: their numbers do not compare"
        )


def total_lines(kinds: Kinds) -> Iterator[str]:
    """Yield what is left to do in all, the evaluations, and the disk against its free space."""
    graph = kinds.graph
    waiting = [node for node in graph.stages.values() if kinds.state(node).kind != "done"]
    measured = list(graph.evaluations.values())
    done = sum(kinds.state(node).kind == "done" for node in measured)
    if measured:
        yield f" evaluations  {counted(len(measured), 'model')} measured, {done:,} done already"
        yield from _judge_lines(measured)
    if not waiting and graph.stages:
        yield " nothing to train: every stage is done"
    if not waiting:
        return
    if len(graph.stages) > MOST_STAGES:
        finished = len(graph.stages) - len(waiting)
        yield f" stages       {len(waiting):,} to train, {finished:,} done already"
    needs = [kinds.needs(node) for node in waiting]
    times = [need.seconds for need in needs]
    if all(seconds is not None for seconds in times):
        total = sum(seconds or 0.0 for seconds in times)
        yield f" time         ~{duration(total)} one stage after the other, evaluations aside"
    yield from _memory_line(kinds, waiting)
    written, free = sum(need.disk for need in needs), free_space(kinds.outputs)
    warning = "   ← warning: more than is free" if written > free else ""
    yield f" disk         ~{size(written)} in {shown(kinds.outputs)} ({size(free)} free){warning}"
    yield " figures marked ~ are estimates"


def _memory_line(kinds: Kinds, waiting: Sequence[StageNode]) -> Iterator[str]:
    """Yield the most memory a stage needs against what this machine has, where it runs here."""
    root = kinds.graph.runs[0].root if kinds.graph.runs else {}
    if (root.get("launcher") or {}).get("name") == "slurm":
        return
    needed: dict[str, float] = {}
    for node in waiting:
        found = kinds.needs(node).memory
        if found is not None:
            device = device_of({**node.config, "resources": node.resources})
            needed[device] = max(needed.get(device, 0.0), found.peak)
    for device, most in needed.items():
        has = memory(device)
        if has is None:
            continue
        where = "a GPU here has" if device == "cuda" else "there are"
        warning = "   ← warning: more than there is" if most > has else ""
        yield f" memory       ~{size(most)} for the largest stage ({where} {size(has)}){warning}"


def counts(graph: Graph) -> str:
    """Return ``12 stages for 9 runs (6 shared): 3 × sft, 9 × rl``."""
    if not graph.stages:
        return counted(len(graph.evaluations), "evaluation")
    total = sum(len(run.stages) for run in graph.runs)
    names = Counter(node.name for node in graph.stages.values())
    text = f"{counted(len(graph.stages), 'stage')} for {counted(len(graph.runs), 'run')}"
    if total > len(graph.stages):
        text += f" ({total - len(graph.stages):,} shared)"
    return f"{text}: " + ", ".join(f"{amount:,} × {name}" for name, amount in names.items())


def headline(graph: Graph) -> str:
    """Return the run's name, seeds, device and folder in one line."""
    root = graph.runs[0].root if graph.runs else {}
    parts = [graph.name]
    if len(graph.runs) > 1:
        parts.append(counted(len(graph.runs), "run"))
    seeds = list(dict.fromkeys(run.root.get("seed") for run in graph.runs))
    if seeds and None not in seeds:
        listed = list(map(str, seeds))
        told = ", ".join(listed) if len(listed) < 12 else span(listed)
        parts.append(("seed " if len(seeds) == 1 else "seeds ") + told)
    device = device_of(root)
    threads = (root.get("execution") or {}).get("threads")
    parts.append(
        f"{device}, {counted(int(threads), 'thread')}" if threads and device == "cpu" else device
    )
    if graph.folder is not None:
        parts.append(str(shown(graph.folder)))
    return " · ".join(parts)


def stage_titles(kinds: Kinds) -> dict[str, str]:
    """Return one line a stage by fingerprint: name, what it is, where it starts, its data."""
    rows = {}
    for fingerprint, node in kinds.graph.stages.items():
        title, data = kinds.title(node)
        rows[fingerprint] = (node.name, title, kinds.origin(node), data)
    widths = [max((len(row[column]) for row in rows.values()), default=0) for column in range(4)]
    return {
        fingerprint: "  ".join(
            text.ljust(width) for text, width in zip(row, widths, strict=True)
        ).rstrip()
        for fingerprint, row in rows.items()
    }


def state_words(state: State, node: StageNode) -> str:
    """Return how far a stage has come, in words."""
    short = node.fingerprint[:8]
    if state.kind == "done":
        return f"done ({short}, {duration(state.seconds)} saved)"
    if state.kind == "resumable":
        return f"resumes after step {state.step} of {node.steps} ({short})"
    if state.kind == "extendable" and state.source is not None:
        return f"goes on from step {state.step} of {state.source.name} ({short})"
    return f"to do ({short})"


def _once(
    said: set[tuple[str, ...]], node: StageNode, kinds: Kinds, width: int, *labels: str
) -> Iterator[str]:
    """Yield a stage's arithmetic unless the same was said: members of a sweep mostly share it."""
    wanted = kinds.said(node).items()
    sentences = tuple(f"{label}: {text}" for label, text in wanted if not labels or label in labels)
    if sentences not in said:
        said.add(sentences)
        for sentence in sentences:
            yield from wrapped(sentence, 7, width)
