"""Whole checkpoints of a policy for an engine beside it: written to memory, one for each version.

A folder belongs to one process and has its number and starting time in its name, so two runs never
share one, and what a killed run left behind is swept by the next.
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from etude.distributed.together import by_all
from etude.distributed.world import current
from etude.engines.asked import Held
from etude.engines.sums import sums
from etude.model import lora
from etude.model.policy import Policy, no_bars

_PREFIX = "etude-weights-"


class Checkpoints:
    """Writes a policy's weights to a folder for each version, and keeps only the last.

    ``dtype`` is what the engine computes in; narrower weights are written narrower. ``place`` is
    where folders are made, the machine's memory where it is empty and there is room. With ``once``
    the first rank writes for all machines, which must see the place.
    """

    def __init__(self, dtype: torch.dtype, place: str = "", *, once: bool = False) -> None:
        self._once = once
        self._dtype = dtype
        self._place = place
        self._folder: Path | None = None
        self._version = 0
        #: Where the last version lies, and the sums of its numbers.
        self.last = ""
        self.held = Held(None, None)

    def write(self, policy: Policy) -> str:
        """Write the policy's present weights, adapters merged; return their folder.

        Ranks that share the weights write together: the first of each machine does, and the others
        read that.
        """
        if policy.shards is None:
            self.last, self.held = self._write(lora.merged(policy.model, copied=False))
            return self.last
        world = current()
        hosts = world.gather("" if self._once else socket.gethostname())
        first = hosts.index(hosts[world.rank])
        whole = policy.shards.whole_model(torch.device("cpu"), wanted=first == world.rank)

        def work() -> tuple[str, Held]:
            if whole is None:
                return "", Held(None, None)
            return self._write(lora.merged(whole, copied=False))

        self.last, self.held = by_all(work)[first]
        return self.last

    def drop_others(self) -> None:
        """Remove what is not the last version; all engines have taken that over."""
        if self._folder is not None:
            for each in self._folder.iterdir():
                if str(each) != self.last:
                    shutil.rmtree(each, ignore_errors=True)

    def close(self) -> None:
        """Remove everything."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _write(self, model: Any) -> tuple[str, Held]:
        if self._folder is None:
            size = sum(p.numel() for p in model.parameters()) * self._dtype.itemsize
            self._folder = made(self._place, size)
        self._version += 1
        folder = self._folder / f"v{self._version}"
        state = {name: each.detach() for name, each in model.state_dict().items()}
        narrow = {
            each.data_ptr(): each.to("cpu", self._dtype)
            for each in state.values()
            if each.is_floating_point() and each.dtype != self._dtype
        }
        state = {name: narrow.get(each.data_ptr(), each) for name, each in state.items()}
        own = dict(model.named_parameters())  # each once, also where matrices are tied
        total, squares = sums(state[name] for name in own if name in state)
        with no_bars(), _written_here(model):  # it empties the mapping that it is given
            model.save_pretrained(folder, state_dict=state)
        return str(folder), Held(total, squares)


@contextmanager
def _written_here(model: Any) -> Iterator[None]:
    """Have transformers write a model on any rank; it leaves all but the first out."""
    model.should_save_on_this_rank = lambda is_main_process: True
    try:
        yield
    finally:
        del model.should_save_on_this_rank


def made(place: str, size: int) -> Path:
    """Return a new folder for weights of a size, in bytes; what dead runs left there is removed."""
    parent = Path(place) if place else _roomy(2 * size)
    parent.mkdir(parents=True, exist_ok=True)
    sweep(parent)
    name = f"{_PREFIX}{socket.gethostname()}-{os.getpid()}-{_started(os.getpid())}-"
    return Path(tempfile.mkdtemp(prefix=name, dir=parent))


def sweep(parent: Path) -> None:
    """Remove the folders of this machine's processes that live no more."""
    for folder in parent.glob(f"{_PREFIX}{socket.gethostname()}-*"):
        words = folder.name.removeprefix(f"{_PREFIX}{socket.gethostname()}-").split("-")
        if len(words) >= 2 and words[0].isdigit() and _started(int(words[0])) != words[1]:
            shutil.rmtree(folder, ignore_errors=True)


def _roomy(size: int) -> Path:
    memory = Path("/dev/shm")
    if memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > size:
        return memory
    return Path(tempfile.gettempdir())


def _started(process: int) -> str:
    """Return when a process began, in the kernel's ticks; empty where there is none."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    except OSError:
        return ""
    return text.rpartition(")")[2].split()[19]
