"""`etude measure` over folders as runs leave them."""

from __future__ import annotations

import pytest
import torch
from folders import published, said, told
from safetensors.torch import save_file

from etude.cli.etude import main as etude
from etude.launch import written
from etude.plan.layout import LAYOUT
from etude.plan.nodes import EvaluationNode, Graph, Measured, Run, RunStage, StageNode
from etude.plan.references import Base, Made

SCORES = {
    "main": {"base": 0.2, "sft": 0.5, "rl": 0.8},
    "ood": {"base": 0.3, "sft": 0.2, "rl": 0.1},
}
LOSSES = {"sft": [(10, 3.0), (20, 2.5)], "rl": [(10, 2.4), (20, 2.2)]}


def mix(train, held_out):
    return {"data_mix": {"train": dict.fromkeys(train), "held_out": dict.fromkeys(held_out)}}


@pytest.fixture
def outputs(tmp_path, monkeypatch):
    """Return a run of two stages, measured by two evaluations."""
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "outputs"
    graph = Graph({}, {}, [], [], place, folder=place / "runs" / "2026-01-01-made-77aa")
    graph.folder.mkdir(parents=True)
    held_out = {"main": ["gsm8k"], "ood": ["svamp"]}
    for of, scores in SCORES.items():
        for model, score in scores.items():
            name, key = f"{model}.{of}" if of != "main" else model, f"e{of}{model}"
            config = mix([], held_out[of])
            graph.evaluations[key] = EvaluationNode(name, key, config, {"model": Base()}, of=of)
            metrics = {"pass@1": {"value": score, "low": score - 0.1, "high": score + 0.1}}
            samples = [
                {"id": f"{n}", "outcome": "correct" if n < 10 * score else "wrong"}
                for n in range(10)
            ]
            published(
                place / "evaluations" / f"{name}-{key}",
                result={"metrics": metrics},
                samples=samples,
            )
    views = []
    for name, before, start in (("sft", "base", Base()), ("rl", "sft", Made("sft"))):
        config = {**mix(["gsm8k"], []), "training": {"steps": 20}}
        graph.stages[name] = StageNode(name, name, name, config, "fake", (), (), {"start": start})
        others = (Measured("ood", f"eood{before}", f"eood{name}"),)
        views.append(RunStage(name, name, f"emain{before}", f"emain{name}", others=others))
        folder = place / "stages" / f"{name}-{name}"
        published(
            folder,
            stage={"layout": LAYOUT},
            metrics=[{"step": n, "tokens": 100.0, "reward/mean": 1.0 + n} for n in range(4)],
            evaluations=[
                {"step": s, "metrics": {"loss": {"value": v}, "pass@1": {"value": 1 / v}}}
                for s, v in LOSSES[name]
            ],
        )
        (folder / "model").mkdir()
        wide = 4 if name == "sft" else 8
        save_file(
            {"layers.0.q_proj.weight": torch.eye(4, wide)}, folder / "model/model.safetensors"
        )
        (folder / "model" / "config.json").write_text("{}")
    graph.order = [*graph.stages.values(), *graph.evaluations.values()]
    graph.runs.append(Run("made", (), tuple(views), {"name": "made"}))
    written.write(graph, {"name": "local"})
    return place


def test_transfer_goes_by_the_sources_of_rows_or_by_what_is_said(outputs, capsys):
    found = told(capsys, "transfer")[0]
    assert found["scores"] == [[0.2, 0.3], [0.5, 0.2], [0.8, 0.1]]
    assert found["trains"] == [["main"], ["main"]]
    assert found["maintenance"] == {"main": None, "ood": None}
    assert [each["target"] for each in found["transfers"]] == ["ood", "ood"]
    assert found["half_intervals"][0] == [pytest.approx(0.1), pytest.approx(0.1)]
    other = told(capsys, "transfer", "main=", "ood=sft")[0]
    assert other["trains"] == [["ood"], []]
    assert other["maintenance"]["ood"] == pytest.approx(-0.1)
    text = said(capsys, "transfer", "77aa", "ood=sft", "main=rl", "--alone", "rl=sft")
    assert "after sft" in text and "0.500 ± 0.100" in text and "ood → main" in text
    assert "rl in the chain over alone: performance" in text


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["transfer", "nothing=rl"], "no benchmark 'nothing'"),
        (["transfer", "main=nobody"], "no stage 'nobody'"),
        (["transfer", "--metric", "loss"], "has no 'loss'; it has pass@1"),
        (["transfer", "--alone", "rl"], "NAME=STAGE"),
        (["transfer", "--alone", "rl=sft", "--curve", "x"], "no curve 'x'"),
        (["capability", "base", "nobody"], "no evaluation 'nobody'"),
        (["weights", "sft", "nobody"], "no stage 'nobody'"),
        (["weights", "sft", "rl"], "different architectures"),
        (["weights", "sft", "sft", "--tolerance=-1"], "not negative"),
        (["checkpoints", "rl", "--proxy", "x"], "no 'x' along its steps; there are loss, pass@1"),
        (["scaling", "rl", "--steps", "3"], "--size PARAMETERS"),
        (["nothing"], "There are capability"),
    ],
)
def test_what_is_not_there_is_refused_in_words(outputs, capsys, words, why):
    import re

    assert etude(["measure", *words]) in (1, 2)
    assert re.search(why, " ".join(capsys.readouterr().err.split()))


def test_a_run_whose_stages_do_not_follow_each_other_is_no_chain(outputs, capsys):
    graph, launcher = written.read(outputs / "runs" / "2026-01-01-made-77aa")
    sft, rl = graph.runs[0].stages
    apart = RunStage("rl", "rl", "emainbase", rl.after, others=rl.others)
    graph.runs[0] = Run("made", (), (sft, apart), {"name": "made"})
    written.write(graph, launcher)
    assert etude(["measure", "transfer"]) == 1
    assert "rl does not start from the model of sft" in capsys.readouterr().err


def test_capability_is_told_from_the_samples_of_two_evaluations(outputs, capsys):
    found = told(capsys, "capability", "base-", "rl-")
    assert found["accuracy"] == [0.2, 0.8]
    assert found["flow"]["capability_gain"] == 6
    assert found["gained"] == [str(n) for n in range(2, 8)] and found["lost"] == []
    text = said(capsys, "capability", "rl-", "base-")
    assert "crossing: from k = 1 on" in text


def test_weights_of_stages_are_named_as_stages_are(outputs, capsys):
    found = told(capsys, "weights", "sft", "sft-sft", str(outputs / "stages/sft-sft"))
    assert [each["exact_zero"] for each in found["updates"]] == [1.0, 1.0]
    assert found["overlaps"][0]["agreement"] == 1.0
    text = said(capsys, "weights", "sft", "sft", "--no-ranks", "--tolerance", "0.5")
    assert "16" in text and "changed by ≤ 0.5" in text


def test_checkpoints_are_ranked_by_a_proxy(outputs, capsys):
    found = told(capsys, "checkpoints", "rl", "--proxy=-loss")
    assert [each["best"] for each in found["top"]] == [pytest.approx(1 / 2.2)] * 2
    assert found["baseline"] == pytest.approx(1 / 2.4)
    assert "SharpeRatio" in said(capsys, "checkpoints", "rl", "--proxy", "loss", "--most", "1")


def test_laws_are_fitted_to_stages_and_to_tables(outputs, capsys, tmp_path):
    found = told(capsys, "scaling", "sft", "rl")
    assert [(c["size"], c["batch_tokens"]) for c in found["curves"]] == [(16, 100), (32, 100)]
    assert found["size"]["alpha_n"] > 0 and found["batch"] is None
    table = tmp_path / "table.csv"
    rows = [f"{n},{n},1e6,1000,{(1e13 / n) ** 0.07}" for n in (1e6, 1e7, 1e8)]
    table.write_text("run,size,batch_tokens,step,loss\n" + "\n".join(rows) + "\n")
    text = said(capsys, "scaling", str(table), "--size", "1e9")
    assert "α_N 0.0700" in text and f"{(1e4) ** 0.07:.6g}" in text
    table.write_text("run,size\na,1\n")
    assert etude(["measure", "scaling", str(table)]) == 1
    assert "row 1 is not of the columns" in capsys.readouterr().err


def test_help_names_every_measure(capsys):
    from etude.cli.measure import KINDS

    text = said(capsys)
    assert all(f"etude measure {kind}" in text for kind in KINDS)
