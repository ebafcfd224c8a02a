"""Files are there whole or not at all; a full disk is an error that costs nothing older."""

from __future__ import annotations

import errno
import json
import logging
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from etude.errors import CheckpointError, StorageError
from etude.execute import atomic, checkpoint, tree
from etude.execute.attempt import Log
from etude.execute.lines import LineWriter, raw_lines, to_line


@contextmanager
def files_limited_to(size: int) -> Iterator[None]:
    """Let no file of this process grow past ``size`` bytes, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def same(left: object, right: object) -> bool:
    if isinstance(left, torch.Tensor):
        assert isinstance(right, torch.Tensor)
        bits = left.detach().contiguous().reshape(-1).view(torch.uint8)
        other = right.contiguous().reshape(-1).view(torch.uint8)
        return left.dtype == right.dtype and left.shape == right.shape and torch.equal(bits, other)
    if isinstance(left, dict):
        assert isinstance(right, dict)
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, (list, tuple)):
        return type(left) is type(right) and len(left) == len(right) and all(map(same, left, right))
    return type(left) is type(right) and (left == right or left != left)


def test_a_tree_comes_back_to_the_bit(tmp_path: Path) -> None:
    base = torch.randn(10)
    state = {
        "weights": torch.randn(3, 4, dtype=torch.bfloat16).t(),
        "nan": torch.tensor([float("nan"), -0.0, float("inf")]),
        "scalar": torch.tensor(3.5, dtype=torch.float64),
        "empty": torch.zeros(0, 3),
        "flags": torch.tensor([True, False]),
        "half": torch.ones(3, dtype=torch.float16),
        "shared": [base[2:5], base],
        "parameter": torch.nn.Parameter(torch.ones(2)),
        "optimizer": {0: {"step": torch.tensor(3)}, 7: {"lr": 0.1 + 0.2}},
        "random": (2**127 + 1, [None, True, 1, 1.0, "é"]),
        "$odd": {"a.b": 1},
        "a.b": torch.ones(1),
        "a": {"b": torch.zeros(1)},
    }
    tree.save(state, tmp_path)
    assert same(state, tree.load(tmp_path))


def test_every_tensor_is_aligned_in_its_file(tmp_path: Path) -> None:
    tree.save(
        {"a": torch.ones(3, dtype=torch.int8), "b": torch.ones(2), "c": torch.ones(1).double()},
        tmp_path,
    )
    content = (tmp_path / "tensors.safetensors").read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    width = {"I8": 1, "F32": 4, "F64": 8}
    assert size % 8 == 0
    assert all(each["data_offsets"][0] % width[each["dtype"]] == 0 for each in header.values())


def test_an_empty_tree_can_be_kept(tmp_path: Path) -> None:
    tree.save({}, tmp_path)
    assert tree.load(tmp_path) == {}


def test_a_leaf_that_cannot_be_kept_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"state\.data\.generator: a Generator"):
        tree.save({"data": {"generator": np.random.default_rng(0)}}, tmp_path)


def test_recorded_hashes_are_those_of_the_files(tmp_path: Path) -> None:
    path = checkpoint.write(tmp_path, 3, {"w": torch.randn(5)})
    checkpoint.verify(path)
    assert sorted(each.name for each in path.iterdir()) == [
        "manifest.json",
        "state.json",
        "tensors.safetensors",
    ]


def stage(tmp_path: Path, *steps: int) -> Path:
    for step in steps:
        checkpoint.write(tmp_path / "attempts" / "1", step, {"w": torch.full((64,), float(step))})
    return tmp_path


def test_damaged_checkpoints_are_named_and_the_one_before_is_used(tmp_path: Path) -> None:
    folder = stage(tmp_path, 1, 2, 3, 4)
    places = folder / "attempts" / "1" / "checkpoints"
    truncated = places / "step_4" / "tensors.safetensors"
    truncated.write_bytes(truncated.read_bytes()[:-8])
    (places / "step_3" / "state.json").write_text('{"w": {"$tensor": "v"}}')
    said: list[str] = []
    found = checkpoint.newest_valid(folder, said.append)
    assert found is not None and found.step == 2
    assert torch.equal(found.load()["w"], torch.full((64,), 2.0))
    assert len(said) == 2
    assert "step_4/tensors.safetensors" in said[0] and "truncated" in said[0]
    assert "step_3/state.json" in said[1] and "corrupt" in said[1]


def test_a_checkpoint_that_the_disk_no_longer_reads_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = stage(tmp_path, 1, 2)
    read = checkpoint.sha256_of

    def sha256_of(path: Path) -> str:
        if "step_2" in path.parts:
            raise OSError(errno.EIO, "Input/output error")
        return read(path)

    monkeypatch.setattr(checkpoint, "sha256_of", sha256_of)
    told: list[str] = []
    found = checkpoint.newest_valid(folder, told.append)
    assert found is not None and found.step == 1 and "Input/output error" in told[0]


def test_a_missing_file_and_no_checkpoint_at_all(tmp_path: Path) -> None:
    folder = stage(tmp_path, 5)
    (folder / "attempts/1/checkpoints/step_5/state.json").unlink()
    said: list[str] = []
    assert checkpoint.newest_valid(folder, said.append) is None
    assert "state.json is missing" in said[0]


def test_only_the_last_checkpoints_are_kept(tmp_path: Path) -> None:
    folder = stage(tmp_path, 1, 2, 3, 4, 9)
    checkpoint.prune(folder, keep=2, up_to=4, also=(1,))
    left = {path.name for path in (folder / "attempts/1/checkpoints").iterdir()}
    assert left == {"step_1", "step_3", "step_4", "step_9"}


def test_a_file_limit_fails_the_checkpoint_and_loses_no_older_one(tmp_path: Path) -> None:
    folder = stage(tmp_path, 1)
    big = {"w": torch.zeros(100_000)}
    with (
        files_limited_to(50_000),
        pytest.raises(StorageError, match=r"cannot write .*GiB are free"),
    ):
        checkpoint.write(folder / "attempts" / "1", 2, big)
    assert [path.name for path in (folder / "attempts/1/checkpoints").iterdir()] == ["step_1"]
    found = checkpoint.newest_valid(folder, pytest.fail)
    assert found is not None and found.step == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except OSError as error:
        pytest.skip(f"no small disk can be mounted here: {error}")
    if done.returncode != 0:
        pytest.skip(f"no small disk can be mounted here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_fails_the_checkpoint_and_loses_no_older_one(small_disk: Path) -> None:
    folder = stage(small_disk, 1)
    with pytest.raises(StorageError, match=r"No space left on device.*etude clean"):
        checkpoint.write(folder / "attempts" / "1", 2, {"w": torch.zeros(400_000)})
    assert [path.name for path in (folder / "attempts/1/checkpoints").iterdir()] == ["step_1"]
    assert checkpoint.newest_valid(folder, pytest.fail) is not None


def test_a_checkpoint_is_not_begun_below_the_least_free_space(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"execution\.minimum_free_gib is 1e\+09"):
        checkpoint.write(tmp_path, 2, {"w": torch.zeros(4)}, minimum_free_gib=1e9)
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_the_older_file(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    atomic.write_text(path, "old")
    with pytest.raises(RuntimeError), atomic.writing(path) as stream:
        stream.write(b"new")
        raise RuntimeError
    assert path.read_text() == "old" and len(list(tmp_path.iterdir())) == 1


def test_lines_are_dropped_whole_on_a_full_disk(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    writer = LineWriter(path)
    writer.write({"step": 0, "text": "x" * 100})
    before = path.read_bytes()
    with files_limited_to(len(before) + 50), pytest.raises(StorageError):
        writer.write({"step": 1, "text": "x" * 100})
    assert path.read_bytes() == before
    writer.write({"step": 1})
    assert [content["step"] for content, _ in raw_lines(path)] == [0, 1]


def test_a_log_on_a_full_disk_hides_no_error(tmp_path: Path) -> None:
    log = Log(tmp_path / "log")
    with files_limited_to(10), pytest.raises(ValueError, match="the cause"):
        try:
            logging.getLogger("etude").warning("a line that finds no room")
            raise ValueError("the cause")
        finally:
            log.end()
    assert log not in logging.getLogger().handlers


@pytest.mark.parametrize("torn", [b'{"step": 1, "lo', b"x" * 200_000])
def test_reopening_drops_a_torn_line(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step": 0}\n' + torn)
    assert [content for content, _ in raw_lines(path)] == [{"step": 0}]
    writer = LineWriter(path)
    writer.write({"step": 1})
    writer.close()
    assert path.read_bytes() == b'{"step": 0}\n{"step": 1}\n'


def test_a_file_that_is_one_torn_line_becomes_empty(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step"')
    LineWriter(path).close()
    assert path.read_bytes() == b""


def test_lines_are_strict_json() -> None:
    line = to_line({"a": float("nan"), "b": [float("inf"), np.float32(0.5)], "c": torch.tensor(2)})
    assert json.loads(line, parse_constant=pytest.fail) == {"a": None, "b": [None, 0.5], "c": 2}
