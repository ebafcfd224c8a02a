"""An outside package adds an objective part, a verifier and a recipe; a broken one is named."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SETUP = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "{name}"
version = "1.0"
[project.entry-points."etude.components"]
{name} = "{name}"
[tool.setuptools]
packages = ["{name}"]
[tool.setuptools.package-data]
{name} = ["**/*.yaml", "*.json"]
"""
ADVANTAGE = '''"""Parts of an outside package."""

from dataclasses import dataclass

from etude.component import component, option
from etude.objective.advantage.grpo import GRPO


@component(group="objective/advantage", name="sharper", source="nobody 2026")
@dataclass(frozen=True)
class Sharper(GRPO):
    """Group-relative advantages, made sharper."""

    power: float = option(2.0, "exponent of the advantage", gt=0)
'''
VERIFIER = '''"""A verifier of an outside package."""

from dataclasses import dataclass

from etude.component import Need, component, option
from etude.verifier.exact import Exact


@component(group="verifier", name="shout", requires=[Need("column:answer", why="to compare")])
@dataclass(frozen=True)
class Shout(Exact):
    """Compares without regard to case."""

    loudness: int = option(1, "exclamation marks expected", ge=0)
'''
RECIPE = """# RL with the outside parts.
defaults:
  - override /verifier: shout
  - override /objective/advantage: sharper
pipeline: [rl]
stages:
  rl: {training: {steps: 3}}
"""


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def class_of(group_module: str) -> str:
    """Return the name of the class a built-in component is, for a plug-in to build on."""
    from etude.schema import built_in

    group, _, name = group_module.partition("=")
    info = built_in().find(group, name)
    assert info is not None
    return info.cls.partition(":")[2]


def package(folder: Path, name: str, files: dict[str, str]) -> Path:
    """Write a package's source tree and return its folder."""
    write(folder, {"pyproject.toml": SETUP.format(name=name), f"{name}/__init__.py": ""})
    write(folder / name, files)
    return folder


def install(source: Path, site: Path) -> None:
    flags = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(site)]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", *flags, str(source)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of installed packages: one that works, three that are broken in their own ways."""
    folder = tmp_path_factory.mktemp("site")
    good = package(
        tmp_path_factory.mktemp("good"),
        "outside",
        {
            "parts.py": ADVANTAGE.replace("GRPO", class_of("objective/advantage=grpo")),
            "judges.py": VERIFIER.replace("Exact", class_of("verifier=exact")),
            "recipes/outside/first.yaml": RECIPE,
        },
    )
    write_schema(good, "outside")
    install(good, folder)
    raises = package(
        tmp_path_factory.mktemp("raises"),
        "raising",
        {
            "parts.py": "raise RuntimeError('this package is broken')\n",
            "conf/training/hasty.yaml": "defaults: [standard, _self_]\nsteps: 1\n",
        },
    )
    install(raises, folder)
    # Described while it worked, and broken since: only using it shows.
    rotten = package(
        tmp_path_factory.mktemp("rotten"),
        "rotten",
        {
            "parts.py": ADVANTAGE.replace("GRPO", class_of("objective/advantage=grpo")).replace(
                "sharper", "stale"
            )
        },
    )
    write_schema(rotten, "rotten")
    (rotten / "rotten" / "parts.py").write_text("import no_such_module\n")
    install(rotten, folder)
    gone = folder / "gone-1.0.dist-info"
    gone.mkdir()
    (gone / "METADATA").write_text("Metadata-Version: 2.1\nName: gone\nVersion: 1.0\n")
    (gone / "entry_points.txt").write_text("[etude.components]\ngone = gone_package\n")
    return folder


def environment(*places: Path) -> dict[str, str]:
    paths = [*map(str, places), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def write_schema(source: Path, name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "etude.schema", "--package", name],
        env=environment(source),
        cwd=source,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (source / name / "schema.json").exists()


@pytest.fixture
def run(site: Path, tmp_path: Path):
    def command(module: str, *words: str) -> subprocess.CompletedProcess[str]:
        program = f"import sys; from etude.cli.{module} import main; sys.exit(main())"
        return subprocess.run(
            [sys.executable, "-c", program, *words],
            env=environment(site),
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )

    return command


def test_its_choices_are_listed_beside_the_built_in_ones(run) -> None:
    done = run("etude", "list", "objective/advantage", "verifier", "recipe")
    assert done.returncode == 0, done.stderr
    assert "sharper" in done.stdout
    assert "nobody 2026" in done.stdout
    assert "Compares without regard to case" in done.stdout
    assert "outside/first" in done.stdout
    assert "grpo" in done.stdout


def test_its_recipe_composes_and_is_sound(run) -> None:
    done = run("etude", "show", "recipe=outside/first", "objective.advantage.power=3")
    assert done.returncode == 0, done.stderr
    assert "power: 3.0" in done.stdout
    assert "loudness: 1" in done.stdout
    assert "verifier shout needs the data column 'answer' to compare" in done.stdout


def test_its_parts_are_chosen_like_any_other_and_planned(run) -> None:
    done = run("etude", "plan", "objective/advantage=sharper", "verifier=shout")
    assert done.returncode == 0, done.stderr
    assert "1 × rl" in done.stdout


def test_mistakes_in_its_parts_are_caught_without_importing_it(run) -> None:
    done = run(
        "train", "recipe=outside/first", "objective.advantage.powr=3", "verifier.loudness=-1"
    )
    assert done.returncode == 2
    assert "Did you mean power?" in done.stderr
    assert "at least 0" in done.stderr
    done = run("train", "objective/advantage=shaper")
    assert "Did you mean sharper?" in done.stderr


def test_broken_packages_are_named_aloud_and_stop_nothing_else(run) -> None:
    done = run("etude", "show", "recipe=outside/first")
    assert done.returncode == 0, done.stderr
    assert "warning: the plug-in gone (gone_package) cannot be loaded" in done.stderr
    assert "warning: the plug-in raising (raising) cannot be loaded" in done.stderr
    assert "this package is broken" in done.stderr


def test_referring_to_a_broken_package_is_a_fault(run) -> None:
    done = run("train", "training=hasty")
    assert done.returncode == 2
    assert "comes from the plug-in raising, which cannot be loaded" in done.stderr
    done = run("train", "recipe=rl", "objective/advantage=stale")
    assert done.returncode == 2
    assert "of the plug-in package rotten cannot be loaded" in done.stderr
    assert "no_such_module" in done.stderr
    assert "Traceback" not in done.stderr


def test_its_parts_are_built_with_their_types(site: Path) -> None:
    program = (
        "from etude.build import build\n"
        "part = build({'name': 'sharper', 'power': 3}, 'objective/advantage')\n"
        "print(type(part).__module__, part.power)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(site), capture_output=True, text=True
    )
    assert done.stdout.split() == ["outside.parts", "3.0"], done.stderr
