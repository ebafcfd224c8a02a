"""One override of a command line, parsed and told apart: a chosen file, a value, or a removal."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from etude.config.command import as_group_override, hydra_key_fault
from etude.config.hydra_private import Composer
from etude.config.installation import Installation
from etude.config.spelling import did_you_mean
from etude.errors import Fault

Kind = Literal["choice", "value", "remove_choice", "remove_value"]


@dataclass(frozen=True)
class Given:
    """What was typed, and what it means.

    ``group`` and ``package`` are those of a chosen file (``package`` is the dotted place of its
    node), ``path`` is the dotted key of a value.
    """

    typed: str
    kind: Kind
    override: Override
    value: Any
    group: str = ""
    package: str = ""

    @property
    def path(self) -> str:
        """Return the dotted place of the value or node."""
        return self.package if self.group else self.override.key_or_group

    @property
    def stage(self) -> str | None:
        """Return the stage whose overlay this writes, None for the root."""
        parts = self.path.split(".")
        return parts[1] if parts[0] == "stages" and len(parts) > 1 else None

    def expanded(self) -> Iterator[str]:
        """Yield the overrides that a sweep stands for, or the one that was typed."""
        if not self.override.is_sweep_override():
            yield self.typed
            return
        key = self.override.get_key_element()
        for value in self.override.sweep_string_iterator():
            yield f"{key}={value}"


def parse(text: str, composer: Composer, installation: Installation) -> Given | Fault:
    """Return one override's meaning, or the fault that keeps it from having any."""
    refused = hydra_key_fault(text)
    if refused is not None:
        return refused
    normal = as_group_override(text, installation.groups)
    if "=" not in normal and not normal.startswith("~"):
        near = did_you_mean(normal, ["list", "show", "plan", "status"])
        what = f" ('etude {near.split()[-1][:-1]}' is a command.)" if near else ""
        return Fault(text, f"is no override; type KEY=VALUE or GROUP=CHOICE.{what}")
    try:
        override = composer.parse(normal)
    except HydraException as error:
        return Fault(text, f"cannot be read: {_reason(error)}")
    if override.is_interval_sweep():
        return Fault(text, "a sweep needs single values: a,b,c, choice(…) or range(…).")
    return _meant(text, override, installation)


def _meant(text: str, override: Override, installation: Installation) -> Given | Fault:
    key = override.key_or_group
    value = None if override.is_sweep_override() else override.value()
    is_group = key in installation.groups
    package = override.package or key.replace("/", ".")
    if is_group and not isinstance(value, dict):
        if override.is_delete():
            return Given(text, "remove_choice", override, value, key, package)
        return Given(text, "choice", override, value, key, package)
    if "/" in key or override.package is not None:
        near = did_you_mean(key, installation.groups)
        return Fault(text, f"there is no config group '{key}'.{near}  (etude list)")
    if override.is_delete():
        return Given(text, "remove_value", override, value)
    return Given(text, "value", override, value)


def _reason(error: HydraException) -> str:
    """Return the parser's reason on one line, without what a person cannot use."""
    lines = [line for line in str(error).splitlines() if line and not line.startswith("See https")]
    reason = " ".join(line.strip() for line in lines if line.strip(" ^"))
    reason = re.sub(r"^(LexerNoViableAltException: |Error parsing override '.*?' ?)", "", reason)
    return (
        reason or "the override grammar does not know this form"
    ) + " (quote special characters)"
