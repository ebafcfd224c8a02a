"""Verifiers of a file that wrap others and ask models: composed, refused, planned."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from written import composed, planned, refused, write

from etude.plan.nodes import Graph

SECOND = Path(__file__).parents[1] / "second_opinion.py"
ASKING = "verifier=./second_opinion.py:SecondOpinion"
WORKING = """
    from dataclasses import dataclass
    from etude.component import component, slot
    from etude.verifier.interface import Verifier

    @component({needs}provides=["part:accuracy"])
    @dataclass(frozen=True)
    class Working(Verifier):
        '''Judges in a worker what it wraps.'''
        rule: Verifier = slot("number", "asked first", group="verifier")

        def judge(self, candidate):
            return self.rule.verdicts([candidate])[0]
"""


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(SECOND, tmp_path)


def judged(*words: str) -> dict[str, object]:
    """Return the verifier's node of the only stage of a command."""
    ((_, stages),) = composed(*words).runs
    node: dict[str, object] = stages[0].config["verifier"]
    return node


def stage_of(graph: Graph) -> str:
    (fingerprint,) = graph.stages
    return fingerprint


def test_a_slot_of_a_class_of_a_file_is_filled_as_it_says_and_as_it_is_typed() -> None:
    asking = (ASKING, "models.judge=base")
    assert judged(*asking)["rule"]["name"] == "number"  # type: ignore[index]
    node = judged(*asking, "verifier.rule=exact", "verifier.rule.case=true")
    assert node["rule"]["name"] == "exact"  # type: ignore[index]
    assert node["rule"]["case"] is True  # type: ignore[index]
    nested = judged(*asking, "verifier.rule=./second_opinion.py:SecondOpinion")
    assert nested["rule"]["rule"]["name"] == "number"  # type: ignore[index]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ('slot("number", "x")', "its slot names no group of components"),
        ('slot("number", "x", group="verifer")', "Did you mean verifier?"),
        ('slot("nomber", "x", group="verifier")', "there is no verifier=nomber"),
    ],
)
def test_a_slot_that_nothing_can_fill_is_told_with_its_line(
    written: str, said: str, tmp_path: Path
) -> None:
    text = WORKING.replace("{needs}", "")
    write(tmp_path, own=text.replace('slot("number", "asked first", group="verifier")', written))
    told = refused("verifier=./own.py:Working")
    assert said in told
    assert "(line " in told


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((ASKING,), "needs the model 'judge' to look again; nothing here provides it"),
        ((ASKING, "models.judge=base", "verifier.rul=exact"), "Did you mean rule?"),
        ((ASKING, "models.judge=base", "verifier.rule=exakt"), "Did you mean exact?"),
        (
            (ASKING, "models.judge=base", "reward_weighting.weights.beleif=1"),
            "names the part 'beleif'",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_what_to_type(words: tuple[str, ...], said: str) -> None:
    assert said in refused(*words)


def test_what_judges_in_workers_neither_wraps_what_is_opened_nor_asks_a_model(
    tmp_path: Path,
) -> None:
    write(tmp_path, own=WORKING.replace("{needs}", ""))
    assert judged("verifier=./own.py:Working", "verifier.rule=exact")
    inside = "verifier.rule=./second_opinion.py:SecondOpinion"
    told = refused("verifier=./own.py:Working", inside, "models.judge=base")
    assert "wraps verifier ./second_opinion.py:SecondOpinion, which judges in the process" in told
    write(tmp_path, own=WORKING.replace("{needs}", 'requires=["model:judge"], '))
    told = refused("verifier=./own.py:Working", "models.judge=base")
    assert "asks for the model judge and judges in worker processes" in told


def test_one_that_is_opened_with_the_stage_declares_its_parts(tmp_path: Path) -> None:
    text = SECOND.read_text().replace(', provides=["part:belief"]', "")
    alone = text.replace(
        'rule: Verifier = slot("number", "what judges first", group="verifier")', ""
    )
    (tmp_path / "silent.py").write_text(alone)
    told = refused("verifier=./silent.py:SecondOpinion", "models.judge=base")
    assert "is not called before training and declares no parts" in told


def test_a_rule_of_a_file_inside_of_another_verifier_is_called_before_training(
    tmp_path: Path,
) -> None:
    write(tmp_path, rule="def score(response, answer):\n    return missing\n")
    told = refused(ASKING, "models.judge=base", "verifier.rule=./rule.py:score")
    assert "NameError: name 'missing' is not defined (rule.py:2)" in told
    assert "verifier.rule" in told


def test_the_weights_of_what_is_wrapped_hold_and_further_parts_are_only_logged() -> None:
    ((_, stages),) = composed(ASKING, "models.judge=base").runs
    assert stages[0].config["reward_weighting"]["weights"] == {"accuracy": 1.0, "format": 0.1}


def test_the_judge_is_an_input_of_stage_and_evaluation_and_counts_in_both(tmp_path: Path) -> None:
    base = planned(tmp_path, ASKING, "models.judge=base")
    start = planned(tmp_path, ASKING, "models.judge=start")
    assert stage_of(base) == stage_of(start)  # the stage starts from the base model
    for node in (*base.stages.values(), *base.evaluations.values()):
        assert "models.judge.load" in node.inputs
    wider = planned(
        tmp_path,
        ASKING,
        "models.judge=base",
        "models.judge.model=scratch",
        "models.judge.model.layers=1",
    )
    assert stage_of(wider) != stage_of(base)
    assert not set(wider.evaluations) & set(base.evaluations)
    plain = planned(tmp_path)
    assert all("models.judge.load" not in node.inputs for node in plain.evaluations.values())
