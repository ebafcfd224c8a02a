"""A verifier by path called once, on a row with its own right answer, before anything trains.

What the text of a function does not tell (a column that is called otherwise, a part that is no
number, a loop without an end) is then told when the command is typed, and not after an hour. The
call is made in a worker process, as in training. What may be well elsewhere (a server or a file
that a job would reach) is no fault here.
"""

from __future__ import annotations

import builtins
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from etude.config import check_parts, hidden_columns, needs
from etude.config.installation import Installation
from etude.config.needs import Used
from etude.errors import ConfigError, DataError, VerifierError
from etude.rows import Candidate, Outcome, Verdict

if TYPE_CHECKING:
    from etude.rows import Example

#: Parts of a mix whose rows a verifier judges, and the split each reads where it names none.
_SPLITS = {"train": "train", "held_out": "test"}

_ERROR = re.compile(
    r"(?:.* cannot start in a worker process: )?(?P<name>[A-Za-z_]\w*): ", re.DOTALL
)


def faults(
    config: Mapping[str, Any], installation: Installation, judged: tuple[str, ...]
) -> Iterator[tuple[str, str]]:
    """Yield what a first call of a stage's verifier by path shows, as (path, message).

    ``judged`` are the parts of the mix whose answers it judges.
    """
    tree = list(needs.walk(config.get("verifier"), "verifier", "verifier", installation.schema))
    called = [each for each in tree if each.info.place is not None and not each.info.in_stage]
    # What judges in workers judges what it wraps there, too; who opens it may ask it in any way.
    chosen = [each for each in called if not any(_is_in(each, outer) for outer in called)]
    if not judged or not chosen:
        return
    example = next(filter(None, (_example(config, installation, side) for side in judged)), None)
    if example is None:
        return
    for each in chosen:
        yield from _called(each, config, installation, example)


def _is_in(used: Used, outer: Used) -> bool:
    return used.path.startswith(f"{outer.path}.")


def _called(
    used: Used, config: Mapping[str, Any], installation: Installation, example: Example
) -> Iterator[tuple[str, str]]:
    """Yield what a first call of one verifier by path shows."""
    node, info = used.node, used.info
    hidden = list(hidden_columns.among(info, used.path, example.columns))
    if hidden:
        yield from hidden
        return
    try:
        verdict = _verdict(node, installation, example)
    except ConfigError as error:
        yield from ((fault.typed, fault.message) for fault in error.faults)
        return
    except VerifierError as error:
        if not _elsewhere(str(error)):
            yield used.path, f"{error}."
        return
    said = f"called on the row {example.id} with its own answer, {node['name']}"
    if verdict.outcome is Outcome.TIMED_OUT:
        yield (
            used.path,
            f"{said} gave {verdict.detail}. One that takes longer wants"
            f" {used.path}.timeout=SECONDS.",
        )
    elif verdict.outcome.failed:
        if not _elsewhere(verdict.detail or ""):
            yield used.path, f"{said} failed: {verdict.detail}."
    else:
        yield from _parts(config, installation, used, verdict)


def _elsewhere(detail: str) -> bool:
    """Tell whether an error may be none on another machine: it is no plain error of Python's."""
    found = _ERROR.match(detail)
    if found is None:
        return False
    raised = getattr(builtins, found["name"], None)
    return not (isinstance(raised, type) and not issubclass(raised, OSError | MemoryError))


def _verdict(node: Mapping[str, Any], installation: Installation, example: Example) -> Verdict:
    from etude.build import build

    verifier = build(node, "verifier", installation.schema)
    columns = example.columns
    response = str(columns.get("solution") or columns.get("answer") or "")
    candidate = Candidate(
        example.id, 0, example.prompt, response, columns, length=len(response.split())
    )
    judge = verifier.open()
    try:
        return judge.verify([candidate])[0]
    finally:
        judge.close()


def _parts(
    config: Mapping[str, Any], installation: Installation, verifier: Used, verdict: Verdict
) -> Iterator[tuple[str, str]]:
    """Yield what does not fit the parts that were returned."""
    info = verifier.info
    returned = set(verdict.parts) - {"thought"}
    known = info.place.parts if info.place is not None else None
    if known is not None and info.place is not None and info.place.is_function:
        if set(known) != returned:
            yield (
                verifier.path,
                f"{info.name} says that it returns the parts {', '.join(sorted(known))}, and"
                f" returned {', '.join(sorted(returned))}.",
            )
        return
    if known is None and verifier.path == "verifier":
        used = needs.used_by(config, installation.schema)
        yield from check_parts.unknown(used, installation, set(verdict.parts))


def _example(config: Mapping[str, Any], installation: Installation, side: str) -> Example | None:
    """Return the first row of a part of the mix, None where that takes the network or a stage."""
    from etude.build import build
    from etude.config.first_look import opened
    from etude.data_mix.mix import Mix

    try:
        mix = build(config["data_mix"], "data_mix", installation.schema)
        if not isinstance(mix, Mix):
            return None
        for name, part in getattr(mix, side).items():
            key = part.source or name
            split = part.split or _SPLITS[side]
            source = build(config["sources"][key], "sources", installation.schema)
            if hasattr(source, "first_look"):
                found = source.first_look(split, key)
                rows = found[0] if found is not None else None
            else:  # generated in a moment
                rows = source.rows(split, 0, None, key)
            if rows:
                form = mix.measured if side == "held_out" else mix.form
                return form.example(opened(name, part, key, rows), 0)
    except (ConfigError, DataError):
        return None  # told where configs and rows are judged
    return None
