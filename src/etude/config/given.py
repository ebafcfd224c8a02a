"""One override of a command line, parsed and told apart: a chosen file, a value, or a removal."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from hydra.core.override_parser.types import Override, RangeSweep, ValueType
from hydra.errors import HydraException

from etude.by_path.reference import is_reference
from etude.by_path.typed import as_component, readable
from etude.config import odd_letters, quoting
from etude.config.command import as_group_override, hydra_key_fault
from etude.config.hydra_private import Composer
from etude.config.installation import Installation
from etude.config.quoting import LONGEST, shortened
from etude.config.spelling import did_you_mean
from etude.errors import Fault

#: More members than this are a slip of the keyboard rather than a sweep.
MOST_MEMBERS = 10_000

Kind = Literal["choice", "value", "remove_choice", "remove_value"]


@dataclass(frozen=True)
class Given:
    """What was typed, and what it means.

    ``group`` and ``package`` are those of a chosen file (``package`` is the dotted place of its
    node), ``path`` is the dotted key of a value, ``choices`` are those of ``a,b,c`` as typed.
    """

    typed: str
    kind: Kind
    override: Override
    value: Any
    group: str = ""
    package: str = ""
    choices: tuple[str, ...] = ()

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
        for value in self.choices or self.override.sweep_string_iterator():
            yield f"{key}={value}"


def parse(text: str, composer: Composer, installation: Installation) -> Given | Fault:
    """Return one override's meaning, or the fault that keeps it from having any."""
    refused = hydra_key_fault(text)
    if refused is not None:
        return refused
    normal = as_group_override(text, installation.placed_groups)
    if is_reference(normal) and "=" not in normal:
        return Fault(text, f"says not what for; type {quoting.pasted(f'verifier={normal}')}, say.")
    if "=" not in normal and not normal.startswith("~"):
        near = did_you_mean(normal, ["list", "show", "plan", "status"])
        what = f" ('etude {near.split()[-1][:-1]}' is a command.)" if near else ""
        return Fault(text, f"is no override; type KEY=VALUE or GROUP=CHOICE.{what}")
    if not (key := normal.partition("=")[0]).isascii():
        plain = odd_letters.plain(key)
        meant = f" Did you mean {plain}?" if plain.isascii() else ""
        return Fault(text, f"there is no key '{key}'.{meant} ({odd_letters.named(key)})")
    try:
        override = composer.parse(quoting.with_foreign_quoted(readable(normal)))
    except HydraException as error:
        return Fault(text, f"cannot be read: {_reason(error)}.{_instead(normal, composer)}")
    if override.is_interval_sweep():
        return Fault(text, "a sweep needs single values: a,b,c, choice(…) or range(…).")
    value = override.value()
    if isinstance(value, RangeSweep) and (endless := _of_range(value)):
        return Fault(text, endless)
    given = _meant(text, override, installation)
    if isinstance(given, Given) and override.value_type is ValueType.SIMPLE_CHOICE_SWEEP:
        return replace(given, choices=tuple(composer.letters(override)))
    return given


def _of_range(sweep: RangeSweep) -> str | None:
    """Return what is wrong with a range that has no end, or none that anyone waits for."""
    ends = (sweep.start, sweep.stop, sweep.step)
    if not all(end is not None and math.isfinite(end) for end in ends) or sweep.step == 0:
        return "is a range without an end; type range(first,end) or range(first,end,step)."
    count = (float(sweep.stop or 0) - float(sweep.start or 0)) / sweep.step
    if count > MOST_MEMBERS:
        return f"asks for {count:,.0f} runs; the most is {MOST_MEMBERS:,}."
    return None


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
    return Given(text, "value", override, as_component(key, value))


def _reason(error: HydraException) -> str:
    """Return the parser's reason on one line, without what a person cannot use."""
    lines = [line for line in str(error).splitlines() if line and not line.startswith("See https")]
    reason = " ".join(line.strip() for line in lines if line.strip(" ^"))
    reason = re.sub(r"^(LexerNoViableAltException: .*|Error parsing override '.*?' ?)", "", reason)
    return shortened(reason) or "the override grammar does not know this form"


def _instead(text: str, composer: Composer) -> str:
    """Return how a value is typed so that all of it is text; nothing where that does not help."""
    key, equals, value = text.partition("=")
    whole = f'"{value}"' if "${" in value else quoting.text(value)
    for typed in (quoting.list_of_text(value), whole):
        try:
            if typed is not None and equals and len(value) < LONGEST:
                composer.parse(f"{key}={typed}")
                return (
                    f" Text with such characters needs quotes: {quoting.pasted(f'{key}={typed}')}"
                )
        except HydraException:
            continue
    return ""
