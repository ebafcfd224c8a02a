"""Devices: whether this machine has what a stage asks for, where this machine is to do the work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from etude.config.settings import Resources
from etude.errors import ConfigError
from etude.launch import machine
from etude.launch.resources import Shape, not_here, shape_of

#: Launchers that work on the machine that the command is typed on.
_HERE = ("local", "local_pool")


def devices(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what a stage asks for that this machine lacks; other machines are not judged."""
    launcher = config.get("launcher") or {"name": "local"}
    if launcher.get("name") not in _HERE:
        return
    device = (config.get("execution") or {}).get("device")
    if device == "cuda" and not machine.may_have_gpu():
        message = (
            "is cuda, and this machine shows no GPU: execution.device=auto takes one where there"
            " is one, launcher=slurm trains on machines that have some"
        )
        yield "execution.device", message
    yield from _flash(config, device)
    try:
        shape = shape_of(config.get("resources") or {}, Resources())
    except ConfigError as error:
        yield from ((fault.typed, fault.message) for fault in error.faults)
        return
    listed = launcher.get("gpus")
    gpus = machine.gpus() if listed is None else [str(number) for number in listed]
    yield from not_here(shape, gpus)
    yield from _crowded(shape, gpus, device)


def _crowded(shape: Shape, gpus: list[str], device: Any) -> Iterator[tuple[str, str]]:
    """Yield a fault where several processes would share a GPU, which they cannot."""
    given = min(shape.gpus_per_node or len(gpus), len(gpus))
    if device != "cpu" and given and shape.tasks_per_node > given:
        message = (
            f"is {shape.tasks_per_node}, and each process needs a GPU of its own; there"
            f" {'is' if given == 1 else 'are'} {given}. On the CPU: execution.device=cpu"
        )
        yield "resources.tasks_per_node", message


def _flash(config: Mapping[str, Any], device: Any) -> Iterator[tuple[str, str]]:
    """Yield a fault where an attention that GPUs alone do is asked for without one."""
    attention = str((config.get("model") or {}).get("attention"))
    if attention.startswith("flash_") and (device == "cpu" or not machine.may_have_gpu()):
        yield (
            "model.attention",
            f"is {attention}, which needs a GPU; model.attention=sdpa runs everywhere",
        )
