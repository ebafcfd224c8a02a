"""Rules that components declare for their values, judged on the values of a stage."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from etude.config.conditions import judge, names_in
from etude.config.keys import at
from etude.config.needs import Used
from etude.config.values import shown
from etude.schema import RuleInfo

_PLACE = re.compile(r"\{([a-z_][\w.]*)\}")
_STAGE = "stage."


def broken(used: Used, config: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    """Yield a fault for each rule of a component that its node in a stage's config breaks.

    Without a config (a component that is built by itself) rules that look at the stage say nothing.
    """
    for rule in used.info.rules:
        if config is None and any(name.startswith(_STAGE) for name in names_in(rule.must)):
            continue
        if judge(rule.must, used.node, config or {}) is False:
            yield _path(rule, used), _said(rule, used, config or {})


def _path(rule: RuleInfo, used: Used) -> str:
    """Return the key at fault as a path of the stage."""
    key = rule.key or names_in(rule.must)[0]
    return key.removeprefix(_STAGE) if key.startswith(_STAGE) else f"{used.path}.{key}"


def _said(rule: RuleInfo, used: Used, config: Mapping[str, Any]) -> str:
    """Return what a rule says, with the values that it speaks of."""

    def value(found: re.Match[str]) -> str:
        name = found[1]
        if name.startswith(_STAGE):
            return shown(at(config, name.removeprefix(_STAGE)))
        if name == "path":
            return used.path
        return shown(at(used.node, name)) if name in used.node else found[0]

    return _PLACE.sub(value, rule.says)
