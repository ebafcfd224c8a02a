"""What a graph will do, as text: its stages, what is done, the arithmetic and the estimates."""

from __future__ import annotations

import shutil
import textwrap
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from etude.plan.estimate import StageEstimate, device_of, estimate, free_space, parameters_of
from etude.plan.lookup import State, state_of
from etude.plan.nodes import Graph, StageNode, own_overrides
from etude.plan.quantities import count, counted, duration, size
from etude.plan.words import Words
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
    lines = list(stage_lines(graph, outputs, schema, width))
    for line in total_lines(graph, outputs, schema):
        lines += textwrap.wrap(line, width, subsequent_indent=" " * 14)
    return "\n".join(lines)


def start_lines(graph: Graph, schema: Schema, width: int = 100) -> Iterator[str]:
    """Yield the start of a run: its headline and each stage with its arithmetic."""
    yield from wrapped(headline(graph), 0, width)
    yield ""
    titles = stage_titles(graph, schema)
    said: set[tuple[str, ...]] = set()
    for fingerprint, node in graph.stages.items():
        yield from wrapped(titles[fingerprint], 2, width)
        yield from _once(said, node, schema, width, "batch", "loss", "reward")
    yield ""


def stage_lines(graph: Graph, outputs: Path, schema: Schema, width: int) -> Iterator[str]:
    """Yield the headline and, for each stage, its state, arithmetic and estimate."""
    yield counts(graph)
    yield ""
    titles = stage_titles(graph, schema)
    said: set[tuple[str, ...]] = set()
    for fingerprint, node in graph.stages.items():
        yield from wrapped(titles[fingerprint], 1, width)
        state = state_of(node, outputs)
        wanted = wanted_by(graph, fingerprint)
        yield from wrapped(" · ".join(filter(None, (state_words(state, node), wanted))), 7, width)
        yield from _once(said, node, schema, width)
        needs = _needs(node, outputs, schema).line()
        if state.kind != "done" and (node.name, needs) not in said:
            said.add((node.name, needs))
            yield from wrapped(needs, 7, width)
    yield ""


def wanted_by(graph: Graph, fingerprint: str) -> str:
    """Return which runs of a sweep want a stage: ``for 3 runs (seed=1)``; nothing for one run."""
    if len(graph.runs) < 2:
        return ""
    wanting = [run for run in graph.runs if any(s.stage == fingerprint for s in run.stages)]
    shared = set.intersection(*(set(run.overrides) for run in wanting))
    first = own_overrides([run.overrides for run in graph.runs])[graph.runs.index(wanting[0])]
    own = [override for override in first if override in shared]
    text = f"for {counted(len(wanting), 'run')}"
    return f"{text} ({' '.join(own)})" if own else text


def total_lines(graph: Graph, outputs: Path, schema: Schema) -> Iterator[str]:
    """Yield what is left to do in all, the evaluations, and the disk against its free space."""
    waiting = [node for node in graph.stages.values() if state_of(node, outputs).kind != "done"]
    measured = list(graph.evaluations.values())
    done = sum(state_of(node, outputs).kind == "done" for node in measured)
    if measured:
        yield f" evaluations  {counted(len(measured), 'model')} measured, {done} done already"
    if not waiting and graph.stages:
        yield " nothing to train: every stage is done"
    if not waiting:
        return
    needs = [_needs(node, outputs, schema) for node in waiting]
    times = [need.seconds for need in needs]
    if all(seconds is not None for seconds in times):
        total = sum(seconds or 0.0 for seconds in times)
        yield f" time         ~{duration(total)} one stage after the other, evaluations aside"
    written, free = sum(need.disk for need in needs), free_space(outputs)
    warning = "   ← warning: more than is free" if written > free else ""
    yield f" disk         ~{size(written)} in {outputs} ({size(free)} free){warning}"
    yield " figures marked ~ are estimates"


def counts(graph: Graph) -> str:
    """Return ``12 stages for 9 runs (6 shared): 3 × sft, 9 × rl``."""
    if not graph.stages:
        return counted(len(graph.evaluations), "evaluation")
    total = sum(len(run.stages) for run in graph.runs)
    names = Counter(node.name for node in graph.stages.values())
    text = f"{counted(len(graph.stages), 'stage')} for {counted(len(graph.runs), 'run')}"
    if total > len(graph.stages):
        text += f" ({total - len(graph.stages)} shared)"
    return f"{text}: " + ", ".join(f"{amount} × {name}" for name, amount in names.items())


def headline(graph: Graph) -> str:
    """Return the run's name, seeds, device and folder in one line."""
    root = graph.runs[0].root if graph.runs else {}
    parts = [graph.name]
    if len(graph.runs) > 1:
        parts.append(counted(len(graph.runs), "run"))
    seeds = list(dict.fromkeys(run.root.get("seed") for run in graph.runs))
    if seeds and None not in seeds:
        parts.append(("seed " if len(seeds) == 1 else "seeds ") + ", ".join(map(str, seeds)))
    device = device_of(root)
    threads = (root.get("execution") or {}).get("threads")
    parts.append(
        f"{device}, {counted(int(threads), 'thread')}" if threads and device == "cpu" else device
    )
    if graph.folder is not None:
        parts.append(str(shown(graph.folder)))
    return " · ".join(parts)


def stage_titles(graph: Graph, schema: Schema) -> dict[str, str]:
    """Return one line a stage by fingerprint: name, what it is, where it starts, its data."""
    rows = {}
    for fingerprint, node in graph.stages.items():
        words = Words(node.config, node.learner, schema)
        rows[fingerprint] = (node.name, words.title(), origin(node, graph), words.data())
    widths = [max((len(row[column]) for row in rows.values()), default=0) for column in range(4)]
    return {
        fingerprint: "  ".join(
            text.ljust(width) for text, width in zip(row, widths, strict=True)
        ).rstrip()
        for fingerprint, row in rows.items()
    }


def origin(node: StageNode, graph: Graph) -> str:
    """Return what a stage starts from: ``← sft``, a folder, or the base model with its size."""
    if isinstance(node.start, str) and node.start in graph.stages:
        return f"← {graph.stages[node.start].name}"
    if node.start is not None:
        return f"← {node.start}"
    model = node.config.get("model") or {}
    total, _ = parameters_of(model)
    name = str(model.get("path") or model.get("name") or "base model")
    return f"{name} ({count(total)})" if total else name


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


def shown(path: Path) -> Path:
    """Return a path as a person would type it: relative where it lies below the current folder."""
    try:
        return path.absolute().relative_to(Path.cwd())
    except ValueError:
        return path


def wrapped(text: str, indent: int, width: int) -> list[str]:
    """Return ``text`` in lines of at most ``width`` columns, each indented."""
    if len(text) + indent <= width:
        return [" " * indent + text]
    return textwrap.wrap(
        " ".join(text.split()),
        width=max(width, 30),
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + 2),
        break_on_hyphens=False,
    )


def _once(
    said: set[tuple[str, ...]], node: StageNode, schema: Schema, width: int, *labels: str
) -> Iterator[str]:
    """Yield a stage's arithmetic unless the same was said: members of a sweep mostly share it."""
    sentences = tuple(Words(node.config, node.learner, schema).lines(*labels))
    if sentences not in said:
        said.add(sentences)
        for sentence in sentences:
            yield from wrapped(sentence, 7, width)


def _needs(node: StageNode, outputs: Path, schema: Schema) -> StageEstimate:
    return estimate({**node.config, "resources": node.resources}, node.learner, outputs, schema)
