"""Two ranks train what one process trains, stop and resume together, and fail together."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import stages_of_ranks
from safetensors.torch import load_file
from stages_of_ranks import MODEL, ROWS, Work, run, write

from etude.execute.failures import first_failure

PAIRS = [
    {
        "prompt": f"{n}+5=",
        "answer": str(n + 5),
        "chosen": f"{n % 10}+5={n % 10 + 5} A:{n + 5}",
        "chosen_open": False,
        "rejected": f"{n % 10}+5={n % 10 + 4} " + "0" * (n % 3),
        "rejected_open": True,
    }
    for n in range(10, 25)
]


def torchrun(works: Path) -> subprocess.CompletedProcess[str]:
    """Run works in two ranks, as torchrun starts them."""
    return subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"),
            *("--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0"),
            *(stages_of_ranks.__file__, str(works)),
        ],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


def preference(folder: Path) -> tuple[str, ...]:
    """Return what makes the stage one of preference on an odd number of pairs."""
    path = folder / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in PAIRS))
    return (
        *MODEL,
        "objective=dpo",
        "data_mix=generated_pairs",
        "data_mix.held_out={arithmetic:{split:test,levels:[2]}}",
        "training.rows_per_step=5",
        f"sources.generated_pairs.path={path}",
    )


#: Everything that touches sharded parameters beside the plain loss.
ALL_TERMS = (
    *MODEL,
    *ROWS,
    "training.steps=2",
    "training.packing=bfd",
    "training.max_length=64",
    "training.gradient_clip=0.1",
    "objective.anchor_coef=0.5",
    "objective.kl_coef=0.1",
    "model.tie_embeddings=false",
    "model.gradient_checkpointing=true",
)


#: Demonstrations that count by the losses of all of them.
WEIGHED = (
    *MODEL,
    *ROWS,
    "training.steps=2",
    f"objective.sample_weights={Path(__file__).parents[1] / 'weightings.py'}:Harder",
)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the outputs of every stage below, each run once."""
    folder = tmp_path_factory.mktemp("ranks")
    pairs = preference(folder)

    def place(name: str) -> str:
        return str(folder / name)

    assert run(Work(place("one"))) == 0
    assert run(Work(place("one_pairs"), pairs)) == 0
    assert run(Work(place("one_terms"), ALL_TERMS)) == 0
    assert run(Work(place("one_weighed"), WEIGHED)) == 0
    lora = adapters(folder / "one")
    assert run(Work(place("one_lora"), lora)) == 0
    assert run(Work(place("one_then_two"), stop_after=2)) == 130
    works = [
        Work(place("two")),
        Work(place("two_pairs"), pairs),
        Work(place("two_terms"), ALL_TERMS),
        Work(place("two_lora"), lora),
        Work(place("two_weighed"), WEIGHED),
        Work(place("two_again"), stop_after=3, rank=1),
        Work(place("two_again")),
        Work(place("one_then_two")),
        Work(place("two_then_one"), stop_after=2, rank=1, measuring=True),
        Work(place("failed"), fail_after=3, rank=1, unmeasured=True),
    ]
    ended = torchrun(write(folder, works))
    assert ended.returncode == 1, ended.stderr[-4000:]
    for rank in range(2):
        codes = json.loads((folder / f"codes.{rank}.json").read_text())
        assert codes == [0, 0, 0, 0, 0, 130, 0, 0, 130, 1], ended.stderr[-4000:]
    assert run(Work(place("two_then_one"))) == 0
    return folder


def adapters(outputs: Path) -> tuple[str, ...]:
    """Return what makes the stage train adapters on the model of another."""
    return (
        *ROWS,
        "training.steps=2",
        "model=pretrained",
        f"model.path={stage(outputs) / 'model'}",
        "+model.lora={rank: 4}",
    )


def stage(outputs: Path) -> Path:
    """Return the one stage in a folder of outputs."""
    (found,) = (outputs / "stages").glob("[!.]*")
    return found


def lines(outputs: Path, name: str) -> list[dict[str, Any]]:
    """Return the lines of one of a stage's files."""
    return [json.loads(line) for line in (stage(outputs) / name).read_text().splitlines()]


def same(a: Any, b: Any, where: str = "") -> None:
    """Check that two pieces of JSON are the same but for rounding."""
    if isinstance(a, dict):
        assert list(a) == list(b), where
        for key in a:
            same(a[key], b[key], f"{where}.{key}")
    elif isinstance(a, list):
        assert len(a) == len(b), where
        for place, (x, y) in enumerate(zip(a, b, strict=True)):
            same(x, y, f"{where}[{place}]")
    elif isinstance(a, float):
        assert b == pytest.approx(a, rel=1e-5, abs=1e-6), where
    else:
        assert a == b, where


@pytest.mark.slow
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("one", "two"),
        ("one_pairs", "two_pairs"),
        ("one_terms", "two_terms"),
        ("one_lora", "two_lora"),
        ("one_weighed", "two_weighed"),
        ("one", "one_then_two"),
        ("one", "two_then_one"),
    ],
)
def test_ranks_train_what_one_process_trains(done: Path, one: str, other: str) -> None:
    a, b = done / one, done / other
    for name in ("metrics.jsonl", "samples.jsonl", "evaluations.jsonl"):
        same(lines(a, name), lines(b, name), name)
    same(lines(a, "evaluation_samples.jsonl"), lines(b, "evaluation_samples.jsonl"))
    mine, theirs = (stage(each) / "model" for each in (a, b))
    assert sorted(p.name for p in mine.iterdir()) == sorted(p.name for p in theirs.iterdir())
    assert (mine / "config.json").read_text() == (theirs / "config.json").read_text()
    weights, others = (load_file(each / "model.safetensors") for each in (mine, theirs))
    assert list(weights) == list(others)
    for name, weight in weights.items():
        assert weight.shape == others[name].shape
        assert (weight - others[name]).abs().max() < 2e-6, name
    results = [
        json.loads(next(each.glob("evaluations/*/result.json")).read_text()) for each in (a, b)
    ]
    same(*results)


@pytest.mark.slow
def test_two_ranks_resume_to_the_bit_from_a_stop_that_only_one_heard(done: Path) -> None:
    whole, resumed = stage(done / "two"), stage(done / "two_again")
    assert sorted(path.name for path in (resumed / "attempts").iterdir()) == ["1", "2"]
    assert (resumed / "attempts/1/checkpoints/step_3/rank_1/tensors.safetensors").is_file()
    assert "interrupted after 3 steps" in (resumed / "attempts/1/log.rank1").read_text()
    names = ("metrics.jsonl", "samples.jsonl", "evaluations.jsonl", "model/model.safetensors")
    for name in names:
        assert (whole / name).read_bytes() == (resumed / name).read_bytes(), name


@pytest.mark.slow
def test_an_evaluation_of_two_ranks_is_cut_short_when_one_is_asked_to_stop(done: Path) -> None:
    attempt = stage(done / "two_then_one") / "attempts" / "1"
    assert (attempt / "evaluations.jsonl").read_bytes() == b""
    assert (attempt / "checkpoints/step_2/rank_1/tensors.safetensors").is_file()


@pytest.mark.slow
def test_the_first_rank_to_fail_is_told_and_the_other_does_not_hang(done: Path) -> None:
    attempt = stage(done / "failed") / "attempts" / "1"
    first = first_failure(attempt)
    assert first is not None
    assert (first["rank"], first["step"]) == (1, 2)
    assert first["error"] == "RuntimeError: the disk of this rank is on fire"
    assert "in step" in first["traceback"]
    told = json.loads((attempt / "FAILED.json").read_text())
    assert told["error"] == f"rank 1: {first['error']}"
    assert told["resumes_from"] == 2
    assert not (stage(done / "failed") / "DONE.json").exists()
    assert not list((done / "failed").glob("evaluations/sft*"))
    [unmeasured] = (done / "failed" / "evaluations").glob("*/FAILED.json")
    assert "will not" in json.loads(unmeasured.read_text())["error"]  # and training went on


@pytest.mark.slow
def test_ranks_hear_the_same_and_fail_alike(done: Path) -> None:
    heard = [json.loads((done / f"heard.{rank}.json").read_text()) for rank in range(2)]
    common = {
        "gathered": [0, 10],
        "sent": {"from": 0},
        "any": [True, False],
        "first": "spoken",
        "collected": [0, 1, 4, 9, 16],
        "main": 7,
        "all": [0, 1],
        "main failed": "rank 0 will not",
    }
    for rank, told in enumerate(heard):
        assert told == common | {"all failed": f"rank {rank} will not"}
