"""What docs/rewards.md shows runs as it stands there; parts, rows and samples count as it says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from supervised_runs import short_teaching

from etude.learner.part_values import PartValues, combine
from etude.learner.sample_weights import scales_of
from etude.learner.spans import placed
from etude.learner.updates import repeats
from etude.reward_weighting.interface import Tools
from etude.reward_weighting.weighted_sum import WeightedSum
from etude.rows import Candidate, Example, Outcome, Row, Verdict
from etude.verifier.interface import sound

ROOT = Path(__file__).parents[2]
MINE = f"{ROOT}/tests/weightings.py"


def shown(name: str, folder: Path) -> Path:
    """Write the file that the page shows under a name, and return where."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/rewards.md").read_text(), re.DOTALL)
    (text,) = [block for block in blocks if block.startswith(f"# {name}")]
    (folder / name).write_text(text)
    return folder / name


def row(index: int, parts: dict[str, float], spans: Any = None) -> Row:
    """Return a judged row of four tokens."""
    made = Row("s:1", index, (1,), (2, 3, 4, 5), [1] * 4, Example("s:1", "s", "?"))
    made.verdict = Verdict(Outcome.WRONG, parts)
    made.part_spans = spans or {}
    return made


def same(one: Any, other: Any) -> bool:
    pairs = zip(one.policy.model.parameters(), other.policy.model.parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


# Parts ---------------------------------------------------------------------------------------


def test_parts_that_do_not_apply_are_told_apart_from_zeros() -> None:
    group = [row(0, {"a": 1.0, "b": 0.0}), row(1, {"a": 0.5})]
    known = PartValues.of([group], declared=("c",))
    assert known.values["b"].tolist() == [0.0, 0.0]
    assert known.applies["b"].tolist() == [True, False]
    assert known.applies["c"].tolist() == [False, False]
    weighting = WeightedSum(weights={"a": 1.0, "b": 2.0, "c": 4.0})
    assert combine(weighting, group, known, None, Tools()).rewards.tolist() == [1.0, 0.5]


def test_a_part_on_spans_is_its_sum_and_earned_where_each_span_ends() -> None:
    verdict = Verdict(Outcome.WRONG, {}, spans={"steps": [(0, 2, 0.5), (2, 5, -1.0)]})
    assert sound(verdict).parts == {"steps": -0.5}
    rows = [row(0, {"steps": -0.5}, {"steps": [(0, 1, 0.5), (1, 4, -1.0)]}), row(1, {})]
    found = placed(rows, {"steps": 2.0}, 5)
    assert found is not None
    assert found.tolist() == [[1.0, 0.0, 0.0, -2.0, 0.0], [0.0] * 5]
    assert placed(rows, {"accuracy": 1.0}, 5) is None


@pytest.mark.parametrize("span", [(2, 2, 1.0), (-1, 2, 1.0), (0, 1, float("nan"))])
def test_a_span_that_is_none_is_the_verifiers_failure(span: tuple[int, int, float]) -> None:
    found = sound(Verdict(Outcome.CORRECT, {"accuracy": 1.0}, spans={"steps": [span]}))
    assert found.outcome is Outcome.CRASHED
    assert "part 'steps' has the span" in str(found.detail)


def test_spans_of_what_is_read_of_an_answer_count_from_its_beginning() -> None:
    from etude.build import build

    verifier = build({"name": f"{MINE}:Stepwise", "after": "</think>"}, "verifier")
    whole = Candidate("s:1", 0, "?", "<think>1</think>2 a 3", {})
    (found,) = verifier.verdicts([whole])
    places = [whole.response[start:end] for start, end, _ in found.spans["steps"]]
    assert places == ["2", "3"]


def test_parts_on_spans_reach_the_rewards_of_their_tokens(learner: Any) -> None:
    stage = learner(
        f"verifier={MINE}:Stepwise",
        "reward_weighting.weights={accuracy: 1.0, steps: 2.0, length: 0.0, format: 0.0}",
        "objective=reinforce_plus_plus",
    )
    seen = []
    estimate = type(stage.parts.objective.advantage).estimate

    def heard(self: Any, batch: Any, state: Any) -> Any:
        seen.append(batch)
        return estimate(self, batch, state)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(type(stage.parts.objective.advantage), "estimate", heard)
        result = stage.step(0)
    (batch,) = seen
    assert "reward/steps/raw" in result.metrics
    torch.testing.assert_close(batch.token_rewards.sum(-1), batch.rewards)
    texts = [sample["response"] for sample in result.samples]
    steps = [0.5 * sum(sign.isdigit() for sign in text) for text in texts]
    assert batch.parts["steps"].tolist() == steps
    assert any(steps)
    assert not batch.applies["brief"].all()
    for number, text in enumerate(texts):
        signs = [i for i, sign in enumerate(text) if sign.isdigit()]
        earned = batch.token_rewards[number].nonzero().flatten().tolist()
        if signs:  # the first digit is earned with the token that completes it
            tokens = batch.tokens[number][: earned[0] + 1].tolist()
            assert (
                len(stage.policy.decode(tokens)) > signs[0] >= len(stage.policy.decode(tokens[:-1]))
            )


# Rows ----------------------------------------------------------------------------------------


def test_rows_that_count_more_than_once_stand_there_as_often() -> None:
    mask = torch.tensor([[1.0, 1.0], [0.0, 0.0], [3.0, 0.0]])
    assert repeats(mask.clamp(max=1)) is None
    found = repeats(mask)
    assert found is not None and found.tolist() == [0, 1, 2, 2, 2]


STEPS = ("optimizer.lr=1e-3", "rollout.stop_token_ids=[3,5,7,11,13,17,19,23,29,31]")


def counted(times: str) -> tuple[str, ...]:
    return (f"objective/selection=[{MINE}:Counted]", f"objective.selection.Counted.times={times}")


def test_rows_that_all_count_once_are_the_plain_step_to_the_bit(learner: Any) -> None:
    plain, once = learner(*STEPS), learner(*STEPS, *counted("[1]"))
    for step in range(2):
        one, other = plain.step(step).metrics, once.step(step).metrics
        assert {key: other[key] for key in one} == one
    assert same(plain, once)


def test_rows_that_all_count_twice_move_the_model_as_when_they_count_once(learner: Any) -> None:
    once, twice = learner(*STEPS), learner(*STEPS, *counted("[2]"))
    one, other = once.step(0).metrics, twice.step(0).metrics
    assert other["gradient_norm"] == pytest.approx(one["gradient_norm"], rel=1e-4)
    assert other["tokens/trained"] == 2 * one["tokens/trained"]
    assert other["objective/repeated_rows"] == 0.5


def test_a_row_that_counts_nowhere_is_that_of_a_mask_of_zeros(learner: Any) -> None:
    some = learner(*STEPS, *counted("[3,0,1]"))
    found = some.step(0).metrics
    assert found["objective/selected_rows"] == pytest.approx(11 / 16)
    assert found["objective/repeated_rows"] == pytest.approx(12 / 23)


# Demonstrations ------------------------------------------------------------------------------


def test_demonstrations_are_scaled_to_the_shares_of_their_weights() -> None:
    sizes = torch.tensor([4.0, 2.0, 0.0]).double()
    scales, found = scales_of(torch.tensor([3.0, 1.0, 9.0]), sizes)
    assert scales.tolist() == [0.75 / 4, 0.25 / 2, 0.0]
    assert found["objective/effective_samples"] == pytest.approx(1 / (0.75**2 + 0.25**2))


def test_equal_weights_are_the_mean_of_the_demonstrations_means(learner: Any) -> None:
    chosen = (f"objective.sample_weights={MINE}:Harder", "objective.sample_weights.power=0")
    weighed = learner(*chosen, stage="sft")
    plain = learner("objective.denominator=per_sequence", stage="sft")
    one, other = weighed.step(0).metrics, plain.step(0).metrics
    assert one["loss"] == pytest.approx(other["loss"], rel=1e-6)
    assert one["gradient_norm"] == pytest.approx(other["gradient_norm"], rel=1e-5)
    assert one["objective/effective_samples"] == pytest.approx(8)


def test_packed_demonstrations_weigh_as_those_on_lines_of_their_own(learner: Any) -> None:
    chosen = (f"objective.sample_weights={MINE}:Harder", "training.max_length=24")
    single = learner(*chosen, "training.too_long=cut", stage="sft").step(0).metrics
    packed = learner(*chosen, "training.too_long=cut", "training.packing=bfd", stage="sft")
    found = packed.step(0).metrics
    assert found["loss"] == pytest.approx(single["loss"], rel=1e-5)
    assert found["gradient_norm"] == pytest.approx(single["gradient_norm"], rel=1e-4)


def test_a_stage_of_weighed_demonstrations_goes_on_to_the_bit(learner: Any, tmp_path: Path) -> None:
    hard = shown("hard.py", tmp_path)
    found = short_teaching(learner, tmp_path, f"objective.sample_weights={hard}:Hard")
    assert all(1 < m["objective/effective_samples"] < 8 for m in found)


def test_the_function_of_the_page_makes_the_rewards(stage_from: Any, tmp_path: Path) -> None:
    stage = stage_from(f"reward_weighting={shown('reward.py', tmp_path)}:reward")
    samples = stage.step(0).samples
    assert len({sample["reward"] for sample in samples}) > 1
    for sample in samples:
        parts = sample["parts"]
        wanted = parts["accuracy"] * (1 + 0.1 * parts["format"])
        assert sample["reward"] == pytest.approx(wanted)
