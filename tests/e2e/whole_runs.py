"""What a command's stages and evaluations leave, to be held to what an uninterrupted one leaves."""

from __future__ import annotations

import json
import random
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from warm_commands import Ended, Place, left_over

LINES = ("metrics", "samples", "evaluations", "evaluation_samples")


def stage(folder: Path, name: str) -> Path:
    """Return the folder of the only stage of that name."""
    (found,) = (folder / "outputs/stages").glob(f"{name}-*")
    return found


def results(folder: Path, steps: Mapping[str, int]) -> dict[str, bytes]:
    """Return everything the seed determines: what is handed on, checkpoints, lines, results.

    ``steps`` maps each stage to the steps that it has.
    """
    found = {}
    for name, last in steps.items():
        place = stage(folder, name)
        assert (place / "DONE.json").is_file()
        (checkpoint,) = place.glob(f"attempts/*/checkpoints/step_{last}")
        handed_on = [place / made for made in ("model", "data") if (place / made).is_dir()]
        roles = (path for path in place.glob("roles/*/*") if path.is_file())
        lines = [path for each in LINES if (path := place / f"{each}.jsonl").exists()]
        paths = [*checkpoint.iterdir(), *lines, *roles]
        paths += [path for made in handed_on for path in made.iterdir()]
        for path in paths:
            inside = path.parent.name.replace(place.name, "")
            found[f"{name}/{inside}/{path.name}"] = path.read_bytes()
    for path in (folder / "outputs/evaluations").glob("*/[rs]*.json*"):
        found[f"{path.parent.name}/{path.name}"] = path.read_bytes()
    assert not list((folder / "outputs").rglob(".*.tmp"))
    return found


def differences(one: dict[str, bytes], other: dict[str, bytes]) -> list[str]:
    """Return the names of what differs."""
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def seconds(folder: Path) -> float:
    """Return the seconds from the first step of a run to its last."""
    timing = (folder / "outputs/stages").glob("*/timing.jsonl")
    times = [json.loads(line)["at"] for path in timing for line in path.open()]
    return max(times) - min(times)


def metrics(found: Mapping[str, bytes], name: str) -> list[dict[str, float]]:
    """Return the lines of a stage's metrics."""
    (lines,) = (text for key, text in found.items() if key == f"{name}//metrics.jsonl")
    return [json.loads(line) for line in lines.splitlines()]


def killed_at_random(
    place: Place, command: Sequence[str], kills: int, within: float, seed: int, cold: bool = False
) -> None:
    """Start a command and kill it at some moment of so many seconds after its plan, several times.

    ``cold`` takes the installed script.
    """
    chance = random.Random(seed)
    for number in range(kills):
        started = place.start("train", *command, cold=cold)
        while not started.out and not started.wait_a_little():  # the plan comes as work begins
            pass
        after = chance.uniform(0, within)
        time.sleep(after)
        with suppress(ProcessLookupError):  # it may have ended by itself
            started.send(signal.SIGKILL)
        ended: Ended = started.end()
        told = ended.out.splitlines()[-1:]
        print(f"seed {seed}, kill {number + 1}: after {after:.3f} s, exit {ended.code}, {told}")
        assert not left_over(started.mark)
