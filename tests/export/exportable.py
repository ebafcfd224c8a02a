"""A finished run whose model can be exported: two stages, weights of a few bytes, real hashes."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from etude.plan.nodes import Measured, Run, RunStage
from etude.plan.references import Base, Made
from evidence import Recorded, done, dump, samples

HOME = "/home/someone/secret place"

CONFIG: dict[str, Any] = {
    "name": "mine",
    "seed": 7,
    "model": {"name": "pretrained", "path": "Qwen/Qwen3-0.6B", "revision": None, "lora": None},
    "objective": {"name": "policy_gradient", "preset": "grpo"},
    "data_mix": {
        "name": "mix",
        "train": {"gsm8k": {"split": "train", "weight": 1.0}, "own": {"split": "train"}},
        "held_out": {"gsm8k": {"split": "test"}},
    },
    "sources": {
        "gsm8k": {"name": "dataset", "hub": "openai/gsm8k", "config": "main", "path": None},
        "own": {"name": "dataset", "hub": None, "path": f"{HOME}/rows.jsonl"},
    },
    "verifier": {"name": "math", "api_key": "not for anybody"},
    "training": {"steps": 4, "hand_on": "last"},
    "tracker": {"name": "wandb", "directory": f"{HOME}/wandb"},
    "outputs": f"{HOME}/outputs",
}

TYPED = ["recipe=mine", f"sources.own.path={HOME}/rows.jsonl", "seed=7", "outputs=/tmp/x/y"]

RIGHT = np.array([[1, 0], [1, 1], [0, 0], [1, 1]], dtype=bool)


def weights(value: float) -> bytes:
    """Return a safetensors file of one number."""
    head = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    return struct.pack("<Q", len(head)) + head + struct.pack("<f", value)


class Exportable(Recorded):
    """The run 77aa of sft and rl, with what a test puts in its place."""

    def trained(
        self,
        fingerprint: str,
        name: str,
        start: str | None,
        config: Mapping[str, Any] = CONFIG,
        **files: bytes,
    ) -> Path:
        """Write a finished stage that started from another; ``files`` lie beside its weights."""
        folder = self.stage(fingerprint)
        folder = folder.rename(folder.with_name(f"{name}-{fingerprint}"))
        (folder / "config.yaml").write_text(yaml.safe_dump(dict(config)))
        model = {"model.safetensors": weights(len(name)), "config.json": b"{}", **files}
        for inner, content in model.items():
            (folder / "model" / inner).write_bytes(content)
        critic = folder / "roles" / "critic"
        critic.mkdir(parents=True)
        (critic / "model.safetensors").write_bytes(weights(-1.0))
        (folder / "DONE.json").unlink()
        device = {"kind": "cuda", "name": "H200", "processes": 4}
        done(folder, name, fingerprint, steps=10, model_step=10, seconds=20.0, device=device)
        node = replace(
            self.graph.stages[fingerprint],
            name=name,
            config=dict(config),
            inputs={"start": Base() if start is None else Made(start)},
        )
        self.graph.order.remove(self.graph.stages[fingerprint])
        self.graph.order.append(node)
        self.graph.stages[fingerprint] = node
        link = self.folder / "stages" / folder.name
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(folder)
        return folder

    def asked(self, *overrides: str, stages: Mapping[str, str], **seen: tuple[str, str]) -> None:
        """Add a member of these stages; ``seen`` are the last's evaluations, before and after."""
        *before, (name, last) = stages.items()
        views = [RunStage(each, key) for each, key in before]
        main = seen.get("main", (None, None))
        others = tuple(Measured(of, *pair) for of, pair in seen.items() if of != "main")
        views.append(RunStage(name, last, *main, others=others))
        self.graph.runs.append(Run("mine", tuple(overrides), tuple(views), {"name": "mine"}))

    def finish(self) -> Path:
        """Write the plan of the run with what it ran on."""
        folder = super().finish()
        about = {
            "layout": 3,
            "python": "3.11.9",
            "host": "someones-machine",
            "etude": {"version": "0.1.0"},
            "packages": {"torch": "2.13.0", "transformers": "5.23.0"},
        }
        dump(folder / "environment.json", about)
        return folder


def two_stages(outputs: Path, config: Mapping[str, Any] = CONFIG, **files: bytes) -> Exportable:
    """Return a run of sft (51ab…) and rl (3c1e…), both measured."""
    made = Exportable(outputs)
    made.trained("51abaaaa", "sft", None, config)
    made.trained("3c1eaaaa", "rl", "51abaaaa", config, **files)
    asked = {"data_mix": CONFIG["data_mix"], "sources": CONFIG["sources"]}
    made.evaluation("e0aaaaaa", samples(~RIGHT), "51abaaaa", name="sft", **asked)
    made.evaluation("e1aaaaaa", samples(RIGHT), "3c1eaaaa", **asked)
    made.asked(*TYPED, stages={"sft": "51abaaaa", "rl": "3c1eaaaa"}, main=("e0aaaaaa", "e1aaaaaa"))
    made.finish()
    return made
