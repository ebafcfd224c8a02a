"""How fast earlier stages of the same kind ran, read from their folders."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_ALIKE = ("objective", "model", "rollout")


@dataclass(frozen=True)
class EarlierStage:
    """A stage that ran: its folder's name, its resolved config and the median seconds of a step."""

    name: str
    config: Mapping[str, Any]
    seconds: float


def stages_like(config: Mapping[str, Any], outputs: Path, most: int = 6) -> Iterator[EarlierStage]:
    """Yield stages with the objective, model, engine and device of ``config``, newest first.

    Only the ``most`` newest folders under ``outputs/stages`` are read; one without two timed steps
    is passed over.
    """
    written = list((outputs / "stages").glob("*/config.yaml"))
    for path in sorted(written, key=lambda path: path.stat().st_mtime, reverse=True)[:most]:
        earlier = _read(path)
        if earlier is None or any(_kind(config, key) != _kind(earlier, key) for key in _ALIKE):
            continue
        if _device(config) != _device(earlier):
            continue
        seconds = list(_step_seconds(path.parent))
        if len(seconds) >= 2:
            yield EarlierStage(path.parent.name, earlier, statistics.median(seconds))


def _read(path: Path) -> Mapping[str, Any] | None:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        loaded = yaml.load(path.read_text(encoding="utf-8"), Loader=loader)
    except (OSError, yaml.YAMLError):
        return None
    return loaded if isinstance(loaded, Mapping) else None


def _kind(config: Mapping[str, Any], group: str) -> Any:
    node = config.get(group)
    return node.get("name") if isinstance(node, Mapping) else None


def _device(config: Mapping[str, Any]) -> Any:
    node = config.get("execution")
    return node.get("device") if isinstance(node, Mapping) else None


def _step_seconds(folder: Path, most: int = 200) -> Iterator[float]:
    """Yield the seconds of the last steps, without the first one, which warms up."""
    written = [*folder.glob("attempts/*/timing.jsonl"), *folder.glob("timing.jsonl")]
    if not written:
        return
    newest = max(written, key=lambda path: path.stat().st_mtime)
    for line in newest.read_text(encoding="utf-8").splitlines()[1:][-most:]:
        try:
            seconds = json.loads(line).get("seconds")
        except ValueError:  # the last line of an attempt that was killed
            continue
        if isinstance(seconds, (int, float)) and seconds > 0:
            yield float(seconds)
