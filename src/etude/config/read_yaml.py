"""Reading one YAML file as Hydra would: `1e-3` is a number, a date is text, keys occur once.

`4:00:00` is text too, as on a command line, and not YAML 1.1's number of seconds to the base 60.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from etude.errors import ConfigError, Fault

_FLOAT = re.compile(
    r"""^(?:
     [-+]?[0-9]+(?:_[0-9]+)*\.[0-9_]*(?:[eE][-+]?[0-9]+)?
    |[-+]?[0-9]+(?:_[0-9]+)*(?:[eE][-+]?[0-9]+)
    |\.[0-9]+(?:_[0-9]+)*(?:[eE][-+][0-9]+)?
    |[-+]?\.(?:inf|Inf|INF)
    |\.(?:nan|NaN|NAN))$""",
    re.VERBOSE,
)

_INT = re.compile(r"^[-+]?(?:0b[01_]+|0[0-7_]+|0|[1-9][0-9_]*|0x[0-9a-fA-F_]+)$")


@cache
def _loader() -> Any:
    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            for key in keys:
                if keys.count(key) > 1:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key '{key}' occurs twice", node.start_mark
                    )
            return super().construct_mapping(node, deep=deep)

    Loader.yaml_implicit_resolvers = {
        first: [
            (tag, regexp)
            for tag, regexp in resolvers
            if not tag.endswith(("timestamp", "float", "int"))
        ]
        for first, resolvers in base.yaml_implicit_resolvers.items()
    }
    Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))
    Loader.add_implicit_resolver("tag:yaml.org,2002:int", _INT, list("-+0123456789"))
    return Loader


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping that a YAML file holds; raises ConfigError naming file and line."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_loader())
    except yaml.YAMLError as error:
        problem = " ".join(str(error).split())
        raise ConfigError([Fault(str(path), f"is not YAML: {problem}")]) from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        kind = type(content).__name__
        raise ConfigError([Fault(str(path), f"must hold keys and values; it holds a {kind}.")])
    return content


def package_header(path: Path) -> str | None:
    """Return what a line ``# @package X`` among a file's first comments says."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            text = line.strip()
            if text and not text.startswith("#"):
                return None
            found = re.match(r"#\s*@package\s+(\S+)", text)
            if found:
                return found.group(1)
    return None


def head_comment(path: Path) -> str:
    """Return a file's first comment paragraph as one line, without headers such as ``@package``."""
    words: list[str] = []
    with path.open(encoding="utf-8") as file:
        for line in file:
            text = line.strip()
            if not text.startswith("#"):
                break
            comment = text.lstrip("#").strip()
            if not comment.startswith(("@", "Generated from")):
                words.append(comment)
    return " ".join(words)
