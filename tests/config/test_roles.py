"""The other models of a stage: how they are spelt, who asks for them, and what that changes."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from etude.config.installation import Installation, installed
from etude.config.prepare import prepare
from etude.config.roles import asked
from etude.entries import NeedInfo, Schema, built_in
from etude.errors import ConfigError
from etude.plan.describe import describe
from etude.plan.graph import build_graph
from etude.plan.references import Base, Made

TESTS = Path(__file__).parents[1]
KL = ("recipe=rl", "objective/regularizer=[kl]")
TWO = "recipe=sft_then_rl"


def models(*overrides: str, stage: str = "rl") -> dict[str, Any]:
    """Return the roles of a stage of a command."""
    (stages,) = [stages for _, stages in prepare(list(overrides)).runs]
    (config,) = [each.config for each in stages if each.name == stage]
    return {role: node for role, node in config["models"].items() if role != "name"}


def refused(*overrides: str, **how: Any) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        prepare(list(overrides), **how)
    return {fault.typed: fault.message for fault in caught.value.faults}


def prints(*overrides: str) -> dict[str, str]:
    """Return stage → fingerprint of a command."""
    graph = build_graph(prepare(list(overrides)).runs)
    return {node.name: node.fingerprint for node in graph.stages.values()}


def asking(group: str, name: str, *needs: NeedInfo) -> Schema:
    """Return etude's schema with a component that needs more."""
    schema = built_in()
    info = schema.components[group][name]
    more = dataclasses.replace(info, requires=(*info.requires, *needs))
    components = {**schema.components, group: {**schema.components[group], name: more}}
    return dataclasses.replace(schema, components=components)


def test_a_text_stands_for_what_a_role_is_loaded_from() -> None:
    short = models(*KL, "models.reference=base")
    assert short["reference"] == {
        "load": "base",
        "model": None,
        "train": dict.fromkeys(short["reference"]["train"]),
    }
    assert models(*KL, "models.reference={load:base}") == short
    assert models(*KL, "models={reference:base}") == short
    assert models(*KL, "models.reference.load=base") == short
    assert models(*KL, "stages.rl.models.reference=base") == short


def test_a_text_keeps_the_model_component_that_a_role_has() -> None:
    chosen = ("models.reference.model=tiny", "models.reference=base")
    reference = models(*KL, *chosen)["reference"]
    assert reference["load"] == "base"
    assert reference["model"]["name"] == "scratch"


def test_roles_have_any_name_and_null_takes_one_away() -> None:
    judged = ("objective.regularizer.kl.role=judge", "models.judge=base")
    assert models(*KL, *judged)["judge"]["load"] == "base"
    assert "reference" not in models(*KL, *judged, "~models.reference")
    assert "critic" not in models(
        "recipe=rl", "objective=ppo", "objective.critic.share=head", "models.critic=null"
    )
    found = refused(*KL, "models.reference=null")
    (message,) = found.values()
    assert "needs the model 'reference'" in message
    assert "models.reference=base" in message


def own_files(folder: Path, monkeypatch: pytest.MonkeyPatch, **files: str) -> Installation:
    """Return an installation with files of one's own under conf/models/ and recipes/."""
    for name, text in files.items():
        place = folder / ("recipes" if name.startswith("recipe") else "conf/models")
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{name}.yaml").write_text(text)
    monkeypatch.chdir(folder)
    return installed()


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    return lambda **named: own_files(tmp_path, monkeypatch, **named)


JUDGED = """# @package _global_
defaults:
  - override /objective/regularizer: [kl]
pipeline: [rl]
objective: {regularizer: {kl: {role: judge}}}
models: {judge: base}
stages: {rl: {}}
"""


def test_a_file_of_ones_own_gives_roles_with_models_of_their_own(files: Any) -> None:
    files(mine="defaults: [default, /model@judge.model: small, _self_]\njudge: {load: base}\n")
    found = models(*KL, "models=mine", "objective.regularizer.kl.role=judge")
    assert found["judge"]["load"] == "base"
    assert found["judge"]["model"]["name"] == "scratch"
    assert found["reference"]["load"] == "start"
    # A file serves several recipes, so what it has beside may stay unused.
    assert "judge" in models(*KL, "models=mine")


def test_a_model_is_chosen_for_a_role_that_a_recipe_writes_in_short(files: Any) -> None:
    files(recipe_judged=JUDGED)
    judge = models("recipe=recipe_judged", "models.judge.model=tiny")["judge"]
    assert (judge["load"], judge["model"]["name"]) == ("base", "scratch")
    runs = prepare(["recipe=recipe_judged", "models.judge.model=tiny,small"], multirun=True).runs
    widths = {stages[0].config["models"]["judge"]["model"]["hidden_size"] for _, stages in runs}
    assert len(widths) == 2


def test_a_stage_lays_its_roles_over_the_roots_entry_by_entry(files: Any) -> None:
    files(recipe_judged=JUDGED)
    over = ("stages.rl.models.judge=start", "models.reference.load=start")
    with pytest.raises(ConfigError):
        prepare(["recipe=recipe_judged", over[1]])  # changes no stage
    found = models("recipe=recipe_judged", over[0])
    assert found["judge"]["load"] == "start"
    assert found["reference"]["load"] == "start"


def test_a_role_that_nothing_asks_for_is_told_with_the_nearest_that_is(files: Any) -> None:
    (message,) = refused(*KL, "models.refrence=base").values()
    assert "nothing asks for the model 'refrence'" in message
    assert "Did you mean reference?" in message
    (message,) = refused("recipe=rl", "stages.rl.models.critic=base").values()
    assert "they ask for none" in message
    (message,) = refused(*KL, "models.reference.laod=base").values()
    assert "Did you mean load?" in message
    files(recipe_judged=JUDGED.replace("models: {judge", "models: {juge"))
    found = refused("recipe=recipe_judged", "models.reference=null")
    assert "Did you mean judge?" in found["models.juge"]


def test_a_role_that_every_asking_stage_sets_itself_is_told_so(files: Any) -> None:
    own = JUDGED.replace("stages: {rl: {}}", "stages: {rl: {models: {judge: start}}}")
    files(recipe_own=own)
    (message,) = refused("recipe=recipe_own", "models.judge=base").values()
    assert "rl sets it itself" in message
    assert "stages.rl.models.judge.load=base" in message


def test_two_roles_of_a_sweep_of_which_each_member_asks_one_are_no_fault(files: Any) -> None:
    files(recipe_two=JUDGED.replace("{judge: base}", "{judge: base, judge2: start}"))
    sweep = ["recipe=recipe_two", "objective.regularizer.kl.role=judge,judge2"]
    assert len(prepare(sweep, multirun=True).runs) == 2


@pytest.mark.parametrize(
    ("group", "name"),
    [
        ("verifier", "number"),
        ("reward_weighting", "weighted_sum"),
        ("curriculum", "constant"),
        ("rollout", "transformers"),
    ],
)
def test_roles_are_asked_for_by_every_component_that_the_learner_reads(
    group: str, name: str
) -> None:
    schema = asking(group, name, NeedInfo("model:judge"))
    config = prepare(["recipe=rl"]).runs[0][1][0].config
    judge = asked(config, schema)["judge"]
    assert judge.opened
    assert not judge.trained
    assert not judge.scores  # no part of the objective reads log-probs under it
    assert judge.purpose == name
    sft = prepare(["recipe=sft"]).runs[0][1][0].config
    assert "judge" not in asked(sft, schema)


def test_a_need_names_its_role_by_a_field_of_the_component() -> None:
    config = prepare([*KL, "objective.regularizer.kl.role=judge", "models.judge=base"])
    found = asked(config.runs[0][1][0].config, built_in())
    assert set(found) == {"judge"}
    assert found["judge"].scores == ("policy",)


def test_a_critic_is_asked_for_and_trained_under_the_name_it_has() -> None:
    named = ("objective.critic.role=value", "models.value=base")
    config = prepare(["recipe=rl", "objective=ppo", *named]).runs[0][1][0].config
    found = asked(config, built_in())
    assert set(found) == {"value"}
    assert found["value"].trained
    graph = build_graph(prepare(["recipe=rl", "objective=ppo", *named]).runs)
    (node,) = graph.stages.values()
    assert [each for each in node.outputs if each.startswith("roles/")] == ["roles/value"]
    assert set(node.inputs) == {"start", "models.value.load"}


def test_only_roles_that_are_asked_for_count_in_a_fingerprint(files: Any) -> None:
    files(
        mine="defaults: [default, _self_]\nteacher: base\njudge: base\n",
        recipe_judged=JUDGED,
    )
    assert prints(TWO, "models=mine") == prints(TWO)
    plain = prints(TWO, "objective/regularizer=[kl]")
    held = prints(TWO, "objective/regularizer=[kl]", "models.reference=base")
    assert held["sft"] == plain["sft"]
    assert held["rl"] != plain["rl"]
    lighter = prints(TWO, "objective/regularizer=[kl]", "models.reference.model=tiny")
    assert lighter["sft"] == plain["sft"]
    assert lighter["rl"] != plain["rl"]


def test_what_a_role_is_loaded_from_is_misspelt_in_the_one_report(files: Any) -> None:
    found = refused(TWO, "objective/regularizer=[kl]", "models.reference=sftt")
    assert any("Did you mean sft?" in message for message in found.values())
    found = refused(TWO, "objective/regularizer=[kl]", "models.reference=sft.critic")
    assert any("hands on model" in message for message in found.values())


def test_an_optimizer_of_a_role_is_for_one_that_is_trained() -> None:
    own = "models.reference.train.optimizer=adamw"
    (message,) = refused(*KL, own).values()
    assert "this one is frozen (for kl)" in message
    trained = "models.critic.train.optimizer=adamw"
    critic = models("recipe=rl", "objective=ppo", trained)["critic"]
    assert critic["train"]["optimizer"]["name"] == "adamw"
    head = ("objective.critic.share=head", trained)
    (message,) = refused("recipe=rl", "objective=ppo", *head).values()
    assert "is for a trained model" in message


TWICE = """# @package _global_
defaults: [override /objective: ppo]
pipeline: [one, two]
stages: {one: {}, two: {}}
"""


@pytest.mark.parametrize(
    "spelling", ["handed_on", "start.critic", "one.critic", "one.roles/critic"]
)
def test_a_trained_role_is_taken_up_by_any_of_its_names(files: Any, spelling: str) -> None:
    files(recipe_twice=TWICE)
    graph = build_graph(
        prepare(["recipe=recipe_twice", f"stages.two.models.critic={spelling}"]).runs
    )
    one, two = graph.stages.values()
    assert two.inputs["models.critic.load"] == Made(one.fingerprint, "roles/critic")
    assert one.inputs["models.critic.load"] == Base()
    assert graph.beside(two) == "critic ← one.critic, trains critic"


def test_a_role_that_nothing_handed_on_is_refused(files: Any) -> None:
    files(recipe_twice=TWICE)
    (message,) = refused("recipe=recipe_twice", "stages.one.models.critic=handed_on").values()
    assert "starts from the base model" in message
    (message,) = refused("recipe=recipe_twice", "stages.two.models.critic=one.critik").values()
    assert "Did you mean" in message


def test_a_role_is_named_by_a_word_of_its_own() -> None:
    for name in ("../x", "a.b", "model", "data", "name"):
        found = refused("recipe=rl", "objective=ppo", f"objective.critic.role={name}")
        assert any("names the role" in message for message in found.values()), name


def test_a_misspelt_role_of_a_component_is_told_with_the_nearest_there_is() -> None:
    (message,) = refused("recipe=rl", "objective=ppo", "objective.critic.role=critc").values()
    assert "needs the model 'critc'" in message
    assert "Did you mean critic?" in message


def test_a_role_s_own_model_is_looked_at_before_anything_starts(tmp_path: Path) -> None:
    own = (*KL, "models.reference=base", "models.reference.model=pretrained")
    (message,) = refused(*own).values()
    assert "models.reference.model.path=Qwen/Qwen3-0.6B" in message
    found = refused(*own, f"models.reference.model.path={tmp_path / 'none'}")
    assert "there is no such folder" in found["models.reference.model.path"]
    (tmp_path / "config.json").write_text("{}")
    found = refused(*own, f"models.reference.model.path={tmp_path}")
    assert "there are no weights" in found["models.reference.model.path"]


CHANGED = (
    f"curriculum={TESTS}/exchange.py:Exchange",
    "curriculum.role=judge",
    "models.judge=base",
)
ASKED = f"={TESTS}/second_opinion.py:SecondOpinion"


def test_a_model_by_which_an_evaluation_measures_does_not_change() -> None:
    (message,) = refused("recipe=rl", *CHANGED, f"verifier{ASKED}").values()
    assert "changes the model 'judge' in time, and the evaluation main asks it" in message
    assert "evaluation=null" in message
    assert models("recipe=rl", *CHANGED, f"verifier{ASKED}", "evaluation=null")
    own = f"evaluations.ood.verifier{ASKED}"
    (message,) = refused("recipe=rl", *CHANGED, own).values()
    assert "the evaluation ood asks it" in message and "~evaluations.ood" in message
    assert models(
        "recipe=rl",
        *CHANGED[:1],
        "curriculum.role=other",
        "models.other=base",
        own,
        "models.judge=base",
    )


PROOFREAD = (
    "recipe=rl",
    f"rollout/episode={Path(__file__).parents[1] / 'proofread.py'}:Proofread",
    "models.reader=start",
    "models.reader.train.objective=grpo",
)
BESIDE = ("recipe=rl", "models.other=start", "models.other.train.objective=grpo")


@pytest.mark.parametrize(
    "option",
    [
        "training.prompts_per_step=2",
        "training.rollouts_per_prompt=7",
        "rollout.max_new_tokens=4",
        "rollout.episode=single",
        "rollout.budget=adaptive",
        "data_mix.train.arithmetic.levels=[1]",
        "data_mix.shuffle=false",
    ],
)
def test_how_prompts_are_sampled_is_refused_of_a_role_whose_rows_an_episode_writes(
    option: str,
) -> None:
    found = refused(*PROOFREAD, f"models.reader.train.{option}")
    ((place, message),) = found.items()
    assert option.startswith(place.removeprefix("models.reader.train.").split("=")[0])
    assert "learns from the rows that rollout.episode=" in message
    prepare([*BESIDE, f"models.other.train.{option}"])


def test_what_a_written_role_reads_is_its_own() -> None:
    own = ("training.updates_per_step=2", "rollout.temperature=0.5", "objective.filter=band")
    prepare([*PROOFREAD, *(f"models.reader.train.{each}" for each in own)])
    # What the stage has is no choice of the role.
    prepare([*PROOFREAD, f"models.reader.train.{own[0]}", "training.prompts_per_step=3"])


@pytest.mark.parametrize("role", [PROOFREAD, BESIDE])
def test_a_role_takes_up_no_state_of_a_stage(files: Any, role: tuple[str, ...]) -> None:
    files(recipe_twice=TWICE)
    name = role[-1].split(".")[1]
    recipe = ("recipe=recipe_twice", *role[1:])
    key = f"models.{name}.train.data_mix.history"
    found = refused(*recipe, f"stages.two.{key}=one")
    ((place, message),) = found.items()
    assert place == f"stages.two.{key}"
    assert message.startswith("is one, and the state of a stage is taken up by a stage alone")


def test_how_a_model_is_trained_does_not_count_in_what_is_measured_by_it() -> None:
    def measured_by(*overrides: str) -> str:
        graph = build_graph(prepare(["recipe=rl", *reader, *overrides]).runs)
        (base,) = (each for each in graph.evaluations.values() if each.name.startswith("base"))
        return str(base.fingerprint)

    reader = (
        f"rollout/episode={TESTS}/proofread.py:Proofread",
        "models.reader=start",
        "models.reader.train.objective=grpo",
    )
    more = "models.reader.train.training.gradient_clip=9"
    assert measured_by(more) == measured_by()
    assert measured_by("evaluation.problems=7") != measured_by()
    assert prints("recipe=rl", *reader, more) != prints("recipe=rl", *reader)


def test_main_is_understood_where_the_model_is_chosen() -> None:
    assert prints("recipe=rl", "training.hand_on=main/pass@1") == prints(
        "recipe=rl", "training.hand_on=pass@1"
    )
    assert prints("recipe=rl", "training.hand_on=pass@1") != prints("recipe=rl")


def test_a_plan_says_that_a_trained_model_measures_beside_what_it_is_trained_with() -> None:
    said = "rl is measured with the model 'reader' as it is trained there"
    reader = f"rollout/episode={TESTS}/proofread.py:Proofread"
    trained = ("models.reader=start", "models.reader.train.objective=grpo")
    text = describe(build_graph(prepare(["recipe=rl", reader, *trained]).runs), width=400)
    assert said in text
    frozen = f"verifier={TESTS}/second_opinion.py:SecondOpinion"
    plain = describe(build_graph(prepare(["recipe=rl", frozen, "models.judge=base"]).runs))
    assert "is measured with" not in plain
