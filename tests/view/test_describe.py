"""What a plan will do is said before anything runs: stages, what is done, needs, free disk."""

import json
import subprocess
import sys
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest
from test_view import NOTHING, RL, SFT, a_graph

from etude.plan import describe as describing
from etude.plan.describe import describe
from etude.plan.nodes import Run, RunStage


def described(graph, width=200):
    return describe(graph, graph.outputs, schema=NOTHING, width=width)


def finish(graph, fingerprint):
    folder = graph.outputs / "stages" / graph.stages[fingerprint].folder_name
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "a").write_text("abc")
    done = {"steps": 30, "seconds": 48.0, "files": {"model/a": {"size": 3, "sha256": "x"}}}
    (folder / "DONE.json").write_text(json.dumps(done))
    return folder


def test_a_new_plan_says_stages_arithmetic_and_estimates(tmp_path):
    text = described(a_graph(tmp_path))
    assert text.startswith("2 stages for 1 run: 1 × sft, 1 × rl\n")
    assert text.count("to do (") == 2
    assert "batch: 20 steps × 32 prompts × 8 rollouts = 256 rows" in text
    assert text.count("memory ~") == 2 and text.count("time ~") == 2
    assert "figures marked ~ are estimates" in text
    assert "3 models measured, 0 done already" in text


def test_finished_and_started_stages_are_said(tmp_path):
    graph = a_graph(tmp_path)
    finish(graph, SFT)
    checkpoint = tmp_path / "stages" / f"rl-{RL}" / "attempts" / "1" / "checkpoints" / "step_10"
    checkpoint.mkdir(parents=True)
    (checkpoint / "manifest.json").write_text("{}")
    text = described(graph)
    assert "done (aaaaaaaa, 0:00:48 saved)" in text
    assert "resumes after step 10 of 20 (bbbbbbbb)" in text
    assert text.count("memory ~") == 1  # a finished stage needs nothing


def test_nothing_to_do_is_said(tmp_path):
    graph = a_graph(tmp_path)
    finish(graph, SFT)
    finish(graph, RL)
    assert "nothing to train: every stage is done" in described(graph)
    assert "disk" not in described(graph)


def test_shared_stages_are_counted(tmp_path):
    graph = a_graph(tmp_path)
    other = "c" * 16
    graph.stages[other] = replace(graph.stages[RL], fingerprint=other)
    graph.runs[0] = replace(graph.runs[0], overrides=("seed=1", "objective=grpo"))
    parts = (RunStage("sft", SFT, None, None), RunStage("rl", other, None, None))
    graph.runs.append(Run("run", ("seed=1", "objective=rloo"), parts, {}))
    text = described(graph)
    assert text.startswith("3 stages for 2 runs (1 shared): 1 × sft, 2 × rl")
    assert "(aaaaaaaa) · for 2 runs\n" in text
    assert "(cccccccc) · for 1 run (objective=rloo)\n" in text
    assert text.count("prompts × 8 rollouts") == 1  # the same arithmetic is said once


def test_too_little_disk_is_a_warning(tmp_path, monkeypatch):
    monkeypatch.setattr(describing, "free_space", lambda outputs: 1024)
    assert "1.0 KiB free)   ← warning: more than is free" in described(a_graph(tmp_path))


@pytest.mark.parametrize("width", [60, 80, 120])
def test_lines_keep_to_the_width(tmp_path, width):
    for line in described(a_graph(Path("outputs")), width).splitlines():
        assert len(line) <= width, line


def test_free_space_is_that_of_the_nearest_folder_there_is(tmp_path, monkeypatch):
    from etude.plan import estimate

    asked = []
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(estimate.shutil, "disk_usage", lambda path: asked.append(path) or usage(7))
    assert estimate.free_space(tmp_path / "not" / "there") == 7
    assert asked == [tmp_path]


def test_describing_imports_nothing_heavy():
    program = (
        "import sys, etude.plan.describe, etude.plan.estimate\n"
        "from etude.plan.estimate import parameters_of\n"
        "parameters_of({'tokenizer': 'bytes', 'hidden_size': 64, 'layers': 2, 'heads': 4})\n"
        "heavy = {'torch', 'transformers', 'tokenizers', 'numpy', 'rich'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
