"""Runs as they lie on disk after training that never happened, for reports of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evidence import Recorded, done, dump, lines, samples

#: Everything that a page, a terminal or a reader could be led astray by.
HOSTILE = (
    "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"
    "</pre></style></details> \x1b[31mred\x1b]0;title\x07 \u202eturned\u202c שלום "
    "\u2066{{ 7 * 7 }}{% raw %} \" ' onclick=alert(1) &amp;"
)

OUTCOMES = ("correct", "wrong", "no_answer", "timed_out")


def steps(count: int, level: float = 0.2) -> list[dict[str, Any]]:
    """Return lines of metrics as a stage of policy gradient writes them."""
    return [
        {
            "step": n,
            "reward/mean": level + 0.5 * n / count,
            "reward/accuracy/raw": level,
            "reward/accuracy/weighted": level,
            "reward/format/raw": 0.9,
            "verifier/correct": level,
            "verifier/wrong": 1 - level,
            "verifier/crashed": 0.0,
            "policy/entropy": 0.5,
            "objective/approx_kl": 0.01,
            "objective/clip_fraction_high": 0.1,
            "rollout/length": 20.0,
            "rollout/length_correct": 19.0,
            "curriculum/level": float(n // 2),
            "learning_rate": 1e-4,
            "own/number": 3.0,
            "tokens/sampled": 50.0 * (n + 1),
        }
        for n in range(count)
    ]


def rows(count: int, text: str = "A:2") -> list[dict[str, Any]]:
    """Return lines of samples, two rows a step."""
    return [
        {
            "step": n,
            "id": f"arithmetic:{index}",
            "index": 0,
            "prompt": f"1+{index}= {text}",
            "response": f"answer {n} {text}",
            "answer": "2",
            "reward": 0.1,
            "outcome": OUTCOMES[(n + index) % 4],
            "parts": {"accuracy": 0.0, text[:40]: 0.5},
            "extracted": text,
            "detail": text,
            "stop_reason": "length",
            "length": 30,
        }
        for n in range(count)
        for index in range(2)
    ]


class Runs(Recorded):
    """A folder of results whose stages have whatever lines a test gives them."""

    def lines(self, fingerprint: str, count: int = 6, **files: Sequence[Mapping[str, Any]]) -> Path:
        """Write a finished stage of ``count`` steps with its metrics, samples and evaluations."""
        folder = self.stage(fingerprint, steps=count)
        written = {"metrics": steps(count), "samples": rows(count), **files}
        for name, contents in written.items():
            lines(folder / f"{name}.jsonl", contents)
        (folder / "DONE.json").unlink()
        done(folder, "rl", fingerprint, steps=count, seconds=2.0 * count)
        return folder


def sweep(outputs: Path, text: str = "A:2", objectives: Sequence[str] = ("grpo", "dapo")) -> Runs:
    """Return a finished sweep of two seeds of each objective; ``text`` is in all that was said."""
    made = Runs(outputs)
    draw = np.random.default_rng(0)
    made.evaluation("e0", samples(draw.random((12, 4)) < 0.2, response=text), name="base")
    for objective in objectives:
        for seed in (1, 2):
            key = f"{objective}{seed}"
            during = [
                {"step": at, "metrics": {"pass@1": {"value": 0.3, "low": 0.2, "high": 0.4}}}
                for at in (2, 4)
            ]
            answers = [
                {"step": at, **each}
                for at in (2, 4)
                for each in samples(draw.random((12, 4)) < 0.4, response=f"{text} at {at}")
            ]
            made.lines(key, samples=rows(6, text), evaluations=during, evaluation_samples=answers)
            right = draw.random((12, 4)) < 0.6
            made.evaluation(f"e{key}", samples(right, response=text), key)
            made.member([f"objective={objective}", f"seed={seed}"], key, f"e{key}", "e0")
    made.finish()
    environment = {
        "layout": 3,
        "command": ["/bin/train", "-m", f"objective={','.join(objectives)}", "seed=1,2"],
        "etude": {"version": "0.1.0", "commit": "abc123"},
        "git": {"commit": "def456", "changed": True},
        "packages": {"torch": "2.9"},
        "host": text,
    }
    dump(made.folder / "environment.json", environment)
    (made.folder / "code.diff").write_text("+1\n-2\n")
    return made
