"""A large graph in few lines: its stages by name, what tells those of a name apart, their needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from etude.plan.kinds import Kinds
from etude.plan.lines import span, wrapped
from etude.plan.lookup import Kind
from etude.plan.nodes import StageNode
from etude.plan.quantities import counted, duration, size

#: A graph with more stages than this is told by groups.
MOST_STAGES = 24

#: Names of stages that are told with all their sentences; with more, one line each has to do.
_MOST_IN_FULL = 8

#: How the states of a stage are said of several.
_STATES: dict[Kind, str] = {
    "done": "done",
    "resumable": "to resume",
    "extendable": "to go on from shorter ones",
    "missing": "to do",
}


def group_lines(kinds: Kinds, width: int, *labels: str, full: bool = True) -> Iterator[str]:
    """Yield for each name of a stage how many there are, how they differ and what they share.

    ``labels`` chooses sentences of the arithmetic; ``full`` adds state and estimates.
    """
    groups: dict[str, list[StageNode]] = {}
    for node in kinds.graph.stages.values():
        groups.setdefault(node.name, []).append(node)
    names = [f"{len(nodes):,} × {name}" for name, nodes in groups.items()]
    column = max(map(len, names))
    said: dict[str, str] = {}
    for name, nodes in zip(names, groups.values(), strict=True):
        yield from wrapped(f"{name.ljust(column)}  {_title(nodes, kinds)}", 1, width)
        about = [_states(nodes, kinds)] if full else []
        yield from wrapped(" · ".join([*about, *_differences(nodes, kinds)]), 7, width)
        if len(groups) <= _MOST_IN_FULL:
            for sentence in _sentences(nodes, kinds, labels, said):
                yield from wrapped(sentence, 7, width)
        needs = _needs(nodes, kinds) if full else ""
        if needs:
            yield from wrapped(needs, 7, width)


def _title(nodes: Sequence[StageNode], kinds: Kinds) -> str:
    """Return what stages are, where they start and their data, each that there is."""
    titles = [kinds.title(node) for node in nodes]
    columns = (
        (title for title, _ in titles),
        (kinds.origin(node) for node in nodes),
        (data for _, data in titles),
    )
    said = (span([text for text in dict.fromkeys(column) if text], 4) for column in columns)
    return "  ".join(filter(None, said))


def _differences(nodes: Sequence[StageNode], kinds: Kinds) -> Iterator[str]:
    """Yield how many runs want each stage, and the overrides that tell the stages apart."""
    runs = Counter(len(kinds.wanting.get(node.fingerprint, ())) for node in nodes)
    least, most = min(runs), max(runs)
    each = counted(most, "run") if least == most else f"{least:,} to {counted(most, 'run')}"
    values: dict[str, dict[str, None]] = {}
    for node in nodes:
        for override in kinds.own(node):
            key, _, value = override.partition("=")
            values.setdefault(key, {}).setdefault(value)
    told = [f"{key}={span(list(found))}" for key, found in values.items()]
    yield f"each for {each}"
    if told:
        yield f"differing in {'; '.join(told)}"


def _states(nodes: Sequence[StageNode], kinds: Kinds) -> str:
    states = [kinds.state(node) for node in nodes]
    found = Counter(state.kind for state in states)
    parts = [f"{found[kind]:,} {words}" for kind, words in _STATES.items() if found[kind]]
    saved = sum(state.seconds for state in states if state.kind == "done")
    return ", ".join(parts) + (f" ({duration(saved)} saved)" if saved else "")


def _sentences(
    nodes: Sequence[StageNode], kinds: Kinds, labels: Sequence[str], said: dict[str, str]
) -> Iterator[str]:
    """Yield the arithmetic; where stages differ in it, the first one's and how many others.

    What an earlier group has ``said`` (sentence → name of its stages) is only referred to.
    """
    found: dict[str, dict[str, None]] = {}
    for node in nodes:
        for label, sentence in kinds.said(node).items():
            if not labels or label in labels:
                found.setdefault(label, {}).setdefault(sentence)
    before: dict[str, list[str]] = {}
    for label, sentences in found.items():
        first = f"{label}: {next(iter(sentences))}"
        if len(sentences) > 1:
            first += f" · and {len(sentences) - 1:,} other{'s' if len(sentences) > 2 else ''}"
        if first in said:
            before.setdefault(said[first], []).append(label)
        else:
            said[first] = nodes[0].name
            yield first
    for name, same in before.items():
        yield f"as {name}: {', '.join(same)}"


def _needs(nodes: Sequence[StageNode], kinds: Kinds) -> str:
    """Return the most memory, all the time and all the disk of the stages that are not done."""
    waiting = [node for node in nodes if kinds.state(node).kind != "done"]
    if not waiting:
        return ""
    needs = [kinds.needs(node) for node in waiting]
    parts = []
    memory = [need.memory.peak for need in needs if need.memory is not None]
    if memory:
        parts.append(f"memory up to ~{size(max(memory))}")
    times = [need.seconds for need in needs if need.seconds is not None]
    if len(times) == len(needs):
        each = "" if len(set(times)) == 1 else "up to "
        parts.append(f"time ~{duration(sum(times))} (a stage {each}~{duration(max(times))})")
    else:
        parts.append("memory and time unknown: a model is not on this machine")
    parts.append(f"disk ~{size(sum(need.disk for need in needs))}")
    return " · ".join(parts)
