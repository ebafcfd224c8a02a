"""Reading one YAML file as Hydra would: `1e-3` is a number, a date is text, keys occur once.

`4:00:00` is text too, as on a command line, and not YAML 1.1's number of seconds to the base 60; so
are `007` and `0x1F`, which YAML 1.1 takes for numbers to the base 8 and 16.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
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

_INT = re.compile(r"^[-+]?(?:0|[1-9][0-9_]*)$")

#: More than any config file that a person means: bytes, levels, and nodes once aliases are written
#: out (a few lines of aliases to aliases stand for billions).
MOST_BYTES = 1 << 20
DEEPEST = 50
MOST_NODES = 100_000


@cache
def _loader() -> Any:
    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            keys: set[str] = set()
            for key, _ in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    continue
                if key.value in keys:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key '{key.value}' occurs twice", key.start_mark
                    )
                keys.add(key.value)
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
    text = text_of(path)
    try:
        _judge_size(text)
        content = yaml.load(text, Loader=_loader())
    except yaml.MarkedYAMLError as error:
        raise _refused(path, f"is not YAML{_place(error, text)}") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _refused(path, f"is not YAML, line {line}: it holds a control character.") from error
    except yaml.YAMLError as error:
        raise _refused(path, f"is not YAML: {' '.join(str(error).split())}") from error
    except ValueError as error:  # Python reads no whole number of more than 4,300 digits
        raise _refused(path, f"holds what cannot be read: {error}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        kind = "list" if isinstance(content, list) else f"single value ({type(content).__name__})"
        raise _refused(path, f"must hold keys and values (key: value); it holds a {kind}.")
    return content


def text_of(path: Path) -> str:
    """Return the text of a config file; raises ConfigError for one that is none."""
    try:
        if not path.is_file():
            raise _refused(path, "is no file.")
        if (size := path.stat().st_size) > MOST_BYTES:
            raise _refused(path, f"has {size:,} bytes; a config file has {MOST_BYTES:,} at most.")
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise _refused(path, f"is not UTF-8 text, line {line}; save it as UTF-8.") from error
    except OSError as error:
        raise _refused(path, f"cannot be read: {error.strerror or error}.") from error


def _place(error: yaml.MarkedYAMLError, text: str) -> str:
    """Return the line of an error and what is wrong with it."""
    said = " ".join(each for each in (error.context, error.problem) if each)
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return f": {said}"
    lines = text.split("\n")
    line = lines[min(mark.line, len(lines) - 1)]
    if "\t" in line[: len(line) - len(line.lstrip())]:
        said = "it is indented with a tab; YAML takes spaces"
    return f", line {mark.line + 1}: {said}"


def _refused(path: Path, message: str) -> ConfigError:
    return ConfigError([Fault(str(path), message)])


def _judge_size(text: str) -> None:
    """Refuse a text that is deeper or larger than what is meant, before anything is made of it.

    Raises MarkedYAMLError. Only events are read, so that nesting takes no stack.
    """
    sizes: dict[str, int] = {}  # of finished anchors
    open_: list[tuple[str | None, int]] = []  # anchor and nodes so far of what is not closed
    for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        nodes = 0
        if isinstance(event, yaml.AliasEvent):
            if any(anchor == event.anchor for anchor, _ in open_):
                raise _too("an alias of what it stands in, without an end", event)
            nodes = sizes.get(event.anchor, 1)
        elif isinstance(event, yaml.ScalarEvent):
            nodes = 1
            if event.anchor is not None:
                sizes[event.anchor] = 1
        elif isinstance(event, yaml.CollectionStartEvent):
            open_.append((event.anchor, 1))
            if len(open_) > DEEPEST:
                raise _too(f"more than {DEEPEST} levels", event)
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, nodes = open_.pop()
            if anchor is not None:
                sizes[anchor] = nodes
        if open_ and nodes:
            anchor, before = open_[-1]
            open_[-1] = (anchor, before + nodes)
            if before + nodes > MOST_NODES:
                raise _too(f"more than {MOST_NODES:,} values, its aliases written out", event)


def _too(much: str, event: yaml.Event) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=f"it holds {much}", problem_mark=event.start_mark)


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


@dataclass(frozen=True)
class Head:
    """What the first comment of a file says: prose, and after it lines of a word and a colon."""

    prose: str
    source: str = ""
    example: str = ""
    requires: tuple[str, ...] = ()


def head(path: Path) -> Head:
    """Return what a file's first comment says, without headers such as ``@package``.

    ``Source:``, ``Example:`` and ``Requires:`` begin lines of their own; the last may be repeated.
    """
    prose: list[str] = []
    said: dict[str, list[str]] = {"Source": [], "Example": [], "Requires": []}
    with path.open(encoding="utf-8") as file:
        for line in file:
            text = line.strip()
            if not text.startswith("#"):
                break
            comment = text.lstrip("#").strip()
            word, colon, rest = comment.partition(":")
            if colon and word in said:
                said[word].append(rest.strip())
            elif not comment.startswith(("@", "Generated from")):
                prose.append(comment)
    source, example = (" ".join(said[word]) for word in ("Source", "Example"))
    return Head(" ".join(filter(None, prose)), source, example, tuple(said["Requires"]))
