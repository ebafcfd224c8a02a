"""Stages in this process: skipping, extending, starting afresh, failing, handing on."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import fake_stage
import pytest
from fake_stage import chain, config, run

from etude.errors import StorageError
from etude.execute.inputs import NodeInputs
from etude.execute.outcomes import Outcome, gate_text, passes, stops
from etude.plan.lookup import state_of
from etude.plan.nodes import GateEdge, Graph, StageNode
from etude.plan.references import Base, Made

pytestmark = pytest.mark.slow


class Heard:
    """Keeps every event as (name, node name, facts)."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, dict[str, Any]]] = []

    def __getattr__(self, event: str) -> Any:
        def hear(*args: Any, **named: Any) -> None:
            name = args[0] if isinstance(args[0], str) else getattr(args[0], "name", "")
            self.events.append((event, name, {**named, "args": args[1:]}))

        return hear

    def of(self, event: str) -> list[str]:
        return [name for heard, name, _ in self.events if heard == event]

    def facts(self, event: str) -> dict[str, Any]:
        return next(facts for heard, _, facts in self.events if heard == event)


def folder_of(outputs: Path, name: str) -> Path:
    (found,) = (outputs / "stages").glob(f"{name}-*")
    return found


def test_events_come_in_order_and_a_second_run_does_nothing(tmp_path: Path) -> None:
    stages = [("sft", config("sft", 4)), ("rl", config("rl", 2))]
    first, second = Heard(), Heard()
    assert run(chain(tmp_path, *stages), [first]) == 0
    told = [(event, name) for event, name, _ in first.events if event != "step_done"]
    assert told == [
        ("run_started", "fake"),
        ("evaluated", "base"),
        ("stage_started", "sft"),
        ("checkpoint_written", "sft"),
        ("checkpoint_written", "sft"),
        ("stage_finished", "sft"),
        ("evaluated", "sft"),
        ("stage_started", "rl"),
        ("checkpoint_written", "rl"),
        ("stage_finished", "rl"),
        ("evaluated", "rl"),
        ("run_finished", "fake"),
    ]
    assert first.of("step_done") == ["sft"] * 4 + ["rl"] * 2
    assert run(chain(tmp_path, *stages), [second]) == 0
    assert second.of("stage_skipped") == ["sft", "rl"] and not second.of("stage_started")
    assert second.of("evaluated") == ["base", "sft", "rl"]


def test_the_run_folder_holds_what_was_asked_and_what_came_out(tmp_path: Path) -> None:
    graph = chain(tmp_path, ("sft", config("sft", 2)))
    assert run(graph) == 0
    assert graph.folder is not None and graph.folder.parent == tmp_path / "runs"
    assert (graph.folder / "stages" / "sft-fsft1" / "DONE.json").is_file()
    assert (graph.folder / "evaluations" / "base-e-base" / "result.json").is_file()
    environment = json.loads((graph.folder / "environment.json").read_text())
    assert {"python", "packages", "git", "command"} <= set(environment)
    result = json.loads((graph.folder / "result.json").read_text())
    (stage,) = result["runs"][0]["stages"]
    assert result["state"] == "done" and stage["state"] == "done"
    assert stage["after"]["result"]["metrics"]["pass@1"]["value"] > 0
    assert (graph.folder / "config.yaml").read_text() == "name: fake\n"


def test_done_names_every_published_file(tmp_path: Path) -> None:
    run(chain(tmp_path, ("sft", config("sft", 2))))
    folder = folder_of(tmp_path, "sft")
    done = json.loads((folder / "DONE.json").read_text())
    assert {"model/model.safetensors", "model/config.json", "metrics.jsonl"} <= set(done["files"])
    assert done["steps"] == 2 and done["seconds"] > 0
    assert len((folder / "timing.jsonl").read_text().splitlines()) == 2


def test_a_published_file_of_another_size_makes_the_stage_unfinished(tmp_path: Path) -> None:
    stages = [("sft", config("sft", 4))]
    run(chain(tmp_path, *stages))
    folder = folder_of(tmp_path, "sft")
    whole = (folder / "model/model.safetensors").read_bytes()
    (folder / "model/model.safetensors").write_bytes(whole[:-4])
    heard = Heard()
    assert run(chain(tmp_path, *stages), [heard]) == 0
    assert heard.facts("stage_started")["first_step"] == 4 and not heard.of("step_done")
    assert (folder / "model/model.safetensors").read_bytes() == whole


def test_a_model_that_was_changed_is_not_handed_on(tmp_path: Path) -> None:
    run(chain(tmp_path, ("sft", config("sft", 2))))
    file = folder_of(tmp_path, "sft") / "model/model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    graph = chain(tmp_path, ("sft", config("sft", 2)), ("rl", config("rl", 2)))
    assert run(graph) == 1
    error = graph.outcomes["frl1"].error
    assert "model/model.safetensors is not as stage sft published it" in error
    assert "fresh='[sft]'" in error


def test_fresh_moves_the_old_folder_aside(tmp_path: Path) -> None:
    run(chain(tmp_path, ("sft", config("sft", 2))))
    heard = Heard()
    assert run(chain(tmp_path, ("sft", config("sft", 2)), fresh=True), [heard]) == 0
    assert heard.facts("stage_started")["first_step"] == 0
    (aside,) = (tmp_path / "stages").glob(".replaced-*")
    assert (aside / "DONE.json").is_file() and aside.name.endswith("sft-fsft1")


def files(folder: Path) -> dict[str, bytes]:
    names = ("metrics.jsonl", "samples.jsonl", "evaluations.jsonl", "model/model.safetensors")
    return {name: (folder / name).read_bytes() for name in names}


@pytest.mark.parametrize("hand_on", ["last", "best"])
def test_more_steps_extend_a_finished_stage(tmp_path: Path, hand_on: str) -> None:
    def asked(outputs: Path, steps: int) -> Graph:
        stage = config("sft", steps, seed=4, evaluate_every=2, training={"hand_on": hand_on})
        return chain(outputs, ("sft", stage), fingerprint=f"s{steps}")

    assert run(asked(tmp_path / "whole", 9)) == 0
    assert run(asked(tmp_path / "parts", 5)) == 0
    graph = asked(tmp_path / "parts", 9)
    state = state_of(graph.stages["s9"], tmp_path / "parts")
    assert (state.kind, state.step) == ("extendable", 5)
    heard = Heard()
    assert run(graph, [heard]) == 0
    assert heard.facts("stage_started")["first_step"] == 5
    parts, whole = tmp_path / "parts/stages/sft-s9", tmp_path / "whole/stages/sft-s9"
    if hand_on == "best":  # the end of the shorter stage was measured too
        extra = [line for line in (parts / "evaluations.jsonl").open() if '"step": 5' not in line]
        (parts / "evaluations.jsonl").write_text("".join(extra))
    assert files(parts) == files(whole)
    assert (tmp_path / "parts/stages/sft-s5/DONE.json").is_file()


def test_a_fresh_stage_extends_nothing(tmp_path: Path) -> None:
    assert run(chain(tmp_path, ("sft", config("sft", 5)), fingerprint="s5")) == 0
    heard = Heard()
    again = chain(tmp_path, ("sft", config("sft", 9)), fingerprint="s9", fresh=True)
    assert run(again, [heard]) == 0
    assert heard.facts("stage_started")["first_step"] == 0


def test_a_stage_that_depends_on_its_length_is_not_extended(tmp_path: Path) -> None:
    assert run(chain(tmp_path, ("sft", config("sft", 5)), fingerprint="s5")) == 0
    graph = chain(tmp_path, ("sft", config("sft", 9)), fingerprint="s9")
    graph.stages["s9"] = graph.order[1] = dataclasses.replace(graph.stages["s9"], extendable=False)
    heard = Heard()
    assert run(graph, [heard]) == 0
    assert heard.facts("stage_started")["first_step"] == 0


def test_a_failed_stage_says_stage_step_cause_and_how_to_go_on(tmp_path: Path) -> None:
    stages = [("sft", config("sft", 9, fail_at=7)), ("rl", config("rl", 2))]
    graph, heard = chain(tmp_path, *stages), Heard()
    assert run(graph, [heard]) == 1
    error = graph.outcomes["fsft1"].error
    assert (
        "stage sft (fsft1), attempt 1, failed at step 7: RuntimeError: CUDA out of memory" in error
    )
    assert "The same command goes on from step 6" in error
    failed = json.loads((folder_of(tmp_path, "sft") / "attempts/1/FAILED.json").read_text())
    assert failed["step"] == 7 and "Traceback" in failed["traceback"]
    assert "Traceback" in (folder_of(tmp_path, "sft") / "attempts/1/log").read_text()
    assert heard.of("stage_failed") == ["sft"] and heard.of("stage_started") == ["sft"]
    assert graph.outcomes["frl1"].state == "waiting"
    assert "sft did not finish" in graph.outcomes["frl1"].error
    result = json.loads((graph.folder / "result.json").read_text())  # type: ignore[operator]
    assert result["state"] == "failed" and len(result["problems"]) == 1
    assert run(chain(tmp_path, ("sft", config("sft", 9)), stages[1])) == 0


def test_a_loss_that_is_no_number_fails_the_stage(tmp_path: Path) -> None:
    graph = chain(tmp_path, ("sft", config("sft", 9, nan_at=4)))
    assert run(graph) == 1
    assert "failed at step 4: loss is nan" in graph.outcomes["fsft1"].error


def test_one_member_of_a_sweep_failing_leaves_the_others(tmp_path: Path) -> None:
    graph = chain(tmp_path, ("sft", config("sft", 2)))
    for seed, fake in ((2, {"fail_at": 0}), (3, {}), (4, {"fail_at": 1})):
        other = chain(tmp_path, ("rl", config("rl", 2, seed=seed, **fake)))
        graph.stages |= other.stages
        graph.evaluations |= other.evaluations
        graph.order += other.order[1:]
        graph.runs += other.runs
    assert run(graph) == 1
    states = {fingerprint: outcome.state for fingerprint, outcome in graph.outcomes.items()}
    assert states["frl2"] == states["frl4"] == "failed" and states["frl3"] == "done"
    result = json.loads((graph.folder / "result.json").read_text())  # type: ignore[operator]
    assert len(result["problems"]) == 2
    assert (graph.folder / "members" / "04.yaml").is_file()  # type: ignore[operator]


def test_an_evaluation_that_fails_is_listed_and_training_goes_on(tmp_path: Path) -> None:
    graph = chain(
        tmp_path, ("sft", config("sft", 2, evaluation_fails=True)), ("rl", config("rl", 2))
    )
    assert run(graph) == 1
    assert graph.outcomes["frl1"].state == "done"
    assert "the verifier is gone" in graph.outcomes["e-fsft1"].error
    failed = tmp_path / "evaluations/sft-e-fsft1/FAILED.json"
    assert "Traceback" in json.loads(failed.read_text())["traceback"]
    assert run(chain(tmp_path, ("sft", config("sft", 2)))) == 0 and not failed.exists()


def test_only_the_last_checkpoints_stay(tmp_path: Path) -> None:
    run(chain(tmp_path, ("sft", config("sft", 8, checkpoint_every=1, keep=3))))
    left = (folder_of(tmp_path, "sft") / "attempts/1/checkpoints").iterdir()
    assert {path.name for path in left} == {"step_6", "step_7", "step_8"}


def test_the_best_model_is_handed_on_and_its_checkpoint_kept(tmp_path: Path) -> None:
    stage = config("sft", 8, seed=4, evaluate_every=2, keep=1, training={"hand_on": "best"})
    assert run(chain(tmp_path, ("sft", stage))) == 0
    folder = folder_of(tmp_path, "sft")
    lines = [json.loads(line) for line in (folder / "evaluations.jsonl").open()]
    values = {line["step"]: line["metrics"]["pass@1"]["value"] for line in lines}
    best = max(values, key=lambda step: values[step])
    assert set(values) == {2, 4, 6, 8} and best != 8
    assert json.loads((folder / "DONE.json").read_text())["model_step"] == best
    model = fake_stage.load_file(folder / "model/model.safetensors")["weight"]
    assert float(model[: fake_stage.SIZE // 2].mean()) == values[best]
    assert (folder / f"attempts/1/checkpoints/step_{best}").is_dir()


def start_of(node: StageNode, outputs: Path) -> bytes:
    """Return the weights of a stage of no steps, which are those it started from."""
    return (outputs / "stages" / node.folder_name / "model/model.safetensors").read_bytes()


@pytest.mark.parametrize("on_fail", ["stop", "keep_previous"])
@pytest.mark.parametrize("at_least", [0.0, 99.0])
def test_a_gate_passes_stops_or_keeps_the_previous_model(
    tmp_path: Path, on_fail: str, at_least: float
) -> None:
    stages = [("a", config("a", 2)), ("b", config("b", 2)), ("c", config("c", 0))]
    graph = chain(tmp_path, *stages, gates={"b": ("pass@1", at_least, on_fail)})
    heard = Heard()
    code = run(graph, [heard])
    if at_least == 0.0:
        assert code == 0
        assert start_of(graph.stages["fc1"], tmp_path) == start_of(graph.stages["fb1"], tmp_path)
    elif on_fail == "stop":
        assert code == 1 and graph.outcomes["fc1"].state == "waiting"
        assert "< 99 after b" in graph.outcomes["fc1"].error
    else:
        assert code == 0
        assert start_of(graph.stages["fc1"], tmp_path) == start_of(graph.stages["fa1"], tmp_path)
        assert any("starts from the model before" in text for text in heard.of("warned"))


def test_a_stage_that_a_component_ends_is_finished_with_fewer_steps(tmp_path: Path) -> None:
    ended = config("rl", 9)
    ended["fake"]["over_at"] = 4
    assert run(chain(tmp_path, ("rl", ended))) == 0
    folder = folder_of(tmp_path, "rl")
    done = json.loads((folder / "DONE.json").read_text())
    assert done["steps"] == done["model_step"] == 4
    assert len((folder / "metrics.jsonl").read_text().splitlines()) == 4
    assert "over after 4/9 steps: its gate closed" in (folder / "attempts/1/log").read_text()


def ruled(graph: Graph, **more: Any) -> GateEdge:
    """Return the gate of the stage b, under a rule, in the place of the one it has."""
    (run_of,) = graph.runs
    views = {view.stage: view for view in run_of.stages}
    gate = dataclasses.replace(views["fb1"].gate, before=views["fb1"].before, **more)
    stages = tuple(
        dataclasses.replace(view, gate=gate if view.stage == "fb1" else view.gate)
        for view in run_of.stages
    )
    graph.runs[0] = dataclasses.replace(run_of, stages=stages)
    return gate


def measured(graph: Graph, gate: GateEdge, before: float, after: float) -> None:
    """Say what the stage of a gate, and what it started from, were measured at."""
    for key, value in ((gate.before, before), (gate.evaluation, after)):
        metrics = {"metrics": {"pass@1": {"value": value}}}
        graph.outcomes[str(key)] = Outcome("done", evaluation=metrics)


@pytest.mark.parametrize(
    ("how", "after", "passed"),
    [
        ({"rule": "strict"}, 0.5, False),
        ({"rule": "margin"}, 0.5, True),
        ({"rule": "margin", "delta": 0.2, "relative": True}, 0.59, False),
        ({"rule": "margin", "delta": 0.2, "relative": True}, 0.61, True),
        ({"rule": "strict", "mode": "min"}, 0.4, True),
        ({"rule": "strict", "at_least": 0.9}, 0.8, False),
    ],
)
def test_a_gate_under_a_rule_compares_with_what_the_stage_started_from(
    tmp_path: Path, how: dict[str, Any], after: float, passed: bool
) -> None:
    stages = [("a", config("a", 2)), ("b", config("b", 2))]
    graph = chain(tmp_path, *stages, gates={"b": ("pass@1", None, "stop")})
    gate = ruled(graph, **how)
    measured(graph, gate, 0.5, after)
    assert passes(graph, gate) is passed
    assert "0.5" in gate_text(graph, gate) or "0.9" in gate_text(graph, gate)


def test_patience_stops_a_run_whose_gates_would_go_on(tmp_path: Path) -> None:
    stages = [("a", config("a", 2)), ("b", config("b", 2))]
    graph = chain(tmp_path, *stages, gates={"b": ("pass@1", None, "continue")})
    for patience, over in ((None, False), (2, False), (1, True)):
        gate = ruled(graph, rule="strict", patience=patience)
        measured(graph, gate, 0.5, 0.4)
        assert stops(graph, gate) is over


def test_a_gate_on_an_unknown_metric_says_what_there_is(tmp_path: Path) -> None:
    graph = chain(
        tmp_path, ("a", config("a", 2)), ("b", config("b", 2)), gates={"a": ("pass@8", 0.5, "stop")}
    )
    assert run(graph) == 1
    assert "no metric 'pass@8' for its gate; it has pass@1" in graph.outcomes["fb1"].error


def test_a_gate_that_keeps_is_heard_by_every_reference(tmp_path: Path) -> None:
    stages = [("a", config("a", 2)), ("b", config("b", 2)), ("c", config("c", 0))]
    for at_least, kept in ((0.0, "fb1"), (99.0, "fa1")):
        graph = chain(tmp_path, *stages, gates={"b": ("pass@1", at_least, "keep_previous")})
        told: list[str] = []
        assert run(graph) == 0
        node = graph.stages["fc1"]
        given: dict[str, Any] = dict.fromkeys(("start", "rollout.model_from"), Made("fb1"))
        given |= {"models.x.load": Base(), "several": (Made("fb1"), Made("fa1"))}
        node = dataclasses.replace(node, inputs=given)
        found = NodeInputs(graph, node, told.append).folders()
        folder = tmp_path / "stages" / graph.stages[kept].folder_name / "model"
        first = tmp_path / "stages" / graph.stages["fa1"].folder_name / "model"
        assert found == {
            "start": folder,
            "rollout.model_from": folder,
            "models.x.load": None,
            "several": (folder, first),
        }
        assert len(told) == (kept == "fa1")


def test_a_stage_hands_on_what_it_declares(tmp_path: Path) -> None:
    graph = chain(tmp_path, ("a", config("a", 1)))
    more = dataclasses.replace(graph.stages["fa1"], outputs=("model", "roles/critic"))
    graph.stages["fa1"] = graph.order[1] = more
    assert run(graph) == 1
    assert "stage a wrote no roles/critic/, which it is to hand on" in graph.outcomes["fa1"].error
    folder = tmp_path / "stages" / more.folder_name
    assert not (folder / "DONE.json").exists()


def test_an_observer_that_raises_is_dropped_once_and_training_goes_on(tmp_path: Path) -> None:
    class Broken(Heard):
        def __getattr__(self, event: str) -> Any:
            if event == "step_done":
                raise ValueError("no such panel")
            return super().__getattr__(event)

    broken, heard = Broken(), Heard()
    assert run(chain(tmp_path, ("sft", config("sft", 3))), [broken, heard]) == 0
    (message,) = heard.of("warned")
    assert "Broken failed at 'step_done' (ValueError: no such panel)" in message
    assert "run_finished" not in [e[0] for e in broken.events]


def test_too_little_free_disk_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"execution\.minimum_free_gib is 1e\+09"):
        run(chain(tmp_path, ("sft", config("sft", 3, minimum_free_gib=1e9))))


def test_a_place_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"cannot write .*file"):
        run(chain(tmp_path / "file" / "outputs", ("sft", config("sft", 3))))


def test_the_learner_is_closed_after_success_and_failure(tmp_path: Path) -> None:
    made: list[fake_stage.FakeLearner] = []

    def make(stage: dict[str, Any], context: Any) -> fake_stage.FakeLearner:
        made.append(fake_stage.FakeLearner(stage, context))
        return made[-1]

    graph = chain(tmp_path, ("sft", config("sft", 3)), ("rl", config("rl", 3, fail_at=1)))
    fake_stage.local.run(graph, [], make_learner=make, evaluate=fake_stage.fake_evaluate)
    assert [learner.closed for learner in made] == [True, True]


@pytest.mark.parametrize(
    "place", ["etude.execute.generations.claim", "etude.execute.stage.prepare"]
)
def test_a_stage_that_could_not_begin_is_told_as_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def full(*args: Any, **named: Any) -> None:
        raise StorageError("cannot write: No space left on device")

    monkeypatch.setattr(place, full)
    graph, heard = chain(tmp_path, ("sft", config("sft", 2))), Heard()
    assert run(graph, [heard]) == 1
    assert heard.of("stage_failed") == ["sft"] and not heard.of("stage_started")
    assert heard.facts("stage_failed")["step"] is None
    assert graph.outcomes["fsft1"].state == "failed"
