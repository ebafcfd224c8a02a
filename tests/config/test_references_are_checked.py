"""References that lead nowhere are told with all else that is wrong, before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from etude.config.check_root import check_root
from etude.config.prepare import prepare, prepare_evaluation
from etude.errors import ConfigError
from etude.plan.graph import build_graph
from etude.plan.references import Made
from etude.schema import built_in

TWO = ("recipe=sft_then_rl",)


def told(*overrides: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        prepare(overrides)
    return [str(fault) for fault in caught.value.faults]


def test_every_reference_and_every_value_is_in_one_report() -> None:
    found = told(
        *TWO,
        "stages.rl.start_from=stf",
        "stages.rl.rollout.model_from=rl.critc",
        "evaluation.base=outputs/evaluations/nowhere",
        "stages.rl.training.prompts_per_step=0",
    )
    assert len(found) == 4
    assert any("stages.rl.start_from  is stf, neither a stage" in text for text in found)
    assert any("stages.rl.rollout.model_from  is rl.critc" in text for text in found)
    assert any(text.startswith("evaluation.base  is outputs/evaluations/nowhere") for text in found)


def test_a_folder_that_is_no_model_is_told_wherever_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for key in ("start_from", "stages.rl.rollout.model_from"):
        (text,) = told("recipe=rl", f"{key}={tmp_path / 'empty'}")
        assert text.startswith(f"{key}  {tmp_path / 'empty'} cannot be used as a model")


def test_the_copies_of_a_repeated_stage_tell_of_a_reference_once() -> None:
    found = told(*TWO, "+stages.rl.repeat.times=3", "stages.rl.rollout.model_from=sfd")
    assert len(found) == 1 and "stages.rl.rollout.model_from" in found[0]


def test_an_evaluation_reads_no_stage_that_is_not_there() -> None:
    with pytest.raises(
        ConfigError, match=r"sources\.generated\.from_stage  is sample, and no stage runs"
    ):
        prepare_evaluation(
            [
                "checkpoint=.",
                "data_mix=generated",
                "sources.generated.from_stage=sample",
                "+data_mix.held_out.generated.split=train",
            ]
        )


@pytest.mark.parametrize("name", ["base", "start", "handed_on", "a.b"])
def test_a_stage_has_no_name_that_references_read_otherwise(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_root({"stages": {name: {}, "rl": {}}}, built_in())
    (fault,) = caught.value.faults
    assert fault.typed == f"stages.{name}"


def test_every_round_means_its_own_copies_by_every_reference(tmp_path: Path) -> None:
    words = (*TWO, "stages.rl.objective/regularizer=kl", f"outputs={tmp_path}")
    rounds = ("+stages.rl.repeat.times=3", "stages.rl.models.reference=rl")
    graph = build_graph(prepare([*words, *rounds, "stages.rl.rollout.model_from=sft"]).runs)
    sft, *copies = graph.stages.values()
    assert [copy.name for copy in copies] == ["rl-1", "rl-2", "rl-3"]
    before = sft
    for copy in copies:
        # Before the first round no copy has run: what the rounds begin with takes its place.
        assert copy.start == copy.inputs["models.reference.load"] == Made(before.fingerprint)
        assert copy.inputs["rollout.model_from"] == Made(sft.fingerprint)
        before = copy


def test_a_sweep_shares_a_stage_and_its_evaluation_whatever_names_it(tmp_path: Path) -> None:
    """What is called `start` in one member and by its stage in another is one piece of work."""
    words = (*TWO, "stages.rl.objective/regularizer=kl", f"outputs={tmp_path}")
    named = "stages.rl.models.reference=start,sft,sft.model,base"
    graph = build_graph(prepare([*words, named], multirun=True).runs)
    prints = [run.stages[1].stage for run in graph.runs]
    assert prints[0] == prints[1] == prints[2] != prints[3]
    assert len({run.stages[0].stage for run in graph.runs}) == 1
    assert len({run.stages[1].before for run in graph.runs}) == 1


def test_the_rows_of_several_stages_are_one_input(tmp_path: Path) -> None:
    words = ["recipe=expert_iteration", f"outputs={tmp_path}"]
    listed = "sources.generated.from_stage=[sample,sample-1]"
    graph = build_graph(prepare([*words, listed]).runs)
    nodes = {node.name: node for node in graph.stages.values()}
    first, second = (Made(nodes[f"sample-{n}"].fingerprint, "data") for n in (1, 2))
    assert nodes["improve-1"].inputs["sources.generated.from_stage"] == (first, first)
    assert nodes["improve-2"].inputs["sources.generated.from_stage"] == (second, first)
    assert set(nodes["improve-2"].parents) > {first.stage, second.stage}
