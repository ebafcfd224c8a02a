"""The arithmetic of a batch and of its loss is said as the config has it."""

import pytest

from etude.plan.quantities import count, duration, number, size
from etude.plan.words import Words
from etude.schema import Schema, load, parse


def component(words="", **defaults):
    entry = {"type": "float", "optional": True, "doc": "", "kind": "result", "choices": None}
    fields = {
        name: {**entry, "default": default, "bounds": {}} for name, default in defaults.items()
    }
    return {
        "class": "a.b:C",
        "doc": "",
        "source": "",
        "fields": fields,
        "requires": [],
        "provides": [],
        "conflicts": [],
        "words": words,
    }


class Entry:
    """A component of the schema that says itself in words."""

    def __init__(self, words):
        self.words = words
        self.fields = {}

    def field_of(self, key):
        return None


class Worded:
    """A schema in which some components have words."""

    def __init__(self, words, plain=None):
        self.words = words
        self.plain = plain or parse({"groups": {}, "components": {}})
        self.learner = load().learner

    def find(self, group, name):
        words = self.words.get(f"{group}/{name}")
        return Entry(words) if words else self.plain.find(group, name)


NOTHING = Schema({}, {}, learners=load().learners)


def rl(**training):
    return {
        "training": {
            "steps": 150,
            "prompts_per_step": 32,
            "rollouts_per_prompt": 8,
            "updates_per_step": 1,
            "epochs_per_step": 1,
            **training,
        },
        "execution": {"micro_batch_tokens": 16384},
        "objective": {
            "name": "grpo",
            "advantage": {"name": "grpo"},
            "policy_loss": {
                "name": "clipped",
                "clip_low": 0.2,
                "clip_high": 0.28,
                "dual_clip": None,
            },
            "aggregation": {"name": "token_mean"},
            "filter": {"name": "none", "max_batches": 1},
            "regularizer": {},
            "shaping": {},
        },
        "reward_weighting": {"name": "weighted_sum", "weights": {"accuracy": 1.0, "format": 0.1}},
        "verifier": {"name": "number"},
    }


def sft(**objective):
    return {
        "training": {"steps": 300, "rows_per_step": 128},
        "objective": {"name": "sft", "denominator": "global_tokens", **objective},
    }


def words(config, learner="policy_gradient", schema=NOTHING):
    return Words(config, learner, schema)


@pytest.mark.parametrize(
    ("training", "said"),
    [
        ({}, "= 256 rows → 1 update of 256 rows"),
        ({"updates_per_step": 4}, "→ 4 updates of 64 rows"),
        ({"updates_per_step": 2, "epochs_per_step": 3}, "→ 2 updates of 128 rows × 3 epochs"),
        # Whole groups are never cut, so updates may differ by one group of eight.
        ({"updates_per_step": 3}, "→ 3 updates of 80 or 88 rows"),
    ],
)
def test_a_rollout_batch_is_cut_into_updates(training, said):
    batch = words(rl(**training)).batch()
    assert batch.startswith("150 steps × 32 prompts × 8 rollouts")
    assert said in batch
    assert "micro-batches of up to 16,384 tokens" in batch


def test_updates_are_those_the_learner_makes():
    import torch

    parts = torch.tensor_split(torch.arange(32), 3)
    assert sorted({len(part) * 8 for part in parts}) == [80, 88]


def test_a_curriculum_is_named_unless_it_leaves_every_step_alike(monkeypatch):
    made = {"groups": {}, "components": {"curriculum": {"moving": component(pace=1.0)}}}
    moving = parse(made).components["curriculum"]["moving"]
    monkeypatch.setitem(load().components["curriculum"], "moving", moving)

    def said(**node):
        return words({**rl(), "curriculum": node}, schema=load()).curriculum()

    assert said(name="constant") == ""
    assert said(name="moving", pace=2.0).startswith("moving (pace 2.0) may plan other rows")


def test_a_supervised_stage_names_its_denominator():
    said = words(sft(), "supervised")
    assert said.batch() == "300 steps × 128 rows"
    assert said.loss() == "Σ over trained tokens ÷ their number"
    assert words(sft(denominator="per_sequence"), "supervised").loss().startswith("mean over rows")
    assert "divided by something" in words(sft(denominator="something"), "supervised").loss()
    assert "kl coef 0.05" in words(sft(kl_coef=0.05), "supervised").loss()


def test_unknown_components_are_named_with_their_numbers():
    loss = words(rl()).loss()
    assert loss.startswith("clipped (clip_low 0.2, clip_high 0.28), token mean, advantage grpo")
    assert "filter" not in loss  # none is none


def test_known_components_show_only_what_differs_from_their_default():
    known = {"objective/policy_loss": {"clipped": component(clip_low=0.2, clip_high=0.2)}}
    schema = parse({"groups": {}, "components": known})
    assert words(rl(), schema=schema).loss().startswith("clipped (clip_high 0.28),")


def test_components_say_themselves_in_their_own_words():
    schema = Worded(
        {
            "objective/policy_loss/clipped": "clipped ({clip_low}, {clip_high})[, c {dual_clip}]",
            "objective/aggregation/token_mean": "sum over {rows} rows ÷ their tokens",
        }
    )
    config = rl(updates_per_step=2)
    assert (
        words(config, schema=schema)
        .loss()
        .startswith("clipped (0.2, 0.28), sum over 128 rows ÷ their tokens, advantage grpo")
    )
    config["objective"]["policy_loss"]["dual_clip"] = 3.0
    assert "clipped (0.2, 0.28), c 3.0, " in words(config, schema=schema).loss()


def test_an_objective_may_say_its_whole_loss():
    schema = Worded({"objective/grpo": "{policy_loss} over {prompts} × {rollouts}"})
    assert words(rl(), schema=schema).loss().startswith("clipped (clip_low 0.2")
    assert " over 32 × 8" in words(rl(), schema=schema).loss()


def test_kl_is_said_to_be_absent_or_where_it_is():
    config = rl()
    assert words(config).loss().endswith("kl none")
    config["objective"]["regularizer"] = {"kl": {"name": "kl", "coef": 0.001}}
    assert words(config).loss().endswith("kl (coef 0.001)")
    config["objective"]["regularizer"] = {}
    config["objective"]["shaping"] = {"kl_penalty": {"name": "kl_penalty", "coef": 0.05}}
    assert "kl none" not in words(config).loss()
    assert "shaped by kl penalty (coef 0.05)" in words(config).reward()


def test_reward_says_parts_weights_and_verifier():
    assert words(rl()).reward() == "accuracy 1.0 + format 0.1 · verifier: number"
    assert words(sft(), "supervised").reward() == ""


def test_data_says_sources_levels_and_weights():
    part = {"source": None, "weight": 0.5, "levels": [1, 2, 3]}
    one = {"data_mix": {"name": "mix", "train": {"arithmetic": part}}}
    assert words(one).data() == "arithmetic, levels 1–3"
    other = {"source": "gsm8k", "weight": 1.5, "levels": [2, 5]}
    two = {"data_mix": {"name": "mix", "train": {"arithmetic": part, "hard": other}}}
    assert words(two).data() == "arithmetic, levels 1–3 × 0.5 + gsm8k, levels 2, 5 × 1.5"


def test_an_empty_config_is_no_error():
    assert words({}).batch() and words({}).loss()
    assert words({}, "generate").lines()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.2, "0.2"),
        (1e-4, "1e-4"),
        (2.5e-5, "2.5e-5"),
        (1.0, "1.0"),
        (64.0, "64"),
        (0.0, "0.0"),
        (True, "true"),
        (None, "null"),
        (3, "3"),
        ("a", "a"),
        ([1, 0.5], "[1, 0.5]"),
    ],
)
def test_numbers_are_written_as_they_are_typed(value, text):
    assert number(value) == text


def test_quantities_are_short():
    assert (count(825_000), count(1_720_000_000), count(9800), count(640)) == (
        "0.8M",
        "1.7B",
        "9.8k",
        "640",
    )
    assert (size(3.2 * 2**30), size(640 * 1024), size(12)) == ("3.2 GiB", "640 KiB", "12 B")
    assert (duration(48.2), duration(3 * 3600 + 65), duration(90061)) == (
        "0:00:48",
        "3:01:05",
        "1 d 1:01:01",
    )


def test_rows_that_are_left_out_are_no_longer_all():
    config = {
        "objective": {
            "name": "nsr",
            "aggregation": {"name": "token_mean"},
            "selection": {"wrong": {"name": "wrong", "metric": "accuracy", "above": 0.0}},
        },
        "training": {"prompts_per_step": 32, "rollouts_per_prompt": 8},
    }
    words = Words(config, "policy_gradient", load())
    assert "sum over the tokens of the rows kept of 256 ÷ their number" in words.loss()
    del config["objective"]["selection"]
    assert "sum over the tokens of all 256 rows ÷ their number" in words.loss()


@pytest.mark.parametrize(
    ("node", "said"),
    [
        ({"divide_by_rows": True}, "sum over tokens ÷ (all 256 rows × 40 tokens)"),
        ({"divide_by_rows": False}, "sum over tokens ÷ 40 tokens"),
        ({"divide_by_rows": False, "length": 65536}, "sum over tokens ÷ 65,536 tokens"),
    ],
)
def test_a_constant_length_says_what_it_divides_by(node, said):
    config = {
        "objective": {"name": "any", "aggregation": {"name": "fixed_length", **node}},
        "training": {"prompts_per_step": 32, "rollouts_per_prompt": 8},
        "rollout": {"max_new_tokens": 40},
    }
    assert Words(config, "policy_gradient", load()).loss().split(" · ")[0] == said


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        (3200, "1 epoch of up to 3,200 rows, at most 50 steps"),
        (10**6, "1 epoch of up to 1,000,000 rows, at most 1,000 steps"),
        (None, "1 epoch of the rows (1,000 steps if those are fewer)"),
    ],
)
def test_epochs_say_how_many_steps_they_are(limit, said):
    config = {
        "training": {"steps": 1000, "epochs": 1, "rows_per_step": 64},
        "data_mix": {"train": {"mine": {"source": "mine"}}},
        "sources": {"mine": {"name": "dataset", "limit": limit}},
    }
    assert Words(config, "supervised", load()).batch().startswith(f"{said} × 64 rows")
