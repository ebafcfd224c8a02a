"""Every recipe that is shipped runs whole, two steps a stage, evaluation included."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from etude.config.prepare import prepare
from warm_commands import PROBLEMS, ROLLOUTS, ROWS, Place, small

pytestmark = pytest.mark.slow

RECIPES = Path(__file__).parents[2] / "recipes"
WORD_PROBLEMS = ["model.tokenizer=bytes", "sources.gsm8k.path=word-problems"]
THINKING = [
    "model.tokenizer=bytes",
    "sources.openr1_math_46k.path=thinking.jsonl",
    "sources.math_500.path=competition",
    "~sources.openr1_math_46k.columns.system",  # a model from scratch has no chat template
    "data_mix.system=null",
]
UNFILTERED = ["objective/filter=none"]
MIROMIND = [
    *UNFILTERED,
    "stages.short.rollout.max_new_tokens=8",
    "stages.long.rollout.max_new_tokens=16",
    "model.tokenizer=bytes",
    "sources.miromind_m1_rl.path=thinking.jsonl",
    "sources.math_500.path=competition",
    "sources.miromind_m1_rl.columns.prompt=prompt.1.content",
]


def chain(*stages: str) -> list[str]:
    """Return what a chain of growing limits on DeepScaleR's problems needs, at these stages."""
    return [
        "model.tokenizer=bytes",
        "sources.deepscaler.path=competition/train.jsonl",
        "sources.deepscaler.hold_out=null",
        "sources.math_500.path=competition",
        "evaluation.max_new_tokens=16",
        *(f"stages.{stage}.rollout.max_new_tokens=8" for stage in stages),
    ]


HANDS = ["sources.general_points.train_size=60", "sources.general_points.test_size=20"]
TEXTS = ["sources.reverse_text.train_size=60", "sources.reverse_text.test_size=20"]
COUNTDOWN = ["sources.countdown.train_size=60", "sources.countdown.test_size=20"]
SOKOBAN = [
    "model.tokenizer=bytes",
    "sources.sokoban.train_rooms=12",
    "sources.sokoban.test_rooms=4",
]

#: What a recipe needs besides a very small model and few rows: one that was hardly trained solves
#: nothing, so what would be left out for that is kept.
MORE = {
    "campo": UNFILTERED,
    "campo/paper": MIROMIND,
    "miromind_m1": UNFILTERED,
    "miromind_m1/paper": [
        *MIROMIND,
        "stages.sft.training.max_length=512",
        "stages.sft.training.rows_per_step=8",
        "sources.miromind_m1_sft.path=word-problems",
        "sources.miromind_m1_sft.columns.solution=answer",
    ],
    "brorl": [
        *UNFILTERED,
        "stages.broad.training.rollouts_per_prompt=10",
        "stages.broad.rollout.budget.chunk=4",
    ],
    "brorl/paper": [
        *UNFILTERED,
        "rollout.budget.chunk=1",
        "training.updates_per_step=2",
        "model.tokenizer=bytes",
        "sources.deepscaler.path=competition/train.jsonl",
        "sources.deepscaler.hold_out=null",
        "sources.math_500.path=competition",
    ],
    "knapsack/paper": [
        "model.tokenizer=bytes",
        "sources.deepscaler.path=competition/train.jsonl",
        "sources.deepscaler.hold_out=null",
        "sources.math_500.path=competition",
    ],
    "multi_objective/paper": [
        "training.updates_per_step=2",
        "model.tokenizer=bytes",
        "sources.math_train.path=competition/train.jsonl",
        "sources.math_500.path=competition",
    ],
    "cft/paper": [
        "model.tokenizer=bytes",
        "sources.one_shot_cft.path=critiques.jsonl",
        "sources.math_validation.path=competition/test.jsonl",
        "model.max_position_embeddings=4096",
        "evaluation.max_new_tokens=16",
    ],
    "chord/paper": THINKING,
    "relift/paper": THINKING,
    "fapo/paper": [
        "training.updates_per_step=2",
        "model.tokenizer=bytes",
        "~stages.judge.model",
        "sources.fapo_critic.path=judged.jsonl",
        "sources.fapo_critic.hold_out=0.5",
        "sources.dapo_math.path=competition",
        "sources.dapo_math.columns.prompt=problem",
        "sources.dapo_math.columns.answer=answer",
        "sources.math_500.path=competition",
        "stages.policy.rollout.max_prompt_tokens=64",
        "stages.judge.rollout.max_prompt_tokens=64",
        "objective.shaping.soft_overlong.buffer_length=4",
        "stages.judge.training.rollouts_per_prompt=4",
        "stages.policy.training.rollouts_per_prompt=4",
        "stages.policy.verifier.process.max_new_tokens=8",
    ],
    "ghpo/paper": [
        "model.tokenizer=bytes",
        "sources.math3to5_olympiads_aime.path=competition",
        "sources.math3to5_olympiads_aime.columns.answer=answer",
        "sources.math3to5_olympiads_aime.columns.solution=solution",
        "sources.math_500.path=competition",
    ],
    "luffy/paper": THINKING,
    "rl_plus/paper": THINKING,
    "nsr/paper": [
        "model.tokenizer=bytes",
        "sources.math_train.path=competition/train.jsonl",
        "sources.math_500.path=competition",
    ],
    "pacs/paper": [
        "model.tokenizer=bytes",
        "sources.deepscaler.path=competition/train.jsonl",
        "sources.deepscaler.hold_out=null",
        "sources.math_500.path=competition",
    ],
    "length_progressive/within": ["curriculum.limits=[4,8,16]"],
    "length_progressive/paper": [
        *chain("at_8k", "at_16k"),
        "stages.at_8k.training.rollouts_per_prompt=2",
    ],
    "length_progressive/skywork_or1": chain("at_8k", "at_16k"),
    "length_progressive/deepcoder": [
        *chain("at_16k"),
        "stages.at_16k.training.prompts_per_step=4",
    ],
    "length_progressive/prorl": [
        *chain("first", "second", "broad"),
        *UNFILTERED,
        "stages.broad.training.rollouts_per_prompt=4",
    ],
    "length_progressive/acereason": [
        *chain("at_8k", "at_16k", "at_24k"),
        "stages.at_24k.training.rollouts_per_prompt=2",
        "stages.at_32k.training.rollouts_per_prompt=2",
    ],
    "math_then_code": [
        *WORD_PROBLEMS,
        "sources.mbpp.path=programs",
        "evaluation.max_new_tokens=16",
        *(f"stages.{stage}.rollout.max_new_tokens=8" for stage in ("math_short", "code_short")),
        "stages.math_long.rollout.max_new_tokens=12",
        "stages.code_long.training.rollouts_per_prompt=2",
    ],
    "math_then_code/paper": [
        *chain("at_8k", "at_16k", "at_24k", "code_24k"),
        "sources.gsm8k.path=word-problems",
        "sources.mbpp.path=programs",
        *(
            f"stages.{stage}.training.rollouts_per_prompt=2"
            for stage in ("at_16k", "at_24k", "at_32k", "code_32k")
        ),
    ],
    "multi_stage_grpo/paper": ["stages.sft.training.rows_per_step=8"],
    "sokoban": SOKOBAN,
    "sokoban/mixed": SOKOBAN,
    "sokoban/diverse": SOKOBAN,
    "sokoban/paper": [*SOKOBAN, "model.max_position_embeddings=5000"],
    "sokoban/paper_diverse": [*SOKOBAN, "model.max_position_embeddings=5000"],
    "gsm8k": WORD_PROBLEMS,
    "gsm8k/ppo": [
        *WORD_PROBLEMS,
        "training.rollouts_per_prompt=1",
        "evaluation.samples=1",
    ],
    "reverse_text": TEXTS,
    "reverse_text/paper": [
        "model.tokenizer=bytes",
        "model.max_position_embeddings=5000",
        "sources.reverse_text_paragraphs.path=reversals.jsonl",
        "sources.reverse_text_sentences.path=sentences.jsonl",
        "evaluations.similarity.evaluation.problems=6",
        "evaluations.similarity.evaluation.samples=2",
    ],
    "countdown": COUNTDOWN,
    "countdown/paper": [*COUNTDOWN, "model.tokenizer=bytes"],
    "general_points": HANDS,
    "general_points/mixed": HANDS,
    "general_points/paper": [*HANDS, "model.max_position_embeddings=5000"],
    "general_points/paper_mixed": [*HANDS, "model.max_position_embeddings=5000"],
    "expert_iteration": ["stages.sample.objective.keep=all"],
    "hindsight_relabelling": ["stages.sample.objective.keep=all"],
    "expert_iteration/paper": [
        *WORD_PROBLEMS,
        "stages.sample.objective.keep=all",
        "stages.sample.objective.samples_per_prompt=2",
        "stages.sample.training.rows_per_step=8",
        "stages.improve.repeat.times=2",
    ],
    "raft/paper": [*WORD_PROBLEMS, "stages.improve.repeat.times=2"],
    "per_step_negatives": [
        "stages.build.objective.positives=demonstrations",
        "stages.build.objective.drop_uninformative=false",
        "stages.dpo.training.rows_per_step=8",
    ],
    "per_step_negatives/paper": [
        *WORD_PROBLEMS,
        "stages.build.objective.positives=demonstrations",
        "stages.build.objective.drop_uninformative=false",
        "stages.build.training.rows_per_step=8",
    ],
}

#: What every stage of a recipe sets for itself.
UNREAD = {
    "campo/paper": ("rollout.max_new_tokens",),
    "fapo/paper": ("training.rollouts",),
    "guess_number": ("training.rows", "training.prompts"),
    "hindsight_relabelling": ("training.rows",),
    "tool_use": ("training.rows", "training.prompts"),
    "miromind_m1/paper": ("training.rows",),
    "multi_stage_grpo/paper": ("training.rows",),
}


def sizes(recipe: str) -> list[str]:
    """Return the overrides that make a recipe small, without those that none of its stages read."""
    ((_, stages),) = prepare([f"recipe={recipe}"]).runs
    learners = {stage.learner for stage in stages}
    unread = () if "policy_gradient" in learners else ROLLOUTS
    if not learners - {"policy_gradient"}:
        unread += (ROWS,)
    mixes = [stage.config["data_mix"] for stage in stages]
    parts = [mix[kind] for mix in mixes for kind in ("train", "held_out", "demonstrations")]
    read = {part["source"] or name for kind in parts for name, part in kind.items()}
    if "arithmetic" not in read:
        unread += (PROBLEMS,)
    unread += UNREAD.get(recipe, ())
    return small(*unread)


def word_problems(folder: Path) -> None:
    """Write rows in the form of the original set, calculator marks and all."""
    folder.mkdir()
    for split, count in (("train", 24), ("test", 9)):
        rows = []
        for n in range(count):
            first, second = n + 2, 3 * n + 1 if split == "train" else 5 * n + 2
            total = first + second
            solution = (
                f"{first} and {second} are <<{first}+{second}={total}>>{total}.\n#### {total}"
            )
            question = f"Ana has {first} figs and finds {second} more. How many has she now?"
            rows.append({"question": question, "answer": solution})
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def competition(folder: Path) -> None:
    """Write solved problems with a column for each of answer, solution and level."""
    folder.mkdir()
    for split, first in (("train", 3), ("test", 40)):
        rows = [
            {
                "problem": f"Find {n}².",
                "solution": f"{n}·{n}={n * n}",
                "answer": str(n * n),
                "level": 1,
                "unique_id": f"{split}/{n}",
            }
            for n in range(first, first + 9)
        ]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def thinking(file: Path) -> None:
    """Write problems with a thinking model's answers, in the form of OpenR1-Math-46k."""
    rows = []
    for n in range(3, 15):
        messages = [("system", "Think first."), ("user", f"Find {n}².")]
        answer = f"<think>\n{n}·{n}={n * n}\n</think>\n\\boxed{{{n * n}}}"
        rows.append(
            {
                "data_source": "openr1",
                "prompt": [{"role": role, "content": text} for role, text in messages],
                "target": [{"role": "assistant", "content": answer}],
                "reward_model": {"style": "rule", "ground_truth": str(n * n)},
            }
        )
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


def judged(file: Path) -> None:
    """Write solutions in numbered steps with the place of the first wrong one."""
    rows = [
        {
            "prompt": [{"role": "user", "content": f"[0]{n}+{n}={2 * n + n % 2}"}],
            "reward_model": {"ground_truth": -(1 - n % 2)},
            "extra_info": {"total_steps": 1},
        }
        for n in range(12)
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


def programs(folder: Path) -> None:
    """Write programming problems in the form of the hub's MBPP."""
    folder.mkdir()
    for split, first in (("train", 2), ("test", 40)):
        rows = [
            {
                "source_file": "generated",
                "task_id": n,
                "prompt": f"Write a function to add {n} to a number.",
                "code": f"def add_{n}(x):\n    return x + {n}",
                "test_imports": [],
                "test_list": [f"assert add_{n}({x}) == {x + n}" for x in range(3)],
            }
            for n in range(first, first + 9)
        ]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def reversals(folder: Path) -> None:
    """Write texts, and conversations in which others are read backwards."""
    said = [
        {
            "prompt": [
                {"role": "system", "content": "Reverse."},
                {"role": "user", "content": text},
            ],
            "completion": [
                {"role": "assistant", "content": f"<reversed_text>{text[::-1]}</reversed_text>"}
            ],
        }
        for text in (f"{n} figs of Ana" for n in range(40))
    ]
    texts = [{"prompt": f"the {n} plums of Bo"} for n in range(40)]
    for name, rows in (("sentences", texts), ("reversals", said)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def critiques(file: Path) -> None:
    """Write conversations in which a solution is criticised."""
    rows = []
    for answer in range(16):
        verdict = f"Conclusion: {'right' if answer == 9 else 'wrong'} [END]"
        messages = [
            {"role": "user", "content": f"Judge: 3·3={answer}"},
            {"role": "assistant", "content": f"3·3 is 9. {verdict}"},
        ]
        rows.append({"messages": messages})
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


#: Those in folders (…/paper and other variants) are run by `make test-long`, composed and planned
#: in other tests.
SHIPPED = sorted(
    path.relative_to(RECIPES).with_suffix("").as_posix()
    for path in (RECIPES.rglob if os.environ.get("ETUDE_LONG") else RECIPES.glob)("*.yaml")
)


@pytest.mark.parametrize("recipe", SHIPPED)
def test_a_shipped_recipe_runs(here: Place, recipe: str) -> None:
    word_problems(here.folder / "word-problems")
    competition(here.folder / "competition")
    thinking(here.folder / "thinking.jsonl")
    critiques(here.folder / "critiques.jsonl")
    judged(here.folder / "judged.jsonl")
    programs(here.folder / "programs")
    reversals(here.folder)
    more = MORE.get(recipe, [])
    command = ["debug=true", f"recipe={recipe}", *sizes(recipe), *more]
    ended = here.train(*command)
    assert ended.code == 0, ended.said
    (run,) = (here.folder / "outputs/runs").iterdir()
    (result,) = json.loads((run / "result.json").read_text())["runs"]
    for stage in result["stages"]:
        assert stage["state"] == "done"
        lines = (Path(stage["folder"]) / "metrics.jsonl").read_text().splitlines()
        assert len(lines) == 2
        if (Path(stage["folder"]) / "data").is_dir():
            assert (Path(stage["folder"]) / "data" / "rows.jsonl").stat().st_size
            continue  # a stage that hands on rows has no model of its own to measure
        measured = json.loads((Path(stage["after"]["folder"]) / "result.json").read_text())
        assert 0 <= measured["metrics"]["pass@1"]["value"] <= 1
    assert ended.err == ""
