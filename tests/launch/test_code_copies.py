"""Jobs run the code as it was when they were submitted: etude and every plug-in, from a copy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from etude.config.settings import Resources
from etude.launch import code, pool
from etude.launch.resources import shape_of
from etude.launch.units import Unit

#: Plug-ins by their packages: one of its own, one inside another, one in a namespace.
PACKAGES = ("alone_77", "outer_77.parts", "space_77.inner")

ASKED = """
import json, sys
from pathlib import Path
import etude.schema
from etude.config.plugins import discover
from etude.launch.code import snapshot
import alone_77, outer_77.near, outer_77.parts, space_77.inner, space_77.other
etude.schema.load()
outputs, run = map(Path, sys.argv[1:])
print(json.dumps({
    "etude": etude.schema.__file__,
    "values": [m.VALUE for m in (alone_77, outer_77.near, outer_77.parts, space_77.inner)],
    "data": Path(alone_77.__file__).with_name("words.txt").read_text(),
    "elsewhere": space_77.other.__file__,
    "found": {plugin.package: str(plugin.folder) for plugin in discover()},
    "handed on": str(snapshot(outputs, run, print)),
}))
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with installed plug-ins, whose modules all say VALUE = 1."""
    place = tmp_path / "site"
    for package in PACKAGES:
        top = package.partition(".")[0]
        write(place / package.replace(".", "/") / "__init__.py", "VALUE = 1\n")
        write(place / f"{top}-1.0.dist-info/METADATA", f"Name: {top}\nVersion: 1.0\n")
        entry = f"[etude.components]\n{top} = {package}\n"
        write(place / f"{top}-1.0.dist-info/entry_points.txt", entry)
    write(place / "outer_77/__init__.py", "")
    write(place / "outer_77/near.py", "VALUE = 1\n")
    write(place / "space_77/other.py", "")
    write(place / "alone_77/words.txt", "one")
    write(place / "alone_77/.git/huge", "x" * 5000)
    monkeypatch.syspath_prepend(str(place))
    yield place
    for package in PACKAGES:  # a dotted package was looked for, which imports what it lies in
        sys.modules.pop(package.partition(".")[0], None)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "outputs" / "runs" / "2026-01-01-rl-77aa"
    folder.mkdir(parents=True)
    return folder


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def as_a_job(site: Path, run: Path, copy: Path) -> dict[str, Any]:
    """What a job's Python finds that is started where the plug-ins lie."""
    outputs = run.parent.parent
    done = subprocess.run(
        [sys.executable, code.SAFE_PATH, "-c", ASKED, str(outputs), str(run)],
        env={"PYTHONPATH": os.pathsep.join([str(copy), str(site)]), "PATH": ""},
        capture_output=True,
        text=True,
        cwd=site,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_a_job_finds_every_plugin_as_it_was_at_submission(site: Path, run: Path) -> None:
    outputs = run.parent.parent
    copy = code.snapshot(outputs, run, pytest.fail)
    assert code.snapshot(outputs, run, pytest.fail) == copy
    assert [path.name for path in (outputs / ".code").iterdir()] == [copy.name]
    for path in (*site.rglob("*.py"), site / "alone_77/words.txt"):
        write(path, "VALUE = 2\n")
    write(site / "alone_77-1.0.dist-info/entry_points.txt", "")
    write(site / "later_77/__init__.py", "")
    write(site / "later_77-1.0.dist-info/METADATA", "Name: later_77\nVersion: 1.0\n")
    write(site / "later_77-1.0.dist-info/entry_points.txt", "[etude.components]\nx = later_77\n")
    told = as_a_job(site, run, copy)
    assert told["etude"] == str(copy / "etude" / "schema.py")
    assert told["values"] == [1, 1, 1, 1] and told["data"] == "one"
    # A namespace may be large and of many: only the plug-in's part of it is copied.
    assert told["elsewhere"] == str(site / "space_77" / "other.py")
    del told["found"]["later_77"]
    assert told["found"] == {name: str(copy / name.replace(".", "/")) for name in PACKAGES}
    assert told["handed on"] == str(copy)  # what it submits in its turn runs the same
    assert not list(copy.rglob(".git"))


def test_states_of_code_stand_side_by_side_and_a_run_links_to_its_own(
    site: Path, run: Path
) -> None:
    outputs = run.parent.parent
    first = code.snapshot(outputs, run, pytest.fail)
    write(site / "outer_77/near.py", "VALUE = 2\n")
    said: list[str] = []
    second = code.snapshot(outputs, run, said.append)
    assert first != second and (first / "outer_77/near.py").read_text() == "VALUE = 1\n"
    assert [link.resolve() for link in code.copies_of(run)] == [first, second]
    [text] = said
    assert f"changed since {run.name} was submitted (outer_77/near.py)" in text
    assert {path.name for path in (outputs / ".code").iterdir()} == {first.name, second.name}


def test_what_is_too_large_to_copy_is_said_and_imported_from_its_place(
    site: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(code, "MOST_BYTES", 1 << 20)
    (site / "alone_77" / "weights.bin").write_bytes(b"\0" * ((1 << 20) + 1))
    said: list[str] = []
    copy = code.snapshot(run.parent.parent, run, said.append)
    [text] = said
    assert f"plug-in alone_77 is not copied: {site / 'alone_77'} holds more than 1 MiB" in text
    names = {path.name.partition("-")[0] for path in copy.iterdir()}
    assert names == {"etude", "outer_77", "space_77"}


def test_no_worker_looks_where_it_was_started_before_it_looks_into_the_copy(run: Path) -> None:
    for ranks in (1, 2):
        shape = shape_of({"tasks_per_node": ranks}, Resources())
        words = pool.command(run, Unit("f1", "sft", ()), shape)
        pythons = [at for at, word in enumerate(words) if word == sys.executable]
        assert len(pythons) == ranks  # torchrun, and the ranks that it starts
        assert all(words[at + 1] == code.SAFE_PATH for at in pythons)
