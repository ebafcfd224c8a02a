"""Models that lie on this machine: whether they are there, and whether token limits fit in them.

Only their small JSON files are read. A model on the hub is judged when it is loaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from etude.config import evaluations
from etude.config.pipeline import Step
from etude.config.spelling import did_you_mean
from etude.plan.records import read_json
from etude.schema import LearnerInfo

_POSITIONS = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length")


#: The origin of a stage whose first model is the config's own.
BASE = "base"


def origins(steps: Sequence[Step]) -> dict[str, str]:
    """Return stage → the model that its first ancestor starts from: BASE, or a path."""
    found: dict[str, str] = {}
    last = BASE
    for step in steps:
        before = step.start_from or (step.after[-1] if step.after else None)
        if before is not None:
            last = found.get(before) or found.get(before.partition(".")[0], before)
        found[step.name] = last
    return found


def model(
    config: Mapping[str, Any], learner: LearnerInfo, origin: str
) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a stage's local models, and limits that they have no room for."""
    node = config.get("model") or {}
    yield from _folders(config, origin)
    yield from _targets(node)
    positions, key = first_positions(config, origin)
    if positions is not None:
        yield from _limits(config, learner, positions, key)


def first_positions(config: Mapping[str, Any], origin: str) -> tuple[int | None, str]:
    """Return the positions of the model a stage starts from (None: not known), and their name."""
    if origin != BASE:
        return _of_folder(Path(origin).expanduser())
    return _positions(config.get("model") or {})


def answers(config: Mapping[str, Any], checkpoint: Path) -> Iterator[tuple[str, str]]:
    """Yield a fault where an evaluation's answers have no room in the model of a folder."""
    positions, origin = _of_folder(checkpoint)
    if positions is not None:
        yield from _room_to_answer(config, positions, origin)


def _folders(config: Mapping[str, Any], origin: str) -> Iterator[tuple[str, str]]:
    """Yield a fault for each model that names a place here where there is none."""
    yield from path_of(config.get("model") or {}, "model", needed=origin == BASE)


def path_of(node: Mapping[str, Any], key: str, *, needed: bool) -> Iterator[tuple[str, str]]:
    """Yield a fault where a model component at ``key`` has no path and one is needed, or a bad one.

    It is bad where it can only be a place here and there is none.
    """
    path = node.get("path")
    if path == "" and needed:
        example = f"{key}.path=Qwen/Qwen3-0.6B"
        yield f"{key}.path", f"needs a value: a folder, or a hub name: {example}"
    elif isinstance(path, str) and is_here(path) and not Path(path).expanduser().is_dir():
        yield f"{key}.path", f"is {path}, and there is no such folder."


def is_here(name: str) -> bool:
    """Tell whether a name can only be a place here: the hub's are OWNER/NAME."""
    return name.startswith((".", "/", "~"))


def _positions(node: Mapping[str, Any]) -> tuple[int | None, str]:
    """Return how many tokens a model component has room for (None: not known), and its name."""
    if "max_position_embeddings" in node:
        value = node["max_position_embeddings"]
        return (value if isinstance(value, int) else None), "model.max_position_embeddings"
    path = node.get("path")
    if isinstance(path, str) and path and Path(path).expanduser().is_dir():
        return _of_folder(Path(path).expanduser())
    return None, ""


def _of_folder(folder: Path) -> tuple[int | None, str]:
    config = _read(folder / "config.json")
    return positions_of(config), f"max_position_embeddings of {folder / 'config.json'}"


def positions_of(config: Mapping[str, Any]) -> int | None:
    """Return the most tokens a Hugging Face config has positions for, rope scaling counted in.

    None where it does not say: other models have no such limit, or name it otherwise.
    """
    config = _text_config(config)
    known = [config[name] for name in _POSITIONS if isinstance(config.get(name), int)]
    if not known:
        return None
    longest: int = known[0]
    scaling = config.get("rope_scaling") or config.get("rope_parameters") or {}
    factor = scaling.get("factor") if isinstance(scaling, Mapping) else None
    if isinstance(factor, (int, float)) and factor > 1:
        before = scaling.get("original_max_position_embeddings")
        # Some write the limit before scaling, some the one after it.
        before = before if isinstance(before, int) and before > 0 else longest
        longest = max(longest, int(before * factor))
    return longest


def _text_config(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the part of a config that describes the language model: itself, for most."""
    inner = config.get("text_config")
    return inner if isinstance(inner, Mapping) else config


def _limits(
    config: Mapping[str, Any], learner: LearnerInfo, positions: int, origin: str
) -> Iterator[tuple[str, str]]:
    if not learner.samples:
        longest = (config.get("training") or {}).get("max_length")
        if isinstance(longest, int) and longest > positions:
            yield "training.max_length", f"is {longest}, above {origin}={positions}."
    if learner.samples or config.get("evaluation"):
        yield from _room_to_answer(config, positions, origin)
    for name, own in evaluations.named(config).items():
        if own.get("evaluation") or own.get("rollout"):
            found = _room_to_answer(evaluations.view(config, name), positions, origin)
            yield from ((evaluations.in_stage(path, name, config), said) for path, said in found)


def _room_to_answer(
    config: Mapping[str, Any], positions: int, origin: str
) -> Iterator[tuple[str, str]]:
    """Yield a fault where an answer would leave no position for a prompt of the longest kind."""
    prompt = (config.get("rollout") or {}).get("max_prompt_tokens")
    for path in ("rollout.max_new_tokens", "evaluation.max_new_tokens"):
        group, _, key = path.partition(".")
        longest = (config.get(group) or {}).get(key)
        if isinstance(longest, int) and longest >= positions:
            message = (
                f"is {longest}, which leaves no room for a prompt: {origin}={positions} are prompt"
                " and answer together."
            )
            yield path, message
        elif isinstance(longest, int) and isinstance(prompt, int) and prompt + longest > positions:
            message = (
                f"is {prompt}, and {path}={longest} comes on top; {origin}={positions} is for both."
            )
            yield "rollout.max_prompt_tokens", message
            return


def _targets(node: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield a fault for each target of LoRA that no stored weight of a local model belongs to."""
    targets = (node.get("lora") or {}).get("targets") or []
    path = node.get("path")
    if not targets or not isinstance(path, str) or not Path(path).expanduser().is_dir():
        return
    modules = _modules(Path(path).expanduser())
    if modules is None:
        return
    names = {name.rsplit(".", 1)[-1] for name in modules}
    for target in map(str, targets):
        if not any(name == target or name.endswith(f".{target}") for name in modules):
            near = did_you_mean(target, sorted(names))
            yield "model.lora.targets", f"names '{target}', and {path} has no such layer.{near}"


def _modules(folder: Path) -> set[str] | None:
    """Return the modules that a folder's safetensors hold weights of; None where they do not tell.

    An output that is tied to the embedding is stored as the embedding alone, and experts are
    renamed when they are loaded.
    """
    from etude.errors import ModelError
    from etude.plan.shape import stored_names

    config = _read(folder / "config.json")
    if any("expert" in key for key in _text_config(config)):
        return None
    try:
        stored = stored_names(folder)
    except ModelError:
        return None  # what is broken is told of with the file, when it is loaded
    return {*(name.rpartition(".")[0] for name in stored), "lm_head"} if stored else None


@lru_cache(maxsize=64)
def _read_at(path: Path, changed: int) -> Mapping[str, Any]:
    return read_json(path) or {}


def _read(path: Path) -> Mapping[str, Any]:
    """Return a JSON file's object, empty where it cannot be read."""
    try:
        return _read_at(path, path.stat().st_mtime_ns)
    except OSError:
        return {}
