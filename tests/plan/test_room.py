"""What memory a machine has: its own, or less where a container or a job may use less."""

from __future__ import annotations

from pathlib import Path

import pytest

from etude.plan import room


def machine(root: Path, cgroup: str, **limits: str) -> Path:
    (root / "proc" / "self").mkdir(parents=True)
    (root / "proc" / "meminfo").write_text("MemTotal:       1000 kB\nMemFree: 3 kB\n")
    (root / "proc" / "self" / "cgroup").write_text(cgroup)
    for place, limit in limits.items():
        path = root / "sys" / "fs" / "cgroup" / place.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_name(path.name.replace("_max", ".max")).write_text(f"{limit}\n")
    return root


def test_main_memory_is_that_of_the_machine(tmp_path: Path) -> None:
    assert room.memory("cpu", machine(tmp_path, "0::/a\n", a__memory_max="max")) == 1000 * 1024


def test_the_least_limit_above_a_process_counts(tmp_path: Path) -> None:
    limits = {"a__memory_max": "5000", "a__b__memory_max": "max", "memory_max": "7000"}
    assert room.memory("cpu", machine(tmp_path, "0::/a/b\n", **limits)) == 5000


def test_the_first_version_of_control_groups_is_read_too(tmp_path: Path) -> None:
    limits = {"memory__job__memory.limit_in_bytes": "3000"}
    assert room.memory("cpu", machine(tmp_path, "4:memory:/job\n1:cpu:/x\n", **limits)) == 3000


def test_nothing_known_is_nothing_said(tmp_path: Path) -> None:
    assert room.memory("cpu", tmp_path) is None


def test_the_smallest_gpu_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 80000\necho 40000\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert room.memory("cuda") == 40000 * 2**20
    program.write_text("#!/bin/sh\nexit 9\n")
    assert room.memory("cuda") is None
