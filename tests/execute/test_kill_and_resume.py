"""A run that is killed and started again equals one that was never interrupted, bit for bit."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from warm_process import STAGES, Zygote, result

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def start() -> Iterator[Zygote]:
    zygote = Zygote()
    yield zygote
    zygote.process.communicate(timeout=20)


@pytest.fixture(scope="module")
def whole(start: Zygote, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    outputs = tmp_path_factory.mktemp("whole")
    assert start(outputs) == 0
    return result(outputs)


@pytest.mark.parametrize(
    "kill_at",
    [
        "step:sft:0",
        "step:sft:7",
        "step:rl:5",
        "checkpoint:1",
        "checkpoint:3",
        "checkpoint:4",
        "evaluate:sft",
        "evaluate:rl",
        "measure",
        "export:sft",
        "export:rl",
        "done:sft",
        "done:rl",
        "between:sft",
    ],
)
def test_kill_at_a_named_point(
    start: Zygote, whole: dict[str, bytes], tmp_path: Path, kill_at: str
) -> None:
    assert start(tmp_path, kill_at=kill_at) == -signal.SIGKILL
    assert start(tmp_path) == 0
    assert result(tmp_path) == whole
    assert not list(tmp_path.rglob(".*.tmp"))


def test_an_evaluation_that_was_made_is_not_made_again(start: Zygote, tmp_path: Path) -> None:
    assert start(tmp_path, kill_at="step:rl:5") == -signal.SIGKILL
    assert start(tmp_path) == 0
    attempts = next((tmp_path / "stages").glob("rl-*")) / "attempts"
    steps = [
        [json.loads(line)["step"] for line in (attempts / number / "evaluations.jsonl").open()]
        for number in ("1", "2")
    ]
    assert steps == [[4], [8]]


def test_kills_at_random_moments(start: Zygote, whole: dict[str, bytes], tmp_path: Path) -> None:
    chance = random.Random(7)
    slow = [[name, {**options, "delay": 0.01}] for name, options in STAGES]
    kills = 0
    for number in range(2):
        outputs = tmp_path / str(number)
        for attempt in range(40):
            # Later kills leave more time: on a slow machine too, one attempt gets through.
            after = chance.uniform(0.03, 0.3) * (1 + attempt / 4) ** 2
            code = start(outputs, stages=slow, signal_after=[after, int(signal.SIGKILL)])
            if code == 0:
                break
            assert code == -signal.SIGKILL
            kills += 1
        assert code == 0
        assert result(outputs) == whole
    assert kills >= 3


def wait_for_a_step(outputs: Path, stage: str) -> Path:
    """Return the stage's folder as soon as its first attempt has logged a step."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        for metrics in (outputs / "stages").glob(f"{stage}-*/attempts/1/metrics.jsonl"):
            if metrics.stat().st_size:
                return metrics.parents[2]
        time.sleep(0.005)
    raise AssertionError(f"{stage} logged no step within a minute")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_writes_a_checkpoint_and_exits_130(
    start: Zygote, whole: dict[str, bytes], tmp_path: Path, number: int
) -> None:
    slow = [[name, {**options, "delay": 0.05, "checkpoint_every": 0}] for name, options in STAGES]
    process = start(tmp_path, stages=slow, background=True)
    # A fixed wait could end before the stage has begun on a busy machine.
    folder = wait_for_a_step(tmp_path, "sft")
    os.kill(process, number)
    assert start.wait(process) == 130
    (kept,) = folder.glob("attempts/1/checkpoints/step_*")
    steps = len((folder / "attempts/1/metrics.jsonl").read_bytes().splitlines())
    assert 0 < steps < 11 and kept.name == f"step_{steps}"
    assert start(tmp_path) == 0
    assert result(tmp_path) == whole


def test_an_unfinished_stage_resumes_with_other_execution_settings(
    start: Zygote, whole: dict[str, bytes], tmp_path: Path
) -> None:
    assert start(tmp_path, kill_at="step:sft:7") == -signal.SIGKILL
    changed = [[name, {**options, "micro_batch_tokens": 64}] for name, options in STAGES]
    assert start(tmp_path, stages=changed) == 0
    assert result(tmp_path) == whole
    folder = next((tmp_path / "stages").glob("sft-*"))
    assert json.loads((folder / "attempts/2/attempt.json").read_text())["first_step"] == 6


def test_a_corrupt_checkpoint_is_passed_over_and_bits_stay(
    start: Zygote, whole: dict[str, bytes], tmp_path: Path
) -> None:
    assert start(tmp_path, kill_at="step:sft:7") == -signal.SIGKILL
    folder = next((tmp_path / "stages").glob("sft-*"))
    file = folder / "attempts/1/checkpoints/step_6/tensors.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert start(tmp_path, kill_at="step:sft:9") == -signal.SIGKILL
    assert json.loads((folder / "attempts/2/attempt.json").read_text())["first_step"] == 3
    assert start(tmp_path) == 0
    assert result(tmp_path) == whole


def test_a_torn_last_line_is_dropped(
    start: Zygote, whole: dict[str, bytes], tmp_path: Path
) -> None:
    assert start(tmp_path, kill_at="step:sft:7") == -signal.SIGKILL
    folder = next((tmp_path / "stages").glob("sft-*"))
    for name in ("metrics", "samples", "timing"):
        with (folder / f"attempts/1/{name}.jsonl").open("ab") as stream:
            stream.write(b'{"step": 7, "lo')
    assert start(tmp_path) == 0
    assert result(tmp_path) == whole


def test_a_second_command_waits_for_the_first(
    start: Zygote, whole: dict[str, bytes], tmp_path: Path
) -> None:
    other = Zygote()
    slow = [[name, {**options, "delay": 0.03}] for name, options in STAGES]
    command = json.dumps({"outputs": str(tmp_path), "stages": slow}) + "\n"
    for zygote in (start, other):
        assert zygote.process.stdin
        zygote.process.stdin.write(command)
        zygote.process.stdin.flush()
    for zygote in (start, other):
        assert zygote.process.stdout
        assert zygote.process.stdout.readline() == "0\n"
    other.process.communicate(timeout=20)
    assert result(tmp_path) == whole
    for folder in (tmp_path / "stages").glob("[!.]*"):
        assert len(list((folder / "attempts").iterdir())) == 1
