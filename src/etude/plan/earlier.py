"""How fast earlier stages of the same kind ran, read from their folders."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from etude.plan.records import parsed

_ALIKE = ("objective", "model", "rollout")


@dataclass(frozen=True)
class EarlierStage:
    """A stage that ran: its folder's name, its resolved config and the median seconds of a step."""

    name: str
    config: Mapping[str, Any]
    seconds: float


class EarlierStages:
    """The ``most`` newest stages under ``outputs``, each read once when it is first asked for."""

    def __init__(self, outputs: Path, most: int = 6) -> None:
        self._outputs = outputs
        self._most = most
        self._medians: dict[Path, float | None] = {}

    def like(self, config: Mapping[str, Any]) -> Iterator[EarlierStage]:
        """Yield stages with the objective, model, engine and device of ``config``, newest first.

        One without two timed steps is passed over.
        """
        for folder, earlier in self._configs:
            if any(_kind(config, key) != _kind(earlier, key) for key in _ALIKE):
                continue
            if _device(config) != _device(earlier):
                continue
            if folder not in self._medians:
                seconds = list(_step_seconds(folder))
                self._medians[folder] = statistics.median(seconds) if len(seconds) >= 2 else None
            median = self._medians[folder]
            if median is not None:
                yield EarlierStage(folder.name, earlier, median)

    @cached_property
    def _configs(self) -> list[tuple[Path, Mapping[str, Any]]]:
        newest = _newest_first((self._outputs / "stages").glob("*/config.yaml"))
        read = [(path.parent, _read(path)) for path in newest[: self._most]]
        return [(folder, config) for folder, config in read if config is not None]


def _read(path: Path) -> Mapping[str, Any] | None:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        loaded = yaml.load(path.read_text(encoding="utf-8"), Loader=loader)
    except (OSError, UnicodeDecodeError, RecursionError, yaml.YAMLError):
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
    for newest in _newest_first(written)[:1]:
        try:
            lines = newest.read_bytes().splitlines()
        except OSError:
            return
        for line in lines[1:][-most:]:
            # The last line of an attempt that was killed may be torn.
            found, _ = parsed(line, {"seconds": float})
            if found is not None and found["seconds"] > 0:
                yield float(found["seconds"])


def _newest_first(paths: Iterable[Path]) -> list[Path]:
    """Return the files among some paths, the one changed last first."""
    times = {}
    for path in paths:
        with suppress(OSError):  # a dangling link, or out of reach
            times[path] = path.stat().st_mtime
    return sorted(times, key=lambda path: times[path], reverse=True)
