"""A function of a plain file is a component like any other, from the command line to the plan."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from written import REWARD, composed, planned, refused, write

import etude
from etude.build import build
from etude.config.installation import installed, make
from etude.config.prepare import prepare
from etude.entries import built_in
from etude.rows import Candidate, Outcome
from etude.sources.text import TEXTS


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, reward=REWARD)


def _stage(*overrides: str) -> dict[str, Any]:
    ((_, (stage,)),) = composed(*overrides).runs
    return stage.config


def test_its_options_are_keys_with_the_types_and_defaults_of_the_signature(tmp_path: Path) -> None:
    write(
        tmp_path,
        typed="""
        from typing import Annotated, Literal, Optional

        BASE = 0.25
        WORDS = ["so", "thus"]


        def score(
            response,
            plain=3,
            *,
            half=BASE / 2,
            words=WORDS,
            how: Literal["soft", "hard"] = "soft",
            most: Optional[int] = None,
            near: "float | None" = 1,
            table: dict[str, float] = {"a": 1.0},
            said: Annotated[bool, "say it"] = False,
        ):
            return 1.0
        """,
    )
    node = _stage("verifier=./typed.py:score", "verifier.most=4", "verifier.how=hard")["verifier"]
    assert {key: node[key] for key in ("plain", "half", "words", "how", "most", "near")} == {
        "plain": 3,
        "half": 0.125,
        "words": ["so", "thus"],
        "how": "hard",
        "most": 4,
        "near": 1.0,
    }
    info = installed().schema.find("verifier", "./typed.py:score")
    assert info is not None
    assert info.fields["said"].doc == "say it" and info.fields["said"].type == "bool"
    assert info.fields["table"].type == "dict[str,float]"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("verifier.scael=2", "verifier has no key 'scael'. Did you mean scale?"),
        ("verifier.scale=fast", "verifier.scale is a number (option of score"),
        ("verifier.timeout=0", "verifier.timeout is more than 0"),
    ],
)
def test_an_option_is_judged_like_any_key(typed: str, said: str) -> None:
    assert said in refused("verifier=./reward.py:score", typed)


def test_composing_and_planning_run_nothing_of_the_file_and_import_nothing_heavy(
    tmp_path: Path,
) -> None:
    write(tmp_path, loud="raise SystemExit('run')\n\n\ndef mine(rewards):\n    return rewards\n")
    program = (
        "import sys; from etude.config.prepare import prepare; from etude.plan.graph import"
        " build_graph; build_graph(prepare(['recipe=rl', 'objective/advantage=./loud.py:mine'])"
        ".runs); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path)


@pytest.mark.parametrize(
    ("choice", "path"),
    [
        ("stages.rl.verifier=./reward.py:score", "verifier"),
        ("verifier=reward.py:score", "verifier"),
        ("objective/advantage=./parts.py:mine", "objective.advantage"),
        ("stages.rl.objective.advantage=./parts.py:mine", "objective.advantage"),
        ("objective/policy_loss=./parts.py:loss", "objective.policy_loss"),
        ("objective/filter=./parts.py:keep", "objective.filter"),
    ],
)
def test_a_place_is_chosen_wherever_a_name_is(choice: str, path: str, tmp_path: Path) -> None:
    write(
        tmp_path,
        parts="""
        def mine(rewards, groups, mask): return rewards
        def loss(logprobs, old_logprobs, advantages, mask, *, clip=0.2): return -logprobs
        def keep(rewards, parts, correct, lengths): return True
        """,
    )
    node = _stage(choice)
    for key in path.split("."):
        node = node[key]
    assert node["name"] == choice.partition("=")[2]


def test_a_place_given_as_a_node_replaces_what_was_there(tmp_path: Path) -> None:
    node = _stage("verifier={name: ./reward.py:score, scale: 2}")["verifier"]
    assert node["scale"] == 2.0 and "tolerance" not in node
    write(
        tmp_path, rows="def rows(split, *, n=3):\n    return [{'prompt': 'p', 'answer': '1'}] * n\n"
    )
    sources = _stage(
        "sources.arithmetic=./rows.py:rows",
        "data_mix.train.arithmetic.levels=null",
        "data_mix.held_out.arithmetic.levels=null",
        "evaluation=null",
        "sources.arithmetic.n=1",
    )["sources"]
    assert sources["arithmetic"] == {"name": "./rows.py:rows", "n": 1}


def test_a_list_of_parts_has_places_under_the_names_in_them(tmp_path: Path) -> None:
    write(
        tmp_path / "lib",
        reg="""
        from dataclasses import dataclass

        from etude.objective.regularizer.kl import KL


        @dataclass(frozen=True)
        class Mine(KL):
            pass
        """,
    )
    choice = "objective/regularizer=[./lib/reg.py:Mine,entropy]"
    parts = _stage(choice, "objective.regularizer.Mine.coef=0.5")["objective"]["regularizer"]
    assert sorted(parts) == ["Mine", "entropy"]
    assert (parts["Mine"]["name"], parts["Mine"]["coef"]) == ("./lib/reg.py:Mine", 0.5)
    in_a_stage = _stage("stages.rl.objective.regularizer=[./lib/reg.py:Mine]")["objective"]
    assert list(in_a_stage["regularizer"]) == ["Mine"]


def test_absolute_places_and_the_home_folder_are_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path / "über drüben", odd=REWARD)
    for name in (f"{tmp_path}/reward.py:score", "~/reward.py:score", "./über drüben/odd.py:score"):
        assert _stage(f"verifier={name}")["verifier"]["scale"] == 1.0


def test_a_sweep_has_files_and_places_side_by_side(tmp_path: Path) -> None:
    runs = composed("verifier=number,./reward.py:score", multirun=True).runs
    names = [stages[0].config["verifier"]["name"] for _, stages in runs]
    assert names == ["number", "./reward.py:score"]
    sweep = composed("verifier=./reward.py:score", "verifier.scale=1,2", multirun=True).runs
    assert [stages[0].config["verifier"]["scale"] for _, stages in sweep] == [1.0, 2.0]


def test_a_recipe_names_a_place_as_a_choice_or_as_a_node(tmp_path: Path) -> None:
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes/chosen.yaml").write_text(
        "defaults: [override /verifier: ./reward.py:score]\npipeline: [rl]\n"
        "verifier: {scale: 3}\nstages: {rl: {}}\n"
    )
    (tmp_path / "recipes/node.yaml").write_text(
        "pipeline: [rl]\nstages: {rl: {verifier: {name: ./reward.py:score, scale: 4}}}\n"
    )
    program = (
        "from etude.config.prepare import prepare\n"
        "for recipe in ('chosen', 'node'):\n"
        "    ((_, (stage,)),) = prepare([f'recipe={recipe}']).runs\n"
        "    print(stage.config['verifier']['name'], stage.config['verifier']['scale'])"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], check=True, cwd=tmp_path, capture_output=True, text=True
    )
    assert found.stdout.split() == ["./reward.py:score", "3.0", "./reward.py:score", "4.0"]


def test_a_file_of_conf_derives_from_a_place_like_from_any_choice(tmp_path: Path) -> None:
    folder = tmp_path / "conf/verifier"
    folder.mkdir(parents=True)
    (folder / "named.yaml").write_text("name: ./reward.py:score\nscale: 3\n")
    (folder / "derived.yaml").write_text("defaults: [./reward.py:score, _self_]\nscale: 4\n")
    here = make(built_in(), Path(etude.__file__).parent, [], tmp_path)
    for choice, scale in (("named", 3.0), ("derived", 4.0)):
        ((_, (stage,)),) = prepare(["recipe=rl", f"verifier={choice}"], installation=here).runs
        assert stage.config["verifier"]["name"] == "./reward.py:score"
        assert stage.config["verifier"]["scale"] == scale


def test_every_part_counts_once_unless_someone_weighs_them(tmp_path: Path) -> None:
    write(tmp_path, two="def score(response):\n    return {'accuracy': 1.0, 'format': 0.0}\n")
    place = "verifier=./reward.py:score"
    assert _stage(place)["reward_weighting"]["weights"] is None
    weighed = _stage(place, "reward_weighting.weights.brevity=0.5")
    assert weighed["reward_weighting"]["weights"] == {"accuracy": 1.0, "brevity": 0.5}
    usual = _stage("verifier=./two.py:score")["reward_weighting"]["weights"]
    assert usual == {"accuracy": 1.0, "format": 0.1}
    assert _stage()["reward_weighting"]["weights"] == {"accuracy": 1.0, "format": 0.1}


def test_a_weight_of_a_part_that_the_function_does_not_return_is_told() -> None:
    said = refused("verifier=./reward.py:score", "reward_weighting.weights.brevty=1")
    assert "verifier ./reward.py:score does not give. Did you mean brevity?" in said


def test_a_part_without_a_weight_is_named_in_the_plan(tmp_path: Path) -> None:
    from etude.plan.describe import describe

    graph = planned(
        tmp_path, "verifier=./reward.py:score", "reward_weighting.weights={accuracy: 2}"
    )
    said = " ".join(describe(graph).split())
    assert "reward: accuracy 2.0 (brevity only logged) · verifier: ./reward.py:score" in said


def test_a_column_asked_for_by_name_is_a_need_of_the_stage(tmp_path: Path) -> None:
    write(tmp_path, asks="def score(response, answer, hint):\n    return response == answer\n")
    said = refused("verifier=./asks.py:score")
    assert "needs the data column 'hint' because score asks for it (asks.py:1)" in said


@pytest.mark.parametrize("column", TEXTS)
@pytest.mark.parametrize("group", ["verifier", "evaluation"])
def test_a_usual_column_is_given_however_near_another_name_is(
    group: str, column: str, tmp_path: Path
) -> None:
    write(tmp_path, own=f"def score({column}):\n    return float(len({column}))\n")
    info = installed().schema.find(group, "./own.py:score")
    assert info is not None
    asked = {need.what for need in info.requires}
    assert f"column:{column}" in asked or column == "prompt"


def test_a_reference_model_asked_for_by_an_advantage_is_a_need(tmp_path: Path) -> None:
    write(tmp_path, adv="def mine(rewards, reference_logprobs):\n    return rewards\n")
    assert composed("objective/advantage=./adv.py:mine").runs
    write(tmp_path, other="def mine(rewards, judge_logprobs):\n    return rewards\n")
    assert "needs the model 'judge'" in refused("objective/advantage=./other.py:mine")
    said = refused("objective/advantage=./adv.py:mine", "models.reference=null")
    assert "needs the model 'reference' for reference_logprobs" in said


def test_a_class_of_a_file_has_the_fields_of_what_it_stands_on_and_its_own(tmp_path: Path) -> None:
    write(
        tmp_path,
        strict="""
        from dataclasses import dataclass

        from etude.component import Need, component, option
        from etude.rows import Candidate, Outcome, Verdict
        from etude.verifier.interface import Verifier


        @component(requires=[Need("column:answer", why="to compare")], provides=["part:exact"])
        @dataclass(frozen=True)
        class Strict(Verifier):
            '''Letter by letter.'''

            strip: bool = option(True, "leave out blanks around the answer")
            worth: float = option(1, "what a right answer gives", ge=0)

            def judge(self, candidate):
                text = candidate.response.strip() if self.strip else candidate.response
                right = text == candidate.columns["answer"]
                outcome = Outcome.CORRECT if right else Outcome.WRONG
                return Verdict(outcome, {"exact": self.worth * right})
        """,
    )
    name = "./strict.py:Strict"
    node = _stage(f"verifier={name}", "verifier.worth=2", "reward_weighting.weights={exact: 1}")
    assert node["verifier"]["timeout"] == 5.0 and node["verifier"]["strip"] is True
    assert "verifier.worth is at least 0" in refused(f"verifier={name}", "verifier.worth=-1")
    verifier = build(node["verifier"], "verifier", installed().schema)
    with verifier.open() as judge:
        row = Candidate("r", 0, "p", " 7 ", {"answer": "7"})
        (verdict,) = judge.verify([row])
    assert (verdict.outcome, verdict.parts) == (Outcome.CORRECT, {"exact": 2.0})
