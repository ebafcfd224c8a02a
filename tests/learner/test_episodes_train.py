"""Episodes and decoder parts of a person's own: what their rows hold, and what is learned of them.

The components are those of docs/episodes.md.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from etude.errors import StageError
from etude.learner.forward import score
from etude.rollout.sampler import TransformersEngine
from etude.rows import Row

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs/episodes.md"
TWO_TURNS = (f"rollout/episode={TESTS}/second_thought.py:SecondThought",)
CRITIQUE = (
    f"rollout/episode={TESTS}/second_thought.py:Critique",
    "models.judge={load: base}",
)
MIXTURE = (f"rollout/logits={TESTS}/two_voices.py:Mixture", "models.guide={load: base}")
PLAIN = ("objective=grpo", "rollout.max_new_tokens=48")


def test_the_page_shows_the_components_that_are_tried_here() -> None:
    for name in ("once_more", "second_thought", "two_voices"):
        assert f"```python\n{(TESTS / name).with_suffix('.py').read_text()}```" in PAGE.read_text()


def rows_of(stage: Any, step: int = 0) -> tuple[list[Row], list[Row]]:
    """Return the rows of the step's groups, and those that were sampled beside them."""
    rollouts = stage.learner.rollouts
    gathered = rollouts.gather(step, stage.learner.curriculum.plan(step))
    return [row for group in gathered.groups for row in group], gathered.beside


def sampled_by(row: Row, role: str) -> list[tuple[int, int]]:
    return [(s.start, s.end) for s in row.spans if not s.told and s.role == role]


def test_a_two_turn_row_trains_what_the_policy_sampled_and_nothing_else(stage_from: Any) -> None:
    stage = stage_from(*PLAIN, *TWO_TURNS)
    rows, beside = rows_of(stage)
    encode = stage.policy.wording.encode_message
    assert rows and not beside
    two = [row for row in rows if row.turn == 1]
    assert len(two) > len(rows) // 2
    for row in two:
        first, last = sampled_by(row, "policy")
        begun = row.tokens[: first[1]]
        told = encode("\nAgain: ", "user", row.example, after=begun)
        assert row.tokens[first[1] : last[0]] == told
        own = [*range(*first), *range(*last)]
        assert [t for t, on in enumerate(row.loss_mask) if on] == own
        assert [t for t, off in enumerate(row.off_policy) if not off] == own
        assert row.text == stage.policy.answer_text(
            row.tokens[last[0] :], row.example, row.stop_reason
        )
        assert len(row.tokens) <= stage.learner.rollouts.max_new_tokens


@pytest.mark.parametrize("chosen", [TWO_TURNS, CRITIQUE])
def test_what_every_turn_holds_are_the_log_probs_of_its_own_tokens(
    chosen: tuple[str, ...], stage_from: Any
) -> None:
    stage = stage_from(*PLAIN, *chosen)
    rows, _ = rows_of(stage)
    known = score(stage.policy, rows, token_budget=4096)
    for row, values in zip(rows, known, strict=True):
        torch.testing.assert_close(
            torch.tensor(row.sampler_logprobs), torch.tensor(values), rtol=0, atol=5e-5
        )


def test_another_role_answers_in_between_and_is_not_learned_from(stage_from: Any) -> None:
    stage = stage_from(*PLAIN, *CRITIQUE)
    rows, beside = rows_of(stage)
    assert {row.role for row in rows} == {"policy"}
    assert {row.role for row in beside} == {"judge"} and len(beside) == len(rows)
    judge = stage.roles.of("judge")
    known = score(judge, beside, token_budget=4096)
    for row, values in zip(beside, known, strict=True):
        torch.testing.assert_close(
            torch.tensor(row.sampler_logprobs), torch.tensor(values), rtol=0, atol=5e-5
        )
        assert row.parent is not None and row.parent.role == "policy"
        assert row.verdict is None
    said = {reply.key: reply.text for reply in beside}
    for row in rows:
        for span in row.spans:
            if span.told:
                assert said[row.key] in stage.policy.decode(row.tokens[span.start : span.end])
    told = stage.step(0).told
    assert {record.role for record in told.rows} == {"policy", "judge"}
    assert {record.role for group in told.judged for record in group} == {"policy"}


def mixed(stage: Any, rows: list[Row], share: float) -> list[torch.Tensor]:
    """Return the log-probs of rows under a mixture, each from a forward pass of both models."""
    found = []
    guide = stage.roles.of("guide")
    for row in rows:
        ids = torch.tensor([[*row.prompt, *row.tokens]])
        start = len(row.prompt) - 1
        with torch.no_grad():
            own, other = (
                model.causal_lm(input_ids=ids).logits[0, start:-1].softmax(-1)
                for model in (stage.policy, guide)
            )
        tokens = torch.tensor(row.tokens).unsqueeze(-1)
        found.append(((1 - share) * own + share * other).gather(-1, tokens).squeeze(-1).log())
    return found


def test_rows_of_two_voices_hold_the_log_probs_they_were_drawn_by(stage_from: Any) -> None:
    stage = stage_from(*PLAIN, *MIXTURE, "rollout.logits.share=0.4")
    rows, _ = rows_of(stage)
    for row, values in zip(rows, mixed(stage, rows, 0.4), strict=True):
        assert row.behaviour
        torch.testing.assert_close(torch.tensor(row.sampler_logprobs), values, rtol=0, atol=5e-5)


def test_the_ratio_of_two_voices_is_to_what_was_drawn_from(stage_from: Any) -> None:
    stage = stage_from(*PLAIN, *MIXTURE, "rollout.logits.share=0.4")
    assert stage.step(0).metrics["objective/approx_kl"] > 1e-3
    alone = stage_from(*PLAIN, *MIXTURE, "rollout.logits.share=0")
    assert alone.step(0).metrics["objective/approx_kl"] == 0.0


def warm(folder: Path, at: str) -> str:
    (folder / "warm.py").write_text(
        f"def warm(stage):\n    return stage.sample('policy', stage.contexts, temperature={at})\n"
    )
    return f"rollout/episode={folder}/warm.py:warm"


def test_the_ratio_of_a_turn_at_another_temperature_is_to_what_was_drawn(
    stage_from: Any, tmp_path: Path
) -> None:
    other = stage_from(*PLAIN, warm(tmp_path, "0.3"))
    rows, _ = rows_of(other)
    known = score(other.policy, rows, temperature=0.3, token_budget=4096)
    for row, values in zip(rows, known, strict=True):
        assert row.behaviour
        torch.testing.assert_close(
            torch.tensor(row.sampler_logprobs), torch.tensor(values), rtol=0, atol=5e-5
        )
    assert other.step(0).metrics["objective/approx_kl"] > 1e-3
    plain, same = stage_from(*PLAIN), stage_from(*PLAIN, warm(tmp_path, "1.0"))
    assert plain.step(0).metrics == same.step(0).metrics


def test_what_is_learned_from_is_not_drawn_at_temperature_0(
    stage_from: Any, tmp_path: Path
) -> None:
    with pytest.raises(StageError, match=r"policy answer at temperature 0: .* above 0"):
        stage_from(*PLAIN, warm(tmp_path, "0")).step(0)


def test_an_evaluation_measures_at_its_own_temperature(stage_from: Any, tmp_path: Path) -> None:
    greedy = (*PLAIN, "evaluation.problems=6", "evaluation.bootstrap=0", "evaluation.greedy=true")
    plain = stage_from(*greedy).evaluate()
    assert plain[1] == stage_from(*greedy, warm(tmp_path, "0.9")).evaluate()[1]


@pytest.mark.parametrize(
    "chosen",
    [
        (f"rollout/episode={TESTS}/once_more.py:once",),
        (*MIXTURE, "rollout.logits.share=0"),
    ],
    ids=["an episode of one answer", "a voice without a say"],
)
def test_what_is_inert_equals_plain_grpo_to_the_bit(
    chosen: tuple[str, ...], stage_from: Any
) -> None:
    plain, other = stage_from(*PLAIN), stage_from(*PLAIN, *chosen)
    for step in range(2):
        mine, theirs = plain.step(step), other.step(step)
        assert mine.metrics == theirs.metrics
        assert mine.samples == theirs.samples
    for a, b in zip(plain.policy.model.parameters(), other.policy.model.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    "chosen",
    [
        TWO_TURNS,
        CRITIQUE,
        (*MIXTURE, "rollout.logits.share=0.3"),
        (f"rollout/episode={TESTS}/once_more.py:again",),
        (f"rollout/logits={TESTS}/two_voices.py:contrast", "models.guide={load: base}"),
        (*TWO_TURNS, "objective=ppo"),
        (*TWO_TURNS, "objective=guide", "objective.guidance.fallback_ratio=0.5"),
    ],
    ids=["two turns", "critique", "mixture", "a function", "contrast", "a critic", "guided"],
)
def test_it_trains_and_goes_on_from_its_first_step_to_the_bit(
    chosen: tuple[str, ...], short_run: Any
) -> None:
    lengths = "+reward_weighting.weights.length=0.1"  # differ in every group, whatever is right
    found = short_run(*PLAIN, *chosen, lengths)
    assert all(step["gradient_norm"] > 0 for step in found)


def test_an_evaluation_in_training_plays_the_episode(stage_from: Any) -> None:
    small = ("evaluation.problems=6", "evaluation.samples=2", "evaluation.bootstrap=0")
    for chosen in (TWO_TURNS, CRITIQUE):
        stage = stage_from(*PLAIN, *small, *chosen)
        found, samples = stage.evaluate()
        again, _ = stage.evaluate()
        assert found == again
        _, alone = stage_from(*PLAIN, *small).evaluate()
        pairs = list(zip(samples, alone, strict=True))
        assert len(pairs) == 12
        assert all(mine["id"] == theirs["id"] for mine, theirs in pairs)
        assert sum(mine["response"] != theirs["response"] for mine, theirs in pairs) > 6


def test_what_a_model_is_told_is_no_part_of_its_length(stage_from: Any) -> None:
    stage = stage_from(*PLAIN, *TWO_TURNS, "evaluation.problems=4", "evaluation.bootstrap=0")
    heard: list[Any] = []
    stage.live["curriculum"] = SimpleNamespace(
        observe=heard.append, plan=stage.live["curriculum"].plan
    )
    judged: list[Any] = []
    verify = stage.verifier.verify
    stage.verifier.verify = lambda asked: judged.extend(asked) or verify(asked)
    rows, _ = rows_of(stage)
    assert any(row.turn for row in rows)
    written = {row.key: row.off_policy.count(0) for row in rows}
    assert {row.key: row.length for row in rows} == written
    assert {(each.id, each.index): each.length for each in judged} == written
    step = stage.step(1)
    shown = {(each["id"], each["index"]): each["length"] for each in step.samples}
    told = {(each.id, each.index): each.length for each in heard[-1].rows}
    assert shown == {key: told[key] for key in shown}
    assert step.metrics["rollout/length"] == pytest.approx(sum(told.values()) / len(told))
    assert sum(told.values()) == step.metrics["tokens/sampled"]
    judged.clear()
    found, samples = stage.evaluate()
    mean = sum(each.length for each in judged) / len(judged)
    assert found["metrics"]["length"]["value"] == pytest.approx(mean)
    assert sum(sample["length"] for sample in samples) == sum(each.length for each in judged)


def test_more_answers_than_are_measured_are_not_measured_by_the_first(
    stage_from: Any, tmp_path: Path
) -> None:
    (tmp_path / "many.py").write_text(
        "def many(sizes, stage):\n"
        "    one = iter(stage.sample('policy', stage.contexts))\n"
        "    more = iter(stage.sample('policy', stage.contexts, key='more'))\n"
        "    return [[next(each) for each in (one, more) for _ in range(n)] for n in sizes]\n"
    )
    many = f"rollout/episode={tmp_path}/many.py:many"
    stage = stage_from(*PLAIN, many, "evaluation.problems=2", "evaluation.samples=2")
    with pytest.raises(StageError, match=r"gave 4 answers to .*, and 2 are measured.*=single"):
        stage.evaluate()


TREE = """
from dataclasses import dataclass
from etude.component import option
from etude.rollout.episode.interface import Episode

@dataclass(frozen=True)
class Tree(Episode):
    "Branches of one trunk; the trunk may be an answer, too."
    trunk: bool = option(False, "whether the trunk is one of the answers")

    def play(self, examples, sizes, stage):
        contexts = iter(stage.contexts)
        firsts = [[next(contexts) for _ in range(n)][0] for n in sizes]
        trunks = stage.sample("policy", firsts, max_new_tokens=6)
        left = int(self.trunk)
        ways = [stage.branch(trunk, n - left) for trunk, n in zip(trunks, sizes)]
        found = iter(stage.sample("policy", [one for some in ways for one in some]))
        kept = [[trunk] * left for trunk in trunks]
        return [
            some + [next(found) for _ in range(n - left)] for some, n in zip(kept, sizes)
        ]
"""


@pytest.mark.parametrize("trunk", ["true", "false"])
def test_tokens_that_rows_share_are_counted_once(
    stage_from: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trunk: str
) -> None:
    (tmp_path / "tree.py").write_text(TREE)
    drawn = []
    plain = TransformersEngine.sample

    def sample(self: Any, *asked: Any, **how: Any) -> Any:
        found = plain(self, *asked, **how)
        drawn.extend(len(each.tokens) for each in found)
        return found

    monkeypatch.setattr(TransformersEngine, "sample", sample)
    tree = (f"rollout/episode={tmp_path}/tree.py:Tree", f"rollout.episode.trunk={trunk}")
    found = stage_from(*PLAIN, *tree).step(0)
    assert found.metrics["tokens/sampled"] == sum(drawn)


def test_samples_tell_an_episode_turn_by_turn(stage_from: Any) -> None:
    stage = stage_from(*PLAIN, *TWO_TURNS)
    shown = stage.step(0).samples
    turns = [sample["turns"] for sample in shown if "turns" in sample]
    assert len(turns) == len(shown)
    for sample, said in zip(shown, turns, strict=True):
        assert [turn["role"] for turn in said] == ["policy", "user", "policy"]
        assert said[-1]["text"] == sample["response"]
    assert all("turns" not in sample for sample in stage_from(*PLAIN).step(0).samples)


def test_an_episode_that_returns_other_numbers_declares_it(stage_from: Any, tmp_path: Path) -> None:
    (tmp_path / "fewer.py").write_text(
        "def fewer(sizes, stage):\n"
        "    rows = iter(stage.sample('policy', stage.contexts))\n"
        "    return [[next(rows) for _ in range(size)][1:] for size in sizes]\n"
    )
    stage = stage_from(*PLAIN, f"rollout/episode={tmp_path}/fewer.py:fewer")
    with pytest.raises(StageError, match=r"3 rows of the policy.*4 were asked.*groups:unequal"):
        stage.step(0)


def test_a_draw_that_would_repeat_another_is_refused(stage_from: Any, tmp_path: Path) -> None:
    (tmp_path / "twice.py").write_text(
        "def twice(stage):\n"
        "    stage.sample('policy', stage.contexts)\n"
        "    return stage.sample('policy', stage.contexts)\n"
    )
    stage = stage_from(*PLAIN, f"rollout/episode={tmp_path}/twice.py:twice")
    with pytest.raises(StageError, match=r"would draw the same tokens again.*key="):
        stage.step(0)


def test_numbers_of_tokens_reach_the_loss(stage_from: Any, tmp_path: Path) -> None:
    (tmp_path / "advised.py").write_text(
        "from etude.rows import PerToken\n"
        "def advised(stage):\n"
        "    rows = stage.sample('policy', stage.contexts)\n"
        "    for row in rows:\n"
        "        row.tensors['place'] = PerToken([float(t) for t in range(len(row.tokens))], -1)\n"
        "    return rows\n"
        "def loss(logprobs, advantages, mask, tensors):\n"
        "    place = tensors['place']\n"
        "    assert ((place >= 0) | (mask == 0)).all()\n"
        "    return -logprobs * advantages / (1 + place.clamp(min=0))\n"
    )
    advised = f"rollout/episode={tmp_path}/advised.py:advised"
    stage = stage_from(*PLAIN, advised, f"objective/policy_loss={tmp_path}/advised.py:loss")
    assert stage.step(0).metrics["gradient_norm"] > 0
