"""A file chosen for a slot of any group, by every spelling: where it lands, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from toy_tree import make_tree

from etude.config.installation import Installation
from etude.config.keys import at
from etude.config.prepare import Prepared, prepare
from etude.errors import ConfigError

FILES = {
    "verifier/strict": "defaults: [number, _self_]\ntolerance: 0.25\n",
    "verifier/two": """
defaults: [cascade, /verifier@steps.rule: number, /verifier@steps.shape: number, _self_]
steps: {rule: {tolerance: 0.5}}
order: [shape, rule]
""",
    "verifier/mine": "defaults: [two, _self_, override /verifier@steps.rule: strict]\n",
    "verifier/nested": "defaults: [cascade, /verifier@steps.inner: two, _self_]\n",
    "models/judged": "defaults: [default, /model@judge.model: small, _self_]\njudge: {load: x}\n",
    "objective/held": "defaults: [grpo, _self_, override regularizer: [kl, entropy]]\n",
    "objective/regularizer/kl_wide": "defaults: [kl, _self_]\ncoef: 0.5\n",
    # As files of parts were written before: the content in a key of the part's name.
    "objective/regularizer/wrapped": "defaults: [kl, _self_]\nkl: {coef: 0.75}\n",
    "recipe/judged": """
defaults:
  - /model@stages.rl.models.judge.model: small
  - /verifier@stages.rl.verifier: two
  - /verifier@stages.rl.verifier.steps.more: strict
  - /objective/regularizer@stages.rl.objective.regularizer: [kl]
pipeline: [rl]
stages: {rl: {models: {reference: base, judge: {load: x}}}}
""",
    "recipe/lost": """
defaults: [override /verifier@verifier.steps.rule: strict]
pipeline: [rl]
stages: {rl: {}}
""",
    "recipe/keyed": """
defaults:
  - /objective/regularizer@stages.rl.objective.regularizer: kl
  - /objective/regularizer@stages.rl.objective.regularizer.mine: kl_wide
pipeline: [rl]
stages: {rl: {models: {reference: base}}}
""",
    "recipe/named": """
pipeline: [rl]
stages: {rl: {verifier: {name: cascade, last: number}}}
""",
    "recipe/overridden": """
defaults:
  - override /verifier: two
  - override /verifier@verifier.steps.rule: strict
pipeline: [rl]
stages: {rl: {}}
""",
}


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    folder = tmp_path_factory.mktemp("toy")
    made = make_tree(folder)
    for name, text in FILES.items():
        path = folder / "conf" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return made


def found(prepared: Prepared, *paths: str) -> list[Any]:
    """Return what lies at paths of the last stage of the first run."""
    config = prepared.runs[0][1][-1].config
    return [at(config, path) for path in paths]


def steps(prepared: Prepared) -> dict[str, Any]:
    """Return key → largest difference of the last stage's cascade; a cascade's are its own."""

    def of(node: Any) -> Any:
        if node["name"] == "cascade":
            return {key: of(step) for key, step in node["steps"].items()}
        return node["tolerance"]

    return of(found(prepared, "verifier")[0])


STRICT = {"rule": 0.25, "shape": 0.0}
STEPS = [
    # By the place alone, at the root and in a stage, whatever its parent was chosen by.
    ("verifier=two", {"rule": 0.5, "shape": 0.0}),
    ("verifier=two verifier.steps.rule=strict", {"rule": 0.5, "shape": 0.0}),
    ("verifier.steps.rule=number verifier=cascade", {"rule": 0.0}),
    ("verifier=cascade verifier.steps.rule=strict verifier.steps.b=number", {"rule": 0.25, "b": 0}),
    ("verifier=two stages.rl.verifier.steps.rule=strict", STRICT),
    ("stages.rl.verifier=cascade stages.rl.verifier.steps.rule=strict", {"rule": 0.25}),
    ("stages.rl.verifier=two +stages.rl.verifier.steps.rule=strict", {"rule": 0.5, "shape": 0.0}),
    (
        "verifier=nested verifier.steps.inner.steps.shape=strict",
        {"inner": {"rule": 0.5, "shape": 0.25}},
    ),
    (
        "verifier=cascade verifier.steps.a=cascade verifier.steps.a.steps.b=strict",
        {"a": {"b": 0.25}},
    ),
    (
        "verifier=nested verifier.steps.inner=cascade verifier.steps.inner.steps.rule=strict",
        {"inner": {"rule": 0.25}},
    ),
    (
        "verifier.steps.inner.steps.rule=strict verifier.steps.inner=cascade verifier=nested",
        {"inner": {"rule": 0.25}},
    ),
    (
        "recipe=judged stages.rl.verifier.steps.shape=strict",
        {"rule": 0.5, "shape": 0.25, "more": 0.25},
    ),
    # As Hydra spells it.
    ("verifier=cascade verifier@verifier.steps.rule=strict", {"rule": 0.25}),
    ("verifier=cascade +verifier@verifier.steps.rule=strict", {"rule": 0.25}),
    ("verifier=two +verifier@stages.rl.verifier.steps.rule=strict", STRICT),
    # In files: a preset of a cascade, one that overrides an entry of its base, recipes.
    ("verifier=mine", {"rule": 0.5, "shape": 0.0}),
    ("recipe=judged", {"rule": 0.5, "shape": 0.0, "more": 0.25}),
    ("recipe=overridden", {"rule": 0.5, "shape": 0.0}),
    # An entry is taken away by null, and the others stay.
    ("verifier=two verifier.steps.rule=null", {"shape": 0.0}),
    ("verifier=two stages.rl.verifier.steps.rule=null", {"shape": 0.0}),
    ("verifier=two ~verifier.steps.rule", {"shape": 0.0}),
    ("verifier=two ~verifier@verifier.steps.shape", {"rule": 0.5}),
    # A value for what was chosen, and a whole node.
    ("verifier=mine verifier.steps.rule.tolerance=0.125", {"rule": 0.125, "shape": 0.0}),
    ("verifier=two stages.rl.verifier.steps.shape.tolerance=1", {"rule": 0.5, "shape": 1.0}),
    ("verifier=cascade +verifier.steps.a={name:number,tolerance:2}", {"a": 2.0}),
]


@pytest.mark.parametrize(("typed", "expected"), STEPS, ids=lambda value: str(value)[:60])
def test_an_entry_lands_where_it_was_put_and_drops_no_other(
    toy: Installation, typed: str, expected: dict[str, Any]
) -> None:
    assert steps(prepare(typed.split(), installation=toy)) == expected


SLOTS = [
    ("verifier=cascade verifier.last=strict", "verifier.last.tolerance", 0.25),
    (
        "verifier=cascade verifier.last=cascade verifier.last.last=strict",
        "verifier.last.last.tolerance",
        0.25,
    ),
    ("stages.rl.verifier=cascade stages.rl.verifier.last=strict", "verifier.last.tolerance", 0.25),
    ("models.judge.load=x models.judge.model=small", "models.judge.model.shape.width", 256),
    ("model@models.judge.model=small", "models.judge.model.shape.width", 256),
    ("stages.rl.models.judge.model=small", "models.judge.model.shape.width", 256),
    ("models=judged", "models.judge", {"load": "x"}),
    ("models=judged models.judge.model=tiny", "models.judge.model.shape.width", 32),
    ("models=judged models.judge.model=null", "models.judge.model", None),
    ("models=judged models.judge=null", "models.judge", None),
    ("recipe=judged", "models.judge.model.shape.width", 256),
    ("objective.advantage=plain", "objective.advantage.scale", 1.0),
    ("objective/advantage=plain", "objective.advantage.scale", 1.0),
    ("stages.rl.objective.policy_loss=clip_higher", "objective.policy_loss.high", 0.28),
    ("optimizer.schedule=cosine", "optimizer.schedule.floor", 0.0),
    # A text is no slot, whatever its key is called.
    ("verifier=cascade verifier.rule=strict", "verifier.rule", "strict"),
    ("models.reference=base objective.asks=reference", "models.reference", "base"),
]


@pytest.mark.parametrize(("typed", "path", "expected"), SLOTS, ids=lambda value: str(value)[:60])
def test_a_slot_of_one_takes_a_file_of_its_group(
    toy: Installation, typed: str, path: str, expected: Any
) -> None:
    words = typed.split()
    if path.startswith("models.judge") and expected is not None:  # what nobody asks for is refused
        words.append("objective.asks=judge")
    (value,) = found(prepare(words, installation=toy), path)
    assert (
        (value == {**expected, "model": value["model"]})
        if path == "models.judge" and expected
        else value == expected
    )


PARTS = [
    ("objective/regularizer=[kl]", {"kl": 0.001}),
    ("objective/regularizer=kl", {"kl": 0.001}),
    ("objective.regularizer=[kl,entropy]", {"kl": 0.001, "entropy": 0.01}),
    ("objective.regularizer=kl_wide", {"kl": 0.5}),
    ("objective.regularizer=[wrapped]", {"kl": 0.75}),
    ("stages.rl.objective.regularizer=[entropy]", {"entropy": 0.01}),
    ("objective=held", {"kl": 0.001, "entropy": 0.01}),
    ("objective=held objective.regularizer=[entropy]", {"entropy": 0.01}),
    ("objective=held objective.regularizer=[]", {}),
    ("objective=held stages.rl.objective.regularizer=[entropy]", {"entropy": 0.01}),
    ("objective=held objective.regularizer.kl=kl_wide", {"kl": 0.5, "entropy": 0.01}),
    ("objective.regularizer.other=kl_wide", {"other": 0.5}),
    ("recipe=judged", {"kl": 0.001}),
    ("recipe=keyed", {"kl": 0.001, "mine": 0.5}),
    ("recipe=judged stages.rl.objective.regularizer=[kl_wide]", {"kl": 0.5}),
    ("objective=held objective.regularizer.kl.coef=2", {"kl": 2.0, "entropy": 0.01}),
]


@pytest.mark.parametrize(("typed", "expected"), PARTS, ids=lambda value: str(value)[:60])
def test_own_parts_are_chosen_as_a_list_and_replaced_as_a_whole(
    toy: Installation, typed: str, expected: dict[str, float]
) -> None:
    words = typed.split()
    if any(key != "entropy" for key in expected) and "recipe=" not in typed:
        words.append("models.reference=base")  # kl asks for it, and the recipes set it
    (parts,) = found(prepare(words, installation=toy), "objective.regularizer")
    assert {key: part["coef"] for key, part in parts.items()} == expected


REFUSED = [
    # The file.
    (
        "verifier=cascade verifier.steps.rule=numbr",
        "there is no verifier 'numbr'. Did you mean number?",
    ),
    ("verifier=cascade stages.rl.verifier.steps.rule=numbr", "Did you mean number?"),
    ("verifier=cascade verifier.last=3", "there is no verifier '3'"),
    ("verifier=cascade verifier.last=true", "there is no verifier 'true'"),
    ("models.judge.model=tinny", "there is no model 'tinny'. Did you mean tiny?"),
    ("model@models.judge.model=tinny", "Did you mean tiny?"),
    ("objective.advantage=grup", "Did you mean group?"),
    ("objective.regularizer=[kl,entrpy]", "Did you mean entropy?"),
    ("objective.regularizer.kl=kl_wde", "Did you mean kl_wide?"),
    # The path.
    ("verifier=cascade verifier.stepz.rule=number", "Did you mean steps?"),
    ("verifier=cascade verifeir.steps.rule=number", "Did you mean verifier?"),
    ("verifier=cascade verifier.lst=number", "Did you mean last?"),
    ("verifier.steps.rule=number", "verifier has no key 'steps'"),
    ("models.judge.modle=tiny", "Did you mean model?"),
    ("verifier=cascade verifier@verifier.stepz.rule=number", "Did you mean steps?"),
    ("verifier=cascade +verifier@verifier.steps.a.steps.b=number", "there is no part 'a'"),
    ("verifier=cascade verifier.steps.a.steps.b=number", "there is no part 'a'"),
    ("verifier=two verifier.steps.rul.tolerance=1", "Did you mean rule?"),
    ("verifier=cascade verifer@verifier.last=number", "Did you mean verifier?"),
    # The stage.
    ("verifier=cascade stages.lr.verifier.steps.rule=number", "Did you mean rl?"),
    ("verifier=cascade verifier@stages.lr.verifier.last=number", "Did you mean rl?"),
    ("stages.lr.objective.advantage=plain", "Did you mean rl?"),
    ("stages.rll.objective/advantage=plain", "Did you mean rl?"),
    ("stages.sft.rollout=transformers evaluation=null", "sft (supervised) does not read rollout"),
    ("pipeline=[sft] verifier=cascade stages.rl.verifier.last=number", "not in the pipeline"),
    # The group, and how many there may be.
    ("verifier=cascade model@verifier.last=tiny", "verifier.last takes a verifier, and no model"),
    ("verifier=cascade verifier.steps=number", "verifier.steps.KEY=number"),
    ("verifier=cascade verifier.steps=[number,strict]", "verifier.steps.KEY=NAME"),
    ("verifier=cascade verifier.last=[number]", "takes one verifier"),
    ("objective.advantage=[plain]", "takes one objective/advantage"),
    ("objective.regularizer=[kl,kl_wide]", "kl and kl_wide"),
    ("verifier=cascade ~verifier@verifier.steps.rule", "nothing to take away"),
    ("verifier=cascade verifier.last=null", "verifier.last=CHOICE"),
    ("verifier=cascade verifier@verifier.rule=number", "no place that a file can be chosen for"),
    ("recipe=lost", "Could not override 'verifier@verifier.steps.rule'"),
    # A value where a part belongs, and a sweep that was not asked for.
    ("verifier=two verifier.steps.rule.tolerance=-1", "at least 0"),
    ("verifier=cascade verifier.last=number,strict", "-m"),
]


@pytest.mark.parametrize(("typed", "message"), REFUSED, ids=lambda value: str(value)[:60])
def test_a_misspelling_is_refused_with_what_to_type(
    toy: Installation, typed: str, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        prepare(typed.split(), installation=toy)
    (fault,) = caught.value.faults
    assert message in fault.message


def test_every_misspelling_of_a_command_stands_in_one_report(toy: Installation) -> None:
    typed = (
        "verifier=cascade verifier.steps.a=numbr verifier.last=strikt verifier.lst=number"
        " stages.lr.verifier.last=number models.judge.model=tinny objective.advantage=grup"
    )
    with pytest.raises(ConfigError) as caught:
        prepare(typed.split(), installation=toy)
    assert [fault.typed for fault in caught.value.faults] == typed.split()[1:]


def test_a_value_of_a_file_is_never_a_choice_and_says_where_one_is_made(toy: Installation) -> None:
    """A value would win over what a command line chooses; a line of a defaults list does not."""
    with pytest.raises(ConfigError) as caught:
        prepare(["recipe=named"], installation=toy)
    (fault,) = caught.value.faults
    assert fault.typed == "stages.rl.verifier.last"
    assert "verifier.last=CHOICE" in fault.message
    assert "- /verifier@PLACE: number" in fault.message
    prepare(["recipe=named", "stages.rl.verifier.last=strict"], installation=toy)


BY_PATH = [
    ("verifier=cascade verifier.last=./reward.py:score", "verifier.last.bonus", 1.0),
    ("verifier=cascade verifier.steps.a=./reward.py:score", "verifier.steps.a.bonus", 1.0),
    ("verifier=cascade stages.rl.verifier.last=./reward.py:score", "verifier.last.bonus", 1.0),
    ("verifier=cascade verifier@verifier.steps.a=./reward.py:score verifier.steps.a.bonus=2",
     "verifier.steps.a.bonus", 2.0),
]  # fmt: skip


@pytest.mark.parametrize(("typed", "path", "expected"), BY_PATH, ids=lambda value: str(value)[:60])
def test_a_function_of_a_file_fills_a_slot_like_a_file_of_its_group(
    toy: Installation,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    typed: str,
    path: str,
    expected: float,
) -> None:
    source = "def score(response, *, bonus: float = 1.0):\n    return len(response) * bonus\n"
    (tmp_path / "reward.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    assert found(prepare(typed.split(), installation=toy), path) == [expected]
    with pytest.raises(ConfigError) as caught:
        prepare(typed.replace("score", "scor").split(), installation=toy)
    assert "Did you mean score?" in caught.value.faults[0].message


@pytest.mark.parametrize("place", ["", "verifier@", "+verifier@"])
def test_slots_are_swept(toy: Installation, place: str) -> None:
    typed = (
        f"verifier=two {place}stages.rl.verifier.steps.rule=number,strict"
        " objective.advantage=group,plain"
    )
    runs = prepare(typed.split(), multirun=True, installation=toy).runs
    seen = [
        (
            stages[-1].config["verifier"]["steps"]["rule"]["tolerance"],
            stages[-1].config["objective"]["advantage"]["name"],
        )
        for _, stages in runs
    ]
    assert seen == [(0.0, "group"), (0.0, "plain"), (0.25, "group"), (0.25, "plain")]


def test_a_sweep_names_what_is_misspelt_once(toy: Installation) -> None:
    typed = "verifier=two verifier.steps.rule=number,strikt seed=1,2"
    with pytest.raises(ConfigError) as caught:
        prepare(typed.split(), multirun=True, installation=toy)
    (fault,) = caught.value.faults
    assert "Did you mean strict?" in fault.message
