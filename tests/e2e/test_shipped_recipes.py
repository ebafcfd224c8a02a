"""Every recipe that is shipped runs whole, two steps a stage, evaluation included."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from warm_commands import PROBLEMS, ROLLOUTS, ROWS, Place, small

from etude.config.prepare import prepare

pytestmark = pytest.mark.slow

RECIPES = Path(__file__).parents[2] / "recipes"
WORD_PROBLEMS = ["model.tokenizer=bytes", "sources.gsm8k.path=word-problems"]
COMPETITION = [
    "model.tokenizer=bytes",
    "sources.openr1_math.path=competition",
    "sources.math_500.path=competition",
]
#: What a recipe needs besides a very small model and few rows: one that was hardly trained solves
#: nothing, so what would be left out for that is kept.
MORE = {
    "cft/paper": [
        "model.tokenizer=bytes",
        "sources.one_shot_cft.path=critiques.jsonl",
        "sources.math_500.path=competition",
    ],
    "chord/paper": COMPETITION,
    "relift/paper": COMPETITION,
    "ghpo/paper": [
        "model.tokenizer=bytes",
        "sources.math3to5_olympiads_aime.path=competition",
        "sources.math3to5_olympiads_aime.columns.answer=answer",
        "sources.math3to5_olympiads_aime.columns.solution=solution",
        "sources.math_500.path=competition",
    ],
    "luffy/paper": COMPETITION,
    "rl_plus/paper": COMPETITION,
    "gsm8k": WORD_PROBLEMS,
    "expert_iteration": ["stages.sample.objective.keep=all"],
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
            {"problem": f"Find {n}².", "solution": f"{n}·{n}={n * n}", "answer": n * n, "level": 1}
            for n in range(first, first + 9)
        ]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


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


@pytest.mark.parametrize(
    "recipe",
    sorted(
        path.relative_to(RECIPES).with_suffix("").as_posix() for path in RECIPES.rglob("*.yaml")
    ),
)
def test_a_shipped_recipe_runs(here: Place, recipe: str) -> None:
    word_problems(here.folder / "word-problems")
    competition(here.folder / "competition")
    critiques(here.folder / "critiques.jsonl")
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
