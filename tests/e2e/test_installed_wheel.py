"""What a person gets from the wheel: the commands, and every file they read."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def call(*words: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of a copy of this project, so that building leaves nothing beside the sources."""
    pytest.importorskip("setuptools", reason="building a wheel needs setuptools")
    source = tmp_path_factory.mktemp("source")
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in ("src", "conf", "recipes", "launchers"):
        shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "-w", "dist", "."]
    done = call(sys.executable, "-m", "pip", "wheel", *options, cwd=source)
    assert done.returncode == 0, done.stderr
    (built,) = (source / "dist").glob("etude-*.whl")
    return built


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder the wheel is installed in, away from the sources."""
    folder = tmp_path_factory.mktemp("site")
    options = ["--quiet", "--no-deps", "--no-index", "--target", folder]
    done = call(sys.executable, "-m", "pip", "install", *options, wheel, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_every_choice_is_in_the_wheel_as_a_file(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder, inside in (("conf", ""), ("recipes", "recipe/"), ("launchers", "launcher/")):
        for path in (ROOT / folder).rglob("*.yaml"):
            assert f"etude/conf/{inside}{path.relative_to(ROOT / folder)}" in names
    assert {"etude/schema.json", "etude/py.typed"} <= names
    assert {
        path.relative_to(ROOT / "src").as_posix() for path in (ROOT / "src/etude").rglob("*.py")
    } <= names


def test_the_installed_commands_work_in_any_folder(site: Path, tmp_path: Path) -> None:
    empty, foreign = tmp_path / "empty", tmp_path / "foreign"
    empty.mkdir()
    for name, text in {
        "conf/config.yaml": "defaults: [model: x]\n",
        "conf/etude.yaml": "seed: 99\n",
        "conf/train.yaml": "lr: 1\n",
        "conf/model/tiny.yaml": "_target_: their.Model\n",
        "train.py": "import hydra\n",
    }.items():
        (foreign / name).parent.mkdir(parents=True, exist_ok=True)
        (foreign / name).write_text(text)

    def command(name: str, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        return call(site / "bin" / name, *words, cwd=cwd, PYTHONPATH=str(site))

    composed = [command("train", "--cfg", "job", cwd=folder) for folder in (empty, foreign)]
    assert composed[0].returncode == 0, composed[0].stderr
    assert "pipeline:" in composed[0].stdout
    assert composed[0].stdout == composed[1].stdout
    information = command("train", "--info", cwd=empty)
    assert str(site / "etude") in information.stdout, information.stderr
    assert str(ROOT) not in information.stdout
    listed = command("etude", "list", "recipe", cwd=empty)
    assert "quickstart" in listed.stdout, listed.stderr
    refused = command("train", "objective=gprpo", cwd=foreign)
    assert refused.returncode == 2
    assert "Did you mean grpo?" in refused.stderr
    helped = command("evaluate", "--help", cwd=empty)
    assert "evaluate checkpoint=" in helped.stdout, helped.stderr
    planned = command("etude", "plan", cwd=empty)
    assert planned.returncode == 0, planned.stderr
    assert "2 stages for 1 run" in planned.stdout
    assert list(empty.iterdir()) == []
