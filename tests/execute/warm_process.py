"""A warm process that runs chains of the fake stage in forks, and what two runs must agree on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

STAGES = [
    ["sft", {"steps": 11, "evaluate_every": 4}],
    ["rl", {"steps": 8, "seed": 4, "evaluate_every": 4, "training": {"hand_on": "best"}}],
]
PUBLISHED = ("metrics.jsonl", "samples.jsonl", "evaluations.jsonl", "evaluation_samples.jsonl")


class Zygote:
    """Runs commands in forks of one warm process."""

    def __init__(self) -> None:
        script = Path(__file__).with_name("fake_stage.py")
        self.process = subprocess.Popen(
            [sys.executable, str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, outputs: Path, stages: list[Any] = STAGES, **more: Any) -> int:
        """Run a chain; return its exit status, or its process id with ``background=True``."""
        return self._ask({"outputs": str(outputs), "stages": stages, **more})

    def wait(self, process: int) -> int:
        """Return the exit status of a process that runs in the background."""
        return self._ask({"wait": process})

    def _ask(self, command: dict[str, Any]) -> int:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


def result(outputs: Path) -> dict[str, bytes]:
    """Return everything a seed determines: published files and the state after the last step."""
    found = {}
    for name, steps in (("sft", 11), ("rl", 8)):
        folder = next((outputs / "stages").glob(f"{name}-*"))
        assert (folder / "DONE.json").is_file()
        for file in PUBLISHED:
            found[f"{name}/{file}"] = (folder / file).read_bytes()
        for path in (folder / "model").iterdir():
            found[f"{name}/{path.name}"] = path.read_bytes()
        last = list(folder.glob(f"attempts/*/checkpoints/step_{steps}"))
        assert len(last) == 1
        for path in last[0].iterdir():
            found[f"{name}/last/{path.name}"] = path.read_bytes()
    for path in (outputs / "evaluations").glob("*/result.json"):
        found[path.parent.name] = path.read_bytes()
    assert len(found) == 2 * (len(PUBLISHED) + 2 + 3) + 3
    return found
