"""What a run stood on: versions, machine, and the state of the code."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import etude
from etude.execute.secrets import holds_secret

_PACKAGES = (
    "torch",
    "transformers",
    "datasets",
    "tokenizers",
    "safetensors",
    "numpy",
    "hydra-core",
    "omegaconf",
    "peft",
    "math-verify",
    "wandb",
    "submitit",
)
#: A file beside the code, in a copy made for jobs, that names the commit it was copied from.
COMMIT = ".commit"

#: Most bytes of a diff that are kept.
DIFF_LIMIT = 1 << 20


def _git(*arguments: str, place: Path) -> str | None:
    """Return what git prints, or None where there is no git or no repository."""
    try:
        done = subprocess.run(
            ["git", "-C", str(place), *arguments],
            capture_output=True,
            timeout=20,
            check=False,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", errors="replace") if done.returncode == 0 else None


@cache
def git_commit() -> str | None:
    """Return the commit that etude's own code lies in, or None for an installed package."""
    code = Path(etude.__file__)
    if (code.parent / COMMIT).is_file():
        return (code.parent / COMMIT).read_text().strip() or None
    # A virtual environment may lie inside another project's repository: the file must be tracked.
    if _git("ls-files", "--error-unmatch", code.name, place=code.parent) is None:
        return None
    return (_git("rev-parse", "HEAD", place=code.parent) or "").strip() or None


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def device(wanted: str, processes: int) -> dict[str, Any]:
    """Return what trained in this process and its like: kind (``cpu``, ``cuda``), name, how many.

    ``wanted`` is ``execution.device``. Where torch was not imported, nothing trained on a GPU.
    """
    torch = sys.modules.get("torch")
    on_gpu = torch is not None and wanted != "cpu" and torch.cuda.is_available()
    name = torch.cuda.get_device_name() if torch is not None and on_gpu else None
    return {"kind": "cuda" if on_gpu else "cpu", "name": name, "processes": processes}


def _diff(place: Path) -> tuple[str, list[str]]:
    """Return the diff of tracked files, and the names of changed ones that hold secrets."""
    command = ("diff", "HEAD", "--no-ext-diff", "--no-color", "--no-renames")
    names = (_git(*command, "--name-only", "-z", place=place) or "").split("\0")
    secret = sorted(name for name in names if name and holds_secret(name))
    kept = [":/", *(f":(top,exclude,literal){name}" for name in secret)]
    return _git(*command, "--", *kept, place=place) or "", secret


def describe() -> tuple[dict[str, Any], str]:
    """Return the environment as JSON and the diff of tracked files of the current repository.

    The diff is cut at DIFF_LIMIT bytes, and ``git.diff_cut`` says so. Files whose names say that
    they hold a secret are not in it; ``git.left_out`` lists those.
    """
    place = Path.cwd()
    diff, left_out = _diff(place)
    cut = len(diff) > DIFF_LIMIT
    versions = {name: version for name in _PACKAGES if (version := _version(name)) is not None}
    content = {
        "command": sys.argv,
        "folder": str(place),
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "host": platform.node(),
        "cores": os.cpu_count(),
        "etude": {"version": etude.__version__, "commit": git_commit()},
        "packages": versions,
        "git": {
            "commit": (_git("rev-parse", "HEAD", place=place) or "").strip() or None,
            "changed": bool(diff or left_out),
            "diff_cut": cut,
            "left_out": left_out,
        },
    }
    return content, diff[:DIFF_LIMIT]
