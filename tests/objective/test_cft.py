"""Critique fine-tuning is supervised learning of critiques, and which critiques it learns."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from demonstration_cases import run
from objective_cases import composed

from etude.config.prepare import prepare
from etude.data_mix.filter.critique_verdict import CritiqueVerdict
from etude.data_mix.mix import Mix
from etude.data_mix.share import Share
from etude.errors import ConfigError, DataError
from etude.sources.arithmetic import Arithmetic
from etude.sources.arithmetic_candidates import ArithmeticCandidates

torch.set_num_threads(1)


def mix(**changes: object) -> Mix:
    given = {
        "train": {"arithmetic_candidates": Share()},
        "held_out": {"arithmetic": Share(split="test")},
        "filter": {"critique_verdict": CritiqueVerdict()},
        "prompt_template": "Judge {prompt} {solution}",
        "response_template": "{critique}",
        "held_out_template": "{prompt}",
    }
    return Mix(**{**given, **changes})  # type: ignore[arg-type]


def sources(**changes: object) -> dict[str, object]:
    return {
        "arithmetic_candidates": ArithmeticCandidates(
            problems=50, candidates=6, **{"empty": 0.0, **changes}
        ),  # type: ignore[arg-type]
        "arithmetic": Arithmetic(levels=3, train_size=100, test_size=100),
    }


def test_the_loss_is_that_of_supervised_fine_tuning() -> None:
    loss, gradient = run(composed("objective=cft"))
    expected, expected_gradient = run(composed("objective=sft"))
    assert loss == expected
    assert torch.equal(gradient, expected_gradient)


def test_a_critique_that_is_the_solution_of_no_candidate_is_a_plain_demonstration() -> None:
    given = {"prompt_template": "{prompt}{solution}", "filter": {}}
    rows = sources(empty=1.0, mistaken=0.0)
    for example in mix(**given).stream(rows, 1).next(20):  # type: ignore[arg-type]
        assert example.prompt == example.columns["prompt"]  # the context of plain sft
        answer = f"A:{example.columns['answer']} Conclusion: wrong [END]"
        assert str(example.response).endswith(answer)


def test_a_critique_teaches_only_what_agrees_with_the_check_and_the_ratio_is_told() -> None:
    stream = mix().stream(sources(), 1)  # type: ignore[arg-type]
    for example in stream.next(100):
        wrong = " not " in str(example.response)
        assert str(example.response).endswith(f"Conclusion: {'wrong' if wrong else 'right'} [END]")
        assert wrong is not example.columns["solution_correct"]
        assert example.prompt == f"Judge {example.columns['prompt']} {example.columns['solution']}"
    found = stream.findings.filtered
    assert 0.8 < found["data/arithmetic_candidates/kept"] < 1
    assert 0.3 < found["data/arithmetic_candidates/right_solutions"] < 0.7
    assert 0 < found["data/arithmetic_candidates/no_verdict"] < 0.2
    assert stream.size < 300


def test_the_model_is_measured_on_solving_and_not_on_criticising() -> None:
    stream = mix().stream(sources(), 1)  # type: ignore[arg-type]
    for example in stream.held_out(20):
        assert example.prompt == example.columns["prompt"]
        assert example.response is None


@pytest.mark.parametrize(
    ("critique", "verdict"),
    [
        ("Conclusion: right [END]", True),
        ("conclusion:  WRONG", False),
        ("Conclusion: wrong. Wait: Conclusion: right [END]", True),
        ("Conclusion: rightly so", None),
        ("It is right.", None),
        ("", None),
    ],
)
def test_the_last_verdict_counts_and_a_mention_is_none(critique: str, verdict: bool | None) -> None:
    assert CritiqueVerdict().verdict(critique) is verdict


def test_a_check_may_be_written_as_a_word_or_a_reward() -> None:
    checks = [True, "true", 1.0, "Right", False, "no", 0.0, None]
    rows = {"critique": ["Conclusion: right"] * 8, "solution_correct": checks}
    kept = CritiqueVerdict().choose(rows).kept
    assert np.array_equal(kept, [True] * 4 + [False] * 4)


def test_a_filter_that_keeps_nothing_says_so() -> None:
    with pytest.raises(DataError, match="the filter critique_verdict keeps none of its 300 rows"):
        mix().stream(sources(mistaken=1.0), 1)  # type: ignore[arg-type]


def test_one_problem_with_many_solutions_is_enough() -> None:
    one = {**sources(), "arithmetic_candidates": ArithmeticCandidates(problems=1, candidates=40)}
    stream = mix().stream(one, 1)  # type: ignore[arg-type]
    examples = stream.next(stream.size)
    assert len({example.columns["prompt"] for example in examples}) == 1
    assert len({example.response for example in examples}) > 5


def test_rows_without_critiques_are_refused_before_anything_starts() -> None:
    with pytest.raises(ConfigError, match=r"needs the data column 'critique'") as told:
        prepare(["recipe=sft", "objective=cft"])
    assert "data_mix=arithmetic_critiques" in str(told.value)
