"""Stages that sample with a real vLLM: ranks that share weights, an engine killed in the middle."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).parent
SMALL = (
    "model=scratch",
    "model.hidden_size=64",
    "model.layers=2",
    "model.heads=2",
    "model.intermediate_size=96",
    "model.max_position_embeddings=160",
    "training.prompts_per_step=8",
    "training.rollouts_per_prompt=4",
    "rollout.max_new_tokens=24",
    "evaluation=null",
    "execution.threads=1",
    "execution.report=false",
    "execution.minimum_free_gib=0",
    "tracker=none",
    "sources.arithmetic.train_size=200",
    "sources.arithmetic.test_size=50",
)


def children_of(process: int) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(words[1]) == process and words[0] != "Z":
            found.append(int(folder.name))
    return found


def engines_of(process: int) -> list[int]:
    return [
        child
        for child in children_of(process)
        if "etude.engines.child" in (Path("/proc") / str(child) / "cmdline").read_text()
    ]


def test_two_ranks_that_share_weights_have_an_engine_each(tmp_path):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    program = [str(FOLDER / "ranks_with_vllm.py"), str(tmp_path)]
    done = subprocess.run(
        [*command, *program], capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads((tmp_path / "found.json").read_text())
    for metrics in found["steps"]:
        assert 0 <= metrics["mismatch/kl_k3"] < 1e-6
        assert abs(metrics["mismatch/largest_ratio"] - 1) < 1e-3
    assert found["measured"]["problems"] == found["alone"]["problems"] == 4


def test_a_run_goes_on_when_its_engine_is_killed_and_leaves_nothing_behind(tmp_path):
    log = tmp_path / "log"
    train = [Path(sys.executable).parent / "train", "recipe=rl", "rollout=vllm", *SMALL]
    with log.open("w") as file:
        run = subprocess.Popen(
            [*train, "training.steps=12"], cwd=tmp_path, stdout=file, stderr=subprocess.STDOUT
        )
    killed = []
    while run.poll() is None:
        if not killed and " 2/12 " in log.read_text():
            killed = engines_of(run.pid)
            os.kill(killed[0], signal.SIGKILL)
        time.sleep(0.01)
    said = log.read_text()
    assert run.returncode == 0, said
    assert len(killed) == 1
    assert f"the engine (process {killed[0]}) was killed by SIGKILL when asked to" in said
    assert " 12/12 " in said
    assert not list(Path("/dev/shm").glob(f"etude-weights-*-{run.pid}-*"))
