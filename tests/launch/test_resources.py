"""What a stage asks of machines, and how times are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from etude.config.read_yaml import read_yaml
from etude.errors import ConfigError
from etude.launch.resources import minutes_of, shape_of
from etude.launcher.slurm import Slurm


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("90", 90),
        ("1:30:00", 90),
        ("1:30:30", 91),
        ("2:30", 3),
        ("2-0", 2880),
        ("1-12", 2160),
        ("1-00:30", 1470),
        ("1-12:30:01", 2191),
    ],
)
def test_a_time_is_read_as_slurm_reads_it(text: str, minutes: int) -> None:
    assert minutes_of(text, "launcher.time") == minutes


@pytest.mark.parametrize("text", ["fast", "0", "0:30", "1h", "-5", ""])
def test_what_is_no_time_is_refused_with_its_key(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        minutes_of(text, "stages.rl.resources.time")
    assert caught.value.faults[0].typed == f"stages.rl.resources.time={text}"


def test_a_stage_overrides_the_launcher_and_the_rest_follows_it() -> None:
    launcher = Slurm(partition="gpu", time="4:00:00", gpus_per_node=8, modules=["cuda"])
    shape = shape_of({"gpus_per_node": 2, "nodes": 3, "sbatch": {"nice": 5}}, launcher)
    assert (shape.nodes, shape.tasks_per_node, shape.gpus_per_node) == (3, 2, 2)
    assert (shape.partition, shape.minutes, shape.modules) == ("gpu", 240, ("cuda",))
    assert shape.sbatch == (("nice", "5"),) and shape.tasks == 6
    assert shape_of({}, Slurm()).tasks == 1
    assert hash(shape) == hash(
        shape_of({"nodes": 3, "sbatch": {"nice": 5}, "gpus_per_node": 2}, launcher)
    )


def test_a_time_in_a_file_is_text_as_on_a_command_line(tmp_path: Path) -> None:
    path = tmp_path / "cluster.yaml"
    path.write_text("time: 12:00:00\nnodes: 12\nlr: 1e-3\nport: 0x10\nless: -1_000\nzero: 0\n")
    wanted = {"time": "12:00:00", "nodes": 12, "lr": 1e-3, "port": "0x10", "less": -1000, "zero": 0}
    assert read_yaml(path) == wanted


def test_options_that_jobs_are_built_on_cannot_be_taken_from_under_them() -> None:
    given = {"mail_type": "END", "exclusive": True, "hold": False, "nice": None, "--comment": "a b"}
    shape = shape_of({"sbatch": given}, Slurm())
    assert shape.sbatch == (("comment", "a b"), ("exclusive", "True"), ("mail-type", "END"))
    with pytest.raises(ConfigError) as caught:
        shape_of({}, Slurm(sbatch={"dependency": "afterok:1", "job_name": "x", "time": 5}))
    assert [str(fault) for fault in caught.value.faults] == [
        "launcher.sbatch.dependency=afterok:1  cannot be given here: etude sets it for every job.",
        "launcher.sbatch.job_name=x  cannot be given here: etude sets it for every job.",
        "launcher.sbatch.time=5  cannot be given here: type launcher.time=VALUE.",
    ]
