"""A whole command judged at once: every fault, the near spelling, where a key belongs."""

from __future__ import annotations

from pathlib import Path

import pytest
from toy_tree import make_tree

from etude.config.front_check import FrontCheck
from etude.config.installation import Installation
from etude.config.prepare import Prepared, prepare
from etude.config.report import report
from etude.config.resolve import StageConfig
from etude.errors import ConfigError


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return make_tree(tmp_path_factory.mktemp("toy"))


@pytest.fixture
def run(toy: Installation):
    def command(text: str, multirun: bool = False) -> Prepared:
        return prepare(text.split(), multirun=multirun, installation=toy)

    return command


@pytest.fixture
def refuse(toy: Installation):
    def command(text: str, multirun: bool = False) -> dict[str, str]:
        with pytest.raises(ConfigError) as caught:
            prepare(text.split(), multirun=multirun, installation=toy)
        faults = caught.value.faults
        found = {fault.typed: fault.message for fault in faults}
        assert len(found) == len(faults), "one thing typed is reported once"
        return found

    return command


def stage(prepared: Prepared, name: str) -> StageConfig:
    return next(each for each in prepared.runs[0][1] if each.name == name)


def test_the_default_command_is_the_quickstart(run) -> None:
    sft, rl = run("").runs[0][1]
    assert (sft.name, sft.learner, sft.after, sft.config["training"]["steps"]) == (
        "sft",
        "supervised",
        (),
        300,
    )
    assert (rl.name, rl.learner, rl.after, rl.config["training"]["steps"]) == (
        "rl",
        "policy_gradient",
        ("sft",),
        150,
    )
    assert rl.config["objective"]["regularizer"] == {}
    assert rl.config["model"]["shape"] == {"width": 32, "depth": 2}


def test_all_faults_stand_in_one_report_in_the_order_typed(refuse) -> None:
    faults = refuse(
        "objective=gphpo stages.rl.training.stesp=20 optimizer.lr=fast +sede=1 lr=1 modle=tiny"
        " objective/advantage=grup stages.lr.training.steps=3 ~stages.sf x=["
    )
    assert list(faults) == [
        "objective=gphpo",
        "stages.rl.training.stesp=20",
        "optimizer.lr=fast",
        "+sede=1",
        "lr=1",
        "modle=tiny",
        "objective/advantage=grup",
        "stages.lr.training.steps=3",
        "~stages.sf",
        "x=[",
    ]
    assert "Did you mean ghpo?" in faults["objective=gphpo"]
    assert (
        "training has no key 'stesp'. Did you mean steps?" in faults["stages.rl.training.stesp=20"]
    )
    assert (
        "optimizer.lr is a number (learning rate, 0.0001 now); 'fast'"
        in faults["optimizer.lr=fast"]
    )
    assert "Did you mean seed?" in faults["+sede=1"]
    assert "optimizer.lr" in faults["lr=1"]
    assert "Did you mean model?" in faults["modle=tiny"]
    assert "Did you mean group?" in faults["objective/advantage=grup"]
    assert "Did you mean rl?" in faults["stages.lr.training.steps=3"]
    assert "Did you mean sft?" in faults["~stages.sf"]
    assert "cannot be read" in faults["x=["]


def test_the_report_reads_as_a_person_would_write_it(toy) -> None:
    with pytest.raises(ConfigError) as caught:
        prepare(["objective=gphpo", "optimizer.lr=fast"], installation=toy)
    lines = report(caught.value.faults).splitlines()
    assert lines[0] == "Two things to mend in this command:"
    assert lines[2].startswith("  objective=gphpo    there is no objective 'gphpo'.")
    assert lines[3].startswith("  optimizer.lr=fast  optimizer.lr is a number")
    assert lines[-1] == "Nothing was started."


def test_what_a_wrong_recipe_would_set_is_not_guessed(refuse) -> None:
    assert list(refuse("recipe=nope training.steps=20")) == ["recipe=nope"]
    also = refuse("optimizer=nope training.steps=20")
    assert list(also) == ["optimizer=nope", "training.steps=20"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("objective.epsilon=1", "It belongs to objective.advantage.epsilon"),
        ("objective.advantage.epsilon=-1", "at least 0"),
        ("training.steps=0 recipe=rl", "at least 1"),
        ("model.dtype=float16", "one of float32, bfloat16"),
        ("model.shape.widht=3", "Did you mean width?"),
        ("objective.name=grop", "Did you mean grpo?"),
        ("objective.name=ghpo", "objective=ghpo"),
        ("objective.advantage=plian", "Did you mean plain?"),
        ("objective.regularizer.kl.coef=1", "objective/regularizer='[kl]'"),
        ("optimizer=null", "optimizer=CHOICE"),
        ("foo/bar=1", "no config group 'foo/bar'"),
        ("objective/advantge=plain", "Did you mean objective/advantage?"),
        ("seed", "KEY=VALUE"),
        ("hydra/launcher=slurm", "launcher=local"),
        ("hydra/sweeper=basic", "-m"),
        ("hydra.run.dir=x", "outputs=FOLDER"),
        ("sources=arithmetic", "every source is there"),
        ("sources.arithmetik.size=3", "Did you mean arithmetic?"),
        ("stages.rl.sources.arithmetic.size=3", "sources.arithmetic.size"),
        ("stages.rl.launcher=local", "belongs to the whole run"),
        ("stages.rl.lr=3", "stages.rl.optimizer.lr"),
        ("resources.time=60", "belongs to stages.sft.resources, stages.rl.resources; or did you"),
        ("partition=gpu", "stages.sft.resources.partition, stages.rl.resources.partition"),
        ("stages.rl.resources.mem=3", "Did you mean memory_gib?"),
        ("stages.rl.gate.on_fail=maybe", "stop, keep_previous"),
        ("pipeline=[sft,lr]", "no stage 'lr'"),
        ("seed=1,2", "-m"),
        ("seed=choice(1,2)", "-m"),
        ("objective=sft objective/advantage=plain", "has no part 'advantage'"),
        ("optimizer.betas=[0.9]", "a list of 2 values"),
        ("recipe.pipeline=3", "recipe=NAME"),
        ("fresh=[lr]", "Did you mean rl?"),
        ("name=a/b", "no name for a folder"),
    ],
)
def test_one_thing_to_mend(refuse, text: str, message: str) -> None:
    assert message in " ".join(refuse(text).values())


def test_a_value_that_changes_no_stage_names_the_stages_and_what_to_type(refuse) -> None:
    (message,) = refuse("training.steps=20").values()
    assert "sft and rl set it themselves" in message
    assert "stages.sft.training.steps=20 or stages.rl.training.steps=20" in message


def test_a_choice_that_changes_no_stage_is_a_fault(refuse) -> None:
    message = refuse("pipeline=[sft] objective=ghpo")["objective=ghpo"]
    assert "stages.sft.objective=ghpo" in message


def test_a_key_that_no_learner_reads_is_a_fault(refuse, run) -> None:
    assert "policy_gradient" in refuse("recipe=sft training.prompts=4")["training.prompts=4"]
    stage_fault = refuse("stages.sft.training.prompts=4")
    assert "sft is supervised" in stage_fault["stages.sft.training.prompts=4"]
    assert stage(run("training.prompts=4"), "rl").config["training"]["prompts"] == 4


def test_a_group_that_no_stage_reads_is_a_fault(refuse) -> None:
    message = refuse("recipe=sft evaluation=null rollout.temperature=0.5")
    assert "does not read rollout" in message["rollout.temperature=0.5"]


def test_a_source_that_no_stage_reads_is_a_fault(refuse, run) -> None:
    assert "no stage's data_mix reads" in refuse("sources.answers.path=x")["sources.answers.path=x"]
    assert (
        stage(run("sources.arithmetic.size=7"), "sft").config["sources"]["arithmetic"]["size"] == 7
    )


def test_a_value_for_a_stage_that_is_left_out_is_a_fault(refuse) -> None:
    typed = "stages.sft.training.steps=3"
    assert "not in the pipeline" in refuse(f"pipeline=[rl] {typed}")[typed]


def test_the_defaults_own_value_is_no_fault(run) -> None:
    run("optimizer.lr=1e-4 seed=1 objective=grpo")


def test_stage_keys_and_choices_need_no_plus(run) -> None:
    prepared = run(
        "stages.rl.optimizer.lr=3 stages.rl.objective=ghpo stages.sft.model=small"
        " stages.rl.optimizer.schedule=cosine stages.rl.resources.cpus_per_task=2"
        " stages.rl.rollout.model_from=sft stages.rl.gate.at_least=0.5"
    )
    rl = stage(prepared, "rl")
    assert rl.config["optimizer"]["lr"] == 3.0
    assert rl.config["optimizer"]["schedule"]["name"] == "cosine"
    assert rl.config["objective"]["name"] == "ghpo"
    assert rl.resources["cpus_per_task"] == 2
    assert rl.config["rollout"]["model_from"] == "sft"
    assert rl.gate["at_least"] == 0.5
    assert (rl.gate["metric"], rl.gate["on_fail"], rl.gate["rule"]) == ("pass@1", "stop", None)
    sft = stage(prepared, "sft")
    assert sft.config["model"]["shape"]["width"] == 256
    assert sft.config["optimizer"]["lr"] == 1e-4
    assert sft.gate is None


def test_hydras_own_forms_of_a_stage_choice(run) -> None:
    for typed in (
        "objective@stages.sft.objective=grpo stages.sft.data_mix=arithmetic",
        "+objective@stages.rl.objective=ghpo",
        "objective@stages.rl.objective=ghpo",
        "+objective/advantage@stages.rl.objective.advantage=plain",
    ):
        run(typed)
    parts = stage(run("stages.rl.objective.regularizer=[entropy]"), "rl").config["objective"]
    assert list(parts["regularizer"]) == ["entropy"]


def test_parts_are_chosen_and_changed(run) -> None:
    prepared = run(
        "objective=dapo objective/advantage=plain objective/regularizer=[kl]"
        " objective.regularizer.kl.coef=0 objective.advantage.scale=2"
    )
    objective = stage(prepared, "rl").config["objective"]
    assert objective["policy_loss"]["high"] == 0.28
    assert objective["advantage"] == {"name": "plain", "scale": 2.0}
    assert objective["regularizer"] == {"kl": {"name": "kl", "coef": 0.0}}


def test_nested_recipes_and_overridden_defaults(run) -> None:
    assert stage(run("recipe=ghpo/paper"), "rl").config["objective"]["name"] == "ghpo"
    assert (
        stage(run("recipe=ghpo/paper objective=grpo"), "rl").config["objective"]["name"] == "grpo"
    )


def test_taking_a_stage_away_takes_it_out_of_the_pipeline(run) -> None:
    assert [each.name for each in run("~stages.sft").runs[0][1]] == ["rl"]


def test_a_stage_of_ones_own(run, refuse) -> None:
    prepared = run("pipeline=[sft,warm,rl] +stages.warm={training:{steps:5}}")
    assert [each.name for each in prepared.runs[0][1]] == ["sft", "warm", "rl"]
    assert stage(prepared, "warm").config["training"]["steps"] == 5
    typed = "+stages.warm={trainin:{steps:5}}"
    assert "Did you mean training?" in refuse(f"pipeline=[sft,warm] {typed}")["stages.warm.trainin"]


def test_a_source_of_ones_own(run) -> None:
    prepared = run("+sources.mine={name:rows,path:.} +data_mix.train.mine.weight=2 recipe=rl")
    mine = stage(prepared, "rl").config["sources"]["mine"]
    assert mine["path"] == "."
    assert mine["columns"] == {"prompt": "prompt", "answer": "answer"}


def test_a_sweep_is_every_combination(run) -> None:
    prepared = run("objective=grpo,dapo seed=range(1,3)", multirun=True)
    assert [member.overrides for member, _ in prepared.runs] == [
        ["objective=grpo", "seed=1"],
        ["objective=grpo", "seed=2"],
        ["objective=dapo", "seed=1"],
        ["objective=dapo", "seed=2"],
    ]
    seeds = [stages[1].config["seed"] for _, stages in prepared.runs]
    assert seeds == [1, 2, 1, 2]
    globbed = run("objective=glob(g*)", multirun=True)
    assert [m.overrides for m, _ in globbed.runs] == [["objective=ghpo"], ["objective=grpo"]]


def test_a_sweep_reports_a_wrong_value_once_and_unread_values_of_all_members_only(
    refuse, run
) -> None:
    faults = refuse("objective=grpo,gphpo seed=1,2 optimizer.lr=fast", multirun=True)
    assert len(faults) == 2
    run("recipe=sft,rl training.prompts=4", multirun=True)
    faults = refuse("recipe=sft training.prompts=4 seed=1,2", multirun=True)
    assert list(faults) == ["training.prompts=4"]


def test_an_unmet_column_says_who_has_it(refuse) -> None:
    (message,) = refuse("objective=ghpo data_mix=answers recipe=rl").values()
    assert "objective ghpo needs the data column 'solution' for its hints" in message
    assert "the source answers provides: answer, id, prompt" in message
    assert "data_mix=arithmetic  has it" in message
    assert "sources.answers.columns.solution=NAME" in message


def test_a_mapped_column_meets_a_need(run) -> None:
    run("objective=ghpo data_mix=answers recipe=rl +sources.answers.columns.solution=how")


def test_a_model_role_is_needed_only_under_its_condition(refuse, run) -> None:
    (message,) = refuse("objective/regularizer=[kl] recipe=rl").values()
    assert "objective/regularizer kl needs the model 'reference' to measure the distance" in message
    assert "models.reference=" in message
    run("objective/regularizer=[kl] recipe=rl models.reference=base")
    run("objective/regularizer=[kl] recipe=rl objective.regularizer.kl.coef=0")


def test_a_conflict_names_both(refuse, run) -> None:
    (message,) = refuse(
        "objective/regularizer=[entropy] objective/advantage=plain recipe=rl"
    ).values()
    assert "objective/regularizer entropy cannot be used with objective/advantage plain" in message


def test_a_missing_response_is_refused_before_anything_runs(refuse) -> None:
    found = " ".join(refuse("recipe=sft data_mix=arithmetic").values())
    assert "objective sft needs the data column 'response'" in found


def test_a_template_names_columns_that_are_there(refuse) -> None:
    found = refuse("recipe=sft data_mix.response_template='{worked}'")
    assert any("names the column 'worked'" in message for message in found.values())


def test_rows_that_are_not_there_are_refused_before_anything_runs(refuse, run) -> None:
    (message,) = refuse("recipe=rl data_mix=test").values()
    assert "names no rows to be trained on" in message
    assert "data_mix=arithmetic" in message
    faults = refuse("recipe=rl data_mix=answers sources.answers.path=/no/such/file")
    assert "no file or folder" in faults["sources.answers.path"]
    faults = refuse("recipe=rl data_mix=answers sources.answers.path=null")
    assert "says nowhere to read" in faults["sources.answers"]
    faults = refuse("recipe=rl data_mix.train.other.weight=1")
    assert "no source 'other'" in " ".join(faults.values())


def test_interpolations_mean_the_stages_own_values(run, refuse) -> None:
    prepared = run("training.limit=${training.steps}")
    assert stage(prepared, "sft").config["training"]["limit"] == 300
    assert stage(prepared, "rl").config["training"]["limit"] == 150
    assert "refers to nothing" in " ".join(refuse("training.limit=${training.no}").values())


def test_debug_leaves_two_steps_and_a_few_problems(run) -> None:
    rl = stage(run("debug=true"), "rl").config
    assert rl["training"]["steps"] == 2
    assert rl["evaluation"]["problems"] == 8
    assert rl["execution"]["checkpoint_every"] == 1


def test_a_repeated_stage_means_the_copies_of_its_own_round(run) -> None:
    prepared = run(
        "recipe=rl pipeline=[rl] +stages.sample={} data_mix.train={sampled:{source:sampled}}"
        " stages.rl.repeat={times:2,stages:[sample,rl]}"
    )
    names = [each.name for each in prepared.runs[0][1]]
    assert names == ["sample-1", "rl-1", "sample-2", "rl-2"]
    means = {name: stage(prepared, name).renamed for name in names}
    assert means["rl-1"]["sample"] == "sample-1" and means["rl-2"]["sample"] == "sample-2"
    assert means["sample-1"]["rl"] == "" and means["sample-2"]["rl"] == "rl-1"


def test_a_round_that_redraws_has_another_seed_and_the_first_keeps_its_own(run) -> None:
    words = (
        "recipe=rl pipeline=[rl] +stages.sample={} data_mix.train={sampled:{source:sampled}}"
        " stages.rl.repeat={times:3,stages:[sample,rl],redraw:[sample]}"
    )
    prepared = run(words)
    seeds = {each.name: each.config["seed"] for each in prepared.runs[0][1]}
    assert len({seeds[name] for name in ("sample-1", "sample-2", "sample-3")}) == 3
    assert {seeds[name] for name in ("sample-1", "rl-1", "rl-2", "rl-3")} == {1}
    assert stage(run(words), "sample-2").config["seed"] == seeds["sample-2"]


def test_an_empty_group_is_none(run) -> None:
    assert stage(run("evaluation=null"), "rl").config["evaluation"] is None


def test_a_broken_file_of_a_person_is_named(toy: Installation, tmp_path: Path) -> None:
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "mine.yaml").write_text("pipeline: [rl\n")
    mine = make_tree(tmp_path / "tree", user=tmp_path)
    report_ = FrontCheck(mine).run(["recipe=mine"])
    assert "mine.yaml" in str(report_.faults[0])
    assert "is not YAML" in str(report_.faults[0])
