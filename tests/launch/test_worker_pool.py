"""Worker processes on this machine: what rests on a failure does not run, GPUs are shared out."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from etude.cli.train import main
from etude.config.prepare import prepare
from etude.errors import ConfigError
from etude.launch import pool
from etude.launch.resources import Shape
from etude.launch.units import Unit
from etude.plan.graph import build_graph
from warm_commands import Place

SMALL = [
    "model.hidden_size=16",
    "model.layers=1",
    "execution.threads=1",
    "evaluation=null",
    "tracker=none",
    "execution.report=false",
]
POOL = "launcher=local_pool"


def test_a_failed_stage_holds_up_its_own_members_only_and_is_taken_up_again(here: Place) -> None:
    command = [
        "-m",
        "recipe=sft_then_rl",
        "stages.sft.training.steps=2",
        "stages.rl.training.steps=1",
        "stages.rl.training.prompts_per_step=4",
        "stages.sft.training.max_length=512,36",  # known once a demonstration has its ending
        "launcher.workers=2",
    ]
    done = here.train(*command, *SMALL, POOL)
    assert done.code == 1, done.said
    assert done.out.count(" starts · ") == 3 and done.out.count(" done in ") == 2
    assert "FAILED: stage sft" in done.out and "sft did not finish" in done.out
    [run] = (here.folder / "outputs" / "runs").iterdir()
    result = json.loads((run / "result.json").read_text())
    states = [[stage["state"] for stage in member["stages"]] for member in result["runs"]]
    assert result["state"] == "failed" and states == [["done", "done"], ["failed", "waiting"]]
    again = here.run("etude", "resume", run.name)
    assert again.code == 1 and "2 stages are done already" in again.out, again.said
    folders = (here.folder / "outputs" / "stages").iterdir()
    assert sorted(len(list(path.glob("attempts/*"))) for path in folders) == [1, 1, 2]


def test_an_interruption_reaches_the_workers_and_the_run_goes_on_to_the_bit(
    here: Place, elsewhere: Callable[[str], Place]
) -> None:
    command = ["recipe=sft", "training.steps=200", "training.rows_per_step=8", *SMALL]
    started = here.start("train", *command, POOL)
    end = time.monotonic() + 120
    stages = here.folder / "outputs" / "stages"
    while not any(path.stat().st_size for path in stages.glob("*/attempts/1/metrics.jsonl")):
        assert time.monotonic() < end and not started.wait_a_little()
    started.send(signal.SIGINT)
    done = started.end()
    assert done.code == 130 and "interrupted; it goes on from step" in done.out, done.said
    assert list(here.stage("sft").glob("attempts/1/checkpoints/step_*"))
    there = elsewhere("whole")
    for place, launcher in ((here, POOL), (there, "launcher=local")):
        assert place.train(*command, launcher).code == 0
    files = ("metrics.jsonl", "samples.jsonl")
    assert here.kept(*files, stage="sft") == there.kept(*files, stage="sft")


def test_every_unit_gets_gpus_of_its_own_and_waits_while_there_are_too_few(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = tmp_path / "said"
    script = (
        "import os, sys, time; open(sys.argv[1], 'a').write("
        "f\"{os.environ['CUDA_VISIBLE_DEVICES']} {time.time()}\\n\"); time.sleep(0.4)"
    )

    def command(folder: Path, unit: Unit, shape: Shape) -> list[str]:
        return [sys.executable, "-c", script, str(said)]

    monkeypatch.setattr(pool, "command", command)
    overrides = ["recipe=sft", "seed=1,2,3", "evaluation=null", f"outputs={tmp_path}"]
    graph = build_graph(prepare(overrides, multirun=True).runs)
    share = pool.Share(gpus=[4, 7])
    assert pool.at_a_time(share) == 2
    pool.run(graph, share, {"launcher": {"name": "local_pool"}})
    lines = [line.split() for line in said.read_text().splitlines()]
    used = [gpu for gpu, _ in lines]
    assert sorted(used[:2]) == ["4", "7"] and used[2] in ("4", "7") and len(used) == 3
    assert float(lines[2][1]) - float(lines[0][1]) >= 0.4


def test_torchrun_hears_that_it_is_to_end_and_is_given_the_time_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = tmp_path / "said"
    script = (
        "import os, pathlib, signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))\n"
        "limit = os.environ['TORCH_ELASTIC_SHUTDOWN_TIMEOUT']\n"
        "pathlib.Path(sys.argv[1]).write_text(limit)\n"
        "time.sleep(60)"
    )
    monkeypatch.setattr(pool, "command", lambda *_: [sys.executable, "-c", script, str(said)])
    overrides = ["recipe=sft", "stages.sft.resources.tasks_per_node=2", f"outputs={tmp_path}"]
    graph = build_graph(prepare([*overrides, "evaluation=null"]).runs)

    def ask() -> None:
        while not (said.exists() and said.read_text()):
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=ask).start()
    began = time.monotonic()
    assert pool.run(graph, pool.Share(gpus=[]), {"launcher": {"name": "local_pool"}}) == 130
    assert time.monotonic() - began < 30
    assert said.read_text() == "600"


def test_more_than_this_machine_has_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    overrides = [
        "recipe=sft",
        "stages.sft.resources.nodes=2",
        "stages.sft.resources.gpus_per_node=3",
        "launcher=local_pool",
        "launcher.gpus=[0]",
        f"outputs={tmp_path}",
    ]
    with pytest.raises(ConfigError) as caught:
        prepare(overrides)
    assert [fault.typed for fault in caught.value.faults] == [
        "stages.sft.resources.nodes",
        "stages.sft.resources.gpus_per_node",
        "stages.sft.resources.tasks_per_node",
    ]
    assert not (tmp_path / "runs").exists()


def test_ranks_that_were_started_around_the_command_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for key, value in {"WORLD_SIZE": "2", "RANK": "1", "MASTER_ADDR": "here"}.items():
        monkeypatch.setenv(key, value)
    monkeypatch.setenv("MASTER_PORT", "1")
    assert main(["recipe=sft", f"outputs={tmp_path}"]) == 2
    assert "stages.NAME.resources.tasks_per_node=2" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
