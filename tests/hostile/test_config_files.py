"""Recipes and choices whose files are no YAML, or more of it than anyone means."""

from __future__ import annotations

import pytest
from inputs import Hostile, check, sampled

from warm_commands import Place

_BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 10)}]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


def recipe(name: str, content: str | bytes, *says: str) -> Hostile:
    """Return a run of one recipe of that content; the file must be named, and all of that said."""
    files = {"recipes/mine.yaml": content}
    return Hostile(name, ["recipe=mine"], ["recipes/mine.yaml", *says], files=files, seconds=10.0)


def two(name: str, files: dict[str, str], word: str, *says: str) -> Hostile:
    """Return a run of one choice that several files stand behind."""
    return Hostile(name, [word], says, files=files, seconds=10.0)


FILES = [
    recipe("two thousand levels", "pipeline: " + "[" * 2000 + "]" * 2000, "line 1", "50 levels"),
    recipe("levels without an end", "a: " + "[" * 200_000, "50 levels"),
    recipe(
        "deep by indentation",
        "\n".join(f"{' ' * depth}a:" for depth in range(500)),
        "line 51",
        "50 levels",
    ),
    recipe("deep by dashes", "a:\n" + "- " * 3000 + "b\n", "50 levels"),
    recipe("recursive anchor", "pipeline: &a [sft, *a]\n", "line 1", "alias of what it stands in"),
    recipe("recursive merge", "x: &x\n  <<: *x\n", "alias of what it stands in"),
    recipe("alias bomb", _BOMB, "100,000 values"),
    recipe("unknown alias", "pipeline: [*nothing]\n", "line 1", "undefined alias"),
    recipe("tab", "pipeline: [sft]\nstages:\n\tsft: {}\n", "line 3", "tab"),
    recipe("key twice", "pipeline: [sft]\npipeline: [rl]\n", "line 2", "'pipeline' occurs twice"),
    recipe(
        "key twice within",
        "pipeline: [sft]\nstages:\n  sft: {seed: 1}\n  sft: {seed: 2}\n",
        "line 4",
        "'sft' occurs twice",
    ),
    recipe("NUL byte", "pipeline: [sft]\nname: a\0b\n", "line 2", "control character"),
    recipe("latin-1", "pipeline: [sft]\n# é\n".encode("latin-1"), "line 2", "UTF-8"),
    recipe("utf-16", "pipeline: [sft]\n".encode("utf-16"), "UTF-8"),
    recipe("bytes", bytes(range(256)), "UTF-8"),
    recipe("list at the top", "- sft\n- rl\n", "keys and values", "a list"),
    recipe("text at the top", "sft\n", "keys and values"),
    recipe("number at the top", "1\n", "keys and values"),
    recipe("unclosed bracket", "pipeline: [sft\nstages: {}\n", "is not YAML"),
    recipe("unclosed quote", 'name: "a\n', "is not YAML"),
    recipe("two documents", "pipeline: [sft]\n---\npipeline: [rl]\n", "single document"),
    recipe("Python's tags", "pipeline: !!python/object/apply:os.system [ls]\n", "line 1", "tag"),
    recipe("list as a key", "pipeline: [sft]\nstages: {[a]: b}\n", "unhashable key"),
    recipe("five thousand digits", f"seed: {'9' * 5000}\n", "4300 digits"),
    recipe("large file", "# x\n" * 300_000, "1,200,000 bytes"),
    two(
        "circle of defaults",
        {
            "recipes/a.yaml": "defaults: [b]\npipeline: [sft]\n",
            "recipes/b.yaml": "defaults: [a]\n",
        },
        "recipe=a",
        "recipes/a.yaml",
        "recipe=a → recipe=b → recipe=a",
    ),
    two(
        "defaults of itself",
        {"conf/model/mine.yaml": "defaults: [mine, _self_]\n"},
        "model=mine",
        "conf/model/mine.yaml",
        "model=mine → model=mine",
        "another name",
    ),
    two(
        "hides what it begins with",
        {"conf/model/scratch.yaml": "name: scratch\ndefaults: [scratch, _self_]\n"},
        "seed=1",
        "conf/model/scratch.yaml",
        "model=scratch → model=scratch",
    ),
    two(
        "circle through a group",
        {
            "recipes/a.yaml": "defaults: [{override /model: mine}]\npipeline: [sft]\n",
            "conf/model/mine.yaml": "defaults: [other]\n",
            "conf/model/other.yaml": "defaults: [mine]\n",
        },
        "recipe=a",
        "conf/model/mine.yaml",
        "lead back to itself",
    ),
    two(
        "defaults that are no list",
        {"recipes/a.yaml": "defaults: {a: b}\npipeline: [sft]\n"},
        "recipe=a",
        "defaults must be a list",
    ),
    two(
        "defaults of nothing",
        {"recipes/a.yaml": "defaults: [nothing_there]\npipeline: [sft]\n"},
        "recipe=a",
        "nothing_there",
    ),
    two(
        "a launcher that is no YAML",
        {"launchers/mine.yaml": "name: slurm\n\ttime: 1\n"},
        "launcher=mine",
        "launchers/mine.yaml",
        "line 2",
        "tab",
    ),
    two(
        "a launcher with nan",
        {"launchers/mine.yaml": "name: slurm\nmemory_gib: .nan\n"},
        "launcher=mine",
        "launcher.memory_gib",
        "finite number",
    ),
    two(
        "numbers that are none in a recipe",
        {
            "recipes/a.yaml": "pipeline: [sft]\nstages:\n  sft:\n"
            "    optimizer: {lr: .inf}\n    training: {steps: 1e12}\n"
        },
        "recipe=a",
        "optimizer.lr is a finite number",
        "training.steps is at most 100,000,000",
    ),
    two(
        "a value that refers to itself",
        {
            "recipes/a.yaml": "pipeline: [sft]\nstages:\n"
            "  sft: {training: {steps: '${training.steps}'}}\n"
        },
        "recipe=a",
        "training",
    ),
    two(
        "an interpolation without an end",
        {"recipes/a.yaml": "pipeline: [sft]\nstages: {sft: {training: {steps: '${'}}}\n"},
        "recipe=a",
        "training.steps",
    ),
    two(
        "a number where a text stands",
        {"conf/model/mine.yaml": "defaults: [qwen3_0_6b, _self_]\nrevision: 12e4567\n"},
        "model=mine",
        "model.revision is text, and in quotes",
    ),
]


@pytest.mark.parametrize("hostile", sampled(FILES))
def test_a_file_that_cannot_be_meant_is_one_fault(hostile: Hostile, here: Place) -> None:
    check(hostile, here)
